"""A run's directory: what lies in it, and where the run stands."""

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
from raysq.storage.atomic import write_json, write_json_lines
from raysq.storage.json_files import Version, check_form, read_json, read_json_lines
from raysq.storage.paths import check_name, home, is_locked, newest_first
from raysq.storage.trust import SIGNATURE, check_links, is_signed, sign
from raysq.training.run_config import RunConfig
from raysq.training.user_code import is_own

FORMAT_VERSION = 5  # 5: `problem`
_VERSION = Version(FORMAT_VERSION, oldest=5)
_PURPOSE = "run"  # of the signature


class EpochRecord(TypedDict):
    """A line of `metrics.jsonl`; losses and metrics of all splits are further keys."""

    epoch: int
    step: int
    val_loss: float
    seconds: float


class RunResult(TypedDict):
    """What `result.json` holds."""

    metrics: dict[str, float]
    steps: int
    seconds: float
    best_epoch: int
    epochs: int
    parameters: int


class Failure(TypedDict):
    """What `failure.json` holds: why training ended."""

    message: str


class Run:
    """A run's directory: `config.json`, `metrics.jsonl`, `checkpoints/`, `result.json`, `model.keras`, `history.png`,
    and `assets/` where its problem has such.

    Attributes:
        directory: where it is.
        config: what it was asked to do.
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
        """Where the run stands and what it has reached, for people."""
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
        """The run of a configuration: a new one, or the one that is there, to be continued. One of the same name that
        has not trained a step is replaced.

        Args:
            config: what to do.
            name: of its directory, instead of the configuration's id.
            fresh: remove what is there.
            folder: where runs are kept; RAYSQ_HOME/runs if left out.
            trust: as for `open`, of one that is there.

        Raises:
            UsageError: a run of that name has another configuration, and steps.
        """
        if name is not None:
            check_name(name, "run")
        directory = (folder or home() / "runs") / (name or config.id)
        if (directory / "config.json").exists():
            if not fresh:
                there = cls.open(directory, trust=trust)
                if there.config.id == config.id:
                    if is_own(config.model) and not there.config.may_import:
                        return cls._write(directory, config)  # what was asked for here is the same: it is of this home
                    return there
                if there.state() != "new":  # of a new one nothing is lost: its model may not have been built
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
        """An existing run by directory, id, or an unambiguous beginning of its id.

        Args:
            run: the run.
            trust: whether the module of a user's model may be imported though this home has not made the run, and
                links may lead out of its folder.

        Raises:
            DataError: there is none (names those that are spelled alike), a newer raysq wrote it, or a link leads out.
            UsageError: an empty name.
        """
        directory = find(run)
        if not trust:
            check_links(directory)
        hint = f"train it again with --fresh, or remove it with `raysq rm {directory.name}`"
        values = read_json(directory / "config.json", dict[str, Any], hint, version=_VERSION)
        del values["format_version"]
        signature = values.pop(SIGNATURE, None)
        try:
            check_form(values, RunConfig)
        except ValueError as error:
            raise DamagedError(f"{directory / 'config.json'} is damaged ({error}); {hint}") from None
        config = RunConfig(
            **values, trusted=trust or (is_own(values["model"]) and is_signed(_PURPOSE, values, signature))
        )
        if trust and not Path(config.source_folder).is_dir():
            config = replace(config, source_folder=os.getcwd())  # it is another machine's
        return cls(directory, config)

    @classmethod
    def of(cls, run: "Run | str | Path", *, trust: bool = False) -> "Run":
        """A run that is open already, or `open`."""
        if isinstance(run, Run):
            return cls.open(run.directory, trust=True) if trust and not run.config.may_import else run
        return cls.open(run, trust=trust)

    def named(self, model: str, source: tuple[str, str]) -> "Run":
        """The same run, with its model trusted where it is the one that the user has named for a whole search.

        Args:
            model: that was named.
            source: digest and folder of its source.
        """
        digest, folder = source
        if (self.config.model, self.config.source_digest) != (model, digest):
            return self
        return Run(self.directory, replace(self.config, source_folder=folder, trusted=True))

    def resolved(self) -> "Run":
        """The same run for another process, which does not ask again whether it is trusted."""
        return Run(self.directory.resolve(), self.config)

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

    @property
    def assets(self) -> Path:
        """The folder of what predictions need beside the model and the facts, where the problem has such."""
        return self.directory / "assets"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the run for this process; another that trains it meets an error instead of mixing its lines."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with locked_run(self.directory):
            yield

    def state(self) -> str:
        """ "finished", "running", "interrupted" or "new"."""
        if self.result() is not None:
            return "finished"
        try:
            with self.lock():
                return self._left()
        except RaysqError:
            return "running"
        except OSError:  # a disk that cannot be written, on which nobody trains
            return self._left()

    def _left(self) -> str:
        return "interrupted" if self.metrics() or self.last.exists() else "new"

    def metrics(self, epochs: int | None = None) -> list[dict[str, Any]]:
        """One record an epoch; only those of the first `epochs` where that is given.

        Raises:
            DamagedError: a line is cut or changed, or epochs are missing.
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
        """Adds an epoch's record; those of this epoch and later ones, from before a crash, are replaced."""
        write_json_lines(self.directory / "metrics.jsonl", [*self.metrics(record["epoch"] - 1), record])

    def result(self) -> dict[str, Any] | None:
        """What a finished run reached, or None.

        Raises:
            DamagedError: the file is cut or changed.
        """
        hint = "remove it, and the same `raysq train` command measures the run again"
        found = read_json(self.directory / "result.json", RunResult, hint, missing=None)
        return None if found is None else dict(found)

    def failure(self) -> str | None:
        """Why a worker group, or a trial, has ended without a result; None where it has not."""
        path = self.directory / "failure.json"
        try:
            found = read_json(path, Failure, "what it said is lost", missing=None)
        except DamagedError as error:
            return f"the reason is not known: {error}"
        return None if found is None else found["message"]

    def still_improving(self) -> str | None:
        """A line that says that a finished run's val_loss still fell in its last epoch; None where it did not."""
        losses = [record["val_loss"] for record in self.metrics()]
        epochs = self.config.training["epochs"]
        result = self.result()
        if result is None or not result["steps"] or len(losses) < 2 or len(losses) < epochs:
            return None
        if not losses[-1] < min(losses[:-1]):
            return None
        return f"val_loss still fell in the last epoch: train longer, such as with --epochs {2 * epochs} (a new run)"

    def finish(self, result: Mapping[str, Any]) -> None:
        """Marks the run as finished."""
        write_json(self.directory / "result.json", result)


