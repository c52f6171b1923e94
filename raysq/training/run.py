"""Directory of a run: its files, and the state of the run."""

import contextlib
import difflib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypedDict

from raysq.display import notebook
from raysq.errors import DamagedError, DataError, NotFoundError, RaysqError, UsageError
from raysq.problems.base import Problem
from raysq.storage.atomic import write_json, write_json_lines
from raysq.storage.json_files import Version, check_schema, read_json, read_json_lines
from raysq.storage.paths import check_name, home, is_locked, newest_first
from raysq.storage.trust import SIGNATURE, check_links, is_signed, sign
from raysq.training.run_config import RunConfig
from raysq.training.user_code import is_own

FORMAT_VERSION = 6  # 6: `settings` by section, `metadata`
_VERSION = Version(FORMAT_VERSION, oldest=6)
_PURPOSE = "run"  # of the signature


class EpochRecord(TypedDict):
    """Schema of a line of `metrics.jsonl`; the losses and metrics of training and validation are further keys."""

    epoch: int
    step: int
    val_loss: float
    seconds: float


class RunResult(TypedDict):
    """Schema of `result.json`."""

    metrics: dict[str, float]
    steps: int
    seconds: float
    best_epoch: int
    epochs: int
    parameters: int


class Failure(TypedDict):
    """Schema of `failure.json`: the reason why training ended."""

    message: str


