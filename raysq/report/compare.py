"""Comparison of finished runs: settings that differ, metrics side by side, and differences beyond the spread."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from raysq.errors import DataError, RaysqError, UsageError
from raysq.report.compare_tables import html, label, print_tables
from raysq.report.same_examples import SPLITS, different_examples, split_of
from raysq.report.spread import SeedStatistics, is_beyond, standard_error
from raysq.report.targets import find_finished_run
from raysq.training.config_differences import ABSENT, differing_settings
from raysq.training.keras_callbacks.identity import show_callbacks
from raysq.training.run import Run, runs
from raysq.training.run_config import RunConfig
from raysq.training.user_code import is_own


@dataclass(frozen=True)
class ComparedMetric:
    """A metric of all compared runs, each list with an entry per run.

    Attributes:
        name: name as in `metrics.jsonl`, such as "val_mae".
        values: the metric, or None where a run has none.
        differences: difference from the first run; None for the first and where the values do not compare.
        seeds: statistics over the seeds of the run's settings; None where there are fewer than two runs of them.
        beyond: whether the difference of the means over seeds from those of the first run is beyond the spread; None
            where that is not known.
    """

    name: str
    values: list[float | None]
    differences: list[float | None]
    seeds: list[SeedStatistics | None]
    beyond: list[bool | None]


@dataclass(frozen=True)
class Comparison:
    """Comparison of finished runs, which notebooks show as tables.

    Attributes:
        runs: the runs; differences are from the first.
        settings: settings that differ, with a value for each run that has the setting.
        metrics: the metrics.
        messages: what keeps runs from being compared.
    """

    runs: list[Run]
    settings: dict[str, list[Any]]
    metrics: list[ComparedMetric]
    messages: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Comparison({', '.join(run.name for run in self.runs)})"

    def _repr_html_(self) -> str:
        return html(self)

    def show(self, console: Any) -> None:
        """Print the tables on a `rich` console."""
        print_tables(self, console)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain values, with an object for each run."""
        return {"runs": [self._run(index) for index in range(len(self.runs))], "messages": self.messages}

    def _run(self, index: int) -> dict[str, Any]:
        run = self.runs[index]
        of_seeds = {metric.name: metric.seeds[index] for metric in self.metrics}
        return {
            "run": str(run.directory),
            "task": run.config.task,
            "model": run.config.model,
            "data": run.config.data,
            "seed": run.config.seed,
            "settings": {name: values[index] for name, values in self.settings.items() if values[index] is not ABSENT},
            "metrics": _known(self.metrics, lambda metric: metric.values[index]),
            "differences": _known(self.metrics, lambda metric: metric.differences[index]),
            "seeds": {name: vars(statistics) for name, statistics in of_seeds.items() if statistics is not None},
            "beyond_spread": _known(self.metrics, lambda metric: metric.beyond[index]),
        }


def compare(*targets: Run | str | Path, trust: bool = False) -> Comparison:
    """Compare finished runs: the settings that differ, and the metrics with their differences from the first run.

    Where a home has finished runs of the same settings with other seeds, the comparison tells whether the means over
    the seeds differ by more than two standard errors.

    Args:
        targets: two runs or more (objects, ids, prefixes of ids, or directories). A search (its name or directory)
            stands for its best run.
        trust: Whether to trust the targets, as for `raysq.load`. Defaults to False.

    Returns:
        The comparison. Notebooks show it as tables.

    Raises:
        UsageError: there are fewer than two runs, or a run is given twice.
        DataError: there is no such run or search, or a run is not finished.

    Example:
        >>> raysq.compare("jena-gru", "jena-dense").metrics[0].differences
        [None, 0.0121]
    """
    if len(targets) < 2:
        raise UsageError(f"compare needs two runs or more, received {len(targets)}: `raysq runs` lists them")
    compared = [find_finished_run(target, trust) for target in targets]
    places = [run.directory.resolve() for run in compared]
    for index, run in enumerate(compared):
        if places[index] in places[:index]:
            raise UsageError(f"compare received run {run.name} twice: give runs that differ")
    configs = [run.config for run in compared]
    reasons = [different_examples(compared[0], run) for run in compared]
    other_loss = [_has_other_loss(configs[0], config) for config in configs]
    results = [_metrics(run) for run in compared]
    seeds = _metrics_by_seed(compared, results)
    names = list(dict.fromkeys(name for result in results for name in result))
    metrics = [
        _compared(name, results, seeds, [_compares(name, reasons[i], other_loss[i]) for i in range(len(compared))])
        for name in names
    ]
    messages = [*_of_examples(reasons), *_of_losses(configs, other_loss), *_of_seeds(configs)]
    return Comparison(compared, _settings(configs), metrics, messages)


def _known(metrics: Iterable[ComparedMetric], value: Callable[[ComparedMetric], Any]) -> dict[str, Any]:
    return {metric.name: value(metric) for metric in metrics if value(metric) is not None}


def _metrics(run: Run) -> dict[str, float]:
    result = run.result()
    return {} if result is None else result["metrics"]


def _compares(name: str, reasons: Mapping[str, str], other_loss: bool) -> bool:
    return split_of(name) not in reasons and not (other_loss and (name == "loss" or name.endswith("_loss")))


