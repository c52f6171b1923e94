"""Parse the cells of a chunk into rows of the series, and record statistics of them."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.readers import tables
from raysq.problems.forecasting.readers import parsing, timestamp_stats, timestamps
from raysq.problems.forecasting.readers.group_series import key_columns
from raysq.problems.forecasting.readers.precision import rounding
from raysq.problems.forecasting.readers.repair import LOCAL

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor


def rows(
    settings: "SeriesPreprocessor", piece: tables.TablePartition, chunk: tables.Chunk
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a chunk: timestamps, values, columns of the categories, and keys of several series.

    Args:
        settings: preprocessor whose settings apply.
        piece: partition of the chunk.
        chunk: csv cells, or Parquet columns.

    Returns:
        The table, which is empty if the settings refuse any cell, and JSON-ready statistics of the chunk.
    """
    kept = settings.kept(piece.header)
    used = {*kept, *settings.time, *settings.categories, *settings.id}
    ignored = [name for name in piece.header if name and name not in used]
    note: dict[str, Any] = {
        "file": piece.name,
        "unit": piece.unit,
        "first": piece.first,
        "above": piece.above,
        "lines": chunk.count,
        "ignored": ignored,
        "ragged": chunk.ragged,
        "undecodable": chunk.undecodable,
    }
    lines = chunk.lines
    read = timestamps.read_stamps(chunk.table, settings.time, settings.time_format)
    stamps, unread = read.values, read.bad
    note["zones"] = {
        zone: {"line": int(lines[row]), "value": _cell(chunk.table, settings.time, row)}
        for zone, row in read.zones.items()
    }
    zone = settings.timezone or (next(iter(read.zones)) if len(read.zones) == 1 else "") or None
    values, bad, empty = {}, {}, unread.copy()
    for name in kept:
        values[name], bad[name] = parsing.numbers(chunk.table.column(name), name, settings.notation)
        empty &= np.isnan(values[name]) & ~bad[name]
    if empty.any():
        # A line without a timestamp and without any value is a blank line, most often the last one.
        note["blank_lines"] = int(empty.sum())
        rows = np.flatnonzero(~empty)
        chunk = dataclasses.replace(chunk, table=chunk.table.take(pa.array(rows)))
        lines, stamps, unread = lines[rows], stamps[rows], unread[rows]
        values = {name: column[rows] for name, column in values.items()}
        bad = {name: column[rows] for name, column in bad.items()}

    def seen(where: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
        row = int(np.argmax(where))
        return {"count": int(where.sum()), "line": int(lines[row]), "value": _cell(chunk.table, names, row)}

    note["unread"] = seen(unread, settings.time) if unread.any() else None
    note["bad"] = {name: seen(where, [name]) for name, where in bad.items() if where.any()}
    note["sentinels"], note["missing"] = {}, {}
    for name, column in values.items():
        marked = np.isin(column, settings.sentinels)
        if marked.any():
            note["sentinels"][name] = seen(marked, [name])
            if settings.sentinel == "missing":
                values[name] = column = np.where(marked, np.nan, column)
        gone = np.isnan(column) if settings.bad_cells == "missing" else np.isnan(column) & ~bad[name]
        if gone.any():
            note["missing"][name] = seen(gone, [name])
    named = (*settings.categories, *settings.id)
    labels = {name: parsing.labels(chunk.table.column(name)) for name in named}
    note["no_id"], note["unlabeled"], note["unknown"] = {}, {}, {}
    for name, column in labels.items():
        nothing = column.is_null().to_numpy()
        if name in settings.id:
            if nothing.any():
                note["no_id"][name] = seen(nothing, [name])
            continue
        known = pc.is_in(column, pa.array((settings.levels or {})[name], pa.string())).to_numpy()
        if nothing.any():
            note["unlabeled"][name] = seen(nothing, [name])
        if (~known & ~nothing).any():
            note["unknown"][name] = seen(~known & ~nothing, [name])
    if settings.missing == "drop" and note["missing"]:
        full = ~np.any([np.isnan(column) for column in values.values()], axis=0)
        note["rows_dropped"] = int((~full).sum())
        lines, stamps = lines[full], stamps[full]
        values = {name: column[full] for name, column in values.items()}
        labels = {name: column.filter(pa.array(full)) for name, column in labels.items()}
    refused = bool(
        note["unread"]
        or note["ragged"]
        or note["undecodable"]
        or note["no_id"]
        or (note["bad"] and settings.bad_cells == "error")
        or (note["missing"] and settings.missing == "error")
        or (note["sentinels"] and settings.sentinel == "error")
    )
    count = 0 if refused else len(stamps)  # the statistics hold the error that will be raised
    note["rows"] = count
    note["clock"] = timestamp_stats.note(stamps[:count], lines[:count], zone) if count and not settings.id else None
    measured = {name: rounding(column[:count], settings.sentinels) for name, column in values.items() if count}
    note["rounding"] = {name: one for name, one in measured.items() if one is not None}
    with np.errstate(over="ignore"):  # a column that overflows float32 is read again as float64
        columns = {
            settings.stored(name): pa.array(
                column[:count].astype(np.float64 if name in settings.float64 else np.float32)
            )
            for name, column in values.items()
        }
    for name in settings.categories:
        for value in settings.levels[name]:
            same = pc.fill_null(pc.equal(labels[name], value), False).to_numpy()
            columns[f"{name}={value}"] = pa.array(same[:count].astype(np.float32))
    for key, name in zip(key_columns(len(settings.id)), settings.id, strict=True):
        columns[key] = labels[name].slice(0, count).combine_chunks()
    if settings.timezone:
        columns[LOCAL] = pa.array(np.full(count, read.local))
    return pa.table({"time": pa.array(stamps[:count], pa.timestamp("us")), **columns}), note


def _cell(table: pa.Table, names: Sequence[str], row: int) -> str:
    return " ".join(str(table.column(name)[row].as_py()) for name in names)
