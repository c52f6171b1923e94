"""From csv or Parquet rows to a series: one time column and float32 values."""

import dataclasses
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from raysq import tabular
from raysq.errors import DataError, UsageError
from raysq.kinds.forecast import cells, clock
from raysq.kinds.forecast.repair import repair


@dataclass(frozen=True)
class SeriesPreparation:
    """How raw files become a series. The fields are settings; with the defaults every row is kept as it is.

    Attributes:
        time: column of the time stamp; or columns named year, month, day, hour, minute, second (as far down as
            they go); or several columns that are joined by a space and read by `time_format`.
        time_format: as for `strptime`, such as "%d.%m.%Y %H:%M:%S"; ISO 8601 when none.
        columns: columns of values to keep, in this order; all but those of the time when empty.
        order: what to do with rows whose stamp is before that of the row above.
        duplicates: what to do with rows that have the same stamp.
        gaps: what to do where rows are further apart than the cadence, the series' most common step. "fill" puts
            the series on a regular grid, interpolated linearly in time.
        missing: what to do with cells that are empty or NaN. "drop" drops their rows.
        bad_cells: what to do with cells that are not numbers; "missing" treats them as empty.
        sentinels: numbers that stand for a missing value.
        sentinel: what to do with them.
        encoding: of csv files, as Python names it. A byte order mark is skipped.
        delimiter: between the cells of csv files; "tab" for a tabulator.

    Sorting, filling, and dropping rows with the same stamp hold the whole series in memory; the rest is done piece
    by piece.
    """

    time: tuple[str, ...] = ("time",)
    time_format: str | None = None
    columns: tuple[str, ...] = ()
    order: Literal["error", "sort"] = "error"
    duplicates: Literal["keep", "first", "last", "error"] = "keep"
    gaps: Literal["keep", "fill", "error"] = "keep"
    missing: Literal["error", "interpolate", "previous", "drop"] = "error"
    bad_cells: Literal["error", "missing"] = "error"
    sentinels: tuple[float, ...] = (-9999.0,)
    sentinel: Literal["keep", "missing", "error"] = "keep"
    encoding: str = "utf-8"
    delimiter: str = ","

    version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".csv.gz", ".zip", ".parquet")

    def __post_init__(self) -> None:
        tabular.check_csv(self._csv)
        if not self.time:
            raise UsageError("setting time names no column")
        if len(self.time) > 1 and self.time_format is None:
            parts = [name.lower() for name in self.time]
            if parts != list(cells.PARTS[: len(parts)]):
                raise UsageError(
                    f"setting time must be one column, or {', '.join(cells.PARTS)} in this order as far down as they "
                    f"go, or have a time_format; received {', '.join(self.time)}"
                )
        both = set(self.time) & set(self.columns)
        if both or "time" in self.columns:
            raise UsageError(f"setting columns must not name the time column {min(both or {'time'})!r}")
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise UsageError(f"setting columns names {twice[0]!r} twice")

    @property
    def _csv(self) -> tabular.Csv:
        return tabular.Csv("\t" if self.delimiter == "tab" else self.delimiter, self.encoding)

    def plan(self, files: list[Path]) -> list[tabular.Piece]:
        """The pieces of the files, with the wanted columns found in their headers.

        Raises:
            DataError: an empty file, files of different layouts, or a column that is not there.
        """
        pieces = tabular.plan(files, self._csv)
        for piece in pieces:
            self._check_columns(piece)
        return pieces

    def read(self, piece: tabular.Piece) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        """The series' rows of one piece, with a note of what was seen in each table."""
        for chunk in tabular.read(piece, self.time, self._kept(piece.header), self._csv):
            yield self._rows(piece, chunk)

    def whole(self) -> Callable[[pa.Table], tuple[pa.Table, dict[str, Any]]] | None:
        """The repair that needs all rows at once, where one was asked for."""
        if (
            self.order == "sort"
            or self.duplicates in ("first", "last")
            or self.gaps == "fill"
            or self.missing in ("interpolate", "previous")
        ):
            return partial(
                repair,
                sort=self.order == "sort",
                duplicates=self.duplicates,
                missing=self.missing,
                fill=self.gaps == "fill",
            )
        return None

    def check(self, notes: list[dict[str, Any]]) -> None:
        """Raises the first error that the notes of all pieces, in order, hold.

        Raises:
            DataError: with file, line, column, value, and the setting that repairs it.
        """
        from raysq.kinds.forecast.findings import check

        check(self, notes)

    def conclude(self, notes: list[dict[str, Any]], repaired: dict[str, Any] | None = None) -> dict[str, Any]:
        """The data set's report.

        Args:
            notes: of all pieces, in order.
            repaired: what `whole` noted.

        Raises:
            DataError: stamps that cannot be used.
        """
        from raysq.kinds.forecast.findings import conclude

        return conclude(self, notes, repaired)

    def remarks(self, report: Mapping[str, Any]) -> list[str]:
        """What a person should know of a report, in lines."""
        from raysq.kinds.forecast.findings import remarks

        return remarks(self, report)

    def _kept(self, header: Sequence[str]) -> tuple[str, ...]:
        return self.columns or tuple(name for name in header if name and name not in self.time)

    def _check_columns(self, piece: tabular.Piece) -> None:
        there = [name for name in piece.header if name]
        shown = ", ".join(there)
        lost = [name for name in self.time if name not in there]
        if lost:
            raise DataError(
                f"{piece.name} has no time column {lost[0]!r}; it has {shown}; --set time=NAME names the one to read"
            )
        kept = self._kept(piece.header)
        lost = [name for name in kept if name not in there]
        if lost:
            left = [name for name in kept if name in there] or [name for name in there if name not in self.time]
            raise DataError(
                f"{piece.name} lacks columns {', '.join(map(repr, lost))}; it has {shown}; --set {say_columns(left)} "
                f"keeps those that are there"
            )
        if not kept:
            raise DataError(f"{piece.name} has no column of values beside the time; it has {shown}")
        if "time" in kept:
            raise DataError(f"{piece.name} has a column of values named 'time', which is the name of the stamps")

    def _rows(self, piece: tabular.Piece, chunk: tabular.Chunk) -> tuple[pa.Table, dict[str, Any]]:
        kept = self._kept(piece.header)
        ignored = [name for name in piece.header if name and name not in kept and name not in self.time]
        note: dict[str, Any] = {
            "file": piece.name,
            "unit": "row" if piece.form == "parquet" else "line",
            "first": piece.first,
            "lines": chunk.count,
            "ignored": ignored,
            "ragged": chunk.ragged,
            "undecodable": chunk.undecodable,
        }
        lines = chunk.lines
        stamps, unread = cells.stamps(chunk.table, self.time, self.time_format)
        values, bad, empty = {}, {}, unread.copy()
        for name in kept:
            values[name], bad[name] = cells.numbers(chunk.table.column(name), name)
            empty &= np.isnan(values[name]) & ~bad[name]
        if empty.any():
            # A line without a stamp and without any value is a blank line, most often the last one.
            note["blank_lines"] = int(empty.sum())
            rows = np.flatnonzero(~empty)
            chunk = dataclasses.replace(chunk, table=chunk.table.take(pa.array(rows)))
            lines, stamps, unread = lines[rows], stamps[rows], unread[rows]
            values = {name: column[rows] for name, column in values.items()}
            bad = {name: column[rows] for name, column in bad.items()}

        def seen(where: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
            row = int(np.argmax(where))
            value = " ".join(str(chunk.table.column(name)[row].as_py()) for name in names)
            return {"count": int(where.sum()), "line": int(lines[row]), "value": value}

        note["unread"] = seen(unread, self.time) if unread.any() else None
        note["bad"] = {name: seen(where, [name]) for name, where in bad.items() if where.any()}
        note["sentinels"], note["missing"] = {}, {}
        for name, column in values.items():
            marked = np.isin(column, self.sentinels)
            if marked.any():
                note["sentinels"][name] = seen(marked, [name])
                if self.sentinel == "missing":
                    values[name] = column = np.where(marked, np.nan, column)
            gone = np.isnan(column) if self.bad_cells == "missing" else np.isnan(column) & ~bad[name]
            if gone.any():
                note["missing"][name] = seen(gone, [name])
        if self.missing == "drop" and note["missing"]:
            full = ~np.any([np.isnan(column) for column in values.values()], axis=0)
            note["rows_dropped"] = int((~full).sum())
            lines, stamps = lines[full], stamps[full]
            values = {name: column[full] for name, column in values.items()}
        refused = bool(
            note["unread"]
            or note["ragged"]
            or note["undecodable"]
            or (note["bad"] and self.bad_cells == "error")
            or (note["missing"] and self.missing == "error")
            or (note["sentinels"] and self.sentinel == "error")
        )
        count = 0 if refused else len(stamps)  # the note says why; nothing of this will be kept
        note["rows"] = count
        note["clock"] = clock.note(stamps[:count], lines[:count]) if count else None
        columns = {name: pa.array(column[:count].astype(np.float32)) for name, column in values.items()}
        return pa.table({"time": pa.array(stamps[:count], pa.timestamp("us")), **columns}), note


def say_columns(names: Sequence[str]) -> str:
    """`columns=...` as it is typed in a shell."""
    joined = json.dumps(list(names)) if any("," in name for name in names) else ",".join(names)
    return shlex.quote(f"columns={joined}")
