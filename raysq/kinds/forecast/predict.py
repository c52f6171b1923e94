"""Forecasts for raw rows by a trained model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError
from raysq.kinds.forecast import spans
from raysq.kinds.forecast.frequency import Frequency
from raysq.kinds.forecast.prepare import SeriesPreparation
from raysq.kinds.forecast.quantiles import median_place
from raysq.kinds.forecast.settings import WindowSettings

OUTPUT = ("row", "time", "from", "horizon")
_BATCH = 1024
_JITTER = 0.02  # of a cadence that was found in stamps


def predict(
    facts: Mapping[str, Any],
    settings: WindowSettings,
    model: Any,
    table: pa.Table,
    report: Mapping[str, Any] | None = None,
    stands: tuple[int, int] | None = None,
    origin: int = 0,
    assets: Path | None = None,
) -> pa.Table:
    """A forecast for every row with enough history, and for those that follow the last one.

    Args:
        facts: the run's facts (columns, means, deviations).
        settings: the run's window settings.
        model: the Keras model.
        table: rows in time order, with the columns the model was trained on and, if there are stamps, `time`.
        report: of the preparation that read the rows; knows the series where there are several.
        stands: first and end row that windows may stand at, where the table is a part of one series; all with
            enough history if left out, and the row after the last.
        origin: number of the table's first row in the series that it is a part of.
        assets: the folder of the run's assets; a forecast needs none.

    Returns:
        A table with the columns that name the series (where there are several), `row` (the row that is forecast; it
        may lie beyond the last), `time` (its stamp), `from` (the stamp of the latest row that was seen), `horizon`
        (where there are several), and each target in its own unit, with quantiles `TARGET q0.1` and so on where the
        model has them. See `output_names` for columns of the data that have one of these names.

    Raises:
        DataError: a column is missing or not numeric, the rows are not in order of time or of another cadence than the
            run's, or there are too few.
    """
    if facts["series"] is not None and not (report or {}).get("series"):
        raise DataError(
            "the run was trained on several series, and rows in memory do not say which is which: give `raysq predict` "
            "(predict_file) a file with the column that names them"
        )
    columns, stamps = _columns(facts, settings, table)
    series = (report or {}).get("series") or [{"id": None, "rows": table.num_rows}]
    own = Frequency.of(facts)
    frequency = _frequency(own, report, stamps)
    parts, begin = [], 0
    for one in series:
        end = begin + one["rows"]
        back = np.flatnonzero(np.diff(stamps[begin:end]) < 0) if stamps is not None else np.empty(0, int)
        if len(back):
            row = begin + int(back[0]) + 1
            raise DataError(f"the rows are not in order of time, row {row:,} is before the one above it: sort them")
        low, high = (begin + settings.lookback, end + 1) if stands is None else stands
        if low < high:
            rows = np.arange(low, high)
            seen = None if stamps is None else stamps[begin:end]
            part = _forecasts(facts, settings, model, columns, rows, seen, begin, frequency, origin)
            for place, (name, value) in enumerate(zip(_keys(facts), one.get("keys") or [one["id"]], strict=False)):
                part = part.add_column(place, name, pa.array([str(value)] * part.num_rows, pa.string()))
            parts.append(part)
        begin = end
    if not parts:
        longest = max(one["rows"] for one in series)
        raise DataError(
            f"a forecast needs {settings.lookback:,} rows of history "
            f"(lookback {spans.say(settings.lookback, own)}), received {longest:,}"
        )
    return pa.concat_tables(parts)


def _frequency(own: Frequency | None, report: Mapping[str, Any] | None, stamps: np.ndarray | None) -> Frequency | None:
    """How the rows go on: as those that the run was trained on.

    Raises:
        DataError: rows of another cadence.
    """
    found = Frequency.of(report or {}) or own
    if report is None and own and not own.months and stamps is not None and len(stamps) > 1:
        found = Frequency(float(np.median(np.diff(stamps))) / 1e6)
    if own and found and abs(found.seconds / own.seconds - 1) > _JITTER:
        raise DataError(
            f"the rows are {spans.say(1, found)} apart, those that the run was trained on {spans.say(1, own)}: its "
            "windows and horizons are counted in rows, so give it rows that far apart"
        )
    return own if own and own.alias else found


def _columns(
    facts: Mapping[str, Any], settings: WindowSettings, table: pa.Table
) -> tuple[np.ndarray, np.ndarray | None]:
    """What the model sees of the rows, float32 of shape (rows, features); and their stamps in microseconds."""
    missing = [name for name in facts["columns"] if name not in table.column_names]
    if missing:
        split = any(name.rpartition("=")[0] in table.column_names for name in missing)
        raise DataError(
            f"the rows lack columns {', '.join(missing)}; there are {', '.join(table.column_names)}"
            + "; categories are parted where a file is read: give `raysq predict` (predict_file) the file" * split
        )
    try:
        found = [table.column(name).cast(pa.float64()).to_numpy() for name in facts["columns"]]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"a column is not numeric: {error}") from None
    for name, values in zip(facts["columns"], found, strict=True):
        if not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            raise DataError(f"column {name!r} has no number in row {row:,}: fill it, or leave those rows out")
    stamps = None
    if "time" in table.column_names:
        try:
            stamps = table.column("time").cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            kind = table.column("time").type
            raise DataError(f"column 'time' holds {kind}, not time stamps: convert it, or leave it out") from None
    if stamps is None and settings.calendar:
        raise DataError(f"the model sees the calendar ({', '.join(settings.calendar)}): give a column `time`")
    normalised = [
        ((values - mean) / std).astype(np.float32)[:, None]
        for values, mean, std in zip(found, facts["mean"], facts["std"], strict=True)
    ]
    if settings.calendar and stamps is not None:
        normalised.append(spans.calendar_waves(stamps, settings.calendar))
    return np.concatenate(normalised, 1), stamps


def _forecasts(
    facts: Mapping[str, Any],
    settings: WindowSettings,
    model: Any,
    columns: np.ndarray,
    rows: np.ndarray,
    stamps: np.ndarray | None,
    begin: int,
    frequency: Frequency | None,
    origin: int,
) -> pa.Table:
    """Forecasts of the windows that stand at the rows of one series, which begins at row `begin` of the columns."""
    offsets = np.array(settings.offsets)
    offsets = offsets[::-1] if settings.reversed else offsets
    predicted = []
    for low in range(0, len(rows), _BATCH):
        part = rows[low : low + _BATCH]
        # Always as many: a batch of another size would be compiled anew, and could round otherwise.
        padded = np.concatenate([part, np.repeat(part[-1:], _BATCH - len(part))])
        predicted.append(np.asarray(model.predict_on_batch(columns[padded[:, None] + offsets]))[: len(part)])
    horizons, targets = len(settings.ahead), len(settings.targets)
    values = np.concatenate(predicted).astype(np.float64).reshape(len(rows), horizons, targets, -1)
    values = values * np.array(facts["target_std"])[:, None] + np.array(facts["target_mean"])[:, None]
    ahead = np.array(settings.ahead)
    wanted = (rows[:, None] + ahead).reshape(-1)  # by row, then by horizon
    names = output_names(facts, settings)
    out: dict[str, Any] = {names["row"]: pa.array(wanted - begin + origin)}
    if stamps is not None:
        out[names["time"]] = _stamps(stamps, wanted - begin, frequency)
        seen = np.repeat(rows - begin + settings.last, horizons)
        out[names["from"]] = pa.array(stamps[seen], pa.timestamp("us"))
    if horizons > 1:
        out[names["horizon"]] = pa.array(list(facts["horizons"]) * len(rows))
    flat = values.reshape(len(rows) * horizons, targets, -1)
    for number, name in enumerate(settings.targets):
        if not settings.quantiles:
            out[name] = pa.array(flat[:, number, 0])
            continue
        # Trained one by one, quantiles may cross: they are put in order.
        ordered = np.sort(flat[:, number], axis=-1)
        out[name] = pa.array(ordered[:, median_place(settings.quantiles)])
        for place, quantile in enumerate(settings.quantiles):
            out[quantile_column(name, quantile)] = pa.array(ordered[:, place])
    return pa.table(out)


def output_names(facts: Mapping[str, Any], settings: WindowSettings) -> dict[str, str]:
    """Name the columns of a forecast that stand beside the targets.

    Returns:
        For each of `OUTPUT` its name: its own, or with `forecast_` before it where a target, one of its quantiles or
        a key of the series has that name.
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


def _keys(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that name the series that the run was trained on."""
    return SeriesPreparation(**facts["reading"]).id if facts["series"] is not None else ()


def quantile_column(target: str, quantile: float) -> str:
    """Name of the column that holds a quantile of a target."""
    return f"{target} q{quantile:g}"


def _stamps(stamps: np.ndarray, rows: np.ndarray, frequency: Frequency | None) -> pa.Array:
    """Stamps of rows, those beyond the last one as the frequency says; null where there is none."""
    known = rows < len(stamps)
    values = stamps[np.minimum(rows, len(stamps) - 1)]
    if frequency is None:
        return pa.array(values, pa.timestamp("us"), mask=~known)
    beyond = np.maximum(rows - len(stamps) + 1, 0)
    return pa.array(np.where(known, values, frequency.after(int(stamps[-1]), beyond)), pa.timestamp("us"))
