"""A run: its configuration, its directory, and where it stands."""

import fcntl
import hashlib
import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raysq import __version__, backend, kinds, tasks
from raysq.errors import DataError, RaysqError, UsageError
from raysq.kinds.kind import Model
from raysq.settings import coerce, make, nearest, settings_of
from raysq.shards import Dataset
from raysq.sources import home
from raysq.training.settings import TrainSettings

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Config:
    """Everything needed to repeat a run; the number of workers is not among it.

    Attributes:
        task: its name.
        kind: its kind's name.
        model: a model's name, or `package.module:function`.
        data: the data set's directory.
        fingerprint: of the data set.
        synthetic: whether the data are the built-in sample.
        seed: of weights, order and dropout.
        examples: batch-time settings.
        builder: the model's settings.
        training: settings of training.
        facts: what the kind needs for prediction and for the metrics' own unit.
        versions: of what made the numbers; not part of the run's id.
    """

    task: str
    kind: str
    model: str
    data: str
    fingerprint: str
    synthetic: bool
    seed: int
    examples: dict[str, Any]
    builder: dict[str, Any]
    training: dict[str, Any]
    facts: dict[str, Any]
    versions: dict[str, str]

    @property
    def id(self) -> str:
        """Task, model and a hash of the data's fingerprint, settings and seed."""
        parts = [self.fingerprint, self.model, self.examples, self.builder, self.training, self.seed]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.task}-{self.model.split(':')[-1]}-{digest}"

    def train_settings(self) -> TrainSettings:
        """The settings of training."""
        return make(TrainSettings, self.training)

    def example_settings(self) -> Any:
        """The kind's batch-time settings."""
        return make(kinds.get(self.kind).examples, self.examples)

    def model_spec(self) -> Model:
        """The model's entry in its kind, or one for a person's own builder."""
        return find_model(self.kind, self.model)

    def build(self, dataset: Dataset) -> Any:
        """Builds the Keras model.

        Raises:
            UsageError: the builder refuses its settings.
        """
        builder = load_builder(self.model_spec().build)
        inputs = self.example_settings().inputs(dataset)
        try:
            return builder(inputs, **self.builder)
        except (TypeError, ValueError) as error:
            if isinstance(error, RaysqError) or os.environ.get("RAYSQ_DEBUG"):
                raise
            settings = " ".join(f"{name}={value}" for name, value in self.builder.items())
            raise UsageError(
                f"model {self.model!r} cannot be built with {settings or 'its settings'}: {error} "
                f"(RAYSQ_DEBUG=1 shows where)"
            ) from None


def find_model(kind: str, model: str) -> Model:
    """A model of a kind by name, or a person's own by `package.module:function`."""
    models = kinds.get(kind).models
    if ":" in model:
        return Model(model, xla=False)  # whether it pays is not known: --set xla=true
    if model not in models:
        raise UsageError(f"unknown model {model!r}: {nearest(model, models)}, or package.module:function")
    return models[model]


def load_builder(path: str) -> Callable[..., Any]:
    """Imports a model builder named `package.module:function`; the current folder is searched as well."""
    backend.load()
    module, _, name = path.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        builder = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise UsageError(f"model {path!r}: there is no module {error.name!r} in {os.getcwd()}") from None
    except AttributeError:
        raise UsageError(f"model {path!r}: module {module!r} has no function {name!r}") from None
    if not callable(builder):
        raise UsageError(f"model {path!r} is not a function")
    return builder


def plan(task_name: str, model: str, dataset: Dataset, seed: int, overrides: Mapping[str, Any]) -> Config:
    """Resolves every setting: the kind's defaults, the task's, the model's, then the person's.

    Raises:
        UsageError: an unknown model or setting (names the nearest), or a wrong type.
    """
    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed must be from 0 to {2**32 - 1}, received {seed}")
    task = tasks.get(task_name)
    kind = kinds.get(task.kind)
    spec = find_model(task.kind, model)
    builder = load_builder(spec.build)
    sections = {
        "examples": settings_of(kind.examples),
        "builder": settings_of(builder),
        "training": settings_of(TrainSettings),
    }
    known = {name: section for section, settings in sections.items() for name in settings}
    values: dict[str, dict[str, Any]] = {section: {} for section in sections}
    for layer in (task.settings, spec.defaults, overrides):
        for key, value in layer.items():
            if key not in known:
                raise UsageError(f"model {model!r} of task {task_name!r} has no setting {key!r}: {nearest(key, known)}")
            values[known[key]][key] = coerce(value, sections[known[key]][key].type, key)
    examples = make(kind.examples, values["examples"])
    training = make(TrainSettings, values["training"])
    defaults = {name: setting.default for name, setting in sections["builder"].items()}
    config = Config(
        task=task_name,
        kind=task.kind,
        model=model,
        data=str(dataset.directory.resolve()),
        fingerprint=dataset.fingerprint,
        synthetic=dataset.synthetic,
        seed=seed,
        examples=asdict(examples),
        builder={**defaults, **values["builder"]},
        training=asdict(training),
        facts=kind.facts(dataset, examples),
        versions=versions(),
    )
    # As it will be read back: tuples become lists, so that an id is the same before and after the disk.
    return Config(**json.loads(json.dumps(asdict(config))))


def versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    from importlib.metadata import version

    others = {name: version(name) for name in ("tensorflow", "keras", "numpy", "pyarrow", "ray")}
    return {"raysq": __version__, **others}


class Run:
    """A run's directory: `config.json`, `metrics.jsonl`, `checkpoints/`, `result.json`, `model.keras`, `history.png`.

    Attributes:
        directory: where it is.
        config: what it was asked to do.
    """

    def __init__(self, directory: Path, config: Config):
        self.directory = directory
        self.config = config

    @classmethod
    def create(
        cls, config: Config, *, name: str | None = None, fresh: bool = False, folder: Path | None = None
    ) -> "Run":
        """The run of a configuration: a new one, or the one that is there, to be continued.

        Args:
            config: what to do.
            name: of its directory, instead of the configuration's id.
            fresh: remove what is there.
            folder: where runs are kept; RAYSQ_HOME/runs if left out.

        Raises:
            UsageError: a run of that name has another configuration.
        """
        if name and (Path(name).name != name or name.startswith(".")):
            raise UsageError(f"--name must be a plain name without slashes, received {name!r}")
        directory = (folder or home() / "runs") / (name or config.id)
        if (directory / "config.json").exists():
            there = cls.open(directory)
            if fresh:
                with there.lock():
                    shutil.rmtree(directory)
            elif there.config.id != config.id:
                raise UsageError(
                    f"run {directory.name} exists with other settings ({there.config.id}, now {config.id}): "
                    f"choose another --name, or --fresh to start anew"
                )
            else:
                return there
        directory.mkdir(parents=True, exist_ok=True)
        _write_json(directory / "config.json", {"format_version": FORMAT_VERSION, **asdict(config)})
        return cls(directory, config)

    @classmethod
    def open(cls, run: str | Path) -> "Run":
        """An existing run by directory, id, or an unambiguous beginning of its id.

        Raises:
            DataError: there is none, or a newer raysq wrote it.
        """
        directory = Path(run)
        if not (directory / "config.json").exists():
            directory = home() / "runs" / str(run)
        if not (directory / "config.json").exists():
            names = sorted(path.parent.name for path in (home() / "runs").glob("*/config.json"))
            matches = [name for name in names if name.startswith(str(run))]
            if len(matches) != 1:
                reason = f"it fits {', '.join(matches)}" if matches else "`raysq runs` lists them"
                raise DataError(f"no run {str(run)!r}: {reason}")
            directory = home() / "runs" / matches[0]
        try:
            values = json.loads((directory / "config.json").read_text())
            version = values.pop("format_version")
            if version > FORMAT_VERSION:
                raise DataError(
                    f"run {directory} has format {version}, this raysq reads up to {FORMAT_VERSION}: upgrade raysq"
                )
            return cls(directory, Config(**values))
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, RaysqError):
                raise
            raise DataError(f"run {directory} has a config.json that cannot be read ({error})") from None

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.directory.name

    @property
    def last(self) -> Path:
        """The checkpoint to continue from."""
        return self.directory / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        """The checkpoint of the lowest val_loss."""
        return self.directory / "checkpoints" / "best"

    @contextmanager
    def lock(self):
        """Holds the run for this process; another that trains it meets an error instead of mixing its lines."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / ".lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RaysqError(
                    f"run {self.name} is being trained by another process; wait for it, or use --name"
                ) from None
            yield

    def state(self) -> str:
        """ "finished", "running", "interrupted" or "new"."""
        if self.result() is not None:
            return "finished"
        try:
            with self.lock():
                return "interrupted" if self.metrics() or self.last.exists() else "new"
        except RaysqError:
            return "running"

    def metrics(self) -> list[dict[str, Any]]:
        """One record an epoch."""
        path = self.directory / "metrics.jsonl"
        if not path.exists():
            return []
        records = []
        for line in path.read_text().splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                break  # a line cut by a crash: its epoch is repeated
        return records

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds an epoch's record; those of this epoch and later ones, from before a crash, are replaced."""
        kept = [one for one in self.metrics() if one["epoch"] < record["epoch"]]
        path = self.directory / "metrics.jsonl"
        new = path.with_suffix(".new")
        new.write_text("".join(json.dumps(one) + "\n" for one in [*kept, record]))
        os.replace(new, path)

    def result(self) -> dict[str, Any] | None:
        """What a finished run reached, or None."""
        path = self.directory / "result.json"
        return json.loads(path.read_text()) if path.exists() else None

    def finish(self, result: Mapping[str, Any]) -> None:
        """Marks the run as finished."""
        _write_json(self.directory / "result.json", result)


def runs() -> list[Run]:
    """All runs, newest first."""
    paths = sorted((home() / "runs").glob("*/config.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [Run.open(path.parent) for path in paths]


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(values, indent=2) + "\n")
    os.replace(new, path)
