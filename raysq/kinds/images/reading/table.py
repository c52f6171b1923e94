"""Images in csv files, a row each: a label and the pixels, as Kaggle's digit recogniser has them."""

import gzip
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raysq.errors import DataError
from raysq.kinds.images.reading.arrays import labels
from raysq.kinds.images.reading.form import Form, Piece
from raysq.kinds.images.reading.rows import Note, Rows

_BLOCK = 8 << 20  # bytes of a file that are read at a time
_LABELS = ("label", "class", "target", "y")


class Columns(NamedTuple):
    """The columns of a file.

    Attributes:
        label: the one of the labels, "" where there is none.
        pixels: the others, in their order.
        headed: whether the first line has the names.
    """

    label: str
    pixels: tuple[str, ...]
    headed: bool


def columns_of(path: Path, wanted: bool = True) -> Columns:
    """The columns of a file, by its first line.

    Raises:
        DataError: there is no label, or no square number of pixels.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if path.name.endswith(".gz")
            else open(path, encoding="utf-8-sig") as file
        ):
            line = file.readline()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as csv: {error}") from None
    cells = [cell.strip().strip('"') for cell in line.rstrip("\r\n").split(",")]
    headed = not all(cell.isdigit() for cell in cells)
    names = cells if headed else [f"f{place}" for place in range(len(cells))]
    label = next((name for name in names if name.lower() in _LABELS), "") if headed else ""
    if not headed and _is_square(len(names) - 1):
        label = names[0]
    pixels = tuple(name for name in names if name != label)
    if wanted and not label:
        raise DataError(f"{path.name} has no column of labels named label: the first are {', '.join(names[:4])}")
    if not _is_square(len(pixels)):
        raise DataError(
            f"{path.name} has {len(pixels):,} columns beside the label, and the pixels of a square, grey image are "
            "784, 1024 and so on; is this a table of images?"
        )
    return Columns(label, pixels, headed)


def plan(paths: list[Path], parts: list[int], form: Form) -> list[Piece]:
    """A piece for each file."""
    for path in paths:
        columns_of(path, form.labels)
    return [Piece(str(path), "csv", path.stat().st_size, part=part) for path, part in zip(paths, parts, strict=True)]


def labels_in(path: Path) -> set[Any]:
    """The labels that occur in a file."""
    columns = columns_of(path)
    found: set[Any] = set()
    for batch in _batches(path, columns, [columns.label]):
        found |= set(_labels(batch.column(0), path))
    return found


def read(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, Note]]:
    """The images of a file; their ids are its name and the number of the row, from 1."""
    path, rows = Path(piece.path), Rows(form)
    columns = columns_of(path, form.labels)
    side = math.isqrt(len(columns.pixels))
    wanted = [columns.label, *columns.pixels] if form.labels else list(columns.pixels)
    line = 1
    for batch in _batches(path, columns, wanted):
        values = [
            column.to_numpy(zero_copy_only=False) for column in batch.columns[len(wanted) - len(columns.pixels) :]
        ]
        pixels = np.ascontiguousarray(np.stack(values, 1)).reshape(-1, side, side, 1)
        names = _labels(batch.column(0), path) if form.labels else None
        ids = [f"{path.name}:{number}" for number in range(line, line + len(pixels))]
        rows.add_array(pixels, names, piece.part, ids)
        line += len(pixels)
        if rows.full:
            yield rows.take()
    yield rows.take()


def _batches(path: Path, columns: Columns, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    types = {name: pa.uint8() for name in columns.pixels} | ({columns.label: pa.string()} if columns.label else {})
    try:
        reader = pyarrow.csv.open_csv(
            path,
            pyarrow.csv.ReadOptions(block_size=_BLOCK, autogenerate_column_names=not columns.headed, use_threads=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=wanted, strings_can_be_null=True, null_values=[""]
            ),
        )
        for batch in reader:
            if any(column.null_count for column in batch.columns):
                raise DataError(f"{path.name} has empty cells; every pixel and label must be there")
            yield batch
    except (pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0]
        raise DataError(
            f"{path.name} cannot be read as images: {said[:160]}; pixels are whole numbers from 0 to 255"
        ) from None


def _labels(column: pa.Array, path: Path) -> list[Any]:
    names = column.to_pylist()
    return labels(np.array(names, np.int64), path.name) if all(name.isdigit() for name in names) else names


def _is_square(count: int) -> bool:
    return count > 1 and math.isqrt(count) ** 2 == count
