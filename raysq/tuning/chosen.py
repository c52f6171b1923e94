"""What `raysq train --config` takes from a file that a search wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysq.errors import DamagedError, UsageError
from raysq.json_files import read_json
from raysq.training.experiment_files import Best


@dataclass(frozen=True)
class Chosen:
    """What a search chose; empty where none is asked.

    Attributes:
        file: where it was read.
        model: the model searched.
        data: the data set it was searched on.
        seed: of the search.
        settings: all of the best trial's.
    """

    file: str = ""
    model: str | None = None
    data: str | None = None
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, file: str | Path, task: str) -> "Chosen":
        """Reads a search's `best.json`, or that of the experiment whose folder is given.

        Raises:
            UsageError: the file is none, or of another task.
        """
        path = Path(file)
        path = path / "best.json" if path.is_dir() else path
        try:
            values = read_json(path, Best, "`raysq tune` writes one")
        except DamagedError as error:
            raise UsageError(f"--config {file} is no best.json of a search: {error}") from None
        found = cls(str(path), values["model"], values["data"], values["seed"], values["settings"])
        theirs = values["task"]
        if theirs != task:
            raise UsageError(f"--config {file} is of task {theirs!r}, received {task!r}: give its own task")
        return found

    def model_for(self, asked: str | None) -> str | None:
        """The model to train.

        Raises:
            UsageError: another one was asked for than the settings are of.
        """
        if asked and self.model and asked != self.model:
            raise UsageError(
                f"--config {self.file} is of model {self.model!r}, received --model {asked}: leave one out"
            )
        return asked or self.model
