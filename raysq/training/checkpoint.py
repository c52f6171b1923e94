"""Checkpoints on disk: arrays in an .npz without pickle, state in JSON, swapped in as a whole."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from raysq.errors import DataError

FORMAT_VERSION = 1


def save(directory: Path, variables: dict[str, np.ndarray], state: dict[str, Any]) -> None:
    """Writes a checkpoint; at every moment `directory` or its `.old` sibling is a whole one.

    Args:
        directory: where, such as RUN/checkpoints/last.
        variables: values by name.
        state: JSON-ready state of the loop.
    """
    new, old = directory.with_name(directory.name + ".new"), directory.with_name(directory.name + ".old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    with open(new / "variables.npz", "wb") as file:
        np.savez(file, **variables)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    with open(new / "state.json", "w") as file:
        json.dump({"format_version": FORMAT_VERSION, **state}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    if directory.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(directory, old)
    os.rename(new, directory)
    shutil.rmtree(old, ignore_errors=True)


def load(directory: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The variables and state of a checkpoint, or None where there is none.

    Raises:
        DataError: it was written by a newer raysq, or cannot be read.
    """
    if not directory.exists():
        directory = directory.with_name(directory.name + ".old")
        if not directory.exists():
            return None
    try:
        state = json.loads((directory / "state.json").read_text())
        version = state.pop("format_version")
        if version > FORMAT_VERSION:
            raise DataError(
                f"checkpoint {directory} has format {version}, this raysq reads up to {FORMAT_VERSION}: upgrade raysq"
            )
        with np.load(directory / "variables.npz", allow_pickle=False) as file:
            return dict(file), state
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"checkpoint {directory} cannot be read ({error}); --fresh starts anew") from None
