"""Repairs of a series that need all of its rows at once: sorting, repeated stamps, missing cells, gaps.

Values that the repairs make up are kept apart from those of the source: they may be seen, but never forecast.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data import time_zones
from raysq.errors import DataError
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.readers import timestamp_stats

FILLED = "filled"  # the table of stretches without values of the source
# What a cell is: of the source, made of earlier values alone, or of later values too.
_OBSERVED, _KNOWN, _AHEAD = 0, 1, 2
# A grid that is longer than this many times the rows is a wrong stamp, not a gap.
_LONGEST_GRID = 100
LOCAL = "__local"  # the column that says whether a stamp is a local time, on its way from the pieces to here


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
) -> tuple[pa.Table, pa.Table, dict[str, Any]]:
    """Repairs a series.

    Args:
        table: `time` and float columns, NaN where a cell is missing; with a zone, `LOCAL`.
        sort: order the rows by time; rows of one stamp stay in their order.
        duplicates: of rows with the same stamp keep the "first" or the "last"; anything else keeps all.
        missing: fill missing cells with the "previous" value, or "interpolate" linearly in time. What comes after
            the last value takes that one; what comes before the first stays NaN, for nothing was known then.
        fill: put the series on a regular grid at its frequency, from its first stamp to its last, interpolated
            linearly in time. Of rows with the same stamp the first is taken.
        frequency: of the series; found in its stamps if left out.
        zone: of the series. Local times are turned into moments first.
        numbered: the rows have numbers and no times.
        count: the numbers are those of the rows in their order.

    Returns:
        The table; the stretches of it that the source has no values for, with their `column`, `begin`, `end` and
        whether their values look `ahead` at what follows; and what was done, with the stamps' summary before rows were
        dropped or put in (`clock`), that of the rows in their own order (`received`), and how many rows lie in hours
        that come twice (`twice`).

    Raises:
        DataError: a column without any value, or a grid that would be absurdly long.
    """
    stamps = table.column("time").cast(pa.int64()).to_numpy()
    names = [name for name in table.column_names if name not in ("time", LOCAL)]
    twice = 0
    if zone is not None and len(stamps) and table.column(LOCAL)[0].as_py():
        stamps, twice = time_zones.localized(stamps, zone)
    values = {name: table.column(name).to_numpy() for name in names}
    done: dict[str, Any] = {}

    def keep(rows: np.ndarray) -> None:
        nonlocal stamps
        stamps = stamps[rows]
        for name in names:
            values[name] = values[name][rows]

    if count:
        stamps = np.arange(len(stamps)) * 1_000_000
    received = timestamp_stats.note(stamps, np.arange(len(stamps)), zone) if len(stamps) else None
    summary = received
    if sort:
        order = np.argsort(stamps, kind="stable")
        done["rows_moved"] = int((order != np.arange(len(order))).sum())
        if done["rows_moved"]:
            keep(order)
            summary = timestamp_stats.note(stamps, np.arange(len(stamps)), zone)
    if duplicates in ("first", "last") or fill:
        same = stamps[1:] == stamps[:-1]
        edge = [False]
        kept = ~np.concatenate([same, edge] if duplicates == "last" else [edge, same])
        done["repeated_rows_dropped"] = int((~kept).sum())
        keep(kept)
    origin: dict[str, np.ndarray] = {}  # of the cells of a column, where some are not of the source
    if missing in ("previous", "interpolate"):
        done["cells_filled"], done["longest_filled"] = {}, {}
        for name in names:
            there = ~np.isnan(values[name])
            if not there.any():
                raise DataError(f"column {name!r} has no value at all", hint="leave it out with --set columns=...")
            if not there.all():
                later = there[int(np.argmax(there)) :]
                if not later.all():
                    done["cells_filled"][name] = int((~later).sum())
                    done["longest_filled"][name] = int(np.diff(np.flatnonzero(np.r_[later, True])).max()) - 1
                values[name], origin[name] = _filled(stamps, values[name], there, missing)
    if fill and len(stamps) > 1:
        stamps = _to_grid(stamps, values, origin, done, frequency, zone, numbered)
    filled = _stretches(values, origin, done)
    columns = {name: pa.array(values[name]) for name in names}
    repaired = pa.table({"time": pa.array(stamps, pa.timestamp("us")), **columns})
    return repaired, filled, {"repairs": done, "clock": summary, "received": received, "twice": twice}


def _filled(stamps: np.ndarray, values: np.ndarray, there: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """The values with missing cells filled, and where each cell comes from."""
    rows = np.arange(len(values))
    place = np.maximum.accumulate(np.where(there, rows, -1))
    if how == "previous":
        filled, source = values[place], _KNOWN
    else:
        # Only the missing cells are computed: the others keep their bits.
        filled, source = values.copy(), _AHEAD
        points, known = stamps[there] - stamps[0], values[there].astype(np.float64)
        filled[~there] = np.interp(stamps[~there] - stamps[0], points, known)
    filled[place < 0] = np.nan
    origin = np.where(there, _OBSERVED, source).astype(np.uint8)
    origin[~there & (rows > rows[there][-1])] = _KNOWN
    return filled, origin


def _stretches(values: dict[str, np.ndarray], origin: dict[str, np.ndarray], done: dict[str, Any]) -> pa.Table:
    """The stretches of cells that are not of the source, by column and row; their numbers go to `done`."""
    found: dict[str, list[Any]] = {"column": [], "begin": [], "end": [], "ahead": []}
    for name, cells in origin.items():
        cells[np.isnan(values[name])] = _KNOWN
        edges = np.flatnonzero(np.diff(cells, prepend=np.uint8(_OBSERVED), append=np.uint8(_OBSERVED)))
        begins, ends = edges[:-1], edges[1:]
        inside = cells[begins] != _OBSERVED
        begins, ends = begins[inside], ends[inside]
        if not len(begins):
            continue
        found["column"] += [name] * len(begins)
        for key, part in (("begin", begins), ("end", ends), ("ahead", cells[begins] == _AHEAD)):
            found[key] += part.tolist()
        done.setdefault("unobserved", {})[name] = int((ends - begins).sum())
        leading = int(np.isnan(values[name]).sum())
        if leading:
            done.setdefault("leading", {})[name] = leading
    types = {"column": pa.string(), "begin": pa.int64(), "end": pa.int64(), "ahead": pa.bool_()}
    return pa.table({key: pa.array(found[key], kind) for key, kind in types.items()})


def _to_grid(
    stamps: np.ndarray,
    values: dict[str, np.ndarray],
    origin: dict[str, np.ndarray],
    done: dict[str, Any],
    frequency: Frequency | None,
    zone: str | None,
    numbered: bool,
) -> np.ndarray:
    """Replaces the values, and where they come from, by those on the grid, and returns its stamps."""
    steps = np.diff(stamps)
    if steps.min() <= 0:
        raise DataError("gaps=fill needs rows in the order of time", hint="--set order=sort sorts them")
    if frequency is None:
        notes = [(timestamp_stats.note(stamps, np.arange(len(stamps)), zone), "", 0)]
        frequency = timestamp_stats.merge(notes, numbered=numbered)["frequency"]
    if frequency is None:
        raise DataError(
            f"gaps=fill needs a cadence, and the steps from row to row are of {len(np.unique(steps)):,} lengths, none "
            f"of them common",
            hint="use --set gaps=keep",
        )
    length = frequency.count(int(stamps[0]), int(stamps[-1]))
    if length > _LONGEST_GRID * len(stamps):
        raise DataError(
            f"filling the gaps would make {length:,} rows of {len(stamps):,} (from "
            f"{timestamp_stats.iso(int(stamps[0]))} to "
            f"{timestamp_stats.iso(int(stamps[-1]))}, every {frequency.seconds:g} s)",
            hint="mend the stamps or use --set gaps=keep",
        )
    grid = frequency.grid(int(stamps[0]), int(stamps[-1]), zone)
    on_grid = np.isin(stamps, grid, assume_unique=True)
    done["gap_rows_filled"] = len(grid) - int(on_grid.sum())
    done["rows_off_the_grid"] = int((~on_grid).sum())
    place = np.minimum(np.searchsorted(stamps, grid), len(stamps) - 1)
    there = stamps[place] == grid
    for name, column in values.items():
        values[name] = np.interp(grid - stamps[0], stamps - stamps[0], column.astype(np.float64)).astype(column.dtype)
        if name in origin or not there.all():
            cells = origin[name][place] if name in origin else np.uint8(_OBSERVED)
            origin[name] = np.where(there, cells, np.uint8(_AHEAD))
    return grid
