"""Find the columns that part the rows of a file into several series."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DataError
from raysq.problems.forecasting.readers import parsing, timestamp_stats, timestamps
from raysq.problems.forecasting.readers.notation import shown, typed

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor

_OFTEN = 0.5  # share of rows whose stamp another row has: there must be several series
_BESIDE = 0.5  # share of the stamps that series have in common, while they overlap
_LEFT = 0.1  # share of the repeated stamps that may be true duplicates, inside of one series
_MOST_KEYS = 3
_CANDIDATES = 10  # columns that are combined
_DECIMAL = r"^[+-]?\d*[.,]\d+$"
_MEASURED = 0.1  # share of distinct cells with decimals in a column of measurements
_BLOCK = 20_000  # rows that candidates are tried on


def check_keys(settings: "SeriesPreprocessor", sample: pa.Table) -> None:
    """Refuse rows of several series where `id` does not name the columns that tell them apart.

    Args:
        settings: with the columns of the time; those in `id` are taken as keys that are known.
        sample: rows as they are in the files.

    Raises:
        DataError: rows share stamps and further columns tell them apart; names the fewest that do.
    """
    if settings.duplicates != "keep" or sample.num_rows < 4 or settings.time_format == timestamps.ROWS:
        return
    stamps, unread = timestamps.stamps(sample, settings.time, settings.time_format)
    # What is not read is refused, or blank; hours that come twice as clocks are put back are no sign of a key.
    without = unread | timestamp_stats.at_change(stamps)
    if without.any() and not without.all():
        sample, stamps = sample.filter(pa.array(~without)), stamps[~without]
    if not settings.id and (np.diff(stamps) > 0).all():
        return  # the usual case, at once
    _, ranks = np.unique(stamps, return_inverse=True)
    known = _grouped([_encoded(sample.column(name))[0] for name in settings.id], len(stamps))
    points = _pairs(known, ranks)
    repeated = len(points) - len(np.unique(points))
    if repeated < 2:
        return
    taken = {*settings.time, *settings.id}
    codes: dict[str, np.ndarray] = {}
    for name in sample.column_names:
        if name not in taken and (found := _codes(sample.column(name))) is not None:
            codes[name] = found
    block = _block(points, ranks)
    tried = [name for name in codes if _varies(codes[name][block], points[block])]
    tried = sorted(tried, key=lambda name: len(np.unique(codes[name])))[:_CANDIDATES]
    order = {name: place for place, name in enumerate(sample.column_names)}
    # Where most stamps are repeated, columns may do whose series do not run beside each other: few rows of each.
    for beside in (True, False) if repeated >= _OFTEN * len(points) else (True,):
        for count in range(1, _MOST_KEYS + 1):
            sets = list(_parting(tried, count, codes, known, ranks, block, beside))
            if sets:
                _, names = min(sets, key=lambda one: (one[0], [order[name] for name in one[1]]))
                raise _several(settings, sample, sorted(names, key=order.__getitem__), repeated)


def _parting(
    tried: Sequence[str],
    count: int,
    codes: dict[str, np.ndarray],
    known: np.ndarray,
    ranks: np.ndarray,
    block: np.ndarray,
    beside: bool,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Sets of so many columns that part the rows into series, which run beside each other if asked for."""
    for names in combinations(tried, count):
        # On a block of rows first: most sets fall there.
        for rows in (block, slice(None)):
            stamps, series = ranks[rows], _grouped([known[rows], *(codes[name][rows] for name in names)])
            points = _pairs(known[rows], stamps)
            repeated = len(points) - len(np.unique(points))
            left = len(points) - len(np.unique(_pairs(series, stamps)))
            if left > _LEFT * repeated or (beside and _beside(known[rows], series, stamps) < _BESIDE):
                break
        else:
            yield len(np.unique(series)), names


