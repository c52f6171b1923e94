"""Arrays in NumPy's .npy format, read by several threads concurrently."""

import math
import threading
from typing import IO, NamedTuple

import numpy as np

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# NumPy parses headers with `ast`. Before Python 3.11.8 and 3.12.2, parsing in two threads at once may raise SystemError
# (gh-106905 of CPython). For the same reason threads must not call `np.load`.
_PARSING = threading.Lock()


class NpyHeader(NamedTuple):
    """Shape, memory order and data type of an array, from its header."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Size of all values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes]) -> NpyHeader:
    """Read the header of an array, up to its values. Raise `ValueError` for an unsupported one."""
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise ValueError(f"version {version[0]}.{version[1]} of NumPy's form of arrays is not read here")
    with _PARSING:
        return NpyHeader(*_READERS[version](file))


def read_values(file: IO[bytes], head: NpyHeader) -> np.ndarray:
    """Read the values after a header.

    The data type must not contain Python objects. Raise `EOFError` for too few bytes.
    """
    data = read_exactly(file, head.bytes)
    return np.ndarray(head.shape, head.dtype, data, order="F" if head.fortran else "C")


def read_exactly(file: IO[bytes], size: int) -> bytes:
    """Read exactly `size` bytes of an array, or raise `EOFError`."""
    data = file.read(size)
    if len(data) < size:
        raise EOFError("it ends in the middle of an array")
    return data