def _compared(
    name: str,
    results: Sequence[Mapping[str, float]],
    seeds: Sequence[Mapping[int, Mapping[str, float]]],
    compares: Sequence[bool],
) -> ComparedMetric:
    values = [result.get(name) for result in results]
    statistics = [SeedStatistics.of([m[name] for m in by_seed.values() if name in m]) for by_seed in seeds]
    differences: list[float | None] = [None]
    beyond: list[bool | None] = [None]
    first, mean = values[0], statistics[0]
    for index in range(1, len(results)):
        value, other = values[index], statistics[index]
        known = compares[index] and first is not None and value is not None
        differences.append(value - first if known and first is not None and value is not None else None)
        if known and mean and other and seeds[index] is not seeds[0]:
            beyond.append(is_beyond(other.mean - mean.mean, standard_error(mean, other)))
        else:
            beyond.append(None)
    return ComparedMetric(name, values, differences, statistics, beyond)


def _settings(configs: Sequence[RunConfig]) -> dict[str, list[Any]]:
    """Return what differs besides model and seed, which all tables show."""
    rows: dict[str, list[Any]] = {
        "task": [config.task for config in configs],
        "data": [_data(config) for config in configs],
        "model's source": [config.source_digest[:10] or ABSENT for config in configs],
        **differing_settings(configs),
        "callbacks": [show_callbacks(config.callbacks) if config.callbacks else ABSENT for config in configs],
    }
    packages = dict.fromkeys(name for config in configs for name in config.versions)
    rows |= {f"{name} version": [config.versions.get(name, ABSENT) for config in configs] for name in packages}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def _data(config: RunConfig) -> str:
    """Return name and fingerprint of a data set; a name alone may have been given to other data meanwhile."""
    return f"{Path(config.data).name} ({config.fingerprint[:8]})"


def _has_other_loss(first: RunConfig, second: RunConfig) -> bool:
    """Return whether the losses of two runs are of different kinds."""
    if first.settings["data"] == second.settings["data"] and first.problem == second.problem:
        return False
    try:
        losses = [config.make_problem().objective().loss for config in (first, second)]
    except RaysqError:  # a problem of a package that is not there
        return True
    return bool(_comparable(losses[0]) != _comparable(losses[1]))


def _comparable(loss: Any) -> Any:
    if isinstance(loss, Mapping):
        return {name: _comparable(each) for name, each in loss.items()}
    return getattr(loss, "__qualname__", loss)


def _metrics_by_seed(compared: Sequence[Run], results: Sequence[dict[str, float]]) -> list[dict[int, dict[str, float]]]:
    """Return the metrics by seed of the finished runs of each run's settings; runs of the same settings share them."""
    groups: dict[str, dict[int, dict[str, float]]] = {}
    for run, result in zip(compared, results, strict=True):
        groups.setdefault(_settings_id(run.config), {}).setdefault(run.config.seed, result)
    for run in _others(compared):
        by_seed = groups.get(_settings_id(run.config))
        if by_seed is not None and run.config.seed not in by_seed:
            with contextlib.suppress(DataError):  # a damaged run
                if metrics := _metrics(run):
                    by_seed[run.config.seed] = metrics
    return [groups[_settings_id(run.config)] for run in compared]


def _others(compared: Sequence[Run]) -> Iterable[Run]:
    """Yield the runs of this home, and those beside the compared ones, such as the other trials of a search."""
    yield from runs(on_damaged=lambda directory, error: None)
    for folder in dict.fromkeys(run.directory.resolve().parent for run in compared):
        for path in sorted(folder.glob("*/config.json")):
            with contextlib.suppress(DataError):
                yield Run.open(path.parent)


def _settings_id(config: RunConfig) -> str:
    return replace(config, seed=0).id


def _of_examples(reasons: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a message for each reason for which metrics do not compare."""
    found = [(reason, split, index) for index, by_split in enumerate(reasons) for split, reason in by_split.items()]
    messages = []
    for reason, group in groupby(sorted(found), key=lambda entry: entry[0]):
        entries = list(group)
        splits = ", ".join(split for split in SPLITS if any(entry[1] == split for entry in entries))
        others = ", ".join(dict.fromkeys(label(entry[2]) for entry in entries))
        messages.append(f"the {splits} metrics of {label(0)} and {others} do not compare: {reason}")
    return messages


def _of_losses(configs: Sequence[RunConfig], other_loss: Sequence[bool]) -> list[str]:
    messages = []
    if any(other_loss):
        others = ", ".join(label(index) for index, other in enumerate(other_loss) if other)
        messages.append(f"the losses of {label(0)} and {others} do not compare: they are of different kinds")
    models = {(config.model, config.source_digest) for config in configs}
    if len(models) > 1 and any(is_own(model) for model, _ in models):
        messages.append("a model of your own may be compiled with another loss: then only the other metrics compare")
    return messages


def _of_seeds(configs: Sequence[RunConfig]) -> list[str]:
    same = [index for index, config in enumerate(configs) if _settings_id(config) == _settings_id(configs[0])]
    if len(same) < 2:
        return []
    return [f"{', '.join(map(label, same))} differ in nothing but the seed"]
