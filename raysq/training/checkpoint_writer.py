"""Checkpoints of a run, written in a background thread while the next steps are trained."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from raysq.training import checkpoint
from raysq.training.checkpoint import NO_STATES, CallbackStates


class CheckpointWriter:
    """Writer of a run's checkpoints, which are at most one behind training.

    `save` copies the values and returns. Hashing, writing, syncing and replacing happen in a thread. The next `save`
    waits for it, so checkpoints are replaced in the order of training. One copy of the values is kept and used again,
    since copying into fresh memory takes several times as long.

    Use the writer as a context manager. At the end of the block no checkpoint is being written any more, also where the
    block raises.

    Args:
        background: whether to write in a thread. If False, `save` returns when the checkpoint is on disk.
    """

    def __init__(self, *, background: bool = True):
        self._pool = ThreadPoolExecutor(1, "checkpoint") if background else None
        self._pending: Future[None] | None = None
        self._copies: dict[str, np.ndarray] = {}

    def save(
        self,
        directories: Sequence[Path],
        variables: Mapping[str, np.ndarray],
        state: dict[str, Any],
        callbacks: CallbackStates = NO_STATES,
        *,
        kept: Path | None = None,
    ) -> None:
        """Write the same checkpoint to each directory, one after the other; see `raysq.training.checkpoint.save`.

        Args:
            directories: directories, such as RUN/checkpoints/best and RUN/checkpoints/last.
            variables: values of all variables by name, with the same shapes at every call. They may be views of memory
                that later steps overwrite.
            state: state of the training loop, ready for JSON, which is not changed afterwards.
            callbacks: states of callbacks, whose arrays are not changed afterwards either. Defaults to none.
            kept: directory to keep the model's variables in, without those of the optimizer, before the others are
                written. Defaults to none.

        Raises:
            OSError: this checkpoint, or the one before it, cannot be written.
        """
        self.wait()
        if self._pool is None:
            _write(directories, variables, state, callbacks, kept)
        else:
            for name, value in variables.items():
                if name in self._copies:
                    self._copies[name][...] = value
                else:
                    self._copies[name] = np.array(value)
            self._pending = self._pool.submit(_write, directories, self._copies, state, callbacks, kept)

    def wait(self) -> None:
        """Wait until every checkpoint is on disk.

        Raises:
            OSError: the last checkpoint cannot be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:  # else the block's own error is the one to report
                self.wait()
        finally:
            if self._pool is not None:
                self._pool.shutdown()


def _write(
    directories: Sequence[Path],
    variables: Mapping[str, np.ndarray],
    state: dict[str, Any],
    callbacks: CallbackStates,
    kept: Path | None,
) -> None:
    if kept is not None:
        model = {name: value for name, value in variables.items() if name.startswith("model/")}
        checkpoint.save(kept, model, state)
    for directory in directories:
        checkpoint.save(directory, variables, state, callbacks)
