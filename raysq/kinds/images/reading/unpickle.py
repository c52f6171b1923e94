"""Reading the pickles of CIFAR without running what a pickle could run.

A pickle names functions that its reader calls. Here every name but the few that an array of bytes needs is refused, and
for those stand-ins of ours are called that keep what they are given: nothing of NumPy's own is built before it is known
what it would be.
"""

import codecs
import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from raysq.errors import DataError


class _Refused(Exception):
    """A pickle asks for something else than bytes, numbers, lists and dictionaries."""


class _Type:
    """Stands for `numpy.dtype`."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = _text(code)

    def __setstate__(self, state: Any) -> None:
        """The byte order, which single bytes have not, and the parts of a structure, which there must not be."""
        if not isinstance(state, tuple) or any(part is not None for part in state[2:5]):
            raise _Refused("an array with fields")


class _Array:
    """Stands for `numpy.ndarray`."""

    def __init__(self, *_: Any) -> None:
        self.values = np.empty(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _Refused("an array of an unknown form")
        _, shape, kind, fortran, raw = state
        self.values = _values(shape, kind, "F" if fortran else "C", raw)


class _Call:
    """A function that a pickle may name: to call it is all that can be done with it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _Refused("a change of its reader")


def _class(*_: Any) -> Any:
    """Stands for `numpy.ndarray` where it is named alone, as what is to be made."""
    raise _Refused("an array of an unknown form")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _from_buffer(raw: Any, kind: Any, shape: Any, order: Any) -> _Array:
    """Stands for NumPy's own, by which pickles of protocol 5 make arrays."""
    found = _Array()
    found.values = _values(shape, kind, _text(order), raw)
    return found


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Python 3 writes bytes so in pickles that Python 2 can read."""
    if not isinstance(text, str) or _text(encoding) not in ("latin1", "latin-1"):
        raise _Refused("text in an unknown encoding")
    return codecs.encode(text, "latin-1")


_ALLOWED: dict[tuple[str, str], _Call] = {
    ("_codecs", "encode"): _Call(_encode),
    ("numpy", "dtype"): _Call(_Type),
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


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused("something outside of the file")


def read(raw: bytes, name: str) -> dict[str, Any]:
    """The dictionary of a pickle of bytes, numbers, lists, dictionaries and arrays of bytes.

    Args:
        raw: the file.
        name: its name, for messages.

    Returns:
        Its entries, the names and other short bytes as text; arrays are uint8.

    Raises:
        DataError: a pickle that asks for anything else, which is not done, or no pickle.
    """
    try:
        found = _Reader(io.BytesIO(raw), encoding="bytes").load()
    except _Refused as error:
        raise DataError(
            f"{name} is a pickle that asks for {error}, which the batches of CIFAR do not; nothing of it was run, do "
            "not trust it"
        ) from None
    except Exception as error:  # whatever a damaged pickle makes of its reader
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name} is damaged or not a batch of CIFAR ({said[:80]}); fetch it again") from None
    if not isinstance(found, dict):
        raise DataError(f"{name} is not a batch of CIFAR: it holds a {type(found).__name__}, not a dictionary")
    return {str(_text(key)): _plain(value) for key, value in found.items()}


def _values(shape: Any, kind: Any, order: Any, raw: Any) -> np.ndarray:
    """The array, once it is sure that it is one of bytes and has as many as it says."""
    if isinstance(raw, str):
        raw = raw.encode("latin-1")
    if not isinstance(kind, _Type) or kind.code not in ("u1", "uint8", "B", "|u1"):
        raise _Refused(f"an array of {getattr(kind, 'code', kind)}")
    if not (isinstance(shape, tuple) and all(isinstance(side, int) and side >= 0 for side in shape)):
        raise _Refused("an array without a shape")
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != math.prod(shape) or order not in ("C", "F"):
        raise _Refused("an array of another size than it says")
    return np.frombuffer(bytes(raw), np.uint8).reshape(shape, order=order)


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.values
    return [_text(one) for one in value] if isinstance(value, list) else _text(value)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
