"""Untrusted pickles, read without running code that they name.

A pickle names functions and classes for its reader to call. This reader looks up each name among those that the caller
allows. For arrays these are stand-ins that store their arguments. No NumPy object is created before the caller has
checked them.
"""

import codecs
import pickle
from collections.abc import Callable
from typing import IO, Any


class Refused(Exception):
    """Raised for a pickle that names something not allowed. The message says what."""


class Type:
    """Stand-in for `numpy.dtype`. Its code is such as "u1" or "O8"."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = _text(code)

    def __setstate__(self, state: Any) -> None:
        """Reject structured types. The caller checks the byte order through `code`."""
        if not isinstance(state, tuple) or any(part is not None for part in state[2:5]):
            raise Refused("an array with fields")


class Array:
    """Stand-in for `numpy.ndarray` that stores the pickle's values unchecked.

    Attributes:
        shape: a tuple, if the pickle is valid.
        type: a `Type`, if the pickle is valid.
        values: bytes or text; a list for an array of objects.
    """

    def __init__(self) -> None:
        self.shape: Any = None
        self.type: Any = None
        self.order: Any = "C"
        self.values: Any = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Refused("an array of an unknown form")
        _, self.shape, self.type, fortran, self.values = state
        self.order = "F" if fortran else "C"


class _Call:
    """Wrapper of a function that a pickle may name. It supports calling only."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise Refused("a change of its reader")


def _class(*_: Any) -> Any:
    """Stand-in for `numpy.ndarray` named as a class to instantiate, which is rejected."""
    raise Refused("an array of an unknown form")


def _reconstruct(*_: Any) -> Array:
    return Array()


def _from_buffer(raw: Any, kind: Any, shape: Any, order: Any) -> Array:
    """Stand-in for `numpy.core.numeric._frombuffer`, which creates arrays in pickles of protocol 5."""
    array = Array()
    array.shape, array.type, array.order, array.values = shape, kind, _text(order), raw
    return array


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Stand-in for `codecs.encode`, by which Python 3 stores bytes in pickles for Python 2."""
    if not isinstance(text, str) or _text(encoding) not in ("latin1", "latin-1"):
        raise Refused("text in an unknown encoding")
    return codecs.encode(text, "latin-1")


_ARRAYS: dict[tuple[str, str], _Call] = {
    ("_codecs", "encode"): _Call(_encode),
    ("numpy", "dtype"): _Call(Type),
    ("numpy", "ndarray"): _Call(_class),
    **{
        (f"numpy.{core}.{module}", name): _Call(function)
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


def arrays(module: str, name: str) -> Any:
    """Return the stand-in for a name that pickled arrays use, for `load`."""
    return _ARRAYS.get((module, name))


class _Reader(pickle.Unpickler):
    def __init__(self, stream: IO[bytes], allowed: Callable[[str, str], Any], encoding: str) -> None:
        super().__init__(stream, encoding=encoding)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        stand_in = self._allowed(module, name)
        if stand_in is None:
            raise Refused(f"{module}.{name}")
        return stand_in

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("something outside of the file")


def load(stream: IO[bytes], allowed: Callable[[str, str], Any] = arrays, *, encoding: str = "ASCII") -> Any:
    """Read a pickle.

    Args:
        allowed: returns the object for a module and a name, or None to reject the name. The default `arrays` allows
            `Array` and `Type` besides numbers, text, bytes, lists and dictionaries.
        encoding: encoding of text written by Python 2; "bytes" keeps it as bytes.

    Raises:
        Refused: the pickle names something else.
        Exception: any error that a damaged pickle causes.
    """
    return _Reader(stream, allowed, encoding).load()


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
