"""Parse the cells of a chunk into rows of the series, and record statistics of them."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.parts import PARTS, TRAIN, UNKNOWN, VALIDATION
from raysq.data.readers import tables
from raysq.problems.forecasting.readers import parsing, timestamp_stats, timestamps
from raysq.problems.forecasting.readers.group_series import key_columns
from raysq.problems.forecasting.readers.precision import rounding
from raysq.problems.forecasting.readers.repair import LOCAL, WEIGHT
from raysq.problems.forecasting.readers.stretches import PART, SECOND

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor


def parse_rows(
    settings: "SeriesPreprocessor", partition: tables.TablePartition, chunk: tables.TableChunk, second: bool = False
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a chunk: timestamps, values, columns of the categories, and keys of several series.

    The table is empty if the settings refuse any cell. The statistics of the chunk are JSON-ready.

    Args:
        second: whether the partition is of the source that validates.
    """
    kept = settings.kept(partition.header)
    used = {*kept, *settings.time, *settings.categories, *settings.id, *settings.row_columns}
    ignored = [name for name in partition.header if name and name not in used]
    stats: dict[str, Any] = {
        "file": partition.name,
        "unit": partition.unit,
        "first": partition.first,
        "above": partition.above,
        "lines": chunk.count,
        "ignored": ignored,
        "ragged": chunk.ragged,
        "undecodable": chunk.undecodable,
    }
    lines = chunk.lines
    parsed = timestamps.parse_timestamps(chunk.table, settings.time, settings.time_format)
    times, unread = parsed.values, parsed.bad
    stats["zones"] = {
        zone: {"line": int(lines[row]), "value": _cell(chunk.table, settings.time, row)}
        for zone, row in parsed.zones.items()
    }
    zone = settings.timezone or (next(iter(parsed.zones)) if len(parsed.zones) == 1 else "") or None
    values, bad, empty = {}, {}, unread.copy()
    for name in kept:
        values[name], bad[name] = parsing.numbers(chunk.table.column(name), name, settings.notation)
        empty &= np.isnan(values[name]) & ~bad[name]
    if empty.any():
        # A line without a timestamp and without any value is a blank line, most often the last one.
        stats["blank_lines"] = int(empty.sum())
        filled_rows = np.flatnonzero(~empty)
        chunk = dataclasses.replace(chunk, table=chunk.table.take(pa.array(filled_rows)))
        lines, times, unread = lines[filled_rows], times[filled_rows], unread[filled_rows]
        values = {name: column[filled_rows] for name, column in values.items()}
        bad = {name: column[filled_rows] for name, column in bad.items()}

    def describe_cells(mask: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
        row = int(np.argmax(mask))
        return {"count": int(mask.sum()), "line": int(lines[row]), "value": _cell(chunk.table, names, row)}

    stats["unread"] = describe_cells(unread, settings.time) if unread.any() else None
    stats["bad"] = {name: describe_cells(mask, [name]) for name, mask in bad.items() if mask.any()}
    stats["sentinels"], stats["missing"] = {}, {}
    for name, column in values.items():
        is_sentinel = np.isin(column, settings.sentinels)
        if is_sentinel.any():
            stats["sentinels"][name] = describe_cells(is_sentinel, [name])
            if settings.sentinel == "missing":
                values[name] = column = np.where(is_sentinel, np.nan, column)
        missing = np.isnan(column) if settings.bad_cells == "missing" else np.isnan(column) & ~bad[name]
        if missing.any():
            stats["missing"][name] = describe_cells(missing, [name])
    named = (*settings.categories, *settings.id)
    labels = {name: parsing.labels(chunk.table.column(name)) for name in named}
    stats["no_id"], stats["unlabeled"], stats["unknown"] = {}, {}, {}
    for name, column in labels.items():
        missing = column.is_null().to_numpy()
        if name in settings.id:
            if missing.any():
                stats["no_id"][name] = describe_cells(missing, [name])
            continue
        has_level = pc.is_in(column, pa.array((settings.levels or {})[name], pa.string())).to_numpy()
        if missing.any():
            stats["unlabeled"][name] = describe_cells(missing, [name])
        if (~has_level & ~missing).any():
            stats["unknown"][name] = describe_cells(~has_level & ~missing, [name])
    of_rows = {}
    stats["odd"] = {}
    if settings.parted:
        parts, odd = _parts(chunk.table, settings.split_column, second)
        of_rows = {PART: parts, SECOND: np.full(len(parts), second)}
        if odd.any():
            assert settings.split_column is not None
            stats["odd"][settings.split_column] = describe_cells(odd, [settings.split_column])
        own = int((parts == VALIDATION).sum())
        stats |= {"validates": second, "own_validation": 0 if second else own}
    if settings.weight is not None:
        weights, unread_weights = parsing.numbers(
            chunk.table.column(settings.weight), settings.weight, settings.notation
        )
        odd = unread_weights | ~(weights >= 0) | (weights > np.finfo(np.float32).max)
        of_rows[WEIGHT] = weights.astype(np.float32)
        if odd.any():
            stats["odd"][settings.weight] = describe_cells(odd, [settings.weight])
        training = of_rows[PART] == TRAIN if settings.parted else np.ones(len(weights), bool)
        stats["heaviest"] = float(np.max(weights, where=training & ~odd, initial=0))
    if settings.missing == "drop" and stats["missing"]:
        complete = ~np.any([np.isnan(column) for column in values.values()], axis=0)
        stats["rows_dropped"] = int((~complete).sum())
        lines, times = lines[complete], times[complete]
        values = {name: column[complete] for name, column in values.items()}
        labels = {name: column.filter(pa.array(complete)) for name, column in labels.items()}
        of_rows = {name: column[complete] for name, column in of_rows.items()}
    refused = bool(
        stats["unread"]
        or stats["ragged"]
        or stats["undecodable"]
        or stats["no_id"]
        or stats["odd"]
        or (stats["bad"] and settings.bad_cells == "error")
        or (stats["missing"] and settings.missing == "error")
        or (stats["sentinels"] and settings.sentinel == "error")
    )
    count = 0 if refused else len(times)  # the statistics hold the error that will be raised
    stats["rows"] = count
    stats["timestamps"] = (
        timestamp_stats.measure(times[:count], lines[:count], zone)
        if count and not (settings.id or settings.parted)
        else None
    )
    measured = {name: rounding(column[:count], settings.sentinels) for name, column in values.items() if count}
    stats["rounding"] = {name: error for name, error in measured.items() if error is not None}
    with np.errstate(over="ignore"):  # a column that overflows float32 is read again as float64
        columns = {
            settings.stored(name): pa.array(
                column[:count].astype(np.float64 if name in settings.float64 else np.float32)
            )
            for name, column in values.items()
        }
    for name in settings.categories:
        for value in settings.levels[name]:
            equal = pc.fill_null(pc.equal(labels[name], value), False).to_numpy()
            columns[f"{name}={value}"] = pa.array(equal[:count].astype(np.float32))
    for key, name in zip(key_columns(len(settings.id)), settings.id, strict=True):
        columns[key] = labels[name].slice(0, count).combine_chunks()
    columns |= {name: pa.array(column[:count]) for name, column in of_rows.items()}
    if settings.timezone:
        columns[LOCAL] = pa.array(np.full(count, parsed.local))
    return pa.table({"time": pa.array(times[:count], pa.timestamp("us")), **columns}), stats


def _parts(table: pa.Table, split_column: str | None, second: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of each row, and whether its cell says none or, of the source that validates, another."""
    if split_column is None or split_column not in table.column_names:
        return np.full(table.num_rows, VALIDATION if second else TRAIN, np.int8), np.zeros(table.num_rows, bool)
    names = pc.utf8_lower(parsing.labels(table.column(split_column)))
    codes = pc.index_in(names, pa.array(list(PARTS), pa.string())).fill_null(len(PARTS)).to_numpy()
    parts = np.array([*PARTS.values(), UNKNOWN], np.int8)[codes]
    return parts, parts != VALIDATION if second else parts == UNKNOWN


def _cell(table: pa.Table, names: Sequence[str], row: int) -> str:
    return " ".join(str(table.column(name)[row].as_py()) for name in names)
