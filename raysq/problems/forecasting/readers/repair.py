"""Repairs of a series that need all of its rows at once: order, duplicate timestamps, missing cells, gaps.

Ranges of filled values are recorded in a table of their own: a model may see such values but never forecasts them.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data import time_zones
from raysq.errors import DataError
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.readers import timestamp_stats

FILLED = "filled"  # the table of ranges without observed values
# Origin of a cell: observed, filled from earlier values only, or filled from later values too.
_OBSERVED, _KNOWN, _AHEAD = 0, 1, 2
# Grid rows per row of the series; a longer grid indicates a wrong timestamp instead of a gap.
_LONGEST_GRID = 100
WEIGHT = "raysq:weight"  # column of the weights of rows; the name is none that a column of values may have
LOCAL = "__local"  # column that tells whether a timestamp is a local time; `repair` removes it


def repair(
    table: pa.Table,
    *,
    sort: bool,
    duplicates: str,
    missing: str,
    fill: bool,
    frequency: Frequency | None = None,
    zone: str | None = None,
    numbered: bool = False,
    count: bool = False,
    open_end: Collection[str] = (),
) -> tuple[pa.Table, pa.Table, dict[str, Any]]:
    """Repair a series.

    Args:
        table: `time` and float columns, NaN where a cell is missing; if there is a zone, also `LOCAL`.
        sort: whether to order the rows by time; rows with equal timestamps keep their order.
        duplicates: which of the rows with equal timestamps to keep, "first" or "last"; anything else keeps all.
        missing: how to fill missing cells: with the "previous" value, or "interpolate" linearly in time. Cells after
            the last value take that value. Cells before the first value stay NaN, because nothing was known then.
        fill: whether to put the series on a regular grid at its frequency, from its first timestamp to its last,
            interpolated linearly in time. The first of the rows with equal timestamps is kept.
        frequency: frequency of the series; None infers it from the timestamps.
        zone: time zone of the series. Local times are converted to UTC first.
        numbered: whether rows have numbers instead of times.
        count: whether to number the rows in their order.
        open_end: columns whose cells after the last value are not filled.

    Returns:
        The repaired table, a table of ranges without observed values, and a summary. Ranges have a `column`, `begin`,
        `end`, and `ahead`: whether their values were computed from later values. The summary has counts of `repairs`,
        the statistics of timestamps before rows were dropped or added (`timestamps`) and in the original order
        (`received`), and the number of rows in hours that occur twice (`repeated_hours`).

    Raises:
        DataError: a column has no value, or gaps cannot be filled: the rows are out of order, have no cadence, or the
            grid would be too long.
    """
    timestamps = table.column("time").cast(pa.int64()).to_numpy()
    names = [name for name in table.column_names if name not in ("time", LOCAL)]
    repeated_hours = 0
    if zone is not None and len(timestamps) and table.column(LOCAL)[0].as_py():
        timestamps, repeated_hours = time_zones.localized(timestamps, zone)
    values = {name: table.column(name).to_numpy() for name in names}
    repairs: dict[str, Any] = {}

    def keep(rows: np.ndarray) -> None:
        nonlocal timestamps
        timestamps = timestamps[rows]
        for name in names:
            values[name] = values[name][rows]

    if count:
        timestamps = np.arange(len(timestamps)) * 1_000_000
    received = timestamp_stats.measure(timestamps, np.arange(len(timestamps)), zone) if len(timestamps) else None
    summary = received
    if sort:
        order = np.argsort(timestamps, kind="stable")
        repairs["rows_moved"] = int((order != np.arange(len(order))).sum())
        if repairs["rows_moved"]:
            keep(order)
            summary = timestamp_stats.measure(timestamps, np.arange(len(timestamps)), zone)
    if duplicates in ("first", "last") or fill:
        repeated = timestamps[1:] == timestamps[:-1]
        edge = [False]
        is_kept = ~np.concatenate([repeated, edge] if duplicates == "last" else [edge, repeated])
        repairs["repeated_rows_dropped"] = int((~is_kept).sum())
        keep(is_kept)
    origin: dict[str, np.ndarray] = {}  # origin of each cell, for columns with unobserved cells
    if missing in ("previous", "interpolate"):
        repairs["cells_filled"], repairs["longest_filled"] = {}, {}
        for name in names:
            present = ~np.isnan(values[name])
            if not present.any():
                raise DataError(f"column {name!r} has no value at all", hint="leave it out with --set columns=...")
            if not present.all():
                later = present[int(np.argmax(present)) :]
                if not later.all():
                    repairs["cells_filled"][name] = int((~later).sum())
                    repairs["longest_filled"][name] = int(np.diff(np.flatnonzero(np.r_[later, True])).max()) - 1
                values[name], origin[name] = _fill(timestamps, values[name], present, missing)
                if name in open_end:
                    values[name][len(present) - int(np.argmax(present[::-1])) :] = np.nan
    if fill and len(timestamps) > 1:
        timestamps = _to_grid(timestamps, values, origin, repairs, frequency, zone, numbered)
    filled = _unobserved_ranges(values, origin, repairs)
    columns = {name: pa.array(values[name]) for name in names}
    repaired = pa.table({"time": pa.array(timestamps, pa.timestamp("us")), **columns})
    statistics = {"timestamps": summary, "received": received}
    return repaired, filled, {"repairs": repairs, "repeated_hours": repeated_hours, **statistics}


def _fill(
    timestamps: np.ndarray, values: np.ndarray, present: np.ndarray, method: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values with missing cells filled, and the origin of each cell."""
    rows = np.arange(len(values))
    indices = np.maximum.accumulate(np.where(present, rows, -1))
    if method == "previous":
        filled, source = values[indices], _KNOWN
    else:
        # Compute missing cells only, so that the others are unchanged to the bit.
        filled, source = values.copy(), _AHEAD
        points, numbers = timestamps[present] - timestamps[0], values[present].astype(np.float64)
        filled[~present] = np.interp(timestamps[~present] - timestamps[0], points, numbers)
    filled[indices < 0] = np.nan
    origin = np.where(present, _OBSERVED, source).astype(np.uint8)
    origin[~present & (rows > rows[present][-1])] = _KNOWN
    return filled, origin


