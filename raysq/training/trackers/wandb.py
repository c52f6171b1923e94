"""Weights & Biases as a tracker: server, mode and project are those of its environment variables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.training.trackers.tracker import Status


class Wandb:
    """A run of Weights & Biases; see `Tracker`. The runs of a search are a group."""

    def __init__(self) -> None:
        self.server = os.environ.get("WANDB_BASE_URL", "")
        self._run: Any = None

    def begin(self, directory: Path, group: str, known: str | None, parent: str | None) -> str:
        import wandb

        project = os.environ.get("WANDB_PROJECT", group)
        options = {} if known is None else {"id": known, "resume": "allow"}
        settings = wandb.Settings(console="off", silent=True)  # what the process prints is not the tracker's
        self._run = wandb.init(
            project=project, name=directory.name, group=parent, reinit="create_new", settings=settings, **options
        )
        return str(self._run.id)

    def log_parameters(self, parameters: Mapping[str, object], tags: Mapping[str, str]) -> None:
        self._run.config.update({**parameters, **tags}, allow_val_change=True)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self._run.log(dict(metrics), step=step)

    def log_file(self, path: Path) -> None:
        self._run.save(str(path), base_path=str(path.parent), policy="now")

    def end(self, status: Status) -> None:
        self._run.finish(exit_code=int(status == "failed"))
