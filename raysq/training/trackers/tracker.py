"""Trackers by name: services that keep parameters, metrics and files of runs, such as MLflow."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from raysq.config import nearest_name
from raysq.errors import MissingPackageError, UsageError

# A further tracker is a module here with a class, and an extra of the same name in pyproject.toml.
_CLASSES = {
    "tensorboard": "raysq.training.trackers.tensorboard:TensorBoard",
    "mlflow": "raysq.training.trackers.mlflow:MLflow",
    "wandb": "raysq.training.trackers.wandb:Wandb",
}

Status = Literal["finished", "failed", "stopped"]


class Tracker(Protocol):
    """A run in a tracker. Any method may raise any error, which never ends training.

    Attributes:
        server: text that identifies the server or store. It may hold a password.
    """

    server: str

    def begin(self, directory: Path, group: str, known: str | None, parent: str | None) -> str:
        """Continue a run, or create one.

        Args:
            directory: directory of the run or search, whose name is displayed.
            group: name of the task, to group runs by.
            known: id of the run, if this server has it; None to create one.
            parent: id of the run of its search, or None.

        Returns:
            The id of the run.
        """
        ...

    def log_parameters(self, parameters: Mapping[str, object], tags: Mapping[str, str]) -> None:
        """Log settings and tags of a new run, once."""
        ...

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers by name at an epoch."""
        ...

    def log_file(self, path: Path) -> None:
        """Upload a file."""
        ...

    def end(self, status: Status) -> None:
        """Mark the run as ended. It may be continued."""
        ...


def check_tracker(name: str) -> None:
    """Check that a tracker is known and its package is installed, before anything is trained.

    Raises:
        UsageError: there is no tracker of that name.
        MissingPackageError: its package is missing.
    """
    if name not in _CLASSES:
        raise UsageError(f"unknown tracker {name!r}: {nearest_name(name, _CLASSES)}")
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise MissingPackageError(f"tracker {name} needs its package ({error}): pip install 'raysq[{name}]'") from None


def open_tracker(name: str) -> Tracker:
    """Return a tracker by name; see `check_tracker`."""
    module, _, attribute = _CLASSES[name].partition(":")
    tracker: Tracker = getattr(importlib.import_module(module), attribute)()
    return tracker
