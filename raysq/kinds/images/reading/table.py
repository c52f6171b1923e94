"""Images in csv files, a row each: a label and the pixels, as Kaggle's digit recogniser has them."""

import gzip
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raysq.errors import DataError
from raysq.kinds.images.reading.arrays import as_images, labels
from raysq.kinds.images.reading.form import WHITE, Form, Piece
from raysq.kinds.images.reading.rows import Note, Rows

_BLOCK = 8 << 20  # bytes of a file that are read at a time
_LABELS = ("label", "class", "target", "y")
_LOOKED_AT = 1000  # lines of a file without names in which the labels are looked for


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


def columns_of(path: Path, form: Form) -> Columns:
    """The columns of a file, by its first line, and by some more where the columns have no names.

    Raises:
        DataError: there is no label where the form asks for labels, or no square number of pixels.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if path.name.endswith(".gz")
            else open(path, encoding="utf-8-sig") as file
        ):
            lines = [_cells(line) for line in itertools.islice(file, _LOOKED_AT)]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as csv: {error}") from None
    if not lines:
        raise DataError(f"{path.name} is empty; give a csv file with an image in each line")
    headed = not all(_is_number(cell) for cell in lines[0])
    names = lines[0] if headed else [f"f{place}" for place in range(len(lines[0]))]
    label = ""
    if form.label in names and headed:
        label = form.label
    elif form.label.isdigit() and 1 <= int(form.label) <= len(names) and (headed or _is_square(len(names) - 1)):
        label = names[int(form.label) - 1]
    elif form.label and form.labels:
        raise DataError(
            f"{path.name} has no column {form.label!r}: there are {len(names):,}"
            + (f", the first are {', '.join(names[:4])}" if headed else ", without names: give the number of one")
        )
    elif headed:
        label = next((name for name in names if name.lower() in _LABELS), "")
    elif _is_square(len(names) - 1):
        # As Kaggle and most have it the first; as UCI's digits have it the last, beside which a corner's pixels.
        first, last = ({cells[place] for cells in lines if cells} for place in (0, -1))
        label = names[-1 if len(first) == 1 < len(last) else 0]
    pixels = tuple(name for name in names if name != label)
    if form.labels and not label:
        raise DataError(
            f"{path.name} has no column of labels named label: the first are {', '.join(names[:4])}; --label NAME "
            "names it"
        )
    if not _is_square(len(pixels)):
        raise DataError(
            f"{path.name} has {len(pixels):,} columns beside the label, and the pixels of a square, grey image are "
            "784, 1024 and so on; is this a table of images?"
        )
    return Columns(label, pixels, headed)


def plan(paths: list[Path], parts: list[int], form: Form) -> list[Piece]:
    """A piece for each file."""
    for path in paths:
        columns_of(path, form)
    return [Piece(str(path), "csv", path.stat().st_size, part=part) for path, part in zip(paths, parts, strict=True)]


def labels_in(path: Path, form: Form) -> set[Any]:
    """The labels that occur in a file."""
    columns = columns_of(path, form)
    found: set[Any] = set()
    for batch in _batches(path, columns, [columns.label], form):
        found |= set(_labels(batch.column(0), path))
    return found


def read(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, Note]]:
    """The images of a file; their ids are its name and the number of the row, from 1."""
    path, rows = Path(piece.path), Rows(form)
    columns = columns_of(path, form)
    side = math.isqrt(len(columns.pixels))
    wanted = [columns.label, *columns.pixels] if form.labels else list(columns.pixels)
    line = 1
    for batch in _batches(path, columns, wanted, form):
        values = [
            column.to_numpy(zero_copy_only=False) for column in batch.columns[len(wanted) - len(columns.pixels) :]
        ]
        pixels = as_images(np.ascontiguousarray(np.stack(values, 1)).reshape(-1, side, side, 1), path.name, form)
        names = _labels(batch.column(0), path) if form.labels else None
        ids = [f"{path.name}:{number}" for number in range(line, line + len(pixels))]
        rows.add_array(pixels, names, piece.part, ids)
        line += len(pixels)
        if rows.full:
            yield rows.take()
    yield rows.take()


def _batches(path: Path, columns: Columns, wanted: list[str], form: Form) -> Iterator[pa.RecordBatch]:
    pixel = pa.uint8() if form.white == WHITE else pa.float32()
    types = dict.fromkeys(columns.pixels, pixel) | ({columns.label: pa.string()} if columns.label else {})
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
            f"{path.name} cannot be read as images: {said[:160]}; pixels are whole numbers from 0 to 255, or others "
            "from 0 to what --set white=NUMBER says"
        ) from None


def _labels(column: pa.Array, path: Path) -> list[Any]:
    names = column.to_pylist()
    return labels(np.array(names, np.int64), path.name) if all(name.isdigit() for name in names) else names


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.rstrip("\r\n").split(",")]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_square(count: int) -> bool:
    return count > 1 and math.isqrt(count) ** 2 == count
