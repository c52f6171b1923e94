"""Problems by name. A problem's module is imported when it is first used."""

import importlib
from typing import TYPE_CHECKING, Any

from raysq.config import Option
from raysq.registry import Registry

if TYPE_CHECKING:
    from raysq.problems.base import Problem

REGISTRY: "Registry[type[Problem[Any, Any]]]" = Registry(
    "problem",
    "raysq.problems",
    {
        "forecasting": "raysq.problems.forecasting.problem:Forecasting",
        "text_classification": "raysq.problems.text_classification.problem:TextClassification",
        "language_modeling": "raysq.problems.language_modeling.problem:LanguageModeling",
        "translation": "raysq.problems.translation.problem:Translation",
        "word_vectors": "raysq.problems.word_vectors.problem:WordVectors",
        "images": "raysq.problems.images.problem:Images",
    },
)


def get(name: str) -> "type[Problem[Any, Any]]":
    """Return the problem class of a name.

    Raises:
        UsageError: no problem has this name.
    """
    return REGISTRY.get(name)


def command_options(name: str, command: str) -> tuple[Option, ...]:
    """Return the options that a problem declares for a command.

    Of a built-in problem only a small module of its options is imported, so that `raysq --help` is fast.

    Args:
        name: name of the problem.
        command: "prepare" or "report".
    """
    if name in REGISTRY.builtin:
        module = importlib.import_module(f"raysq.problems.{name}.options")
        options: tuple[Option, ...] = getattr(module, command.upper(), ())
        return options
    problem = get(name)
    return problem.prepare_options if command == "prepare" else problem.report_options
