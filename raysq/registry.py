"""Registries of tasks and problems by name: built in, registered by a call, or declared by entry points."""

import importlib
from collections.abc import Callable, Mapping
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
        validate: called with an object of another package or a script. Raises `UsageError` if it cannot be used.

    Attributes:
        registered: objects registered by a call, by name.
    """

    def __init__(self, noun: str, group: str, builtin: Mapping[str, str], validate: Callable[[Any], None]):
        self.noun = noun
        self.group = group
        self.builtin = dict(builtin)
        self.registered: dict[str, T] = {}
        self._validate = validate
        self._loaded: dict[str, T] = {}

    @cached_property
    def _declared(self) -> "dict[str, list[EntryPoint]]":
        """Entry points of other packages by name. A correct name has one."""
        from importlib.metadata import entry_points

        declared: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            if point not in declared.setdefault(point.name, []):  # a package may be on sys.path twice
                declared[point.name].append(point)
        return declared

    def names(self) -> tuple[str, ...]:
        """Return all names: built in, declared, registered."""
        return tuple(dict.fromkeys((*self.builtin, *sorted(self._declared), *self.registered)))

    def usable(self) -> dict[str, T]:
        """Return all objects by name, without those of other packages that cannot be imported or used."""
        errors = self.errors()
        return {name: self.get(name) for name in self.names() if name not in errors or name in self.builtin}

    def errors(self) -> dict[str, UsageError]:
        """Return by name why objects of other packages cannot be used."""
        errors = {}
        for name in self._declared:
            try:
                self._load(name)
            except UsageError as error:
                errors[name] = error
        return errors

    def register(self, value: T) -> None:
        """Register an object under its `name`.

        A name that was registered before is replaced, as running a notebook's cell again does.

        Raises:
            UsageError: the object cannot be used, or its name is taken.
        """
        self._validate(value)
        name: str = value.name  # type: ignore[attr-defined]  # checked by `validate`
        if name in self.builtin:
            raise UsageError(f"{self.noun} {name!r} is built in: give yours another name")
        if name in self._declared and value is not self._loaded.get(name):
            package = _package(self._declared[name][0])
            raise UsageError(f"{self.noun} {name!r} is one of package {package}: give yours another name")
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
        return self._load(name)

    def provider(self, name: str) -> str:
        """Return the package or the module that an object comes from; "" if it is built in."""
        if name in self.builtin:
            return ""
        if name in self.registered:
            value: Any = self.registered[name]
            return str(getattr(value, "__module__", ""))
        return _package(self._declared[name][0])

    def _load(self, name: str) -> T:
        """Import the object that an entry point declares."""
        if name in self._loaded:
            return self._loaded[name]
        point, *others = self._declared[name]
        packages = " and ".join(dict.fromkeys(_package(point) for point in (point, *others)))
        where = f"{self.noun} {name!r} of package {packages}"
        if name in self.builtin:
            raise UsageError(f"{where} has the name of a built-in one: rename it")
        if others:
            raise UsageError(f"{where}: uninstall all but one, since the name is ambiguous")
        try:
            value: Any = point.load()
        except Exception as error:  # another package's code may raise anything
            raise UsageError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
        try:
            self._validate(value)
        except UsageError as error:
            raise UsageError(f"{where} cannot be used: {error.message}", error.hint) from None
        if value.name != name:
            raise UsageError(f"{where} is named {value.name!r}: give its entry point this name")
        self._loaded[name] = value
        return self._loaded[name]


def _package(point: "EntryPoint") -> str:
    return point.dist.name if point.dist else point.value
