"""The user's own labeled texts: a csv, JSONL or Parquet file, or a folder of files for each class."""

from raysq.tasks.spaces import TEXT
from raysq.tasks.task import Task

TASK = Task(
    name="classify",
    problem="text_classification",
    title="your own texts: a file with a column of texts and one of labels, or a folder of files for each class",
    settings={"epochs": 20, "steps_per_epoch": None, "patience": 3, "batch_size": 128, "maxlen": 200},
    search_model="rnn",
    search=TEXT,
)
