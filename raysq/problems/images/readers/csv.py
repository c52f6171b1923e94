"""Reader of images in csv files with a label and the pixels in each row, such as Kaggle's digit recognizer."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raysq.config import join_names
from raysq.data.partition_stats import Stats
from raysq.data.readers import streams, tables
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.rows import blocks, parse_options
from raysq.data.readers.csv.sniff import begin, sniff, sniff_encoding
from raysq.errors import DataError
from raysq.problems.images.readers.format import MAX_PIXEL, ImageFormat, ImagePartition
from raysq.problems.images.readers.npz import as_images, labels
from raysq.problems.images.readers.rows import Rows

_BLOCK = 8 << 20  # bytes read at a time
_LABELS = ("label", "class", "target", "y")
_SNIFFED_BYTES = 8 << 20  # bytes to infer the format from; large, since rows of pixels are long
_SNIFFED_ROWS = 1000  # rows to infer the column of labels from if columns have no names


@dataclass(frozen=True)
class Columns:
    """The columns of a file.

    Attributes:
        names: names of all columns, in order; their numbers if the file has no header.
        label: column of the labels, "" if there is none.
        csv: format of the file.
        size: bytes before the first row.
        lines: lines before the first row.
        messages: messages about the inferred format.
    """

    names: tuple[str, ...]
    label: str
    csv: CsvFormat
    size: int
    lines: int
    messages: tuple[str, ...] = ()

    @property
    def pixels(self) -> tuple[str, ...]:
        """The names of all columns except the label."""
        return tuple(name for name in self.names if name != self.label)


def columns_of(path: Path, format: ImageFormat) -> Columns:
    """Return the columns of a file, inferred from its header, or from the first rows if it has none.

    Args:
        path: csv file.
        format: format of every image; its `label` and csv settings are used.

    Raises:
        DataError: the file is empty, has no column of labels although `format` needs one, or has a number of pixels
            that is no square.
    """
    csv, messages = sniff_encoding(tables.head(path, CsvFormat())[0], format.csv)
    data, complete = tables.head(path, csv, _SNIFFED_BYTES)
    if not data:
        raise DataError(f"{path.name} is empty; give a csv file with an image in each line")
    csv, format_messages = sniff(data, complete, csv, numbers=True)
    beginning = begin(path.name, data, complete, csv, _SNIFFED_ROWS)
    names, has_header = beginning.columns, csv.header
    label = ""
    if format.label in names and has_header:
        label = format.label
    elif format.label.isdigit() and 1 <= int(format.label) <= len(names) and (has_header or _is_square(len(names) - 1)):
        label = names[int(format.label) - 1]
    elif format.label and format.labels:
        raise DataError(
            f"{path.name} has no column {format.label!r}: there are {len(names):,}"
            + (f", the first are {join_names(names[:4])}" if has_header else ", without names: give the number of one")
        )
    elif has_header:
        label = next((name for name in names if name.lower() in _LABELS), "")
    elif _is_square(len(names) - 1):
        # Kaggle and most others put the label first. UCI's digits put it last; the first column is then a corner pixel,
        # which is constant.
        first, last = ({cells[index] for cells in beginning.rows if cells} for index in (0, -1))
        label = names[-1 if len(first) == 1 < len(last) else 0]
    columns = Columns(names, label, csv, beginning.size, beginning.lines, (*messages, *format_messages))
    if format.labels and not label:
        raise DataError(
            f"{path.name} has no column of labels named label: the first are {join_names(names[:4])}",
            hint="--label NAME names it",
        )
    if not _is_square(len(columns.pixels)):
        raise DataError(
            f"{path.name} has {len(columns.pixels):,} columns beside the label, and the pixels of a square, gray image "
            "are 784, 1024 and so on; is this a table of images?"
        )
    return columns


def partition_files(paths: list[Path], parts: list[int], format: ImageFormat) -> list[ImagePartition]:
    """Return a partition for each file.

    Args:
        paths: csv files.
        parts: part of each file: 0 train, 1 test, 2 validation, -1 unknown.
        format: format of every image.

    Raises:
        DataError: the columns of a file are not those of images.
    """
    for path in paths:
        columns_of(path, format)
    return [
        ImagePartition(str(path), "csv", path.stat().st_size, part=part)
        for path, part in zip(paths, parts, strict=True)
    ]


def labels_in(path: Path, format: ImageFormat) -> set[Any]:
    """Return the labels that occur in a file, as integers if all labels of a block are digits, else as strings."""
    columns = columns_of(path, format)
    labels: set[Any] = set()
    for batch in _batches(path, columns, [columns.label], format):
        labels |= set(_labels(batch.column(0), path))
    return labels


def read(partition: ImagePartition, format: ImageFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield tables of the images of a file, with statistics. Ids are the name of the file and the row, from 1.

    Args:
        partition: partition of format "csv".
        format: format of every image.

    Raises:
        DataError: empty cells, no rows, pixels that are no numbers in range, or a label that is none of the classes.
    """
    path, rows = Path(partition.path), Rows(format)
    columns = columns_of(path, format)
    side = math.isqrt(len(columns.pixels))
    wanted = [columns.label, *columns.pixels] if format.labels else list(columns.pixels)
    line = 1
    for batch in _batches(path, columns, wanted, format):
        values = [
            column.to_numpy(zero_copy_only=False) for column in batch.columns[len(wanted) - len(columns.pixels) :]
        ]
        pixels = as_images(np.ascontiguousarray(np.stack(values, 1)).reshape(-1, side, side, 1), path.name, format)
        names = _labels(batch.column(0), path) if format.labels else None
        ids = [f"{path.name}:{number}" for number in range(line, line + len(pixels))]
        rows.add_array(pixels, names, partition.part, ids)
        line += len(pixels)
        if rows.full:
            yield rows.take()
    yield rows.take()


