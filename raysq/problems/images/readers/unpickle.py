"""Safe reader of the pickles of CIFAR: bytes, numbers, lists, dictionaries and arrays of bytes."""

import io
import math
from typing import Any

import numpy as np

from raysq.data.readers.pickles import Array, Refused, Type, load
from raysq.errors import DataError


def read(raw: bytes, name: str) -> dict[str, Any]:
    """Read the dictionary of a pickle without running code.

    Args:
        raw: content of the file.
        name: name of the file, for errors.

    Returns:
        The entries of the dictionary, with bytes as text and arrays as uint8.

    Raises:
        DataError: the file is no pickle of a dictionary, is damaged, or asks for any other type or function.
    """
    try:
        batch = load(io.BytesIO(raw), encoding="bytes")
        if isinstance(batch, dict):
            return {str(_text(key)): _plain(value) for key, value in batch.items()}
    except Refused as error:
        raise DataError(
            f"{name} is a pickle that asks for {error}, which the batches of CIFAR do not; nothing of it was run, do "
            "not trust it"
        ) from None
    except Exception as error:  # a damaged pickle may raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name} is damaged or not a batch of CIFAR ({reason[:80]}); fetch it again") from None
    raise DataError(f"{name} is not a batch of CIFAR: it holds a {type(batch).__name__}, not a dictionary")


def _values(array: Array) -> np.ndarray:
    """Return the NumPy array, after checking that it holds bytes and has the size it claims."""
    raw = array.values.encode("latin-1") if isinstance(array.values, str) else array.values
    shape, element_type = array.shape, array.type
    if not isinstance(element_type, Type) or element_type.code not in ("u1", "uint8", "B", "|u1"):
        raise Refused(f"an array of {getattr(element_type, 'code', element_type)}")
    if not (isinstance(shape, tuple) and all(isinstance(side, int) and side >= 0 for side in shape)):
        raise Refused("an array without a shape")
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != math.prod(shape) or array.order not in ("C", "F"):
        raise Refused("an array of another size than it says")
    return np.frombuffer(bytes(raw), np.uint8).reshape(shape, order=array.order)


def _plain(value: Any) -> Any:
    if isinstance(value, Array):
        return _values(value)
    return [_text(item) for item in value] if isinstance(value, list) else _text(value)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
