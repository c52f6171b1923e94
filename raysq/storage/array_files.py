"""Files of named NumPy arrays.

Files are read only if their checksum matches, because a damaged header may request any amount of memory.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from raysq.errors import DamagedError


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write an .npz file without pickle, and return its checksum for `read_arrays`."""
    with open(path, "wb+") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_arrays(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Read an .npz file, or raise `DamagedError` if its bytes do not have the checksum."""
    try:
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise DamagedError(f"{path} is damaged (its bytes are not those that were written)")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        if isinstance(error, DamagedError):
            raise
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DamagedError(f"{path} is damaged ({reason})") from None