def _batches(path: Path, columns: Columns, wanted: list[str], format: ImageFormat) -> Iterator[pa.Table]:
    pixel = pa.uint8() if format.max_pixel == MAX_PIXEL else pa.float32()
    types = dict.fromkeys(columns.pixels, pixel) | ({columns.label: pa.string()} if columns.label else {})
    csv, names = columns.csv, list(columns.names)
    stream = streams.below(streams.chunks(path, csv.encoding), columns.size)
    rows = 0
    with contextlib.closing(stream):
        for block in blocks(stream, _BLOCK, csv, path.name, columns=len(names), line=columns.lines):
            try:
                table = pyarrow.csv.read_csv(
                    pa.BufferReader(block.data),
                    pyarrow.csv.ReadOptions(
                        column_names=names,
                        use_threads=False,
                        block_size=len(block.data) + 1,
                        encoding=streams.given(csv.encoding),
                    ),
                    parse_options(block, None, empty=False),
                    pyarrow.csv.ConvertOptions(
                        column_types=types, include_columns=wanted, strings_can_be_null=True, null_values=[""]
                    ),
                )
            except (pa.ArrowException, OSError) as error:
                reason = str(error).splitlines()[0]
                raise DataError(
                    f"{path.name} cannot be read as images: {reason[:160]}",
                    hint="pixels are whole numbers from 0 to 255, or others from 0 to what --set max_pixel=NUMBER says",
                ) from None
            if not table.num_rows:  # empty lines
                continue
            rows += table.num_rows
            if any(column.null_count for column in table.columns):
                raise DataError(f"{path.name} has empty cells; every pixel and label must be there")
            yield table
    if not rows:
        raise DataError(f"{path.name} has a header and no rows", hint="give another --source")


def _labels(column: pa.ChunkedArray, path: Path) -> list[Any]:
    names = column.to_pylist()
    return labels(np.array(names, np.int64), path.name) if all(name.isdigit() for name in names) else names


def _is_square(count: int) -> bool:
    return count > 1 and math.isqrt(count) ** 2 == count
