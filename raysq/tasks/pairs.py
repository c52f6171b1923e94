"""A person's own pairs of sentences: two line-aligned files, or a file with two columns."""

from raysq.tasks.spaces import TRANSLATION
from raysq.tasks.task import Task

TASK = Task(
    name="pairs",
    kind="pairs",
    title="your own pairs of sentences: two files line by line, or a file with a column of each",
    settings={
        "epochs": 20,
        "steps_per_epoch": None,
        "patience": 3,
        "batch_size": 128,
        "optimizer": "adam",
        "learning_rate": 0.002,
        "clipnorm": 1.0,
    },
    search_model="encoder_decoder",
    search=TRANSLATION,
)
