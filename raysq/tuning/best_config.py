"""What `raysq train --config` takes from a file that a search wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysq.errors import DamagedError, UsageError
from raysq.storage.json_files import read_json
from raysq.storage.trust import refusal
from raysq.training.experiment_files import Best, is_ours
from raysq.training.model_source import find_module
from raysq.training.user_code import is_own


@dataclass(frozen=True)
class BestConfig:
    """What a search chose; empty where none is asked.

    Attributes:
        file: where it was read.
        model: the model searched.
        data: the data set it was searched on.
        seed: of the search.
        settings: all of the best trial's.
        trusted: whether this home has written the file.
    """

    file: str = ""
    model: str | None = None
    data: str | None = None
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = False

    @classmethod
    def read(cls, file: str | Path, task: str) -> "BestConfig":
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
        found = cls(str(path), values["model"], values["data"], values["seed"], values["settings"], is_ours(values))
        theirs = values["task"]
        if theirs != task:
            raise UsageError(f"--config {file} is of task {theirs!r}, received {task!r}: give its own task")
        return found

    def model_for(self, asked: str | None, *, trust: bool = False) -> str | None:
        """The model to train.

        Args:
            asked: the model that the user names.
            trust: whether the file is trusted though this home has not written it.

        Raises:
            TrustError: it is a user's own, nobody has named it, and the file is from elsewhere.
            UsageError: another one was asked for than the settings are of.
        """
        if asked and self.model and asked != self.model:
            raise UsageError(
                f"--config {self.file} is of model {self.model!r}, received --model {asked}: leave one out"
            )
        if self.model and is_own(self.model) and not (asked or trust or self.trusted):
            file = find_module(self.model.partition(":")[0])
            raise refusal(f"--config {self.file}", self.model, file, way_out=f"--model {self.model}")
        return asked or self.model
