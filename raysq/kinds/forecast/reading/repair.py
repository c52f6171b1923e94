"""Repairs of a series that need all of its rows at once: sorting, repeated stamps, missing cells, gaps."""

from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError
from raysq.kinds.forecast.reading import clock
from raysq.kinds.forecast.spans import MONTH

# A grid that is longer than this many times the rows is a wrong stamp, not a gap.
_LONGEST_GRID = 100


def repair(
    table: pa.Table, *, sort: bool, duplicates: str, missing: str, fill: bool
) -> tuple[pa.Table, dict[str, Any]]:
    """Repairs a series.

    Args:
        table: `time` and float32 columns, NaN where a cell is missing.
        sort: order the rows by time; rows of one stamp stay in their order.
        duplicates: of rows with the same stamp keep the "first" or the "last"; anything else keeps all.
        missing: fill missing cells with the "previous" value, or "interpolate" linearly in time. What comes
            before the first value takes that one, what comes after the last the last.
        fill: put the series on a regular grid at its cadence, from its first stamp to its last, interpolated
            linearly in time. Of rows with the same stamp the first is taken.

    Returns:
        The table, and what was done, with the stamps' summary before rows were dropped or put in.

    Raises:
        DataError: a column without any value, or a grid that would be absurdly long.
    """
    stamps = table.column("time").cast(pa.int64()).to_numpy()
    names = [name for name in table.column_names if name != "time"]
    values = {name: table.column(name).to_numpy() for name in names}
    done: dict[str, Any] = {}

    def keep(rows: np.ndarray) -> None:
        nonlocal stamps
        stamps = stamps[rows]
        for name in names:
            values[name] = values[name][rows]

    if sort:
        order = np.argsort(stamps, kind="stable")
        done["rows_moved"] = int((order != np.arange(len(order))).sum())
        keep(order)
    summary = clock.note(stamps, np.arange(len(stamps))) if len(stamps) else None
    if duplicates in ("first", "last") or fill:
        same = stamps[1:] == stamps[:-1]
        edge = [False]
        kept = ~np.concatenate([same, edge] if duplicates == "last" else [edge, same])
        done["repeated_rows_dropped"] = int((~kept).sum())
        keep(kept)
    if missing in ("previous", "interpolate"):
        done["cells_filled"], done["longest_filled"] = {}, {}
        for name in names:
            there = ~np.isnan(values[name])
            if not there.any():
                raise DataError(f"column {name!r} has no value at all; leave it out with --set columns=...")
            if not there.all():
                done["cells_filled"][name] = int((~there).sum())
                done["longest_filled"][name] = int(np.diff(np.flatnonzero(np.r_[True, there, True])).max()) - 1
                values[name] = _filled(stamps, values[name], there, missing)
    if fill and len(stamps) > 1:
        stamps = _to_grid(stamps, values, done)
    columns = {name: pa.array(values[name], pa.float32()) for name in names}
    return pa.table({"time": pa.array(stamps, pa.timestamp("us")), **columns}), {"repairs": done, "clock": summary}


def _filled(stamps: np.ndarray, values: np.ndarray, there: np.ndarray, how: str) -> np.ndarray:
    if how == "previous":
        place = np.where(there, np.arange(len(values)), -1)
        place = np.maximum.accumulate(place)
        return values[np.where(place < 0, np.argmax(there), place)]
    # Only the missing cells are computed: the others keep their bits.
    filled = values.copy()
    filled[~there] = np.interp(stamps[~there] - stamps[0], stamps[there] - stamps[0], values[there].astype(np.float64))
    return filled


def _to_grid(stamps: np.ndarray, values: dict[str, np.ndarray], done: dict[str, Any]) -> np.ndarray:
    """Replaces the values by those on the grid, and returns its stamps."""
    steps, counts = np.unique(np.diff(stamps), return_counts=True)
    if steps[0] <= 0:
        raise DataError("gaps=fill needs rows in the order of time; --set order=sort sorts them")
    cadence, _ = clock.cadence_of(dict(zip(steps.tolist(), counts.tolist(), strict=True)))
    if cadence is None:
        raise DataError(
            f"gaps=fill needs a cadence, and the steps from row to row are of {len(steps):,} lengths, none of them "
            f"common; use --set gaps=keep"
        )
    length = int((stamps[-1] - stamps[0]) // cadence) + 1
    if length > _LONGEST_GRID * len(stamps):
        raise DataError(
            f"filling the gaps would make {length:,} rows of {len(stamps):,} (from {clock.iso(int(stamps[0]))} to "
            f"{clock.iso(int(stamps[-1]))}, every {cadence / 1e6:g} s): mend the stamps or use --set gaps=keep"
        )
    months = cadence / (MONTH * 1e6)
    if months >= 1 and months == round(months):
        grid = _months(int(stamps[0]), int(stamps[-1]), int(months))
        length = len(grid)
    else:
        grid = stamps[0] + np.arange(length) * cadence
    on_grid = np.isin(stamps, grid, assume_unique=True)
    done["gap_rows_filled"] = length - int(on_grid.sum())
    done["rows_off_the_grid"] = int((~on_grid).sum())
    for name, column in values.items():
        values[name] = np.interp(grid - stamps[0], stamps - stamps[0], column.astype(np.float64)).astype(np.float32)
    return grid


def _months(first: int, last: int, every: int) -> np.ndarray:
    """Stamps every so many calendar months, on the day of the first; at the ends of months where the first is one."""
    begin = np.datetime64(first, "us")
    month, day = begin.astype("datetime64[M]"), begin.astype("datetime64[D]")
    months = month + np.arange(0, int((last - first) / (MONTH * 1e6)) + every + 1, every)
    lengths = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    place = int((day - month.astype("datetime64[D]")).astype(np.int64))
    days = lengths - 1 if place == lengths[0] - 1 and place > 26 else np.minimum(place, lengths - 1)
    grid = (months.astype("datetime64[D]") + days).astype("datetime64[us]").astype(np.int64)
    grid += int((begin - day.astype("datetime64[us]")).astype(np.int64))
    return grid[grid <= last]
