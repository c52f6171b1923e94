"""Tasks by name, each defined in a short module."""

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
)
REGISTRY: Registry[Task] = Registry("task", "raysq.tasks", {name: f"raysq.tasks.{name}:TASK" for name in _BUILTIN})


def get(name: str) -> Task:
    """Return the task of a name.

    Raises:
        UsageError: there is no task of that name.
    """
    return REGISTRY.get(name)


def names() -> tuple[str, ...]:
    """Return the names of all tasks: built in, declared by other packages, and registered."""
    return REGISTRY.names()


def names_with(capability: type) -> list[str]:
    """Return the names of the tasks whose problems have a capability.

    Args:
        capability: a protocol of `raysq.problems.capabilities`.
    """
    from raysq import problems

    return [name for name in names() if issubclass(problems.get(get(name).problem), capability)]