def _beside(known: np.ndarray, series: np.ndarray, stamps: np.ndarray) -> float:
    """How far series have the same stamps while they overlap: 1 for all, 0 where no two ever meet.

    A column that only differs between two rows of a stamp that was logged twice, or the weather of the hour, is no key:
    rows with its other values lie between, and not beside.
    """
    span = int(stamps.max()) + 1
    firsts, lasts = (np.full(int(series.max()) + 1, edge, np.int64) for edge in (span, -1))
    np.minimum.at(firsts, series, stamps)
    np.maximum.at(lasts, series, stamps)
    parents = np.zeros(len(firsts), np.int64)
    parents[series] = known
    firsts, lasts = np.sort(parents * span + firsts), np.sort(parents * span + lasts)
    whole = span * (int(known.max()) + 1)
    pairs = np.unique(series * whole + known * span + stamps)
    points, met = np.unique(pairs % whole, return_counts=True)
    running = np.searchsorted(firsts, points, "right") - np.searchsorted(lasts, points, "left")
    several = running > 1
    return float((met[several] - 1).sum() / (running[several] - 1).sum()) if several.any() else 0.0


def _codes(column: pa.ChunkedArray) -> np.ndarray | None:
    """A number for each distinct cell, or None for a column that cannot name series."""
    if pa.types.is_floating(column.type) or pa.types.is_temporal(column.type):
        return None
    try:
        codes, values = _encoded(column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    measured = pc.mean(pc.match_substring_regex(values, _DECIMAL).cast(pa.float64())).as_py() or 0.0
    if codes.min() < 0 or not 2 <= len(values) <= len(codes) // 2 or measured > _MEASURED:
        return None
    return codes


def _encoded(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """A number for each distinct cell, -1 for those that are missing; and these cells."""
    found = parsing.labels(column).combine_chunks().dictionary_encode()
    return pc.fill_null(found.indices, -1).to_numpy().astype(np.int64), found.dictionary


def _pairs(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """One number for each pair of numbers from 0 on."""
    return high * (int(low.max()) + 1) + low


def _grouped(parts: Sequence[np.ndarray], rows: int | None = None) -> np.ndarray:
    """A number from 0 on for each combination of codes; all 0 where there are none."""
    if not parts:
        return np.zeros(rows or 0, np.int64)
    grouped = parts[0] - parts[0].min()  # -1 stands for a missing cell
    for part in parts[1:]:
        grouped = np.unique(_pairs(grouped, part), return_inverse=True)[1]
    return np.unique(grouped, return_inverse=True)[1]


def _varies(codes: np.ndarray, points: np.ndarray) -> bool:
    """Whether rows of the same stamp, and of the same known series, differ in a column."""
    order = np.lexsort((codes, points))
    same = points[order][1:] == points[order][:-1]
    return bool((codes[order][1:] != codes[order][:-1])[same].any())


def _block(points: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Rows of neighboring stamps around the middle one of those that occur several times."""
    if len(points) <= _BLOCK:
        return np.arange(len(points))
    order = np.lexsort((points, ranks))
    repeated = np.flatnonzero(points[order][1:] == points[order][:-1])
    begin = min(max(0, int(repeated[len(repeated) // 2]) - _BLOCK // 2), len(points) - _BLOCK)
    block: np.ndarray = order[begin : begin + _BLOCK]
    return block


def _several(settings: "SeriesPreprocessor", sample: pa.Table, names: Sequence[str], repeated: int) -> DataError:
    labels = [parsing.labels(sample.column(name)) for name in names]
    first = list(dict.fromkeys(zip(*(column.slice(0, _BLOCK).to_pylist() for column in labels), strict=True)))
    values = shown([" ".join(one) for one in first], 4)
    columns = " and ".join(map(repr, names))
    tell = "column {} tells" if len(names) == 1 else "columns {} together tell"
    within = f" of the same {', '.join(settings.id)}" if settings.id else ""
    return DataError(
        f"{repeated:,} of {sample.num_rows:,} rows repeat the stamp of another row{within}, as several series in one "
        f"file do, and {tell.format(columns)} them apart ({values})",
        hint=f"give --id {typed([*settings.id, *names])}, or a "
        f"file of one series; --set duplicates=first takes one row of each stamp",
    )
