"""Signature of exported forecasts: the raw rows of a window in, each target in its own unit out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysq.data import time_zones
from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.forecasting.calendar_graph import calendar_features, outside
from raysq.problems.forecasting.cyclical_features import cyclical_features, feature_names
from raysq.problems.forecasting.predict import quantile_column, rounding_digits
from raysq.problems.forecasting.quantiles import median_index
from raysq.problems.forecasting.series import segments
from raysq.problems.graph import GraphOps
from raysq.problems.signature import Signature, TensorInfo, tensor_name

if TYPE_CHECKING:
    from raysq.problems.forecasting.problem import Forecasting

_WINDOWS = 16  # windows of a sample
_TIMES = "microseconds since 1970 of each row, in UTC"


class WindowSignature(Signature):
    """Signature of a forecast.

    Args:
        problem: problem of the run.
        wide: whether the format has numbers of 64 bits. Without them, features of the calendar are an input.
    """

    def __init__(self, problem: "Forecasting", wide: bool):
        self._problem = problem
        self._wide = wide
        settings, metadata = problem.settings, problem.metadata
        if settings.future:
            raise UsageError(
                "a model that takes raw rows cannot be exported with columns of the future "
                f"({', '.join(settings.future)})",
                hint="--inputs prepared exports the model itself",
            )
        lookback, columns = settings.lookback, metadata.columns
        about = f"the latest {lookback:,} rows, oldest first and evenly spaced, in the columns' own units"
        dtype = "float64" if wide else "float32"
        self.inputs = [TensorInfo("rows", dtype, about, (lookback, len(columns)), values=columns)]
        if settings.calendar and wide:
            zone = "" if metadata.timezone else "; the data have no time zone: local times, as if they were UTC"
            self.inputs.append(TensorInfo("time", "int64", _TIMES + zone, (lookback,)))
        elif settings.calendar:
            names = feature_names(settings.calendar)
            about = "sine and cosine of 2 pi times the share of the day, week, month or year that has passed"
            self.inputs.append(TensorInfo("calendar", "float32", about, (lookback, len(names)), values=names))
        self.outputs = []
        self._targets: dict[str, list[TensorInfo]] = {}
        for target, deviation in zip(settings.targets, metadata.target_std, strict=True):
            self._targets[target] = [
                TensorInfo(
                    tensor_name(column, [info.name for info in (*self.inputs, *self.outputs)]),
                    dtype,
                    f"forecast of {about}",
                    (len(settings.ahead),),
                    column=target,
                    unit=metadata.unit,
                    values=problem.horizons,
                    scale=deviation,
                )
                for column, about in self._columns(target)
            ]
            self.outputs += self._targets[target]
        self.notes = (
            "rows are used as they are: predict sorts them, fills missing cells and gaps, and finds wrong times first",
            "a window with a missing value (NaN) has the forecast NaN",
        )

    def _columns(self, target: str) -> list[tuple[str, str]]:
        """Return name and meaning of each column that `predict` writes for a target."""
        quantiles = self._problem.settings.quantiles
        middle = f", its quantile {quantiles[median_index(quantiles)]:g}" if quantiles else ""
        return [(target, target + middle)] + [
            (quantile_column(target, q), f"{target}, quantile {q:g}") for q in quantiles
        ]

    def trace(self, ops: GraphOps, inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
        """Build the graph."""
        settings, metadata = self._problem.settings, self._problem.metadata
        rows, incomplete = self._values(ops, inputs["rows"])
        steps = [settings.lookback + offset for offset in settings.offsets]
        steps = steps[::-1] if settings.reversed else steps
        seen = ops.constant(steps, "int64")
        parts = [ops.normalize(ops.gather(rows, seen, 1), metadata.mean, metadata.std)]
        if settings.calendar and self._wide:
            times = ops.gather(inputs["time"], seen, 1)
            parts.append(calendar_features(ops, times, settings.calendar, metadata.timezone))
            incomplete = ops.binary("or", incomplete, _any(ops, outside(ops, inputs["time"])))
        elif settings.calendar:
            parts.append(ops.gather(inputs["calendar"], seen, 1))
        output = model(ops.concat(parts, 2) if len(parts) > 1 else parts[0])
        horizons, targets, quantiles = len(settings.ahead), len(settings.targets), max(1, len(settings.quantiles))
        values = ops.reshape(output, [-1, horizons, targets, quantiles])
        values = ops.denormalize(
            values, np.array(metadata.target_mean)[:, None], np.array(metadata.target_std)[:, None]
        )
        found: dict[str, Any] = {}
        for number, infos in enumerate(self._targets.values()):
            of_target = ops.gather(values, ops.constant(number, "int64"), 2)
            of_target = self._rounded(ops, of_target, metadata.target_std[number])
            nothing = ops.constant(np.full((1, 1, 1), np.nan), ops.wide)
            of_target = ops.where(ops.expand(ops.expand(incomplete, 1), 1), nothing, of_target)
            ordered = ops.sort(of_target, quantiles) if quantiles > 1 else of_target
            places = [median_index(settings.quantiles), *range(len(settings.quantiles))]
            for info, place in zip(infos, places, strict=True):
                found[info.name] = ops.gather(ordered, ops.constant(place, "int64"), 2)
        return found

    def _values(self, ops: GraphOps, rows: Any) -> tuple[Any, Any]:
        """Return the values as the model's run reads them, and whether any of a window is missing."""
        metadata, preprocessor = self._problem.metadata, self._problem.preprocessor
        missing = ops.unary("is_nan", rows)
        if preprocessor.sentinel != "keep":
            for sentinel in preprocessor.sentinels:
                missing = ops.binary("or", missing, ops.binary("equal", rows, ops.constant(sentinel, ops.wide)))
        narrow = [name not in metadata.float64 for name in metadata.columns]
        if self._wide and any(narrow):
            rounded = ops.cast(ops.cast(rows, "float32"), "float64")
            rows = ops.where(ops.constant(np.array(narrow)), rounded, rows) if not all(narrow) else rounded
        return rows, _any(ops, ops.reshape(missing, [-1, self._problem.settings.lookback * len(metadata.columns)]))

    def _rounded(self, ops: GraphOps, values: Any, deviation: float) -> Any:
        digits = rounding_digits(deviation)
        if digits is None or not self._wide:
            return values
        factor = ops.constant(10.0 ** abs(digits), ops.wide)
        there, back = ("multiply", "divide") if digits >= 0 else ("divide", "multiply")
        return ops.binary(back, ops.unary("round", ops.binary(there, values, factor)), factor)

    def samples(self, dataset: Dataset | None) -> pa.Table:
        """Return the latest rows of a series of the data set, or drawn ones."""
        count = self._problem.settings.lookback + _WINDOWS - 1
        if dataset is not None:
            for begin, end in segments(dataset):
                if end - begin >= count:
                    names = ["time", *self._problem.metadata.columns]
                    return pa.table({name: dataset.column(name).slice(end - count, end) for name in names})
        random, metadata = np.random.RandomState(0), self._problem.metadata
        seconds = self._problem.frequency.seconds if self._problem.frequency else 3600.0
        times = 1_600_000_000_000_000 + np.arange(count) * int(seconds * 1e6)
        columns: dict[str, Any] = {"time": pa.array(times, pa.timestamp("us"))}
        for name, mean, deviation in zip(metadata.columns, metadata.mean, metadata.std, strict=True):
            values = mean + deviation * random.normal(size=count)
            columns[name] = values.astype(np.float64 if name in metadata.float64 else np.float32)
        return pa.table(columns)

    def feed(self, rows: pa.Table) -> dict[str, np.ndarray]:
        """Return the windows of rows, and one more with a missing value."""
        settings, metadata = self._problem.settings, self._problem.metadata
        positions = np.arange(settings.lookback, rows.num_rows + 1)
        windows = np.append(positions, positions[0])[:, None] + np.arange(-settings.lookback, 0)
        values = np.stack([rows.column(name).to_numpy().astype(np.float64) for name in metadata.columns], 1)
        dtype = self.inputs[0].dtype
        feeds = {"rows": values[windows].astype(dtype)}
        feeds["rows"][-1, 0, 0] = np.nan
        if settings.calendar:
            times = rows.column("time").cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy()
            local = time_zones.utc_to_local(times, metadata.timezone)
            features = times if self._wide else cyclical_features(local, settings.calendar)
            feeds[self.inputs[1].name] = features[windows]
        return feeds

    def expected(self, rows: pa.Table, predictions: pa.Table) -> dict[str, np.ndarray]:
        """Return the forecasts, and NaN for the window with a missing value."""
        horizons, found = len(self._problem.settings.ahead), {}
        for target, infos in self._targets.items():
            for info, (column, _) in zip(infos, self._columns(target), strict=True):
                values = predictions.column(column).to_numpy().reshape(-1, horizons)
                found[info.name] = np.concatenate([values, np.full((1, horizons), np.nan)])
        return found


def _any(ops: GraphOps, mask: Any) -> Any:
    """Return whether any cell of each row of a matrix is true."""
    return ops.binary("less", ops.constant(0, "int32"), ops.reduce("max", ops.cast(mask, "int32"), 1))
