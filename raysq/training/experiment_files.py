"""Files of an experiment's directory: their schemas, reading and writing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from raysq.errors import DamagedError
from raysq.storage.atomic import write_json
from raysq.storage.json_files import Version, read_json
from raysq.storage.trust import SIGNATURE, is_signed, sign
from raysq.training.schedule_file import Change
from raysq.training.user_code import is_own

FORMAT_VERSION = 4  # 4: `requested`
_VERSION = Version(FORMAT_VERSION, oldest=4)
_BEST = "best"  # purpose of a signature
_FRESH = "`raysq tune` with --fresh searches anew"


class Requested(TypedDict):
    """Options of a search, those that are needed again among them."""

    trials: NotRequired[int | None]
    time: NotRequired[float | None]
    workers: NotRequired[int]
    gpu: NotRequired[float]
    metric: NotRequired[str]
    mode: NotRequired[str]


class About(TypedDict):
    """Schema of `experiment.json`: the request of a search."""

    id: str
    task: str
    problem: str
    model: str
    data: str
    synthetic: bool
    seed: int
    space: dict[str, list[Any]]
    fixed: dict[str, Any]
    defaults: dict[str, Any]
    requested: Requested
    callbacks: NotRequired[list[dict[str, Any]]]  # Keras callbacks on which the numbers of trials depend


class TrialRecord(TypedDict):
    """Schema of one object of `trials.json`."""

    number: int
    settings: dict[str, str | float | bool | None]
    state: str
    epochs: int
    val_loss: float | None
    metrics: NotRequired[dict[str, float]]
    schedule: NotRequired[list[Change]]
    seconds: float
    run: str | None
    error: str | None


class Best(TypedDict):
    """Schema of `best.json`: settings and metrics of the best trial."""

    task: str
    model: str
    seed: int
    data: str
    settings: dict[str, dict[str, Any]]
    metrics: dict[str, float]
    run: str
    seconds: float
    schedule: NotRequired[list[dict[str, Any]]]  # where the settings changed in the middle of the run


class RefitRow(TypedDict):
    """Metrics of one set of settings over several seeds."""

    name: str
    settings: dict[str, Any]
    runs: list[str]
    metrics: dict[str, dict[str, Any]]


class Refit(TypedDict):
    """Schema of `refit.json`."""

    seeds: list[int]
    rows: list[RefitRow]


class _Clock(TypedDict):
    seconds: float
    stopped: NotRequired[bool]  # whether the user's stopper ended the search


class Generation(TypedDict):
    """Schema of one object of `generations.json`: the space of a generation, and the number of its first trial."""

    generation: int
    first: int
    space: dict[str, list[Any]]


def read_about(directory: Path) -> dict[str, Any]:
    """Read the request of a search from `experiment.json`.

    Raises:
        DamagedError: the file is missing, truncated or changed.
        DataError: a newer raysq wrote it.
    """
    about: dict[str, Any] = dict(read_json(directory / "experiment.json", About, _FRESH, version=_VERSION))
    del about["format_version"]
    return about


def read_trials(directory: Path) -> list[dict[str, Any]] | None:
    """Read one record per trial, best first, from `trials.json`; None where the file does not exist yet.

    Raises:
        DamagedError: the file is truncated or changed, or holds a trial twice.
    """
    path = directory / "trials.json"
    hint = f"remove it, and the same `raysq tune` command takes up the runs of its trials, or {_FRESH}"
    trials = read_json(path, list[TrialRecord], hint, missing=None)
    if trials is None:
        return None
    if len({trial["number"] for trial in trials}) < len(trials):
        raise DamagedError(f"{path} is damaged (it has a trial twice); {hint}")
    return [dict(trial) for trial in trials]


def read_best(directory: Path) -> dict[str, Any] | None:
    """Read the best trial's settings and metrics from `best.json`; None before a search has ended."""
    hint = "remove it, and the same `raysq tune` command writes it again"
    best = read_json(directory / "best.json", Best, hint, missing=None)
    return None if best is None else dict(best)


def write_best(directory: Path, values: dict[str, Any]) -> None:
    """Write `best.json`, signed where its model is the user's own, so that `raysq train --config` may import it."""
    signature = {SIGNATURE: sign(_BEST, values)} if is_own(values["model"]) else {}
    write_json(directory / "best.json", {**values, **signature})


def is_best_signed(best: Mapping[str, Any]) -> bool:
    """Return whether this home wrote the `best.json` that holds these values."""
    values = {name: value for name, value in best.items() if name != SIGNATURE}
    return is_signed(_BEST, values, best.get(SIGNATURE))


def read_refit(directory: Path) -> dict[str, Any] | None:
    """Read the metrics of the best settings and the defaults over several seeds; None without a `refit.json`."""
    hint = "remove it, and the same `raysq tune` command writes it again"
    refit = read_json(directory / "refit.json", Refit, hint, missing=None)
    return None if refit is None else dict(refit)


def read_generations(directory: Path) -> list[dict[str, Any]]:
    """Read the spaces of the generations that have begun; empty for a search of one generation."""
    hint = "remove it: the spaces of the generations are then left out of the report"
    generations = read_json(directory / "generations.json", list[Generation], hint, missing=[])
    return [dict(generation) for generation in generations]


def read_seconds(directory: Path) -> float:
    """Return the duration of a search in seconds, over all its sessions."""
    return _read_clock(directory)["seconds"]


def was_stopped(directory: Path) -> bool:
    """Return whether the user's stopper ended a search."""
    return _read_clock(directory).get("stopped", False)


def _read_clock(directory: Path) -> _Clock:
    hint = "remove it: the time of the search is then counted from zero"
    nothing: _Clock = {"seconds": 0.0}
    return read_json(directory / "clock.json", _Clock, hint, missing=nothing)
