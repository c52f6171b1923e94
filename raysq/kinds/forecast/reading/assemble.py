"""Several series in one table: each sorted and repaired for itself, then one after the other."""

from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError
from raysq.kinds.forecast.frequency import Frequency
from raysq.kinds.forecast.reading import clock
from raysq.kinds.forecast.reading.repair import repair

SERIES = "__series"  # the column of a row's series, on its way from the pieces to here


def assemble(
    table: pa.Table,
    *,
    sort: bool,
    duplicates: str,
    missing: str,
    fill: bool,
    frequency: Frequency | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Puts the rows of each series together, the series in the order in which they first appear.

    Args:
        table: `time`, `SERIES` (text) and float columns, NaN where a cell is missing.
        sort: as for `repair`, which each series goes through; so are the others.
        duplicates: see `repair`.
        missing: see `repair`.
        fill: see `repair`.
        frequency: see `repair`.

    Returns:
        The table without `SERIES`, and what was done: `repairs` over all series, `series` with `id`, `rows`, `from`
        and `to` of each, and for each the summary of its stamps as `clocks`.

    Raises:
        DataError: as `repair`, with the series named.
    """
    encoded = table.column(SERIES).combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()  # in the order in which they appear
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    table = table.drop_columns([SERIES]).take(pa.array(order)).combine_chunks()
    parts, entries, clocks, backwards = [], [], [], 0
    done: dict[str, Any] = {}
    for name, begin, end in zip(names, [0, *ends[:-1]], ends, strict=True):
        part = table.slice(begin, end - begin)
        stamps = part.column("time").cast(pa.int64()).to_numpy()
        backwards += int((np.diff(stamps) < 0).sum())
        try:
            part, note = repair(part, sort=sort, duplicates=duplicates, missing=missing, fill=fill, frequency=frequency)
        except DataError as error:
            raise DataError(f"series {name!r}: {error}") from None
        _add(done, note["repairs"])
        stamps = part.column("time").cast(pa.int64()).to_numpy()
        first, last = clock.iso(int(stamps.min())), clock.iso(int(stamps.max()))
        entries.append({"id": name, "rows": part.num_rows, "from": first, "to": last})
        clocks.append(note["clock"])
        parts.append(part)
    return pa.concat_tables(parts).combine_chunks(), {
        "repairs": done,
        "series": entries,
        "clocks": clocks,
        "backwards": backwards,
    }


def _add(total: dict[str, Any], more: dict[str, Any]) -> None:
    """Adds counts, also those by column."""
    for key, value in more.items():
        if key == "longest_filled":
            longest = total.setdefault(key, {})
            longest.update({name: max(rows, longest.get(name, 0)) for name, rows in value.items()})
        elif isinstance(value, dict):
            _add(total.setdefault(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value