def _unobserved_ranges(
    values: dict[str, np.ndarray], origin: dict[str, np.ndarray], repairs: dict[str, Any]
) -> pa.Table:
    """Return the ranges of unobserved cells by column and row; their counts are added to `done`."""
    ranges: dict[str, list[Any]] = {"column": [], "begin": [], "end": [], "ahead": []}
    for name, cells in origin.items():
        cells[np.isnan(values[name])] = _KNOWN
        edges = np.flatnonzero(np.diff(cells, prepend=np.uint8(_OBSERVED), append=np.uint8(_OBSERVED)))
        begins, ends = edges[:-1], edges[1:]
        unobserved = cells[begins] != _OBSERVED
        begins, ends = begins[unobserved], ends[unobserved]
        if not len(begins):
            continue
        ranges["column"] += [name] * len(begins)
        for key, part in (("begin", begins), ("end", ends), ("ahead", cells[begins] == _AHEAD)):
            ranges[key] += part.tolist()
        repairs.setdefault("unobserved", {})[name] = int((ends - begins).sum())
        leading = int(np.argmin(np.isnan(values[name])))  # not those of an open end
        if leading:
            repairs.setdefault("leading", {})[name] = leading
    types = {"column": pa.string(), "begin": pa.int64(), "end": pa.int64(), "ahead": pa.bool_()}
    return pa.table({key: pa.array(ranges[key], type_) for key, type_ in types.items()})


def _to_grid(
    timestamps: np.ndarray,
    values: dict[str, np.ndarray],
    origin: dict[str, np.ndarray],
    repairs: dict[str, Any],
    frequency: Frequency | None,
    zone: str | None,
    numbered: bool,
) -> np.ndarray:
    """Replace the values and their origin by those on the grid, and return its timestamps."""
    steps = np.diff(timestamps)
    if steps.min() <= 0:
        raise DataError("gaps=fill needs rows in the order of time", hint="--set order=sort sorts them")
    if frequency is None:
        parts = [(timestamp_stats.measure(timestamps, np.arange(len(timestamps)), zone), "", 0)]
        frequency = timestamp_stats.merge(parts, numbered=numbered)["frequency"]
    if frequency is None:
        raise DataError(
            f"gaps=fill needs a cadence, and the steps from row to row are of {len(np.unique(steps)):,} lengths, none "
            f"of them common",
            hint="use --set gaps=keep",
        )
    length = frequency.count(int(timestamps[0]), int(timestamps[-1]))
    if length > _LONGEST_GRID * len(timestamps):
        raise DataError(
            f"filling the gaps would make {length:,} rows of {len(timestamps):,} (from "
            f"{timestamp_stats.iso(int(timestamps[0]))} to "
            f"{timestamp_stats.iso(int(timestamps[-1]))}, every {frequency.seconds:g} s)",
            hint="mend the stamps or use --set gaps=keep",
        )
    grid = frequency.grid(int(timestamps[0]), int(timestamps[-1]), zone)
    on_grid = np.isin(timestamps, grid, assume_unique=True)
    repairs["gap_rows_filled"] = len(grid) - int(on_grid.sum())
    repairs["rows_off_the_grid"] = int((~on_grid).sum())
    indices = np.minimum(np.searchsorted(timestamps, grid), len(timestamps) - 1)
    present = timestamps[indices] == grid
    for name, column in values.items():
        values[name] = np.interp(grid - timestamps[0], timestamps - timestamps[0], column.astype(np.float64)).astype(
            column.dtype
        )
        if name in origin or not present.all():
            cells = origin[name][indices] if name in origin else np.uint8(_OBSERVED)
            origin[name] = np.where(present, cells, np.uint8(_AHEAD))
    return grid
