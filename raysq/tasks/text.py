"""The user's own running text: a .txt file or folder of them, or a column of a csv, JSONL or Parquet file."""

from raysq.data.readers.unpack import with_compressions
from raysq.tasks.spaces import LANGUAGE
from raysq.tasks.task import Task

TASK = Task(
    name="text",
    problem="language_modeling",
    title="your own running text: any .txt file or a folder of them, or a column of a table; the next word",
    settings={"epochs": 20, "steps_per_epoch": None, "patience": 3, "optimizer": "adam", "learning_rate": 0.003},
    shows=with_compressions(".txt", ".text"),
    search_model="lstm_every",
    search=LANGUAGE,
)
