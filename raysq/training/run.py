"""A run's directory: what lies in it, and where the run stands."""

import difflib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raysq.atomic import write_json, write_text
from raysq.errors import DataError, RaysqError, UsageError
from raysq.home import held, home
from raysq.training.config import Config

FORMAT_VERSION = 2  # 2: the source of a person's own model


class Run:
    """A run's directory: `config.json`, `metrics.jsonl`, `checkpoints/`, `result.json`, `model.keras`, `history.png`,
    and `assets/` where its kind has such.

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
        """The run of a configuration: a new one, or the one that is there, to be continued. One of the same name that
        has not trained a step is replaced.

        Args:
            config: what to do.
            name: of its directory, instead of the configuration's id.
            fresh: remove what is there.
            folder: where runs are kept; RAYSQ_HOME/runs if left out.

        Raises:
            UsageError: a run of that name has another configuration, and steps.
        """
        if name and (Path(name).name != name or name.startswith(".")):
            raise UsageError(f"--name must be a plain name without slashes, received {name!r}")
        directory = (folder or home() / "runs") / (name or config.id)
        if (directory / "config.json").exists():
            there = cls.open(directory)
            if there.config.id == config.id and not fresh:
                return there
            if not fresh and there.state() != "new":  # of a new one nothing is lost: its model may not have been built
                raise UsageError(
                    f"run {directory.name} exists with other settings ({there.config.differences(config)}): choose "
                    "another --name, or --fresh to start anew"
                )
            with there.lock():
                shutil.rmtree(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RaysqError(
                f"{directory} cannot be written ({error.strerror}); set RAYSQ_HOME to a folder that can"
            ) from None
        write_json(directory / "config.json", {"format_version": FORMAT_VERSION, **asdict(config)})
        return cls(directory, config)

    @classmethod
    def open(cls, run: str | Path) -> "Run":
        """An existing run by directory, id, or an unambiguous beginning of its id.

        Raises:
            DataError: there is none (names those that are spelt alike), or a newer raysq wrote it.
            UsageError: an empty name.
        """
        directory = Path(run)
        if not str(run).strip():
            raise UsageError("a run is named by its id, the beginning of it, or its directory, received an empty name")
        if not (directory / "config.json").exists():
            directory = home() / "runs" / str(run)
        if not (directory / "config.json").exists():
            names = sorted(path.parent.name for path in (home() / "runs").glob("*/config.json"))
            matches = [name for name in names if name.startswith(str(run))]
            if len(matches) != 1:
                if not matches:
                    raise DataError(_missing(str(run), names))
                raise DataError(
                    f"{len(matches)} runs begin with {str(run)!r}: {', '.join(matches)}; give more of the "
                    f"name, or train with --name"
                )
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

    @property
    def assets(self) -> Path:
        """The folder of what predictions need beside the model and the facts, where the kind has such."""
        return self.directory / "assets"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the run for this process; another that trains it meets an error instead of mixing its lines."""
        self.directory.mkdir(parents=True, exist_ok=True)
        said = f"run {self.name} is being trained by another process; wait for it, or use --name"
        with held(self.directory / ".lock", said):
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
        write_text(self.directory / "metrics.jsonl", "".join(json.dumps(one) + "\n" for one in [*kept, record]))

    def result(self) -> dict[str, Any] | None:
        """What a finished run reached, or None."""
        path = self.directory / "result.json"
        return json.loads(path.read_text()) if path.exists() else None

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


def _missing(run: str, names: Sequence[str]) -> str:
    """Why there is no run of that name: it is another thing's, or like those of some runs, or like none."""
    for directory in (Path(run), home() / "experiments" / run):
        if (directory / "experiment.json").exists():
            best = directory / "best.json"
            its = f"; its best run is {json.loads(best.read_text())['run']}" if best.exists() else ""
            return f"no run {run!r}, but a search of that name, which `raysq report` shows{its}"
    if (Path(run) / "manifest.json").exists():
        return f"no run {run!r}, but a data set: `raysq train TASK --data {run}` trains on it"
    close = alike(run, names)
    said = f"did you mean {' or '.join(close)}? " if close else ""
    return f"no run {run!r}: {said}`raysq runs` lists them"


def alike(typed: str, names: Iterable[str]) -> list[str]:
    """The names, at most three, of runs or searches that are spelt like one that was typed, or that begin so."""
    typed = typed.lower()

    def likeness(name: str) -> float:
        # Ids end in a hash that nobody types.
        parts = (name.lower(), name.lower()[: len(typed)])
        return max(difflib.SequenceMatcher(None, typed, part).ratio() for part in parts)

    found = {name: likeness(name) for name in names}
    return sorted((name for name in found if found[name] >= 0.7), key=lambda name: -found[name])[:3]


def runs() -> list[Run]:
    """All runs, newest first."""
    paths = sorted((home() / "runs").glob("*/config.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [Run.open(path.parent) for path in paths]
