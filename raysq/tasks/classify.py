"""The user's own labeled texts: a csv, JSONL or Parquet file, or a folder of files for each class."""

from raysq.problems.text_classification.size_defaults import SIZE_RULE
from raysq.tasks.spaces import TEXT
from raysq.tasks.task import Task

TASK = Task(
    name="classify",
    problem="text_classification",
    title="your own texts: a file with a column of texts and one of labels, or a folder of files for each class",
    settings={"steps_per_epoch": None, "maxlen": 200},
    model="fasttext",
    size_rule=SIZE_RULE,
    search_model="rnn",
    search=TEXT,
)
