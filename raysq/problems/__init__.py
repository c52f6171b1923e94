"""Problems by name. A problem's module is imported when it is first used."""

import importlib
from typing import TYPE_CHECKING, Any, TypeVar

from raysq.config import Option
from raysq.registry import Registry

if TYPE_CHECKING:
    from raysq.problems.base import Problem

P = TypeVar("P", bound="type[Problem[Any, Any]]")


def _validate(problem: Any) -> None:
    from raysq.problems.validation import validate_problem  # imports all that problems are made of

    validate_problem(problem)


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
        "arrays": "raysq.problems.arrays.problem:Tables",
    },
    _validate,
)


def register_problem(problem: P) -> P:
    """Register a problem, so that tasks can name it.

    Packages declare their problems by entry points of the group `raysq.problems` instead, which need no import. A
    problem that a script or notebook registers is known to the processes that Ray starts for it.

    Args:
        problem: a subclass of `raysq.Problem`. A problem of the same name that was registered before is replaced.

    Returns:
        The class itself, so that the function can be used as a decorator.

    Raises:
        UsageError: the class is incomplete, or its name is taken.

    Example:
        >>> @raysq.register_problem
        ... class PointLabels(raysq.Problem[PointSettings, PointMetadata]): ...
    """
    REGISTRY.register(problem)
    return problem


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
