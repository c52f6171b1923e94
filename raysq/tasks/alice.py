"""Alice's Adventures in Wonderland: predict the next word from all words before it in the sentence."""

from raysq.tasks.spaces import LANGUAGE
from raysq.tasks.task import Source, Task

TASK = Task(
    name="alice",
    problem="language_modeling",
    title="Alice's Adventures in Wonderland: the next word from all words before it in the sentence",
    source=Source(
        url="https://www.gutenberg.org/cache/epub/11/pg11.txt",
        about="Lewis Carroll, 1865; Project Gutenberg's eBook 11, public domain in the USA: about 26,500 words",
    ),
    settings={"epochs": 40, "steps_per_epoch": None, "patience": 3, "optimizer": "adam", "learning_rate": 0.003},
    search_model="lstm_every",
    search=LANGUAGE,
)
