"""The tasks, found by name; one short module each."""

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
    """The task of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in TASKS:
        raise UsageError(f"unknown task {name!r}: {nearest_name(name, TASKS)}")
    task: Task = importlib.import_module(f"raysq.tasks.{name}").TASK
    return task
