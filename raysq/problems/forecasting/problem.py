"""Forecasting problem: predict future values of columns from a window of past rows."""

from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.base import Problem, ReportModel, RowContext
from raysq.problems.charts import Section
from raysq.problems.forecasting import options, row_durations, splits
from raysq.problems.forecasting.batches import open_splits
from raysq.problems.forecasting.cyclical_features import feature_names
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.interface import interface
from raysq.problems.forecasting.linear_reference import solve
from raysq.problems.forecasting.metadata import ForecastingMetadata
from raysq.problems.forecasting.overview import overview
from raysq.problems.forecasting.predict import predict, quantile_column, recent_rows
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.quantiles import absolute_error, coverage, median_index, pinball, squared_error
from raysq.problems.forecasting.report import report
from raysq.problems.forecasting.resolve_settings import resolve_settings
from raysq.problems.forecasting.sample import sample
from raysq.problems.forecasting.scale_free import scale_free_errors
from raysq.problems.forecasting.series import segments, split_bounds
from raysq.problems.forecasting.settings import ForecastingSettings
from raysq.problems.forecasting.signature import WindowSignature
from raysq.problems.interface import Interface
from raysq.problems.specs import BatchSource, InputSpec, ModelSpec, Objective, OutputMetric

_BUILDERS = "raysq.problems.forecasting.models:"
_LONG_HORIZON = "raysq.problems.forecasting.long_horizon."
# As in the papers, every window is seen in an epoch, and the rate of learning falls.
_LINEAR = {
    "optimizer": "adam",
    "learning_rate": 0.005,
    "schedule": "cosine",
    "batch_size": 32,
    "steps_per_epoch": None,
    "epochs": 10,
}
_DEEP = {**_LINEAR, "learning_rate": 0.001}
_MOST_OUTPUTS = 12  # with more outputs, none has a metric of its own


