"""Skip-gram on the user's own texts: predict the context of a word (Mikolov et al. 2013)."""

from raysq.tasks.alice import TASK as ALICE
from raysq.tasks.spaces import VECTORS
from raysq.tasks.task import Task

TASK = Task(
    name="skipgram",
    problem="word_vectors",
    title="word vectors: the words around a word from the word, on any texts",
    source=ALICE.source,  # the tutorial's text
    settings={
        "architecture": "skipgram",
        "window": 2,
        "epochs": 20,
        "steps_per_epoch": None,
    },
    search_model="negative_sampling",
    search=VECTORS,
)