class _Best(TypedDict):
    run: str


def find(run: str | Path) -> Path:
    """The directory of a run, damaged or not, by directory, id, or an unambiguous beginning of its id.

    Raises:
        DataError: there is none (names those that are spelled alike).
        UsageError: an empty name.
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
    """Remove the directory of a run, damaged or not.

    Raises:
        RaysqError: another process trains it.
    """
    with locked_run(directory):
        shutil.rmtree(directory)


@contextmanager
def locked_run(directory: Path) -> Iterator[None]:
    """Hold a run's directory for this process."""
    said = f"run {directory.name} is being trained by another process; wait for it, or use --name"
    with is_locked(directory / ".lock", said):
        yield


def _missing(run: str, names: Sequence[str]) -> NotFoundError:
    """The error for a name that no run has: it is another thing's, or like those of some runs, or like none."""
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
    """The names, at most three, of runs or searches that are spelled like one that was typed, or that begin so."""
    typed = typed.lower()

    def likeness(name: str) -> float:
        # Ids end in a hash that nobody types.
        parts = (name.lower(), name.lower()[: len(typed)])
        return max(difflib.SequenceMatcher(None, typed, part).ratio() for part in parts)

    found = {name: likeness(name) for name in names}
    return sorted((name for name in found if found[name] >= 0.7), key=lambda name: -found[name])[:3]


def runs(on_damaged: Callable[[Path, DataError], None] | None = None) -> list[Run]:
    """All runs, newest first.

    Args:
        on_damaged: called with the directory of each run that cannot be read, which is left out, and the error; a
            warning if left out.

    Example:
        >>> [run.name for run in raysq.runs() if run.state() == "finished"]
    """
    return newest_first("runs/*/config.json", Run.open, "run", on_damaged)
