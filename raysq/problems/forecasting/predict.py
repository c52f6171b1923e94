"""Forecasts of raw rows by a trained model."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysq.data import time_zones
from raysq.errors import DataError
from raysq.problems.base import RowContext
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.cyclical_features import cyclical_features
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.quantiles import median_index

if TYPE_CHECKING:
    from raysq.problems.forecasting.problem import Forecasting

_BATCH = 1024
MOST_VALUES = 100_000_000  # forecasts at once
_JITTER = 0.02  # relative difference allowed between cadences inferred from timestamps


def predict(problem: "Forecasting", model: Any, rows: pa.Table, context: RowContext) -> pa.Table:
    """Forecast every row with enough history, and the rows that follow the last one; or only the latter.

    Args:
        problem: problem of the run.
        model: Keras model.
        rows: `time` and the columns that the model sees, as `problem.prediction_preprocessor` reads them.
        context: place of the rows. Its report lists the series if there are several. With positions, the rows are a
            part of one series. With `latest`, only the rows that follow the last one of each series are forecast.

    Returns:
        A table with the columns that identify the series (if there are several), `row` (the row that is forecast; it
        may lie beyond the last), `time` (its timestamp), `from` (the timestamp of the latest row seen), `horizon` (if
        there are several), and each target in its own unit. Quantiles are columns `TARGET q0.1` and so on. See
        `Forecasting.column_names` for data with columns of these names.

    Raises:
        DataError: the rows have another cadence than the run's, are too few, or have more forecasts than fit into
            memory.
    """
    lookback = problem.settings.lookback
    report = context.report or {}
    inputs, timestamps = _model_inputs(problem, rows)
    frequency = _rows_frequency(problem.frequency, Frequency.from_report(report))
    places, begin, longest = [], 0, 0
    count = 0 if context.latest or context.positions else rows.num_rows * problem.settings.outputs
    if count > MOST_VALUES:
        raise DataError(
            f"forecasts from every row are {count:,} values, more than {MOST_VALUES:,} at once",
            hint="latest=True (--latest) forecasts only what follows the last row of each series, raysq.predict_file "
            "(raysq predict --input FILE) forecasts from every row in parts",
        )
    for series in report.get("series") or [{"id": None, "rows": rows.num_rows}]:
        end = begin + series["rows"]
        first = _first_complete_row(inputs[begin:end])
        longest = max(longest, _history_end(inputs[begin:end]) - first)
        low, high = context.positions or (lookback, series["rows"] + 1)
        high = min(high, _last_position(problem, inputs[begin:end]) + 1)
        low = max(low, first + lookback, high - 1 if context.latest else 0)
        # A part of a series may have no forecast: its table is empty.
        if low < high or context.positions is not None:
            places.append((series, begin, end, np.arange(low, max(low, high))))
        begin = end
    if not places and problem.settings.future:
        raise DataError(
            f"a forecast needs {lookback:,} rows of history, received {longest:,}, and after them the values of "
            f"{', '.join(problem.settings.future)} on the {max(problem.settings.ahead) + 1:,} rows that it reaches, "
            "with the other columns empty"
        )
    if not places:
        raise DataError(
            f"a forecast needs {lookback:,} rows of history "
            f"(lookback {row_durations.format_rows(lookback, problem.frequency)}), received {longest:,}"
        )
    # Windows of all series share batches, since each series may have a single one.
    values = _predict_values(problem, model, inputs, np.concatenate([at + begin for _, begin, _, at in places]))
    tables, first = [], 0
    for series, begin, end, positions in places:
        part = values[first : first + len(positions)]
        table = _forecast_table(problem, part, positions, timestamps[begin:end], frequency, context.offset)
        tables.append(_with_keys(problem, series, table))
        first += len(positions)
    return pa.concat_tables(tables)


def recent_rows(problem: "Forecasting", rows: pa.Table, context: RowContext, count: int) -> pa.Table:
    """Return the latest rows of each series, to be shown beside their forecasts.

    Args:
        problem: problem of the run.
        rows: as for `predict`.
        context: as for `predict`.
        count: most rows of a series.

    Returns:
        A table with the columns that identify the series (if there are several), the time, and the targets that are
        among the columns of `rows`. The columns have the names of a forecast's.
    """
    frequency = _rows_frequency(problem.frequency, Frequency.from_report(context.report or {}))
    timestamps = _timestamps(rows)
    tables, begin = [], 0
    for series in (context.report or {}).get("series") or [{"id": None, "rows": rows.num_rows}]:
        end = begin + series["rows"]
        low = max(begin, end - count)
        columns: dict[str, Any] = {
            problem.column_names["time"]: _row_times(problem, timestamps[low:end], np.arange(end - low), frequency)
        }
        columns |= {
            name: rows.column(name).slice(low, end - low)
            for name in problem.settings.targets
            if name in rows.column_names
        }
        tables.append(_with_keys(problem, series, pa.table(columns)))
        begin = end
    return pa.concat_tables(tables)


def quantile_column(target: str, quantile: float) -> str:
    """Return the name of the column that holds a quantile of a target."""
    return f"{target} q{quantile:g}"


def _with_keys(problem: "Forecasting", series: Mapping[str, Any], table: pa.Table) -> pa.Table:
    """Return a table of a series with the columns that identify the series in front, if there are several."""
    keys = series.get("keys") or [series["id"]]
    for number, (name, value) in enumerate(zip(problem.key_columns, keys, strict=False)):
        table = table.add_column(number, name, pa.array([str(value)] * table.num_rows, pa.string()))
    return table


def _rows_frequency(trained: Frequency | None, inferred: Frequency | None) -> Frequency | None:
    """Return the frequency of the rows, which must match that of the training data.

    Raises:
        DataError: rows of another cadence.
    """
    if trained and inferred and abs(inferred.seconds / trained.seconds - 1) > _JITTER:
        raise DataError(
            f"the rows are {row_durations.format_rows(1, inferred)} apart, those that the run was trained on "
            f"{row_durations.format_rows(1, trained)}: its windows and horizons are counted in rows, so give it rows "
            "that far apart"
        )
    return trained if trained and trained.alias else inferred or trained


def _model_inputs(problem: "Forecasting", rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the model's inputs of all rows, float32 of shape `(rows, features)`, and timestamps in microseconds."""
    metadata, calendar = problem.metadata, problem.settings.calendar
    timestamps = _timestamps(rows)
    parts = [
        ((rows.column(name).to_numpy().astype(np.float64) - mean) / std).astype(np.float32)[:, None]
        for name, mean, std in zip(metadata.columns, metadata.mean, metadata.std, strict=True)
    ]
    if calendar:
        parts.append(cyclical_features(time_zones.utc_to_local(timestamps, metadata.timezone), calendar))
    ahead = np.minimum(np.arange(rows.num_rows) + problem.settings.lead, rows.num_rows - 1)
    parts += [parts[metadata.columns.index(name)][ahead] for name in problem.settings.future]
    return np.concatenate(parts, 1), timestamps


