"""Infer the columns that separate the rows of a file into several series."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DataError
from raysq.problems.forecasting.readers import parsing, timestamp_stats, timestamps
from raysq.problems.forecasting.readers.notation import join_values, quote_names

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor

_OFTEN = 0.5  # share of rows with repeated timestamps from which there must be several series
_BESIDE = 0.5  # least share of timestamps that series have in common while they overlap
_LEFT = 0.1  # share of the repeated timestamps that may be true duplicates within a series
_MOST_KEYS = 3
_CANDIDATES = 10  # most columns to combine
_DECIMAL = r"^[+-]?\d*[.,]\d+$"
_MEASURED = 0.1  # share of distinct cells with decimals above which a column holds measurements
_BLOCK = 20_000  # rows on which candidates are tried first


def check_keys(settings: "SeriesPreprocessor", sample: pa.Table) -> None:
    """Raise an error for rows of several series if `id` lacks columns that tell them apart.

    Args:
        settings: preprocessor with its time columns known; columns in `id` are known keys.
        sample: rows as they are in the files.

    Raises:
        DataError: rows share timestamps and further columns tell them apart; the message names the fewest such columns.
    """
    if settings.duplicates != "keep" or sample.num_rows < 4 or settings.time_format == timestamps.ROWS:
        return
    times, unread = timestamps.parse_values(sample, settings.time, settings.time_format)
    # Leave out unread timestamps, and hours that occur twice when daylight saving time ends: they indicate no key.
    without = unread | timestamp_stats.at_change(times)
    if without.any() and not without.all():
        sample, times = sample.filter(pa.array(~without)), times[~without]
    if not settings.id and (np.diff(times) > 0).all():
        return  # fast path for the usual case
    _, ranks = np.unique(times, return_inverse=True)
    given = _grouped([_encoded(sample.column(name))[0] for name in settings.id], len(times))
    points = _pairs(given, ranks)
    repeated = len(points) - len(np.unique(points))
    if repeated < 2:
        return
    used = {*settings.time, *settings.id}
    codes: dict[str, np.ndarray] = {}
    for name in sample.column_names:
        if name not in used and (column_codes := _codes(sample.column(name))) is not None:
            codes[name] = column_codes
    block = _block(points, ranks)
    tried = [name for name in codes if _varies(codes[name][block], points[block])]
    tried = sorted(tried, key=lambda name: len(np.unique(codes[name])))[:_CANDIDATES]
    order = {name: number for number, name in enumerate(sample.column_names)}
    # If most timestamps repeat, series need not run in parallel: each may have few rows.
    for beside in (True, False) if repeated >= _OFTEN * len(points) else (True,):
        for count in range(1, _MOST_KEYS + 1):
            sets = list(_parting(tried, count, codes, given, ranks, block, beside))
            if sets:
                _, names = min(sets, key=lambda candidate: (candidate[0], [order[name] for name in candidate[1]]))
                raise _several(settings, sample, sorted(names, key=order.__getitem__), repeated)


def _parting(
    tried: Sequence[str],
    count: int,
    codes: dict[str, np.ndarray],
    given: np.ndarray,
    ranks: np.ndarray,
    block: np.ndarray,
    beside: bool,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield sets of `count` columns that separate the rows into series, with their number of series.

    If `beside` is set, the series must run in parallel.
    """
    for names in combinations(tried, count):
        # Try a block of rows first, which rules out most sets.
        for rows in (block, slice(None)):
            block_ranks, series = ranks[rows], _grouped([given[rows], *(codes[name][rows] for name in names)])
            points = _pairs(given[rows], block_ranks)
            repeated = len(points) - len(np.unique(points))
            left = len(points) - len(np.unique(_pairs(series, block_ranks)))
            if left > _LEFT * repeated or (beside and _beside(given[rows], series, block_ranks) < _BESIDE):
                break
        else:
            yield len(np.unique(series)), names


def _beside(given: np.ndarray, series: np.ndarray, times: np.ndarray) -> float:
    """Return how often series that overlap in time share timestamps: 1 if always, 0 if no two ever meet.

    A column that only differs between two rows logged at the same time is no key, nor is the weather of the hour. Rows
    with other values of such a column lie between its rows in time, and rarely at the same times.
    """
    span = int(times.max()) + 1
    firsts, lasts = (np.full(int(series.max()) + 1, edge, np.int64) for edge in (span, -1))
    np.minimum.at(firsts, series, times)
    np.maximum.at(lasts, series, times)
    parents = np.zeros(len(firsts), np.int64)
    parents[series] = given
    firsts, lasts = np.sort(parents * span + firsts), np.sort(parents * span + lasts)
    whole = span * (int(given.max()) + 1)
    pairs = np.unique(series * whole + given * span + times)
    points, met = np.unique(pairs % whole, return_counts=True)
    running = np.searchsorted(firsts, points, "right") - np.searchsorted(lasts, points, "left")
    several = running > 1
    return float((met[several] - 1).sum() / (running[several] - 1).sum()) if several.any() else 0.0


def _codes(column: pa.ChunkedArray) -> np.ndarray | None:
    """Return an integer for each cell, equal for equal cells; None for a column that cannot identify series."""
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
    """Return an integer for each cell, -1 for missing cells, and the distinct cells."""
    encoded = parsing.labels(column).combine_chunks().dictionary_encode()
    return pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64), encoded.dictionary


def _pairs(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return one integer for each pair of integers from 0."""
    pairs: np.ndarray = high * (int(low.max()) + 1) + low
    return pairs


def _grouped(parts: Sequence[np.ndarray], rows: int | None = None) -> np.ndarray:
    """Return an integer from 0 for each combination of codes; all 0 if there are none."""
    if not parts:
        return np.zeros(rows or 0, np.int64)
    grouped = parts[0] - parts[0].min()  # -1 stands for a missing cell
    for part in parts[1:]:
        grouped = np.unique(_pairs(grouped, part), return_inverse=True)[1]
    return np.unique(grouped, return_inverse=True)[1]


def _varies(codes: np.ndarray, points: np.ndarray) -> bool:
    """Return whether a column differs between rows of the same timestamp and the same known series."""
    order = np.lexsort((codes, points))
    same = points[order][1:] == points[order][:-1]
    return bool((codes[order][1:] != codes[order][:-1])[same].any())


def _block(points: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return rows of neighboring timestamps around the middle one of those that repeat."""
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
    values = join_values([" ".join(key) for key in first], 4)
    columns = " and ".join(map(repr, names))
    tell = "column {} tells" if len(names) == 1 else "columns {} together tell"
    within = f" of the same {', '.join(settings.id)}" if settings.id else ""
    return DataError(
        f"{repeated:,} of {sample.num_rows:,} rows repeat the stamp of another row{within}, as several series in one "
        f"file do, and {tell.format(columns)} them apart ({values})",
        hint=f"give --id {quote_names([*settings.id, *names])}, or a "
        f"file of one series; --set duplicates=first takes one row of each stamp",
    )
