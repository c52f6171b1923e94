"""Tasks by name, each defined in a short module."""

import importlib

from raysq.config import nearest_name
from raysq.errors import UsageError
from raysq.tasks.task import Task

TASKS = (
    "jena",
    "beijing",
    "forecast",
    "imdb",
    "newsgroups",
    "classify",
    "alice",
    "text",
    "translation",
    "pairs",
    "cbow",
    "skipgram",
    "mnist",
    "cifar10",
    "images",
)


def get(name: str) -> Task:
    """Return the task of a name.

    Args:
        name: One of `TASKS`.

    Raises:
        UsageError: If there is no task of that name.
    """
    if name not in TASKS:
        raise UsageError(f"unknown task {name!r}: {nearest_name(name, TASKS)}")
    task: Task = importlib.import_module(f"raysq.tasks.{name}").TASK
    return task