class Run:
    """A training run, stored in a directory.

    The directory holds `config.json`, `metrics.jsonl`, `checkpoints/`, `result.json`, `model.keras`, `history.png`,
    and `assets/` where its problem has assets.

    Attributes:
        directory: path of the run's directory.
        config: configuration of the run.
    """

    def __init__(self, directory: Path, config: RunConfig):
        self.directory = directory
        self.config = config

    def __repr__(self) -> str:
        figures = notebook.readable(self._figures)
        metrics = figures.get("metrics") or {}
        loss = {key: metrics[key] for key in ("val_loss", "test_loss") if key in metrics}
        fields = {"task": self.config.task, "model": self.config.model, "state": figures["state"]}
        return notebook.line("Run", self.name, {**fields, **loss})

    def _repr_html_(self) -> str:
        config = self.config
        fields: dict[str, Any] = {
            "task": config.task,
            "model": config.model,
            "data": config.data,
            "seed": str(config.seed),
        }
        fields |= notebook.readable(self._figures)
        return notebook.card(f"Run {self.name}", {**fields, "directory": self.directory})

    def _figures(self) -> dict[str, Any]:
        """Return the run's state and metrics for display."""
        result = self.result()
        if result is not None:
            best = f"{result['best_epoch']} of {result['epochs']}"
            return {"state": "finished", "best epoch": best, "metrics": result["metrics"]}
        last = next(iter(self.metrics()[-1:]), {})
        metrics = {key: value for key, value in last.items() if key.startswith("val_")}
        return {"state": f"{last['epoch']} epochs" if last else "new", "metrics": metrics or None}

    @classmethod
    def create(
        cls,
        config: RunConfig,
        *,
        name: str | None = None,
        fresh: bool = False,
        folder: Path | None = None,
        trust: bool = False,
    ) -> "Run":
        """Create the run of a configuration, or return the existing run to continue it.

        An existing run of the same name with another configuration is replaced if it has not trained a step.

        Args:
            config: configuration of the run.
            name: name of its directory. Defaults to the configuration's id.
            fresh: whether to remove an existing run of that name.
            folder: parent directory of the run. Defaults to RAYSQ_HOME/runs.
            trust: see `open`; applies to an existing run.

        Returns:
            The new or existing run.

        Raises:
            UsageError: a run of that name has another configuration and has trained steps.
            RaysqError: the directory cannot be written.
        """
        if name is not None:
            check_name(name, "run")
        directory = (folder or home() / "runs") / (name or config.id)
        if (directory / "config.json").exists():
            if not fresh:
                there = cls.open(directory, trust=trust)
                if there.config.id == config.id:
                    if is_own(config.model) and not there.config.may_import:
                        return cls._write(directory, config)  # same model, named here: sign it
                    return there
                if there.state() != "new":  # replacing a new run loses nothing: its model may not have been built
                    raise UsageError(
                        f"run {directory.name} exists with other settings ({there.config.differences(config)}): choose "
                        "another --name, or --fresh to start anew"
                    )
            remove(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RaysqError(
                f"{directory} cannot be written ({error.strerror}); set RAYSQ_HOME to a folder that can"
            ) from None
        return cls._write(directory, config)

    @classmethod
    def _write(cls, directory: Path, config: RunConfig) -> "Run":
        values = asdict(config)
        signature = {SIGNATURE: sign(_PURPOSE, values)} if is_own(config.model) else {}
        write_json(directory / "config.json", {"format_version": FORMAT_VERSION, **values, **signature})
        return cls(directory, config)

    @classmethod
    def open(cls, run: str | Path, *, trust: bool = False) -> "Run":
        """Open an existing run.

        Args:
            run: directory, id, or an unambiguous prefix of the id.
            trust: whether to trust a run that this home did not create. If True, the module of a user's model may be
                imported, and links may lead out of the directory.

        Returns:
            The run.

        Raises:
            DataError: there is no such run (the error lists similar names), a newer raysq wrote it, or a link leads
                out of its directory.
            UsageError: the name is empty.
        """
        directory = find(run)
        if not trust:
            check_links(directory)
        hint = f"train it again with --fresh, or remove it with `raysq rm {directory.name}`"
        values = read_json(directory / "config.json", dict[str, Any], hint, version=_VERSION)
        del values["format_version"]
        signature = values.pop(SIGNATURE, None)
        try:
            check_schema(values, RunConfig)
        except ValueError as error:
            raise DamagedError(f"{directory / 'config.json'} is damaged ({error}); {hint}") from None
        config = RunConfig(
            **values, trusted=trust or (is_own(values["model"]) and is_signed(_PURPOSE, values, signature))
        )
        if trust and not Path(config.source_folder).is_dir():
            config = replace(config, source_folder=os.getcwd())  # the recorded folder is on another machine
        return cls(directory, config)

    @classmethod
    def of(cls, run: "Run | str | Path", *, trust: bool = False) -> "Run":
        """Return an open run as it is, or open a run by directory or id; see `open`.

        Args:
            run: a run, its directory or its id.
            trust: see `open`.
        """
        if isinstance(run, Run):
            return cls.open(run.directory, trust=True) if trust and not run.config.may_import else run
        return cls.open(run, trust=trust)

    def named(self, model: str, source: tuple[str, str]) -> "Run":
        """Return the same run, with its model trusted if it is the one that the user named for a search.

        Args:
            model: model that the user named.
            source: digest and folder of its source.
        """
        digest, folder = source
        if (self.config.model, self.config.source_digest) != (model, digest):
            return self
        return Run(self.directory, replace(self.config, source_folder=folder, trusted=True))

    def resolved(self) -> "Run":
        """Return the same run with an absolute path, for another process; it keeps its trust."""
        return Run(self.directory.resolve(), self.config)

    @property
    def name(self) -> str:
        """Name of the run's directory."""
        return self.directory.name

    @property
    def last(self) -> Path:
        """Directory of the checkpoint to continue from."""
        return self.directory / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        """Directory of the checkpoint with the lowest val_loss."""
        return self.directory / "checkpoints" / "best"

    @property
    def assets(self) -> Path:
        """Directory of files that predictions need besides the model and the metadata, where the problem has any."""
        return self.directory / "assets"

    @property
    def problem(self) -> Problem[Any, Any]:
        """The run's problem, bound to its settings, metadata and assets."""
        return self.config.make_problem(self.assets)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run for this process, so that two processes never train it at the same time.

        Raises:
            RaysqError: another process holds the lock.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with locked_run(self.directory):
            yield

    def state(self) -> str:
        """Return the run's state: "finished", "running", "interrupted" or "new"."""
        if self.result() is not None:
            return "finished"
        try:
            with self.lock():
                return self._left()
        except RaysqError:
            return "running"
        except OSError:  # no process trains on a read-only disk
            return self._left()

    def _left(self) -> str:
        return "interrupted" if self.metrics() or self.last.exists() else "new"

    def metrics(self, epochs: int | None = None) -> list[dict[str, Any]]:
        """Return one record per epoch from `metrics.jsonl`.

        Args:
            epochs: number of records to read. Defaults to all.

        Raises:
            DamagedError: a line is truncated or changed, or epochs are missing.
        """
        path = self.directory / "metrics.jsonl"
        hint = "train the run again with --fresh"
        records: list[dict[str, Any]] = [dict(one) for one in read_json_lines(path, EpochRecord, hint, epochs)]
        expected = epochs
        if expected is None:
            result = self.result()
            expected = 0 if result is None else result["epochs"]
        if [record["epoch"] for record in records[:expected]] != list(range(1, expected + 1)):
            raise DamagedError(f"{path} is damaged (it lacks some of the {expected} epochs that were trained); {hint}")
        return records

    def append(self, record: Mapping[str, Any]) -> None:
        """Append an epoch's record to `metrics.jsonl`.

        Records of this epoch and later ones, written before a crash, are removed.

        Args:
            record: record of the epoch.
        """
        write_json_lines(self.directory / "metrics.jsonl", [*self.metrics(record["epoch"] - 1), record])

    def result(self) -> dict[str, Any] | None:
        """Return the content of `result.json`, or None if the run is not finished.

        Raises:
            DamagedError: the file is truncated or changed.
        """
        hint = "remove it, and the same `raysq train` command measures the run again"
        found = read_json(self.directory / "result.json", RunResult, hint, missing=None)
        return None if found is None else dict(found)

    def failure(self) -> str | None:
        """Return the reason why a trial or a worker group ended without a result, or None."""
        path = self.directory / "failure.json"
        try:
            found = read_json(path, Failure, "what it said is lost", missing=None)
        except DamagedError as error:
            return f"the reason is not known: {error}"
        return None if found is None else found["message"]

    def still_improving(self) -> str | None:
        """Return a message if a finished run trained all epochs and its last val_loss is the lowest, else None."""
        losses = [record["val_loss"] for record in self.metrics()]
        epochs = self.config.settings["training"]["epochs"]
        result = self.result()
        if result is None or not result["steps"] or len(losses) < 2 or len(losses) < epochs:
            return None
        if not losses[-1] < min(losses[:-1]):
            return None
        return f"val_loss still fell in the last epoch: train longer, such as with --epochs {2 * epochs} (a new run)"

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write `result.json`, which marks the run as finished.

        Args:
            result: content of the file; see `RunResult`.
        """
        write_json(self.directory / "result.json", result)


class _Best(TypedDict):
    run: str


def find(run: str | Path) -> Path:
    """Return the directory of a run; the run may be damaged.

    Args:
        run: directory, id, or an unambiguous prefix of the id.

    Raises:
        DataError: there is no such run (the error lists similar names), or several runs match the prefix.
        UsageError: the name is empty.
    """
    directory = Path(run)
    if not str(run).strip():
        raise UsageError("a run is named by its id, the beginning of it, or its directory, received an empty name")
    for place in (directory, home() / "runs" / str(run)):
        if (place / "config.json").exists():
            return place
    names = sorted(path.parent.name for path in (home() / "runs").glob("*/config.json"))
    matches = [name for name in names if name.startswith(str(run))]
    if not matches:
        raise _missing(str(run), names)
    if len(matches) > 1:
        raise DataError(
            f"{len(matches)} runs begin with {str(run)!r}: {', '.join(matches)}; give more of the name, or train with "
            "--name"
        )
    return home() / "runs" / matches[0]


def remove(directory: Path) -> None:
    """Remove the directory of a run; the run may be damaged.

    Args:
        directory: directory of the run.

    Raises:
        RaysqError: another process trains the run.
    """
    with locked_run(directory):
        shutil.rmtree(directory)


@contextmanager
def locked_run(directory: Path) -> Iterator[None]:
    """Lock a run's directory for this process.

    Args:
        directory: directory of the run.

    Raises:
        RaysqError: another process holds the lock.
    """
    said = f"run {directory.name} is being trained by another process; wait for it, or use --name"
    with is_locked(directory / ".lock", said):
        yield


def _missing(run: str, names: Sequence[str]) -> NotFoundError:
    """Return the error for an unknown run, with a hint where a search, a data set or a similar run has the name."""
    for directory in (Path(run), home() / "experiments" / run):
        if (directory / "experiment.json").exists():
            its = ""
            with contextlib.suppress(DamagedError):
                best = read_json(directory / "best.json", _Best, "", missing=None)
                its = f"; its best run is {best['run']}" if best else ""
            return NotFoundError(f"no run {run!r}, but a search of that name, which `raysq report` shows{its}")
    if (Path(run) / "manifest.json").exists():
        return NotFoundError(f"no run {run!r}, but a data set", f"`raysq train TASK --data {run}` trains on it")
    close = alike(run, names)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    return NotFoundError(f"no run {run!r}", f"{meant}`raysq runs` lists them")


def alike(typed: str, names: Iterable[str]) -> list[str]:
    """Return up to three names of runs or searches that are similar to a typed name or to its beginning.

    Args:
        typed: name that the user typed.
        names: existing names.
    """
    typed = typed.lower()

    def likeness(name: str) -> float:
        # Ids end in a hash that users rarely type, so the beginning is compared too.
        parts = (name.lower(), name.lower()[: len(typed)])
        return max(difflib.SequenceMatcher(None, typed, part).ratio() for part in parts)

    found = {name: likeness(name) for name in names}
    return sorted((name for name in found if found[name] >= 0.7), key=lambda name: -found[name])[:3]


def runs(on_damaged: Callable[[Path, DataError], None] | None = None) -> list[Run]:
    """Return all runs, newest first.

    Args:
        on_damaged: called with the directory and the error of each run that cannot be read. Such runs are left out.
            Defaults to a warning.

    Example:
        >>> [run.name for run in raysq.runs() if run.state() == "finished"]
    """
    return newest_first("runs/*/config.json", Run.open, "run", on_damaged)
