"""Continuous bag of words on the user's own texts: predict a word from its context (Mikolov et al. 2013)."""

from raysq.tasks.spaces import VECTORS
from raysq.tasks.task import Task

TASK = Task(
    name="cbow",
    problem="word_vectors",
    title="word vectors: a word from the words around it, on any texts",
    settings={
        "architecture": "cbow",
        "window": 2,
        "epochs": 20,
        "steps_per_epoch": None,
    },
    search_model="negative_sampling",
    search=VECTORS,
)
