"""Stretches of series that the source says to train, to validate and to test on, each repaired by itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.parts import NAMES, TRAIN, VALIDATION
from raysq.errors import DataError
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.readers import timestamp_stats
from raysq.problems.forecasting.readers.group_series import encode_series, group_series, key_columns

PART = "__part"  # column of the part of each row, until `part_series` removes it
SECOND = "__second"  # column that tells whether a row is of the source that validates
_SHORTEST = 2  # rows of a stretch, on average; where parts change more often, no window fits


def part_series(table: pa.Table, *, keys: int, sort: bool, **options: Any) -> tuple[pa.Table, pa.Table, dict[str, Any]]:
    """Divide series into stretches of rows of one part, and repair each stretch by itself.

    The rows of the source that validates are stretches of their own, whatever their times.

    Args:
        table: `time`, `PART`, `SECOND`, `key_columns` and float columns.
        keys: number of columns that identify the series.
        sort: whether to order the rows by time.
        options: as for `group_series`.

    Returns:
        The result of `group_series`. Its summary also has `stretches`: `part`, `rows` and `series`, the number of the
        series, of each stretch in the order of the rows; `overlap`, the number of rows to validate on whose time a row
        to train on has; and `earlier`, the number of those before the last row to train on.

    Raises:
        DataError: there are no rows to train on, or the parts change from row to row.
    """
    times, parts, second = (table.column(name).to_numpy() for name in ("time", PART, SECOND))
    if not (parts == TRAIN).any():
        raise DataError("the source has no rows to train on")
    names, codes = encode_series(table.select(key_columns(keys))) if keys else ([()], np.zeros(len(times), np.int64))
    within = times.view(np.int64) if sort else np.arange(len(times))
    order = np.lexsort((within, codes, second))
    codes, parts, second = codes[order], parts[order], second[order]
    changes = (np.diff(codes) != 0) | (np.diff(parts) != 0) | (np.diff(second) != 0)
    number = np.concatenate([[0], np.cumsum(changes)])
    firsts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    if len(parts) < _SHORTEST * len(firsts):
        raise DataError(
            "the parts of a series change from row to row: forecasts need stretches of rows to train and to validate "
            "on, longer than the rows that a window sees"
        )
    labels = [f"{NAMES[int(parts[row])]} {index}" for index, row in enumerate(firsts.tolist(), 1)]
    key = pa.DictionaryArray.from_arrays(pa.array(number), pa.array(labels, pa.string())).cast(pa.string())
    rows = table.drop_columns([PART, SECOND]).take(pa.array(order)).append_column(key_columns(keys + 1)[-1], key)
    repaired, filled, summary = group_series(rows, keys=keys + 1, sort=sort, **options)
    _check_frequency(summary["timestamps"], parts[firsts], options.get("frequency"), options.get("numbered", False))
    of_stretch = codes[firsts].tolist()
    entries = summary["series"]
    stretches = [
        {"part": NAMES[int(parts[row])], "rows": entry["rows"], "series": code}
        for row, code, entry in zip(firsts.tolist(), of_stretch, entries, strict=True)
    ]
    series = []
    for number_of, name in enumerate(names):
        own = [entry for entry, code in zip(entries, of_stretch, strict=True) if code == number_of]
        series.append(
            {
                "id": ", ".join(name),
                "keys": list(name),
                "rows": sum(entry["rows"] for entry in own),
                "from": min(entry["from"] for entry in own),
                "to": max(entry["to"] for entry in own),
            }
        )
    told = _beside(times[order].view(np.int64), codes, parts)
    return repaired, filled, {**summary, "series": series, "stretches": stretches, **told}


def _check_frequency(
    timestamps: Sequence[dict[str, Any]], parts: np.ndarray, frequency: Frequency | None, numbered: bool
) -> None:
    """Raise DataError if the rows of a part follow each other in other steps than those to train on.

    Args:
        timestamps: statistics of the timestamps of each stretch.
        parts: part of each stretch.
        frequency: frequency that the user gave, or None.
        numbered: whether rows have numbers instead of times.
    """
    found: dict[int, Frequency | None] = {}
    for part in np.unique(parts).tolist():
        of_part = [(stats, "", 0) for stats, own in zip(timestamps, parts.tolist(), strict=True) if own == part]
        found[part] = timestamp_stats.merge(of_part, True, frequency, numbered)["frequency"]
    train = found.pop(TRAIN)
    for part, other in found.items():
        if train is not None and other is not None and other.seconds != train.seconds:
            every, own = (
                f"{each.seconds:g} numbers" if numbered else row_durations.format_rows(1, each)
                for each in (other, train)
            )
            raise DataError(
                f"rows of the {NAMES[part]} part come every {every}, and those to train on every {own}: a window of as "
                "many rows would be another stretch of time",
                hint="bring both to the same steps",
            )


def _beside(times: np.ndarray, codes: np.ndarray, parts: np.ndarray) -> dict[str, int]:
    """Count the rows to validate on that have the time of a row to train on, or lie before the last of these."""
    overlap = earlier = 0
    for code in np.unique(codes):
        of_series = codes == code
        train, validation = (times[of_series & (parts == part)] for part in (TRAIN, VALIDATION))
        if len(train):
            overlap += int(np.isin(validation, train).sum())
            earlier += int((validation < train.max()).sum())
    return {"overlap": overlap, "earlier": earlier}
