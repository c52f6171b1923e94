"""Checkpoints on disk: arrays in an .npz file without pickle, state and checksum in JSON, replaced atomically."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raysq.display.terminal import print_message
from raysq.errors import DamagedError, DataError
from raysq.storage.array_files import read_arrays, write_arrays
from raysq.storage.atomic import replace_directory, write_json
from raysq.storage.json_files import Version, read_json
from raysq.training.run import Run

FORMAT_VERSION = 2  # 2: checksums
_VERSION = Version(FORMAT_VERSION, oldest=2)
_HINT = "--fresh starts anew"


@dataclass
class _State:
    """Schema of `state.json`; further keys are not allowed."""

    format_version: int
    epoch: int
    step: int
    seconds: float
    best: float | None
    best_epoch: int
    wait: int
    plateau_wait: int
    rate_scale: float
    stopped: bool
    sha256: str = ""


def save(directory: Path, variables: dict[str, np.ndarray], state: dict[str, Any]) -> None:
    """Write a checkpoint.

    At every moment, `directory` or its `.old` sibling is a complete checkpoint.

    Args:
        directory: directory of the checkpoint, such as RUN/checkpoints/last.
        variables: values by name.
        state: state of the training loop, ready for JSON.
    """
    new, old = directory.with_name(directory.name + ".new"), directory.with_name(directory.name + ".old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    sha256 = write_arrays(new / "variables.npz", variables)
    # No sync here: `replace_directory` syncs all files before it moves them.
    write_json(new / "state.json", {"format_version": FORMAT_VERSION, **state, "sha256": sha256}, durable=False)
    replace_directory(new, directory, old)


Saved = tuple[dict[str, np.ndarray], dict[str, Any]]


def load(directory: Path) -> Saved | None:
    """Return the variables and state of a checkpoint, or of the one it was replacing.

    Args:
        directory: directory of the checkpoint.

    Returns:
        The variables by name and the state, or None where there is no checkpoint.

    Raises:
        DamagedError: no checkpoint can be read.
        DataError: a newer raysq wrote it.
    """
    errors: list[DamagedError] = []
    for place in (directory, directory.with_name(directory.name + ".old")):
        if place.exists():
            try:
                return _read(place)
            except DamagedError as error:
                errors.append(error)
    if errors:
        raise DamagedError(errors[0], _HINT)
    return None


def reached(run_directory: Path) -> int:
    """Return the step of a run's last checkpoint without reading its arrays; 0 where none can be read.

    Args:
        run_directory: directory of the run.
    """
    last = run_directory / "checkpoints" / "last"
    for place in (last, last.with_name("last.old")):
        try:
            found: Any = read_json(place / "state.json", _State, "", version=_VERSION, missing=None)
        except DataError:
            continue
        if found is not None:
            return int(found["step"])
    return 0


def say(message: str) -> None:
    """Print on standard error that another checkpoint is used in place of a damaged one.

    Args:
        message: text that names the damage and the loss.
    """
    print_message(message)


def load_last(run: Run, on_fallback: Callable[[str], None] = say) -> Saved | None:
    """Return the checkpoint to continue from: the last one, or the best one where the last is damaged.

    Args:
        run: the run.
        on_fallback: called with a message that names the damage and the loss. Defaults to printing on standard error.

    Returns:
        The variables by name and the state, or None where there is no checkpoint.

    Raises:
        DamagedError: both checkpoints are damaged.
    """
    lost = "training goes on from the best epoch, {epoch}, and what came after it is trained again"
    return _either(run.last, run.best, lost, on_fallback)


def load_best(run: Run, on_fallback: Callable[[str], None] = say) -> Saved | None:
    """Return the checkpoint of the best epoch, or the last one where the best is damaged.

    Args:
        run: the run.
        on_fallback: called with a message that names the damage and the loss. Defaults to printing on standard error.

    Returns:
        The variables by name and the state, or None where there is no checkpoint.

    Raises:
        DamagedError: both checkpoints are damaged.
    """
    lost = "the weights of the best epoch are lost, those of the last one, {epoch}, stand in for them"
    return _either(run.best, run.last, lost, on_fallback)


def _either(first: Path, second: Path, lost: str, on_fallback: Callable[[str], None]) -> Saved | None:
    try:
        return load(first)
    except DamagedError as error:
        try:
            saved = load(second)
        except DamagedError:
            saved = None
        if saved is None:
            raise
        on_fallback(f"{error.message}: {lost.format(epoch=saved[1]['epoch'])}")
        return saved


def _read(directory: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    state: Any = read_json(directory / "state.json", _State, "", version=_VERSION)
    del state["format_version"]
    sha256 = state.pop("sha256", None)
    if sha256 is None:
        raise DamagedError(f"{directory / 'state.json'} is damaged (it has no checksum)")
    return read_arrays(directory / "variables.npz", sha256), state
