"""Forecasts of raw rows by a trained model."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data import time_zones
from raysq.errors import DataError
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.quantiles import median_place
from raysq.problems.forecasting.settings import ForecastingSettings

OUTPUT = ("row", "time", "from", "horizon")
_BATCH = 1024
_JITTER = 0.02  # relative difference allowed between cadences inferred from timestamps


def predict(
    facts: Mapping[str, Any],
    settings: ForecastingSettings,
    model: Any,
    table: pa.Table,
    report: Mapping[str, Any],
    stands: tuple[int, int] | None = None,
    origin: int = 0,
    assets: Path | None = None,
) -> pa.Table:
    """Forecast every row with enough history, and the rows that follow the last one.

    Args:
        facts: metadata of the run (columns, means, deviations).
        settings: window settings of the run.
        model: the Keras model.
        table: rows as the run's preprocessor (`reading`) returns them: `time` and the columns that the model sees.
        report: report of that preprocessor, which lists the series if there are several.
        stands: first and end row of the window positions, if the table is a part of one series. None for all rows
            with enough history, and the row after the last.
        origin: number of the table's first row in the series that it is a part of.
        assets: folder of the run's assets; unused by forecasts.

    Returns:
        A table with the columns that identify the series (if there are several), `row` (the row that is forecast; it
        may lie beyond the last), `time` (its timestamp), `from` (the timestamp of the latest row seen), `horizon` (if
        there are several), and each target in its own unit. Quantiles are columns `TARGET q0.1` and so on. See
        `output_names` for data with columns of these names.

    Raises:
        DataError: the rows have another cadence than the run's, or are too few.
    """
    columns, stamps = _columns(facts, settings, table)
    series = report.get("series") or [{"id": None, "rows": table.num_rows}]
    own = Frequency.of(facts)
    frequency = _frequency(own, report)
    parts, begin, longest = [], 0, 0
    for one in series:
        end = begin + one["rows"]
        first = _first_row(columns, begin, end)
        longest = max(longest, end - first)
        low, high = (begin + settings.lookback, end + 1) if stands is None else stands
        low = max(low, first + settings.lookback)
        if low < high or stands is not None:  # a part of a series may have no forecast: its table is empty
            rows = np.arange(low, max(low, high))
            part = _forecasts(facts, settings, model, columns, rows, stamps[begin:end], begin, frequency, origin)
            for place, (name, value) in enumerate(zip(_keys(facts), one.get("keys") or [one["id"]], strict=False)):
                part = part.add_column(place, name, pa.array([str(value)] * part.num_rows, pa.string()))
            parts.append(part)
        begin = end
    if not parts:
        raise DataError(
            f"a forecast needs {settings.lookback:,} rows of history "
            f"(lookback {row_durations.say(settings.lookback, own)}), received {longest:,}"
        )
    return pa.concat_tables(parts)


def _frequency(own: Frequency | None, report: Mapping[str, Any]) -> Frequency | None:
    """Return the frequency of the rows, which must match that of the training data.

    Raises:
        DataError: rows of another cadence.
    """
    found = Frequency.of(report) or own
    if own and found and abs(found.seconds / own.seconds - 1) > _JITTER:
        raise DataError(
            f"the rows are {row_durations.say(1, found)} apart, those that the run was trained on "
            f"{row_durations.say(1, own)}: its "
            "windows and horizons are counted in rows, so give it rows that far apart"
        )
    return own if own and own.alias else found


def _columns(facts: Mapping[str, Any], settings: ForecastingSettings, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the model's inputs of all rows, float32 of shape `(rows, features)`, and timestamps in microseconds."""
    stamps = table.column("time").cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy()
    normalized = [
        ((table.column(name).to_numpy().astype(np.float64) - mean) / std).astype(np.float32)[:, None]
        for name, mean, std in zip(facts["columns"], facts["mean"], facts["std"], strict=True)
    ]
    if settings.calendar:
        normalized.append(
            row_durations.calendar_waves(time_zones.utc_to_local(stamps, facts.get("timezone")), settings.calendar)
        )
    return np.concatenate(normalized, 1), stamps


def _first_row(columns: np.ndarray, begin: int, end: int) -> int:
    """Return the first row of a series on which all columns have a value: values before it are never filled."""
    whole = ~np.isnan(columns[begin:end]).any(1)
    return begin + (int(np.argmax(whole)) if whole.any() else end - begin)


