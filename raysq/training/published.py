"""Published figures beside those of a run, compared only where the run follows the published protocol."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from raysq import problems, tasks
from raysq.config import make_settings
from raysq.data.dataset import Dataset
from raysq.display.numbers import number, short
from raysq.errors import RaysqError
from raysq.report.metrics import Metric
from raysq.tasks.prepare import with_defaults
from raysq.tasks.published import Published
from raysq.tasks.task import Task
from raysq.training.config_differences import ABSENT, differing_settings
from raysq.training.keras_callbacks.identity import show_callbacks
from raysq.training.presets import LAYER_VERSION
from raysq.training.run import Run
from raysq.training.run_config import LATER, RunConfig, resolve_config

# Training settings that change how a run is computed, and its numbers at most by rounding.
_OF_COMPUTATION = (
    "eval_batch_size",
    "xla",
    "deterministic",
    "exact",
    "checkpoint_steps",
    "steps_per_execution",
    "samples_every",
    "keep_epochs",
)
_NOT_STATED: tuple[Any, ...] = (None, "", [], {}, "infer", "find")  # defaults of preparation that the files decide
# Settings of preparation that no file decides and that change the examples, their weights or their splits.
_ADDED = ("freq", "weight", "group", "split_column", "label_separator")
_SHOWN = 6  # differences in a line


@dataclass(frozen=True)
class PublishedComparison:
    """A published figure beside the run's.

    Attributes:
        published: the published figure.
        measured: the run's figure by the same rule, or None where the run does not follow the protocol.
        differences: what is different from the published protocol. Without any, the figures can be compared.
        remark: what could not be checked, or "".
    """

    published: Published
    measured: float | None
    differences: tuple[str, ...]
    remark: str = ""

    def describe(self) -> str:
        """Return the comparison in a line."""
        figure = self.published
        line = f"published {figure.metric} {short(figure.value)} ({figure.source})"
        if self.measured is None:
            return f"{line}, not compared with this run: {self.reasons}"
        return f"{line}, here {number(self.measured)}{f' ({self.remark})' if self.remark else ''}"

    @property
    def reasons(self) -> str:
        """The differences in one text."""
        rest = len(self.differences) - _SHOWN
        return "; ".join(self.differences[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        values = {**asdict(self.published), "settings": dict(self.published.settings)}
        return {**values, "measured": self.measured, "differences": list(self.differences), "remark": self.remark}


def compare_published(run: Run, dataset: Dataset, metrics: Mapping[str, float]) -> list[PublishedComparison]:
    """Compare a run with the published figures of its model.

    Args:
        run: the run.
        dataset: its data set.
        metrics: metrics of its best weights, such as "val_mae".

    Returns:
        A comparison for each figure that its task publishes of this model.
    """
    try:
        task = tasks.get(run.config.task)
    except RaysqError:  # a task of a package that is not installed here
        return []
    comparisons = []
    for figure in task.published:
        if figure.model != run.config.model:
            continue
        differences = _data_differences(dataset, task, figure)
        differences += _preparation_differences(dataset, task)
        differences += _setting_differences(run.config, dataset, task, figure)
        comparisons.append(_comparison(run, dataset, task, figure, metrics, differences))
    return comparisons


def _comparison(
    run: Run,
    dataset: Dataset,
    task: Task,
    figure: Published,
    metrics: Mapping[str, float],
    differences: list[str],
) -> PublishedComparison:
    measured = None
    if not differences:
        result = run.result()
        if result is None or result.get("ended") != "finished":
            differences.append("the run has not trained to its end")
        elif (measured := _measured(run, figure, metrics)) is None:
            differences.append(f"{figure.metric} is not measured here")
    remark = "" if differences else _unchecked(dataset, task)
    return PublishedComparison(figure, measured, tuple(differences), remark)


def _measured(run: Run, figure: Published, metrics: Mapping[str, float]) -> float | None:
    """Return the run's figure of the same epoch as the published one, or None."""
    if figure.epoch == "best":
        return metrics.get(figure.metric)
    values = [float(record[figure.metric]) for record in run.metrics() if figure.metric in record]
    if not values:
        return None
    if figure.epoch == "last":
        return values[-1]
    return max(values) if Metric(figure.metric).higher_is_better else min(values)


def _data_differences(dataset: Dataset, task: Task, figure: Published) -> list[str]:
    """Return how the data differ from the published ones."""
    if dataset.synthetic:
        return ["synthetic sample data"]
    differences = []
    rows = task.source.rows if task.source else None
    if rows is not None and rows != dataset.rows:
        differences.append(f"{dataset.rows:,} rows of data (published: {rows:,})")
    source = dataset.manifest.source
    names = [str(file["name"]) for file in source.get("files", [])]
    if figure.file and not any(name.endswith(figure.file) for name in names):
        differences.append(f"prepared from {source.get('label') or 'another source'} (published: {figure.file})")
    if "validation" in source:
        differences.append("validated on rows of another source")
    return differences


def _unchecked(dataset: Dataset, task: Task) -> str:
    """Return a remark where the number of rows is the published one but the file is another one."""
    published = task.source.sha256 if task.source else None
    files = dataset.manifest.source.get("files", [])
    if published is None or any(file["sha256"] == published for file in files):
        return ""
    return "its file has another checksum than the published one, with as many rows"


def _preparation_differences(dataset: Dataset, task: Task) -> list[str]:
    """Return how the preparation differs from the task's, without what the files decide."""
    stated = make_settings(problems.get(task.problem).Preprocessor, task.preparation).to_config()
    prepared = dataset.preprocessor_settings
    differences = [
        f"prepared with {name} {short(prepared[name])} (published: {short(value)})"
        for name, value in json.loads(json.dumps(stated)).items()
        if value not in _NOT_STATED and name in prepared and prepared[name] != value
    ]
    added = [name for name in _ADDED if stated.get(name) is None and prepared.get(name) is not None]
    return [*differences, *(f"prepared with {name} {short(prepared[name])} (published: none)" for name in added)]


def _as_published(dataset: Dataset, task: Task) -> Dataset:
    """Return the data set without the defaults of training that were given when it was prepared."""
    preprocessor = make_settings(problems.get(task.problem).Preprocessor, dataset.preprocessor_settings)
    settings, _ = with_defaults(task, preprocessor, {})
    return Dataset(dataset.directory, replace(dataset.manifest, settings=settings), checked=True)


def _setting_differences(config: RunConfig, dataset: Dataset, task: Task, figure: Published) -> list[str]:
    """Return how the run's settings differ from the task's with those of the published protocol."""
    try:
        overrides = {**figure.settings, **({"preset": figure.preset} if figure.preset else {})}
        published = resolve_config(config.task, config.model, _as_published(dataset, task), config.seed, overrides)
    except RaysqError as error:
        return [f"the published settings do not fit these data: {error.message}"]
    # Runs of an older raysq lack the settings that came later, and were trained as with their first values.
    later = {**LATER, **problems.get(task.problem).later_settings}
    different = {
        name: [later.get(name.rpartition(".")[2], ABSENT) if value is ABSENT else value for value in values]
        for name, values in differing_settings([config, published]).items()
    }
    # The version of the layers follows from the preset, unless it was set by itself.
    left_out = (*_OF_COMPUTATION, LAYER_VERSION) if "preset" in different else _OF_COMPUTATION
    differences = [
        f"{name} {short(values[0])} (published: {short(values[1])})"
        for name, values in different.items()
        if name not in left_out and ABSENT not in values and values[0] != values[1]
    ]
    if config.callbacks:
        differences.append(f"callbacks {show_callbacks(config.callbacks)} (published: none)")
    return differences
