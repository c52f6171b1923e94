"""Checkpoints on disk: arrays in an .npz file without pickle, state and checksum in JSON, replaced atomically."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from raysq.display.terminal import print_message
from raysq.errors import DamagedError, DataError
from raysq.storage.array_files import read_arrays, write_arrays
from raysq.storage.atomic import replace_directory, write_json
from raysq.storage.json_files import Version, read_json
from raysq.training.run_files import RunFiles

FORMAT_VERSION = 3  # 2: checksums; 3: states of callbacks, in checkpoints that have any
_WITHOUT_CALLBACKS = 2
_CALLBACKS = "callbacks/"  # prefix of the names of their arrays
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
    callbacks: dict[str, Any] = field(default_factory=dict)


class CallbackStates(NamedTuple):
    """States of callbacks.

    Attributes:
        values: states by name, ready for JSON.
        arrays: their arrays by name.
    """

    values: dict[str, Any] = {}  # noqa: RUF012  never changed
    arrays: dict[str, np.ndarray] = {}  # noqa: RUF012


NO_STATES = CallbackStates()


def save(
    directory: Path,
    variables: Mapping[str, np.ndarray],
    state: dict[str, Any],
    callbacks: CallbackStates = NO_STATES,
) -> None:
    """Write a checkpoint.

    At every moment, `directory` or its `.old` sibling is a complete checkpoint.

    Args:
        directory: directory of the checkpoint, such as RUN/checkpoints/last.
        variables: values of all variables by name.
        state: state of the training loop, ready for JSON.
        callbacks: states of callbacks. Defaults to none.
    """
    new, old = directory.with_name(f"{directory.name}.new"), _with_old(directory)[1]
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    arrays = {**variables, **{_CALLBACKS + name: value for name, value in callbacks.arrays.items()}}
    sha256 = write_arrays(new / "variables.npz", arrays)
    version: dict[str, Any] = {"format_version": FORMAT_VERSION if callbacks.values else _WITHOUT_CALLBACKS}
    if callbacks.values:
        state = {**state, "callbacks": callbacks.values}
    # No sync here: `replace_directory` syncs all files before it moves them.
    write_json(new / "state.json", {**version, **state, "sha256": sha256}, durable=False)
    replace_directory(new, directory, old)


class Checkpoint(NamedTuple):
    """Content of a checkpoint.

    Attributes:
        variables: values by name.
        state: state of the training loop; see `raysq.training.state.TrainState.from_json`.
        callbacks: states of callbacks.
    """

    variables: dict[str, np.ndarray]
    state: dict[str, Any]
    callbacks: CallbackStates


def load(directory: Path) -> Checkpoint | None:
    """Return a checkpoint, or the one it was replacing; None where there is no checkpoint.

    Raises:
        DamagedError: no checkpoint can be read.
        DataError: a newer raysq wrote it.
    """
    errors: list[DamagedError] = []
    for path in _with_old(directory):
        if path.exists():
            try:
                return _read(path)
            except DamagedError as error:
                errors.append(error)
    if errors:
        raise DamagedError(errors[0], _HINT)
    return None


def reached(run_directory: Path) -> int:
    """Return the step of a run's last checkpoint without reading its arrays; 0 where none can be read."""
    state = _read_state(run_directory / "checkpoints" / "last")
    return int(state["step"]) if state else 0


def saved_records(run: RunFiles) -> list[dict[str, Any]]:
    """Return the records of the epochs whose checkpoints are written, the best of them included.

    An epoch's record is written before its checkpoints, and the best checkpoint before the last one.

    Raises:
        DamagedError: the records are damaged.
    """
    records = run.metrics()  # before the checkpoint, which may be replaced meanwhile
    state = _read_state(run.last)
    if state is None and any(path.exists() for path in _with_old(run.last)):
        state = _read_state(run.best)  # stands in for a damaged one, as in `load_last`
    return records[: state["epoch"]] if state else []


def _read_state(directory: Path) -> dict[str, Any] | None:
    """Return the state of a checkpoint, or of the one it was replacing; None where neither can be read."""
    for path in _with_old(directory):
        try:
            state: Any = read_json(path / "state.json", _State, "", version=_VERSION, missing=None)
        except DataError:
            continue
        if state is not None:
            return dict(state)
    return None


def load_last(run: RunFiles, on_fallback: Callable[[str], None] = print_message) -> Checkpoint | None:
    """Return the checkpoint to continue from: the last one, or the best one where the last is damaged.

    Args:
        run: the run.
        on_fallback: called with a message that names the damage and the loss. Defaults to printing on standard error.

    Returns:
        The checkpoint, or None where there is none.

    Raises:
        DamagedError: both checkpoints are damaged.
    """
    loss = "training goes on from the best epoch, {epoch}, and what came after it is trained again"
    return _load_either(run.last, run.best, loss, on_fallback)


def load_best(run: RunFiles, on_fallback: Callable[[str], None] = print_message) -> Checkpoint | None:
    """Return the checkpoint of the best epoch, or the last one where the best is damaged; see `load_last`."""
    loss = "the weights of the best epoch are lost, those of the last one, {epoch}, stand in for them"
    return _load_either(run.best, run.last, loss, on_fallback)


def _with_old(directory: Path) -> tuple[Path, Path]:
    return directory, directory.with_name(f"{directory.name}.old")


def _load_either(first: Path, second: Path, loss: str, on_fallback: Callable[[str], None]) -> Checkpoint | None:
    try:
        return load(first)
    except DamagedError as error:
        try:
            fallback = load(second)
        except DamagedError:
            fallback = None
        if fallback is None:
            raise
        on_fallback(f"{error.message}: {loss.format(epoch=fallback.state['epoch'])}")
        return fallback


def _read(directory: Path) -> Checkpoint:
    state: Any = read_json(directory / "state.json", _State, "", version=_VERSION)
    del state["format_version"]
    sha256 = state.pop("sha256", None)
    if sha256 is None:
        raise DamagedError(f"{directory / 'state.json'} is damaged (it has no checksum)")
    arrays = read_arrays(directory / "variables.npz", sha256)
    own = {name: value for name, value in arrays.items() if name.startswith(_CALLBACKS)}
    variables = {name: value for name, value in arrays.items() if name not in own}
    values = state.pop("callbacks", {})
    return Checkpoint(
        variables, state, CallbackStates(values, {name.removeprefix(_CALLBACKS): value for name, value in own.items()})
    )
