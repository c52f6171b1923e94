"""Continuous bag of words on the user's own texts: predict a word from its context (Mikolov et al. 2013)."""

from raysq.tasks.alice import TASK as ALICE
from raysq.tasks.spaces import VECTORS
from raysq.tasks.task import Task

TASK = Task(
    name="cbow",
    problem="word_vectors",
    title="word vectors: a word from the words around it, on any texts",
    source=ALICE.source,  # the tutorial's text
    settings={
        "architecture": "cbow",
        "window": 2,
        "epochs": 20,
        "steps_per_epoch": None,
    },
    search_model="negative_sampling",
    search=VECTORS,
)