class Forecasting(Problem[ForecastingSettings, ForecastingMetadata]):
    """Predict future values of columns from a window of past rows."""

    name = "forecasting"
    noun = "a model that forecasts series"
    Settings = ForecastingSettings
    Metadata = ForecastingMetadata
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
        "linear": ModelSpec(_LONG_HORIZON + "linear:linear", _LINEAR, xla=False),
        "nlinear": ModelSpec(_LONG_HORIZON + "nlinear:nlinear", _LINEAR, xla=False),
        "dlinear": ModelSpec(_LONG_HORIZON + "dlinear:dlinear", _LINEAR, xla=False),
        "rlinear": ModelSpec(_LONG_HORIZON + "rlinear:rlinear", _LINEAR, xla=False),
        "tsmixer": ModelSpec(_LONG_HORIZON + "tsmixer:tsmixer", _DEEP, xla=False),
        "patchtst": ModelSpec(_LONG_HORIZON + "patchtst:patchtst", {**_DEEP, "batch_size": 128}),
        "ridge": ModelSpec(_LONG_HORIZON + "ridge:ridge", xla=False),
        "nhits": ModelSpec(_LONG_HORIZON + "nhits:nhits", _DEEP, xla=False),
    }
    default_model = "gru"
    exclusive_settings = (("horizon", "delay"),)
    refused_settings: ClassVar[Mapping[str, str]] = {
        "val_selection": "rows of a series follow each other in time, and windows of neighbors share most of theirs, "
        "so that they are divided in time: split, --split-column or --validation says where",
        "group": "each series is divided in time, and no window reaches from one into another: --id names the series",
        "class_weight": "a forecast has no classes: --weight names a column of weights",
    }
    later_settings: ClassVar[Mapping[str, Any]] = {"future": [], "loss": "mae", "protocol": "inside"}
    prepare_options = options.PREPARE
    report_options = options.REPORT

    def __init__(self, settings: ForecastingSettings, metadata: ForecastingMetadata, assets: Path | None = None):
        super().__init__(settings, metadata, assets)
        if len(metadata.target_std) != len(settings.targets):
            raise DataError(
                f"the metadata of a run of {self.name} cannot be used: {len(settings.targets)} targets have "
                f"{len(metadata.target_std)} means and deviations"
            )

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        return resolve_settings(values, dataset)

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: ForecastingSettings) -> ForecastingMetadata:
        return ForecastingMetadata.from_dataset(dataset, settings)

    @classmethod
    def write_sample(cls, directory: Path, spec: str) -> Path:
        return sample(directory, spec)

    @cached_property
    def frequency(self) -> Frequency | None:
        """Frequency of the training data; None for rows without a cadence."""
        return Frequency.restore(self.metadata.cadence_seconds, self.metadata.frequency, self.metadata.step)

    @cached_property
    def horizons(self) -> list[str]:
        """Time from the last row seen to each row that is forecast, such as "24h"."""
        return [row_durations.format_rows(rows, self.frequency) for rows in self.settings.horizons]

    @cached_property
    def outputs(self) -> list[str]:
        """Names of the outputs, ordered by horizon, then by target."""
        targets = self.settings.targets
        if len(targets) == 1:
            return self.horizons
        if len(self.horizons) == 1:
            return list(targets)
        return [f"{target}_{horizon}" for horizon in self.horizons for target in targets]

    @cached_property
    def key_columns(self) -> tuple[str, ...]:
        """Columns that identify the series in the training data, if there are several."""
        return self.preprocessor.id if self.metadata.series is not None else ()

    @cached_property
    def column_names(self) -> dict[str, str]:
        """Names of a forecast's columns "row", "time", "from" and "horizon".

        A name is prefixed with `forecast_` where a target, one of its quantiles or a key of the series has that name.
        """
        targets, quantiles = self.settings.targets, self.settings.quantiles
        reserved = {*self.key_columns, *targets, *(quantile_column(name, q) for name in targets for q in quantiles)}
        names = {}
        for column in ("row", "time", "from", "horizon"):
            name = column
            while name in reserved:
                name = f"forecast_{name}"
            names[column] = name
        return names

    @property
    def loss_settings(self) -> tuple[str, ...]:
        """Settings of the loss, and of the values whose errors it is the mean of."""
        return ("loss", "quantiles", "targets", "horizon", "delay")

    def splits(self, dataset: Dataset) -> Mapping[str, BatchSource]:
        return open_splits(dataset, self.settings)

    def input_spec(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        `extra` holds `reversed`, `future` (the names of inputs that are known ahead), and for the untrained baselines
        `latest`, `seasonal` and `ridge`. The first two list for each horizon the index of the step to repeat;
        `seasonal` is None where the window holds no such step. `ridge` solves the linear reference for an alpha.
        """
        settings = self.settings
        names = (*self.metadata.columns, *feature_names(settings.calendar), *settings.future_names)
        # A model that forecasts targets from their own past needs all of them: of some alone, it has none.
        seen = set(settings.targets) <= set(names)
        targets = tuple(names.index(name) for name in settings.targets) if seen else ()
        others = tuple(number for number in range(len(names)) if number not in targets)
        return InputSpec(
            shape=(settings.steps, len(names)),
            outputs=settings.outputs,
            names=names,
            targets=targets,
            extra={
                "reversed": settings.reversed,
                "future": settings.future_names,
                "latest": settings.latest_steps,
                "seasonal": settings.seasonal_steps,
                "ridge": partial(solve, dataset, settings, targets, others),
            },
        )

    def objective(self) -> Objective:
        """Return the loss and the metrics.

        The loss is that of the settings, or the pinball loss where quantiles are forecast. Several outputs, up to
        `_MOST_OUTPUTS`, also have a metric each. A range of rows, or the mean squared error as the loss, also has the
        mean squared error. Two or more quantiles also have their coverage.
        """
        quantiles = self.settings.quantiles
        count = max(1, len(quantiles))
        error = absolute_error(count, median_index(quantiles))
        metrics: dict[str, Any] = {"mae": error if quantiles else "mae"}
        if self.settings.is_range or self.settings.loss == "mse":
            metrics["mse"] = squared_error(count, median_index(quantiles)) if quantiles else "mse"
        if 1 < len(self.outputs) <= _MOST_OUTPUTS:
            metrics |= {f"mae_{name}": OutputMetric(number, error) for number, name in enumerate(self.outputs)}
        if count > 1:
            metrics["coverage"] = coverage(count, 0, count - 1)
        return Objective(pinball(quantiles) if quantiles else self.settings.loss, metrics)

    def baselines(self) -> dict[str, Mapping[str, Any]]:
        """Return the baselines: persistence, seasonal-naive where a window holds a whole season, and a linear model."""
        own: dict[str, Any] = {}
        if not set(self.settings.targets) <= set(self.metadata.columns):
            own = {"features": self.settings.targets, "future": ()}
        changes = {**own, "reversed": False, "calendar": (), "future": ()}
        names = ("baseline",) if self.settings.seasonal_steps is None else ("baseline", "seasonal")
        return {**dict.fromkeys(names, changes), "ridge": own}

    def further_metrics(self, dataset: Dataset, split: str, model: Any) -> dict[str, float]:
        """Return MASE and sMAPE of a split."""
        return scale_free_errors(self, dataset, split, model)

    def denormalize_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return mean absolute and squared errors in the targets' units, named `..._original`.

        With several targets, their common means are left out.
        """
        deviations = dict(zip(self.outputs, self.metadata.target_std * len(self.horizons), strict=True))
        if len(self.settings.targets) == 1:
            deviations[""] = self.metadata.target_std[0]
        denormalized = {}
        for name, value in metrics.items():
            _, mae, output = name.rpartition("mae_") if "mae_" in name else name.rpartition("mae")
            if mae and output in deviations:
                denormalized[f"{name}_original"] = value * deviations[output]
            elif name.endswith("mse") and not mae and "" in deviations:
                denormalized[f"{name}_original"] = value * deviations[""] ** 2
        return denormalized

    def describe(self) -> list[str]:
        """Describe the windows, renamed output columns, unobserved targets and a missing seasonal baseline.

        Numbers of rows are also given as time where the series has a frequency.
        """
        settings = self.settings

        def format_rows(rows: int) -> str:
            time = f" ({row_durations.format_rows(rows, self.frequency)})" if self.frequency else ""
            return f"{rows:,} row{'' if rows == 1 else 's'}{time}"

        between = " to " if settings.is_range else ", "
        shown = dict.fromkeys((settings.horizons[0], settings.horizons[-1])) if settings.is_range else settings.horizons
        horizons = between.join(map(format_rows, shown))
        sees = f"sees one row in {format_rows(settings.step)} of" if settings.step > 1 else "sees"
        unseen = f", but for the last {-1 - settings.last:,}" if settings.last < -1 else ""
        lines = [
            f"forecasts {', '.join(settings.targets)}: {horizons} after the last row seen",
            f"{sees} {format_rows(settings.lookback)}{unseen}",
        ]
        if settings.future:
            lines.append(f"knows {', '.join(settings.future)} as far ahead as it forecasts")
        lines += [
            f"predictions have the {column} of a forecast as {name!r}: a column of the data is called {column!r}"
            for column, name in self.column_names.items()
            if name != column
        ]
        left_out = (
            "windows that forecast them are left out" if len(self.outputs) == 1 else "forecasts of them do not count"
        )
        for name, count in self.metadata.unobserved.items():
            lines.append(f"{count:,} of {self.metadata.rows:,} targets of {name} are not observed: {left_out}")
        if settings.seasonal_steps is None and settings.season:
            lines.append("no seasonal reference: lookback holds no whole season")
        return lines

    def folds(self, dataset: Dataset, count: int) -> list[dict[str, Any]]:
        """Return the splits of a rolling-origin backtest on the test rows: in rows, or in shares of several series.

        Raises:
            DataError: the source says the parts of its rows.
        """
        if dataset.manifest.report.get("stretches"):
            raise DataError(
                f"a backtest divides rows in time, and the source of data set {dataset.manifest.name} says their parts",
                hint="prepare it without --validation and --split-column",
            )
        series = segments(dataset)
        rows = sum(end - begin for begin, end in series)
        relative = [
            {name: (low - begin, high - begin) for name, (low, high) in bounds.items()}
            for bounds, (begin, _) in zip(split_bounds(dataset, self.settings), series, strict=True)
        ]
        folds = []
        for fold in splits.rolling(relative, count):
            sizes = [sum(bounds[name][1] - bounds[name][0] for bounds in fold) for name in splits.SPLITS]
            parts = map(str, sizes) if len(series) == 1 else (f"{size / rows:.6f}" for size in sizes)
            folds.append({"split": "/".join(parts)})
        return folds

    def prediction_preprocessor(self) -> SeriesPreprocessor:
        """Return the preprocessor that reads raw files for predictions.

        It has the settings of the run's own preprocessor, limited to the columns that the model sees.
        """
        metadata = self.metadata
        settings = self.preprocessor.reading(metadata.columns)
        if self.frequency is not None and self.frequency.alias and not self.frequency.numbered:
            settings["freq"] = self.frequency.alias  # a few rows are not enough to infer it
        settings["timezone"] = metadata.timezone
        # Columns that were stored as float64 for training must not be rounded to float32 here.
        settings["float64"] = [name for name in settings["columns"] if name in metadata.float64]
        if self.settings.future:
            # The last rows of a file have no values but those of the future.
            settings["open_end"] = [name for name in metadata.columns if name not in self.settings.future]
        return SeriesPreprocessor(**settings)

    def history(self) -> tuple[int, int]:
        """Return how many rows before and after its position a window needs for its forecast and its timestamp."""
        return self.settings.lookback, max(self.settings.ahead)

    def prediction_size(self) -> int:
        """Return the number of values of a forecast."""
        return self.settings.outputs

    def describe_rows(self, report: Mapping[str, Any]) -> list[str]:
        """Return messages about series that are too short to forecast, and series that training did not have."""
        lines, needed = [], self.settings.rows_needed
        series = report.get("series") or []
        short = [str(entry["id"]) for entry in series if entry["rows"] < needed]
        if short:
            known = f" and of {', '.join(self.settings.future)}" if self.settings.future else ""
            lines.append(f"no prediction for {', '.join(short[:10])}: fewer than {needed:,} rows of history{known}")
        trained = self.metadata.series
        unseen = [str(entry["id"]) for entry in series if trained is not None and entry["id"] not in trained]
        if unseen:
            lines.append(f"not among the series that the run was trained on: {', '.join(unseen[:10])}")
        return lines

    def interface(self) -> Interface:
        return interface(self)

    def signature(self, texts: bool) -> WindowSignature:
        """Return the raw inputs and the outputs of an exported model: a window of rows, and each target."""
        return WindowSignature(self, texts)

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        return predict(self, model, rows, context or RowContext())

    def recent_rows(self, rows: pa.Table, context: RowContext, count: int) -> pa.Table:
        """Return the time and the targets of the latest rows of each series."""
        return recent_rows(self, rows, context, count)

    @classmethod
    def overview(cls, dataset: Dataset, values: Mapping[str, Any]) -> list[Section]:
        return overview(dataset)

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        return report(self, dataset, model.predict, options.get("week"))
