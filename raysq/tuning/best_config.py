"""Settings that `raysq train --config` reads from a file written by a search."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysq.errors import DamagedError, UsageError
from raysq.storage.json_files import read_json
from raysq.storage.trust import refusal
from raysq.training.experiment_files import Best, is_best_signed
from raysq.training.model_source import find_module
from raysq.training.user_code import is_own


@dataclass(frozen=True)
class BestConfig:
    """Best configuration of a search; empty where no `--config` is given.

    Attributes:
        file: path of the file.
        model: model of the search.
        data: directory of the data set of the search.
        seed: seed of the search.
        settings: all settings of the best trial.
        trusted: whether this home wrote the file.
    """

    file: str = ""
    model: str | None = None
    data: str | None = None
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = False

    @classmethod
    def read(cls, file: str | Path, task: str) -> "BestConfig":
        """Read the `best.json` of a search.

        Args:
            file: path of the file, or of the experiment's directory.
            task: name of the task to train.

        Raises:
            UsageError: the file is not a `best.json`, or it is of another task.
        """
        path = Path(file)
        path = path / "best.json" if path.is_dir() else path
        try:
            values = read_json(path, Best, "`raysq tune` writes one")
        except DamagedError as error:
            raise UsageError(f"--config {file} is no best.json of a search: {error}") from None
        if values["task"] != task:
            raise UsageError(f"--config {file} is of task {values['task']!r}, received {task!r}: give its own task")
        return cls(
            str(path), values["model"], values["data"], values["seed"], values["settings"], is_best_signed(values)
        )

    def model_for(self, named: str | None, *, trust: bool = False) -> str | None:
        """Return the model to train.

        Args:
            named: model that the user named, or None.
            trust: whether to trust the file even if this home did not write it.

        Returns:
            The user's model, else the model of the search, which may be None.

        Raises:
            TrustError: the file is from elsewhere and names a user's own model that the user of this home did not name.
            UsageError: the user named another model than that of the search.
        """
        if named and self.model and named != self.model:
            raise UsageError(
                f"--config {self.file} is of model {self.model!r}, received --model {named}: leave one out"
            )
        if self.model and is_own(self.model) and not (named or trust or self.trusted):
            file = find_module(self.model.partition(":")[0])
            raise refusal(f"--config {self.file}", self.model, file, way_out=f"--model {self.model}")
        return named or self.model
