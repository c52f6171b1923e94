"""Problem types by name. A problem's package is imported when it is first used."""

import importlib

from raysq.config import nearest_name
from raysq.errors import UsageError
from raysq.problems.base import Problem

PROBLEMS = ("forecasting", "text_classification", "language_modeling", "translation", "word_vectors", "images")


def get(name: str) -> Problem:
    """Return the problem with the given name.

    Args:
        name: one of `PROBLEMS`.

    Raises:
        UsageError: no problem has this name.
    """
    if name not in PROBLEMS:
        raise UsageError(f"unknown problem {name!r}: {nearest_name(name, PROBLEMS)}")
    problem: Problem = importlib.import_module(f"raysq.problems.{name}").PROBLEM
    return problem
