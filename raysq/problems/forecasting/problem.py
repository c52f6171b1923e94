"""Forecasting problem: predict future values of columns from a window of past rows."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.problems.base import (
    BatchSource,
    InputSpec,
    ModelSpec,
    Objective,
    OutputMetric,
    Problem,
    ReportModel,
    RowContext,
)
from raysq.problems.charts import Section
from raysq.problems.forecasting import options, row_durations, splits
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.predict import output_names, predict
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.quantiles import absolute_error, coverage, median_place, pinball
from raysq.problems.forecasting.report import report
from raysq.problems.forecasting.sample import sample
from raysq.problems.forecasting.series import Series
from raysq.problems.forecasting.settings import ForecastingSettings, segments

_BUILDERS = "raysq.problems.forecasting.models:"
_MOST_OUTPUTS = 12  # with more outputs, none has a metric of its own


def facts(dataset: Dataset, settings: ForecastingSettings) -> dict[str, Any]:
    """Return a run's metadata: training statistics, horizons, and preprocessor settings to read similar raw files.

    Args:
        dataset: a prepared series.
        settings: resolved window settings.

    Returns:
        A JSON-ready dict. It suffices to predict and to denormalize metrics without the data set.
    """
    series = Series(dataset, settings, settings.bounds(dataset))
    manifest = dataset.manifest
    named = re.search(r"\(([^()]+)\)\s*$", settings.targets[0])
    unit = settings.unit or (named.group(1) if named else None)
    frequency = Frequency.of(manifest.report)
    several = manifest.report.get("series")
    return {
        "columns": list(series.columns),
        "mean": series.mean.tolist(),
        "std": series.std.tolist(),
        "targets": list(settings.targets),
        "target_mean": series.target_mean.tolist(),
        "target_std": series.target_std.tolist(),
        "float64": list(manifest.report.get("float64", ())),
        "unobserved": _unobserved(manifest.report, settings),
        "rows": manifest.rows,
        "unit": unit if len(settings.targets) == 1 else None,
        "cadence_seconds": manifest.report.get("cadence_seconds"),
        "frequency": manifest.report.get("frequency"),
        "timezone": manifest.report.get("timezone"),
        "numbered": manifest.report.get("numbered", False),
        "step": manifest.report.get("step"),
        "horizons": [row_durations.say(rows, frequency) for rows in settings.horizons],
        "calendar": list(settings.calendar),
        "preprocessor": manifest.preparation["settings"],
        "series": [one["id"] for one in several] if several else None,
    }


def objective(facts: Mapping[str, Any], settings: ForecastingSettings) -> Objective:
    """Return the loss and the metrics.

    The loss is the mean absolute error, or the pinball loss where quantiles are forecast. Several outputs, up to
    `_MOST_OUTPUTS`, also have a metric each. Two or more quantiles also have their coverage.

    Args:
        facts: metadata of the run.
        settings: resolved window settings.
    """
    count = max(1, len(settings.quantiles))
    middle = median_place(settings.quantiles) if settings.quantiles else 0
    metrics: dict[str, Any] = {"mae": absolute_error(count, middle) if settings.quantiles else "mae"}
    outputs = _outputs(facts)
    if 1 < len(outputs) <= _MOST_OUTPUTS:
        for number, name in enumerate(outputs):
            metrics[f"mae_{name}"] = OutputMetric(number, absolute_error(count, middle))
    if count > 1:
        metrics["coverage"] = coverage(count, 0, count - 1)
    return Objective(pinball(settings.quantiles) if settings.quantiles else "mae", metrics)


def references(facts: Mapping[str, Any], settings: ForecastingSettings) -> dict[str, dict[str, Any]]:
    """Return the baselines: persistence, and seasonal-naive where a window holds a whole season.

    Args:
        facts: metadata of the run.
        settings: resolved window settings.

    Returns:
        For each baseline model the settings that it changes.
    """
    plain: dict[str, Any] = {"reversed": False, "calendar": ()}
    if not set(settings.targets) <= set(facts["columns"]):
        plain["features"] = settings.targets
    found = {"baseline": plain}
    if settings.seasonal() is not None:
        found["seasonal"] = plain
    return found


def scale(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, float]:
    """Denormalize mean absolute errors by the targets' standard deviations.

    Args:
        facts: metadata of the run.
        metrics: normalized metrics by name.

    Returns:
        Denormalized metrics, named `..._original`. With several targets, their common mean is left out.
    """
    outputs = dict(zip(_outputs(facts), facts["target_std"] * len(facts["horizons"]), strict=True))
    scaled = {}
    for name, value in metrics.items():
        _, mae, output = name.rpartition("mae_") if "mae_" in name else name.rpartition("mae")
        if not mae or (output and output not in outputs) or (not output and len(facts["targets"]) > 1):
            continue
        scaled[f"{name}_original"] = value * (outputs[output] if output else facts["target_std"][0])
    return scaled


def remarks(facts: Mapping[str, Any], settings: ForecastingSettings) -> list[str]:
    """Describe the windows, renamed output columns, unobserved targets and a missing seasonal baseline.

    Numbers of rows are also given as time where the series has a frequency.

    Args:
        facts: metadata of the run.
        settings: resolved window settings.

    Returns:
        Messages for the user.
    """

    def said(rows: int) -> str:
        frequency = Frequency.of(facts)
        return f"{rows:,} row{'' if rows == 1 else 's'}" + (
            f" ({row_durations.say(rows, frequency)})" if frequency else ""
        )

    ahead = ", ".join(map(said, settings.horizons))
    seen = f"sees one row in {said(settings.step)} of" if settings.step > 1 else "sees"
    unseen = f", but for the last {-1 - settings.last:,}" if settings.last < -1 else ""
    lines = [
        f"forecasts {', '.join(settings.targets)}: {ahead} after the last row seen",
        f"{seen} {said(settings.lookback)}{unseen}",
    ]
    lines += [
        f"predictions have the {name} of a forecast as {found!r}: a column of the data is called {name!r}"
        for name, found in output_names(facts, settings).items()
        if found != name
    ]
    left_out = (
        "windows that forecast them are left out" if len(_outputs(facts)) == 1 else "forecasts of them do not count"
    )
    for name, count in facts.get("unobserved", {}).items():
        lines.append(f"{count:,} of {facts['rows']:,} targets of {name} are not observed: {left_out}")
    if settings.seasonal() is None and settings.season:
        lines.append("no seasonal reference: lookback holds no whole season")
    return lines


def folds(dataset: Dataset, settings: ForecastingSettings, count: int) -> list[dict[str, Any]]:
    """Return the splits of a rolling-origin backtest over the test rows.

    Args:
        dataset: a prepared series.
        settings: resolved window settings.
        count: number of folds.

    Returns:
        For each fold the setting `split`: in rows, or in shares if there are several series.
    """
    found = settings.bounds(dataset)
    ranges = segments(dataset)
    lengths = [end - begin for begin, end in ranges]
    relative = [
        {name: (low - begin, high - begin) for name, (low, high) in one.items()}
        for one, (begin, _) in zip(found, ranges, strict=True)
    ]
    made = []
    for fold in splits.rolling(relative, count):
        sizes = [[one[name][1] - one[name][0] for name in splits.SPLITS] for one in fold]
        if len(sizes) == 1:
            made.append({"split": "/".join(map(str, sizes[0]))})
        else:
            shares = [sum(part) / sum(lengths) for part in zip(*sizes, strict=True)]
            made.append({"split": "/".join(f"{share:.6f}" for share in shares)})
    return made


def reading(facts: Mapping[str, Any]) -> SeriesPreprocessor:
    """Return the preprocessor that reads raw files for predictions.

    It has the settings of the run's own preprocessor, limited to the columns that the model sees.
    """
    settings = SeriesPreprocessor(**facts["preprocessor"]).reading(facts["columns"])
    frequency = Frequency.of(facts)
    if frequency is not None and frequency.alias and not frequency.numbered:
        settings["freq"] = frequency.alias  # a few rows are not enough to infer it
    settings["timezone"] = facts.get("timezone")
    # Columns that were stored as float64 for training must not be rounded to float32 here.
    wide = facts.get("float64", ())
    return SeriesPreprocessor(**{**settings, "float64": [name for name in settings["columns"] if name in wide]})


def history(facts: Mapping[str, Any], settings: ForecastingSettings) -> tuple[int, int]:
    """Return how many rows before and after its position a window needs for its forecast and its timestamp.

    Args:
        facts: metadata of the run; unused.
        settings: resolved window settings.
    """
    return settings.lookback, max(settings.ahead)


def _unobserved(report: Mapping[str, Any], settings: ForecastingSettings) -> dict[str, int]:
    """Return the number of unobserved values of each target that has any."""
    counts = report.get("repairs", {}).get("unobserved", {})
    return {name: counts[name] for name in settings.targets if name in counts}


def _outputs(facts: Mapping[str, Any]) -> list[str]:
    """Name the outputs, ordered by horizon, then by target."""
    horizons, targets = facts["horizons"], facts["targets"]
    if len(targets) == 1:
        return list(horizons)
    if len(horizons) == 1:
        return list(targets)
    return [f"{target}_{horizon}" for horizon in horizons for target in targets]


class Forecasting(Problem[ForecastingSettings, dict[str, Any]]):
    """Predict future values of columns from a window of past rows."""

    name = "forecasting"
    noun = "a model that forecasts series"
    Settings = ForecastingSettings
    Metadata = dict
    Preprocessor = SeriesPreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "seasonal": ModelSpec(_BUILDERS + "seasonal", xla=False),
        "dense": ModelSpec(_BUILDERS + "dense", xla=False),
        "gru": ModelSpec(_BUILDERS + "gru"),
        "gru_dropout": ModelSpec(_BUILDERS + "gru", {"dropout": 0.2, "recurrent_dropout": 0.2, "epochs": 40}),
        "gru_stacked": ModelSpec(_BUILDERS + "gru_stacked", {"epochs": 40}),
        "gru_reversed": ModelSpec(_BUILDERS + "gru", {"reversed": True}),
        "gru_bidirectional": ModelSpec(_BUILDERS + "gru_bidirectional"),
        "conv1d": ModelSpec(_BUILDERS + "conv1d", xla=False),
        "conv1d_gru": ModelSpec(_BUILDERS + "conv1d_gru"),
        "lstm": ModelSpec(_BUILDERS + "lstm"),
        "rnn": ModelSpec(_BUILDERS + "rnn"),
    }
    default_model = "gru"
    exclusive_settings = (("horizon", "delay"),)
    prepare_options = options.PREPARE
    report_options = options.REPORT

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        return ForecastingSettings.resolve(values, dataset)

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: ForecastingSettings) -> dict[str, Any]:
        return facts(dataset, settings)

    @classmethod
    def write_sample(cls, directory: Path, spec: str) -> Path:
        return sample(directory, spec)

    def splits(self, dataset: Dataset) -> Mapping[str, BatchSource]:
        return self.settings.open(dataset)

    def input_spec(self, dataset: Dataset) -> InputSpec:
        return self.settings.inputs(dataset)

    def objective(self) -> Objective:
        return objective(self.metadata, self.settings)

    def baselines(self) -> dict[str, Mapping[str, Any]]:
        return {**references(self.metadata, self.settings)}

    def denormalize_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return scale(self.metadata, metrics)

    def describe(self) -> list[str]:
        return remarks(self.metadata, self.settings)

    def prediction_preprocessor(self) -> Any:
        return reading(self.metadata)

    @property
    def unit(self) -> str | None:
        unit: str | None = self.metadata["unit"]
        return unit

    def folds(self, dataset: Dataset, count: int) -> list[dict[str, Any]]:
        return folds(dataset, self.settings, count)

    def history(self) -> tuple[int, int]:
        return history(self.metadata, self.settings)

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        context = context or RowContext()
        return predict(
            self.metadata,
            self.settings,
            model,
            rows,
            report=context.report or {},
            stands=context.positions,
            origin=context.offset,
        )

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        return report(dataset, self.metadata, self.settings, model.predict, week=options.get("week"))
