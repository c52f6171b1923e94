"""Pickles of other people, read without running what a pickle could run.

A pickle names functions and classes that its reader calls. Here each name is looked up among those that the caller
allows. For arrays these are stand-ins that keep what they are given: nothing of NumPy's own is built before the caller
has looked at it.
"""

import codecs
import pickle
from collections.abc import Callable
from typing import IO, Any


class Refused(Exception):
    """A pickle asks for something that it may not have; its text says what."""


class Type:
    """Stands for `numpy.dtype`.

    Attributes:
        code: such as "u1" or "O8".
    """

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = _text(code)

    def __setstate__(self, state: Any) -> None:
        """The byte order, which the caller refuses by `code`, and the parts of a structure, which there must not be."""
        if not isinstance(state, tuple) or any(part is not None for part in state[2:5]):
            raise Refused("an array with fields")


class Array:
    """Stands for `numpy.ndarray`: what the pickle says of one, none of it checked.

    Attributes:
        shape: a tuple, if the pickle is sound.
        type: a `Type`, if the pickle is sound.
        order: "C" or "F".
        values: bytes or text, or of an array of objects a list.
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
    """A function that a pickle may name: to call it is all that can be done with it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise Refused("a change of its reader")


def _class(*_: Any) -> Any:
    """Stands for `numpy.ndarray` where it is named alone, as what is to be made."""
    raise Refused("an array of an unknown form")


def _reconstruct(*_: Any) -> Array:
    return Array()


def _from_buffer(raw: Any, kind: Any, shape: Any, order: Any) -> Array:
    """Stands for NumPy's own, by which pickles of protocol 5 make arrays."""
    array = Array()
    array.shape, array.type, array.order, array.values = shape, kind, _text(order), raw
    return array


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Python 3 writes bytes so in pickles that Python 2 can read."""
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
    """The stand-ins of what arrays are made of, for `load`."""
    return _ARRAYS.get((module, name))


class _Reader(pickle.Unpickler):
    def __init__(self, stream: IO[bytes], allowed: Callable[[str, str], Any], encoding: str) -> None:
        super().__init__(stream, encoding=encoding)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        found = self._allowed(module, name)
        if found is None:
            raise Refused(f"{module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("something outside of the file")


def load(stream: IO[bytes], allowed: Callable[[str, str], Any] = arrays, *, encoding: str = "ASCII") -> Any:
    """Read a pickle.

    Args:
        stream: at the pickle's beginning.
        allowed: gives the object that stands for a name of a module, or None to refuse it; `arrays` by default, which
            allows `Array` and `Type` beside numbers, text, bytes, lists and dictionaries.
        encoding: of text that Python 2 wrote; "bytes" leaves it as it is.

    Raises:
        Refused: the pickle names something else.
        Exception: whatever a damaged pickle makes of its reader.
    """
    return _Reader(stream, allowed, encoding).load()


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
