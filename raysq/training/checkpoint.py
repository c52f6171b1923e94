"""Checkpoints on disk: arrays in an .npz without pickle, state in JSON, swapped in as a whole."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from raysq.atomic import replace_directory
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
    np.savez(new / "variables.npz", **variables)  # type: ignore[arg-type]
    (new / "state.json").write_text(json.dumps({"format_version": FORMAT_VERSION, **state}, indent=1))
    replace_directory(new, directory, old)


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
