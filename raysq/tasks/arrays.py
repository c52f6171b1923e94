"""The user's own table: numbers, categories, tensors and lists of ids, to predict one or more of its columns."""

from raysq.data.readers.unpack import with_compressions
from raysq.tasks.spaces import TABLES
from raysq.tasks.task import Task

TASK = Task(
    name="arrays",
    problem="arrays",
    title="your own table: columns of numbers, categories, tensors or ids, and the columns to predict",
    settings={
        "epochs": 50,
        "steps_per_epoch": None,
        "patience": 8,
        "batch_size": 64,
        "optimizer": "adam",
    },
    # Any table: columns, types and values, whatever is to be predicted.
    shows=(
        *with_compressions(".csv", ".tsv", ".jsonl", ".ndjson"),
        ".parquet",
        ".feather",
        ".arrow",
        ".xlsx",
    ),
    search_model="mlp",
    search=TABLES,
)