def _forecasts(
    facts: Mapping[str, Any],
    settings: ForecastingSettings,
    model: Any,
    columns: np.ndarray,
    rows: np.ndarray,
    stamps: np.ndarray,
    begin: int,
    frequency: Frequency | None,
    origin: int,
) -> pa.Table:
    """Return forecasts of the windows at `rows` of one series, which begins at row `begin` of the columns."""
    offsets = np.array(settings.offsets)
    offsets = offsets[::-1] if settings.reversed else offsets
    horizons, targets = len(settings.ahead), len(settings.targets)
    predicted = [np.empty((0, horizons * targets * max(1, len(settings.quantiles))), np.float32)]
    for filled, count in fixed_batches(rows, _BATCH):
        predicted.append(np.asarray(model.predict_on_batch(columns[filled[:, None] + offsets]))[:count])
    values = np.concatenate(predicted).astype(np.float64).reshape(len(rows), horizons, targets, -1)
    values = values * np.array(facts["target_std"])[:, None] + np.array(facts["target_mean"])[:, None]
    for number, deviation in enumerate(facts["target_std"]):
        values[:, :, number] = _significant(values[:, :, number], deviation)
    ahead = np.array(settings.ahead)
    wanted = (rows[:, None] + ahead).reshape(-1)  # by row, then by horizon
    names = output_names(facts, settings)
    out: dict[str, Any] = {names["row"]: pa.array(wanted - begin + origin)}
    out[names["time"]] = _stamps(facts, stamps, wanted - begin, frequency)
    seen = np.repeat(rows - begin + settings.last, horizons)
    out[names["from"]] = _stamps(facts, stamps, seen, frequency)
    if horizons > 1:
        out[names["horizon"]] = pa.array(list(facts["horizons"]) * len(rows))
    flat = values.reshape(len(rows) * horizons, targets, -1)
    for number, name in enumerate(settings.targets):
        if not settings.quantiles:
            out[name] = pa.array(flat[:, number, 0])
            continue
        # Quantiles are trained independently and may cross, so they are sorted.
        ordered = np.sort(flat[:, number], axis=-1)
        out[name] = pa.array(ordered[:, median_place(settings.quantiles)])
        for place, quantile in enumerate(settings.quantiles):
            out[quantile_column(name, quantile)] = pa.array(ordered[:, place])
    return pa.table(out)


def output_names(facts: Mapping[str, Any], settings: ForecastingSettings) -> dict[str, str]:
    """Name the columns of a forecast other than the targets.

    Args:
        facts: metadata of the run.
        settings: window settings of the run.

    Returns:
        For each of `OUTPUT` its name. It is prefixed with `forecast_` where a target, one of its quantiles or a key of
        the series has that name.
    """
    quantiles = [quantile_column(name, q) for name in settings.targets for q in settings.quantiles]
    taken = {*_keys(facts), *settings.targets, *quantiles}
    names = {}
    for name in OUTPUT:
        free = name
        while free in taken:
            free = f"forecast_{free}"
        names[name] = free
    return names


def _significant(values: np.ndarray, deviation: float) -> np.ndarray:
    """Round forecasts to the precision of the model's outputs, which are float32 in units of the deviation."""
    if not 1e-300 < deviation < 1e300:
        return values
    return np.round(values, -math.ceil(math.log10(deviation * float(np.finfo(np.float32).eps))))


def _keys(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns that identify the series in the training data."""
    return SeriesPreprocessor(**facts["preprocessor"]).id if facts["series"] is not None else ()


def quantile_column(target: str, quantile: float) -> str:
    """Return the name of the column that holds a quantile of a target."""
    return f"{target} q{quantile:g}"


def _stamps(facts: Mapping[str, Any], stamps: np.ndarray, rows: np.ndarray, frequency: Frequency | None) -> pa.Array:
    """Return timestamps or numbers of rows; those beyond the last follow the frequency, or are null without one."""
    zone = facts.get("timezone")
    known = rows < len(stamps)
    values = stamps[np.minimum(rows, len(stamps) - 1)]
    if frequency is not None:
        beyond = np.maximum(rows - len(stamps) + 1, 0)
        values, known = (
            np.where(known, values, frequency.after(int(stamps[-1]), beyond, zone)),
            np.full(len(rows), True),
        )
    if facts.get("numbered"):
        return pa.array(values // 1_000_000, mask=~known)
    return pa.array(values, pa.timestamp("us", zone), mask=~known)
