"""Problems of sequence data, found by name and imported only when used."""

import importlib

from raysq.config import nearest_name
from raysq.errors import UsageError
from raysq.problems.base import Problem

PROBLEMS = ("forecasting", "text_classification", "language_modeling", "translation", "word_vectors", "images")


def get(name: str) -> Problem:
    """The problem of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in PROBLEMS:
        raise UsageError(f"unknown problem {name!r}: {nearest_name(name, PROBLEMS)}")
    problem: Problem = importlib.import_module(f"raysq.problems.{name}").PROBLEM
    return problem
