"""Tasks by name, each defined in a short module."""

from typing import Any

from raysq.errors import UsageError
from raysq.registry import Registry
from raysq.tasks.task import Task

_BUILTIN = (
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
    "arrays",
)


def _validate(task: Any) -> None:
    from raysq.tasks.validation import validate_task  # imports the task's problem

    validate_task(task)


REGISTRY: Registry[Task] = Registry(
    "task", "raysq.tasks", {name: f"raysq.tasks.{name}:TASK" for name in _BUILTIN}, _validate
)


def register_task(task: Task) -> Task:
    """Register a task, so that every function of raysq takes its name.

    Packages declare their tasks by entry points of the group `raysq.tasks` instead, which need no import. A task that
    a script or notebook registers is known to the processes that Ray starts for it.

    Args:
        task: the task. A task of the same name that was registered before is replaced.

    Returns:
        The task itself.

    Raises:
        UsageError: the task does not fit its problem, its problem is unknown, or its name is taken.

    Example:
        >>> raysq.register_task(raysq.Task(name="power", problem="forecasting", title="load of the power grid"))
        >>> raysq.prepare("power", source="load.csv")
    """
    REGISTRY.register(task)
    return task


def get(name: str) -> Task:
    """Return the task of a name.

    Raises:
        UsageError: there is no task of that name.
    """
    return REGISTRY.get(name)


def default_model(name: str, *, search: bool = False) -> str:
    """Return the model of a task that is trained, or searched, if none is named.

    Raises:
        UsageError: there is no task of that name.
    """
    from raysq import problems

    task = get(name)
    return (search and task.search_model) or task.model or problems.get(task.problem).default_model


def names() -> tuple[str, ...]:
    """Return the names of all tasks: built in, declared by other packages, and registered."""
    return REGISTRY.names()


def usable() -> dict[str, Task]:
    """Return all tasks by name, without those of other packages that cannot be used."""
    return REGISTRY.usable()


def errors() -> dict[str, UsageError]:
    """Return by name why tasks of other packages cannot be used."""
    return REGISTRY.errors()


def names_with(capability: type) -> list[str]:
    """Return the names of the tasks whose problems have a capability.

    Args:
        capability: a protocol of `raysq.problems.capabilities`.
    """
    from raysq import problems

    return [name for name, task in usable().items() if issubclass(problems.get(task.problem), capability)]
