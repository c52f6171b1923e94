"""Registries of tasks and problems by name: built in, registered by a call, or declared by entry points."""

import importlib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from raysq.config import nearest_name
from raysq.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Generic[T]):
    """Objects by name, imported when they are first used.

    Args:
        noun: what is registered, for messages: "task".
        group: group of entry points of other packages: "raysq.tasks". An entry point's name is the object's name.
        builtin: `module:attribute` of each built-in object, by name.
    """

    def __init__(self, noun: str, group: str, builtin: Mapping[str, str]):
        self.noun = noun
        self.group = group
        self.builtin = dict(builtin)
        self.registered: dict[str, T] = {}

    @cached_property
    def _declared(self) -> "dict[str, EntryPoint]":
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=self.group) if point.name not in self.builtin}

    def names(self) -> tuple[str, ...]:
        """Return all names: built in, declared, registered."""
        return tuple(dict.fromkeys((*self.builtin, *sorted(self._declared), *self.registered)))

    def register(self, name: str, value: T) -> None:
        """Register an object. Registering a name again replaces its object, as running a notebook's cell again does.

        Raises:
            UsageError: a built-in object has the name.
        """
        if name in self.builtin:
            raise UsageError(f"{self.noun} {name!r} is built in: give yours another name")
        self.registered[name] = value

    def get(self, name: str) -> T:
        """Return the object of a name.

        Raises:
            UsageError: there is none of that name, or the package that declares it cannot be imported.
        """
        if name in self.registered:
            return self.registered[name]
        if name in self.builtin:
            module, _, attribute = self.builtin[name].partition(":")
            value: T = getattr(importlib.import_module(module), attribute)
            return value
        if name not in self._declared:
            raise UsageError(f"unknown {self.noun} {name!r}: {nearest_name(name, self.names())}")
        point = self._declared[name]
        try:
            loaded: Any = point.load()
        except Exception as error:  # another package's code may raise anything
            package = point.dist.name if point.dist else point.value
            raise UsageError(
                f"{self.noun} {name!r} of package {package} cannot be imported: {type(error).__name__}: {error}"
            ) from error
        self.registered[name] = loaded
        return self.registered[name]