def _timestamps(rows: pa.Table) -> np.ndarray:
    """Return the timestamps of rows in microseconds."""
    times: np.ndarray = rows.column("time").cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy()
    return times


def _first_complete_row(inputs: np.ndarray) -> int:
    """Return the first row of a series on which all columns have a value: values before it are never filled."""
    complete = ~np.isnan(inputs).any(1)
    return int(np.argmax(complete)) if complete.any() else len(inputs)


def _history_end(inputs: np.ndarray) -> int:
    """Return the row after the last one on which all columns have a value: after it only the future is known."""
    complete = np.flatnonzero(~np.isnan(inputs).any(1))
    return int(complete[-1]) + 1 if len(complete) else len(inputs)


def _last_position(problem: "Forecasting", inputs: np.ndarray) -> int:
    """Return the last position to forecast at: after the history, and with the values of the future that it needs."""
    if not problem.settings.future:
        return len(inputs)
    return min(_history_end(inputs), len(inputs) - 1 - max(problem.settings.ahead))


def _predict_values(problem: "Forecasting", model: Any, inputs: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return forecasts of windows in the targets' units, shape `(positions, horizons, targets, quantiles)`."""
    settings, metadata = problem.settings, problem.metadata
    offsets = np.array(settings.offsets)
    offsets = offsets[::-1] if settings.reversed else offsets
    outputs = [np.empty((0, settings.outputs), np.float32)]
    for batch, count in fixed_batches(positions, _BATCH):
        outputs.append(np.asarray(model.predict_on_batch(inputs[batch[:, None] + offsets]))[:count])
    shape = (len(positions), len(settings.ahead), len(settings.targets), max(1, len(settings.quantiles)))
    values: np.ndarray = np.concatenate(outputs).astype(np.float64).reshape(shape)
    values = values * np.array(metadata.target_std)[:, None] + np.array(metadata.target_mean)[:, None]
    for number, deviation in enumerate(metadata.target_std):
        values[:, :, number] = _round(values[:, :, number], deviation)
    return values


def _forecast_table(
    problem: "Forecasting",
    values: np.ndarray,
    positions: np.ndarray,
    timestamps: np.ndarray,
    frequency: Frequency | None,
    offset: int,
) -> pa.Table:
    """Return the forecasts of windows of one series as a table, by position, then by horizon."""
    settings, horizons = problem.settings, problem.horizons
    rows = (positions[:, None] + np.array(settings.ahead)).reshape(-1)
    latest = np.repeat(positions + settings.last, len(horizons))
    names = problem.column_names
    columns: dict[str, Any] = {
        names["row"]: pa.array(rows + offset),
        names["time"]: _row_times(problem, timestamps, rows, frequency),
        names["from"]: _row_times(problem, timestamps, latest, frequency),
    }
    if len(horizons) > 1:
        columns[names["horizon"]] = pa.array(horizons).take(np.tile(np.arange(len(horizons)), len(positions)))
    values = values.reshape(len(rows), *values.shape[2:])
    for number, name in enumerate(settings.targets):
        # Quantiles are trained independently and may cross, so they are sorted.
        ordered = np.sort(values[:, number], axis=-1)
        columns[name] = pa.array(ordered[:, median_index(settings.quantiles)])
        for index, quantile in enumerate(settings.quantiles):
            columns[quantile_column(name, quantile)] = pa.array(ordered[:, index])
    return pa.table(columns)


def rounding_digits(deviation: float) -> int | None:
    """Return the decimals of forecasts: the precision of the model's outputs, float32 in units of the deviation.

    None for a deviation beyond any unit, whose forecasts are not rounded.
    """
    if not 1e-300 < deviation < 1e300:
        return None
    return -math.ceil(math.log10(deviation * float(np.finfo(np.float32).eps)))


def _round(values: np.ndarray, deviation: float) -> np.ndarray:
    digits = rounding_digits(deviation)
    return values if digits is None else np.round(values, digits)


def _row_times(
    problem: "Forecasting", timestamps: np.ndarray, rows: np.ndarray, frequency: Frequency | None
) -> pa.Array:
    """Return timestamps or numbers of rows; those beyond the last follow the frequency, or are null without one."""
    zone = problem.metadata.timezone
    null = rows >= len(timestamps)
    values = timestamps[np.minimum(rows, len(timestamps) - 1)]
    if frequency is not None:
        beyond = np.maximum(rows - len(timestamps) + 1, 0)
        values = np.where(null, frequency.after(int(timestamps[-1]), beyond, zone), values)
        null = np.zeros(len(rows), bool)
    if problem.metadata.numbered:
        return pa.array(values // 1_000_000, mask=null)
    return pa.array(values, pa.timestamp("us", zone), mask=null)
