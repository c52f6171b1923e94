"""Files of a run's directory that exist whatever it trains: its epochs, checkpoints, result, failure, and lock."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from raysq.errors import DamagedError, RaysqError
from raysq.storage.atomic import write_json, write_json_lines
from raysq.storage.json_files import read_json, read_json_lines
from raysq.storage.paths import is_locked


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
    still_improving: NotRequired[bool]  # absent in runs of an older raysq; see `raysq.training.improvement`
    ended: NotRequired[str]  # "finished", or why training was stopped early
    goodput: NotRequired[dict[str, float]]  # absent in runs of an older raysq; see `raysq.training.goodput.Goodput`
    replicas: NotRequired[list[int]]  # of each attempt, over all workers; absent likewise


class SampleRecord(TypedDict):
    """Schema of a sample in `samples.jsonl`; see `raysq.problems.samples.Sample`."""

    title: str
    text: str
    expected: str | None


class EpochSamples(TypedDict):
    """Schema of a line of `samples.jsonl`: the samples after an epoch, 0 for those before training."""

    epoch: int
    samples: list[SampleRecord]


class Failure(TypedDict):
    """Schema of `failure.json`: the reason why training ended."""

    message: str


class RunFiles:
    """Files of a run's directory, without its configuration.

    Attributes:
        directory: path of the run's directory.
    """

    def __init__(self, directory: Path):
        self.directory = directory

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

    def kept(self, epoch: int) -> Path:
        """Directory of the weights of an epoch that the setting `keep_epochs` keeps."""
        return self.directory / "checkpoints" / f"epoch-{epoch:04d}"

    def kept_epochs(self) -> list[int]:
        """Return the numbers of the epochs whose weights are kept."""
        names = (path.name.removeprefix("epoch-") for path in (self.directory / "checkpoints").glob("epoch-*"))
        return sorted(int(name) for name in names if name.isdecimal())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run for this process, so that two processes never train it at the same time.

        Raises:
            RaysqError: another process holds the lock.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        message = f"run {self.name} is being trained by another process; wait for it, or use --name"
        with is_locked(self.directory / ".lock", message):
            yield

    def state(self) -> str:
        """Return the run's state: "finished", "running", "interrupted" or "new"."""
        if self.result() is not None:
            return "finished"
        try:
            with self.lock():
                return self._unlocked_state()
        except RaysqError:
            return "running"
        except OSError:  # no process trains on a read-only disk
            return self._unlocked_state()

    def _unlocked_state(self) -> str:
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
        records: list[dict[str, Any]] = [dict(record) for record in read_json_lines(path, EpochRecord, hint, epochs)]
        expected = epochs
        if expected is None:
            result = self.result()
            expected = 0 if result is None else result["epochs"]
        if [record["epoch"] for record in records[:expected]] != list(range(1, expected + 1)):
            raise DamagedError(f"{path} is damaged (it lacks some of the {expected} epochs that were trained); {hint}")
        return records

    def append(self, record: Mapping[str, Any]) -> None:
        """Append an epoch's record to `metrics.jsonl`; records of this and later epochs, from before a crash, go."""
        write_json_lines(self.directory / "metrics.jsonl", [*self.metrics(record["epoch"] - 1), record])

    def samples(self) -> list[EpochSamples]:
        """Return the samples of each epoch from `samples.jsonl`; none where the setting `samples_every` is 0.

        Raises:
            DamagedError: a line is truncated or changed.
        """
        hint = "remove it: the samples so far are lost, and those to come are written anew"
        return read_json_lines(self.directory / "samples.jsonl", EpochSamples, hint)

    def append_samples(self, samples: EpochSamples) -> None:
        """Append an epoch's samples to `samples.jsonl`; those of this and later epochs, from before a crash, go."""
        earlier = [record for record in self.samples() if record["epoch"] < samples["epoch"]]
        write_json_lines(self.directory / "samples.jsonl", [*earlier, samples])

    def result(self) -> dict[str, Any] | None:
        """Return the content of `result.json`, or None if the run is not finished.

        Raises:
            DamagedError: the file is truncated or changed.
        """
        hint = "remove it, and the same `raysq train` command measures the run again"
        result = read_json(self.directory / "result.json", RunResult, hint, missing=None)
        return None if result is None else dict(result)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write `result.json`, which marks the run as finished; see `RunResult`."""
        write_json(self.directory / "result.json", result)

    def failure(self) -> str | None:
        """Return the reason why a trial or a worker group ended without a result, or None."""
        path = self.directory / "failure.json"
        try:
            failure = read_json(path, Failure, "what it said is lost", missing=None)
        except DamagedError as error:
            return f"the reason is not known: {error}"
        return None if failure is None else failure["message"]
