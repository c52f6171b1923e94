"""Several series in one table: group the rows by series, and repair each series by itself."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DataError
from raysq.problems.forecasting.frequency import NUMBERED, Frequency
from raysq.problems.forecasting.readers import timestamp_stats
from raysq.problems.forecasting.readers.repair import repair


def key_columns(count: int) -> list[str]:
    """Return the names of the columns that hold the keys of a row's series until `group_series` removes them."""
    return [f"__series {number}" for number in range(count)]


def group_series(
    table: pa.Table,
    *,
    keys: int,
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
    """Group the rows by series, in order of first appearance, and repair each series.

    Args:
        table: `time`, `key_columns` (text) and float columns, NaN where a cell is missing.
        keys: number of columns that identify the series.
        sort, duplicates, missing, fill, frequency, zone, numbered, count, open_end: as for `repair`.

    Returns:
        The table without the keys; the table of ranges without observed values, as from `repair`; and a summary. The
        summary has `repairs` over all series, `series` with `id`, `keys`, `rows`, `from` and `to` of each, `timestamps`
        with the statistics of each, and the numbers of steps `backwards` and of rows in hours that occur twice
        (`repeated_hours`).

    Raises:
        DataError: as for `repair`, with the series named.
    """
    names, codes = encode_series(table.select(key_columns(keys)))
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    table = table.drop_columns(key_columns(keys)).take(pa.array(order)).combine_chunks()
    parts, filled, entries, timestamp_parts, backwards, repeated_hours, rows = [], [], [], [], 0, 0, 0
    repairs: dict[str, Any] = {}
    for key_values, begin, end in zip(names, [0, *ends[:-1]], ends, strict=True):
        part, name = table.slice(begin, end - begin), ", ".join(key_values)
        try:
            part, gaps, summary = repair(
                part,
                sort=sort,
                duplicates=duplicates,
                missing=missing,
                fill=fill,
                frequency=frequency,
                zone=zone,
                numbered=numbered,
                count=count,
                open_end=open_end,
            )
        except DataError as error:
            raise DataError(f"series {name!r}: {error}") from None
        _add(repairs, summary["repairs"])
        repeated_hours += summary["repeated_hours"]
        backwards += sum(count for step, _, count, *_ in summary["received"]["steps"] if step < 0)
        timestamps = part.column("time").cast(pa.int64()).to_numpy()
        zone_shown = NUMBERED if numbered else zone
        first, last = (
            timestamp_stats.iso(int(timestamps.min()), zone_shown),
            timestamp_stats.iso(int(timestamps.max()), zone_shown),
        )
        entries.append({"id": name, "keys": list(key_values), "rows": part.num_rows, "from": first, "to": last})
        timestamp_parts.append(summary["timestamps"])
        parts.append(part)
        for key in ("begin", "end"):
            gaps = gaps.set_column(gaps.schema.get_field_index(key), key, pc.add(gaps.column(key), rows))
        filled.append(gaps)
        rows += part.num_rows
    summary = {
        "repairs": repairs,
        "series": entries,
        "timestamps": timestamp_parts,
        "backwards": backwards,
        "repeated_hours": repeated_hours,
    }
    return pa.concat_tables(parts).combine_chunks(), pa.concat_tables(filled).combine_chunks(), summary


def encode_series(keys: pa.Table) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Return the series in order of first appearance, each with its key values, and the index of each row's series."""
    encoded = [column.combine_chunks().dictionary_encode() for column in keys.columns]
    if len(encoded) == 1:  # Arrow's dictionaries are in order of first appearance
        return [(value,) for value in encoded[0].dictionary.to_pylist()], encoded[0].indices.to_numpy()
    codes = np.zeros(keys.num_rows, np.int64)
    for part in encoded:
        codes = np.unique(codes * len(part.dictionary) + part.indices.to_numpy(), return_inverse=True)[1]
    _, firsts = np.unique(codes, return_index=True)
    ranks = np.argsort(np.argsort(firsts))
    rows = pa.array(np.sort(firsts))
    return list(zip(*(column.take(rows).to_pylist() for column in keys.columns), strict=True)), ranks[codes]


def _add(total: dict[str, Any], counts: dict[str, Any]) -> None:
    """Add counts to a total, including counts by column."""
    for key, value in counts.items():
        if key == "longest_filled":
            longest = total.setdefault(key, {})
            longest.update({name: max(rows, longest.get(name, 0)) for name, rows in value.items()})
        elif isinstance(value, dict):
            _add(total.setdefault(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value
