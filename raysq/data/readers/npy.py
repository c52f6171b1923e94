"""Arrays in NumPy's own format, read by several threads at once."""

import math
import threading
from typing import IO, NamedTuple

import numpy as np

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# NumPy parses heads with `ast`. Before Python 3.11.8 and 3.12.2 two threads that parse at once may end in a SystemError
# (gh-106905 of CPython), so that threads must not call `np.load` either.
_PARSING = threading.Lock()


class NpyHeader(NamedTuple):
    """What an array says of itself."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Of all values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes]) -> NpyHeader:
    """The head of an array; leaves the file at its values.

    Raises:
        ValueError: it is none, or one of a version of the format that has field names beyond Latin-1.
    """
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise ValueError(f"version {version[0]}.{version[1]} of NumPy's form of arrays is not read here")
    with _PARSING:
        return NpyHeader(*_READERS[version](file))


def read_values(file: IO[bytes], head: NpyHeader) -> np.ndarray:
    """The values behind a head that names no Python objects.

    Raises:
        EOFError: there are fewer.
    """
    data = read_exactly(file, head.bytes)
    return np.ndarray(head.shape, head.dtype, data, order="F" if head.fortran else "C")


def read_exactly(file: IO[bytes], size: int) -> bytes:
    """So many bytes of an array.

    Raises:
        EOFError: there are fewer.
    """
    data = file.read(size)
    if len(data) < size:
        raise EOFError("it ends in the middle of an array")
    return data
