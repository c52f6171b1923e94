"""Files of settings that `raysq train --config` reads: of `raysq config`, of a search, or written by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Required, TypedDict

import yaml

from raysq.config import flat_settings
from raysq.errors import DamagedError, UsageError
from raysq.storage.json_files import check_schema, read_json
from raysq.storage.trust import refusal
from raysq.training.experiment_files import is_best_signed
from raysq.training.model_source import find_module
from raysq.training.user_code import is_own

_MOST_BYTES = 1 << 20  # of a YAML file


class ConfigValues(TypedDict, total=False):
    """Schema of a file of settings. `settings` has the sections `data`, `model` and `training`."""

    task: Required[str]
    model: str | None
    data: str | None
    seed: int
    settings: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class ConfigFile:
    """Content of a file of settings; empty where no `--config` is given.

    Attributes:
        file: path of the file.
        model: name of the model, or None.
        data: name or directory of the data set, or None.
        seed: seed of weights, order and dropout.
        settings: settings as `section.name`.
        trusted: whether this home wrote the file.
    """

    file: str = ""
    model: str | None = None
    data: str | None = None
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = False

    @classmethod
    def read(cls, file: str | Path, task: str) -> "ConfigFile":
        """Read a YAML or JSON file.

        Args:
            file: path of the file, or of the directory of a search, which has a `best.json`.
            task: name of the task to train.

        Raises:
            UsageError: the file is not one of settings, or it is of another task.
        """
        path = Path(file)
        path = path / "best.json" if path.is_dir() else path
        try:
            if path.suffix == ".json":
                values: Any = read_json(path, ConfigValues, "`raysq config` and `raysq tune` write such files")
            else:
                values = _read_yaml(path)
        except DamagedError as error:
            raise UsageError(f"--config {file} is no file of settings: {error}") from None
        if values["task"] != task:
            raise UsageError(f"--config {file} is of task {values['task']!r}, received {task!r}: give its own task")
        settings = flat_settings(values.get("settings", {}))
        return cls(
            str(path), values.get("model"), values.get("data"), values.get("seed", 0), settings, is_best_signed(values)
        )

    def model_for(self, requested: str | None, *, trust: bool = False) -> str | None:
        """Return the model to train.

        Args:
            requested: model that the user named, or None.
            trust: whether to trust the file even if this home did not write it.

        Returns:
            The user's model, else the model of the file, which may be None.

        Raises:
            TrustError: the file is from elsewhere and names a user's own model that the user of this home did not name.
            UsageError: the user named another model than the file.
        """
        if requested and self.model and requested != self.model:
            raise UsageError(
                f"--config {self.file} is of model {self.model!r}, received --model {requested}: leave one out"
            )
        if self.model and is_own(self.model) and not (requested or trust or self.trusted):
            module = find_module(self.model.partition(":")[0])
            raise refusal(f"--config {self.file}", self.model, module, way_out=f"--model {self.model}")
        return requested or self.model


class _PlainLoader(yaml.SafeLoader):
    """Loader without aliases, a few of which can stand for more values than memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not supported")
        return super().compose_node(parent, index)


def _read_yaml(path: Path) -> Any:
    """Read a YAML file and check its types.

    Raises:
        DamagedError: it cannot be read, is no YAML, or holds something else.
    """
    try:
        if not path.is_file():
            raise DamagedError(f"{path} is {'not a file' if path.exists() else 'missing'}")
        if path.stat().st_size > _MOST_BYTES:
            raise DamagedError(f"{path} has more than {_MOST_BYTES:,} bytes")
        values = yaml.load(path.read_text("utf-8"), _PlainLoader)
        check_schema(values, ConfigValues)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise DamagedError(f"{path} is no YAML ({line}{error.problem})") from None
    except (yaml.YAMLError, OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(f"{path} cannot be used ({str(error).splitlines()[0]})") from None
    return values
