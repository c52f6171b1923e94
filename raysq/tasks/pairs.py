"""The user's own pairs of sentences: two line-aligned files, or a file with two columns."""

from raysq.tasks.spaces import TRANSLATION
from raysq.tasks.task import Task

TASK = Task(
    name="pairs",
    problem="translation",
    title="your own pairs of sentences: two files line by line, or a file with a column of each",
    settings={
        "epochs": 20,
        "steps_per_epoch": None,
        # On two thousand pairs, larger batches or less patience stop when only the most common words are learned.
        "patience": 5,
        "batch_size": 32,
        "optimizer": "adam",
        "learning_rate": 0.003,
        "clipnorm": 1.0,
    },
    search_model="encoder_decoder",
    search=TRANSLATION,
)
