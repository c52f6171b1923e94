"""Reader of images in a folder with a table of their classes: labels.csv, train.csv, or metadata.csv of the Hub."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from raysq.config import nearest_name
from raysq.data.filetree import describe_ignored, named_files, walk_tree
from raysq.data.parts import PART, PARTS, parts_by_name
from raysq.errors import DataError
from raysq.problems.images.readers.format import IMAGES, TABLES, ImageFormat, ImagePartition
from raysq.text import readers
from raysq.text.readers import sniff
from raysq.text.readers.columns import LABEL, usual

_NAMES = ("file_name", "filename", "file", "image", "image_id", "path", "image_path", "id", "name")
_MOST = 2000  # most files of a partition
_RAW, _HELD = 64 << 20, 64 << 20  # most bytes of files, and of pixels, of a partition
_NEARLY_ALL = 0.9  # least share of distinct values among the first rows of the column of file names


@dataclass(frozen=True)
class Row:
    """An image listed in a table.

    Attributes:
        file: path in the folder.
        label: name of the class.
        part: 0 train, 1 test, 2 validation, -1 unknown.
    """

    file: str
    label: str
    part: int


@dataclass(frozen=True)
class ImageListing:
    """The images listed in the tables of a folder.

    Attributes:
        rows: listed images, in the order of the tables.
        sizes: size in bytes of each file in the folder, by path.
        missing: ids of the rows that name no file in the folder.
        messages: messages about the columns used and the files left out.
    """

    rows: tuple[Row, ...]
    sizes: dict[str, int]
    missing: tuple[str, ...]
    messages: tuple[str, ...]


@dataclass(frozen=True)
class _Table:
    """A table that lists images.

    Attributes:
        path: path in the folder.
        file: column of file names.
        label: column of classes, "" if no column can be identified.
        columns: names of all columns.
    """

    path: str
    file: str
    label: str
    columns: tuple[str, ...]


class _Files:
    """The images of a folder, found by path, by file name, or by file name without suffix."""

    def __init__(self, names: Sequence[str]) -> None:
        self._paths = set(names)
        self._ends: dict[str, str | None] = {}
        for name in names:
            last = PurePosixPath(name)
            for end in {last.name, last.stem}:
                self._ends[end] = None if end in self._ends else name  # a name of two files identifies neither

    def find(self, value: str, folder: str) -> str | None:
        """Return the path of the file that a table in `folder` names by `value`, or None."""
        value = value.strip().replace("\\", "/").removeprefix("./")
        for path in (f"{folder}/{value}" if folder else value, value):
            if path in self._paths:
                return path
        match = self._ends.get(PurePosixPath(value).name)
        return match if match is not None and ("/" not in value or match.endswith(f"/{value}")) else None


def is_listed(path: Path, format: ImageFormat) -> bool:
    """Whether tables in a folder list its images and their classes."""
    return any(table.label or format.label in table.columns for table in _tables(path, format)[0])


def read_listing(path: Path, format: ImageFormat) -> ImageListing:
    """Read the tables in a folder that list its images.

    Args:
        path: folder.
        format: format of every image; its `label`, `damaged` and csv settings are used.

    Raises:
        DataError: no column of classes, several tables of which one has no known part, rows without a class, rows that
            name no image (unless these are dropped), or an image listed twice with different classes or parts.
    """
    tables, files, sizes = _tables(path, format)
    tables = [table for table in tables if table.label or format.label in table.columns]
    if format.label and not all(format.label in table.columns for table in tables):
        table = next(table for table in tables if format.label not in table.columns)
        raise DataError(
            f"{table.path} has no column {format.label!r} ({nearest_name(format.label, table.columns)})",
            hint="--label names another",
        )
    parts = _parts([table.path for table in tables])
    if len(tables) > 1 and -1 in parts:
        raise DataError(
            f"{' and '.join(table.path for table in tables)} all name images and classes: keep one, or call them "
            "train.csv, val.csv and test.csv"
        )
    rows: dict[str, Row] = {}
    missing: list[str] = []
    messages = []
    for table, part in zip(tables, parts, strict=True):
        label = format.label or table.label
        messages.append(f"classes: column {label!r} of {table.path}, whose column {table.file!r} names the images")
        for name, class_name, own_part, row_id in _read(path / table.path, table.file, label, format):
            file = files.find(name, table.path.rpartition("/")[0])
            if file is None:
                missing.append(f"{row_id} ({name})")
                continue
            row = Row(file, class_name, own_part if own_part >= 0 else part)
            if rows.setdefault(file, row) != row:
                raise DataError(f"{row_id} names {name} again, with another class or part; mend {table.path}")
    if not rows:
        raise DataError(f"{tables[0].path} names no image of the folder; the first rows are {named_files(missing, 3)}")
    if missing and format.damaged == "error":
        raise DataError(
            f"{len(missing):,} rows of the table name no image of the folder, the first is {missing[0]}",
            hint="add the images or take the rows out, or --set damaged=drop leaves them out",
        )
    messages += describe_ignored(missing, "as there are no such images")
    unnamed = [name for name in sizes if name.lower().endswith(IMAGES) and name not in rows]
    messages += describe_ignored(unnamed, f"as {' and '.join(table.path for table in tables)} does not name them")
    read = {table.path for table in tables}
    others = [name for name in sizes if not name.lower().endswith(IMAGES) and name not in read]
    messages += describe_ignored(others, "as they are no images by their names")
    return ImageListing(tuple(rows.values()), sizes, tuple(missing), tuple(messages))


def partition_files(path: Path, format: ImageFormat) -> list[ImagePartition]:
    """Return the partitions of a folder, each with as many images as fit into memory with files and pixels."""
    listing = read_listing(path, format)
    most = max(1, min(_MOST, _HELD // max(format.bytes, 1)))
    partitions: list[ImagePartition] = []
    group: list[Row] = []
    size = 0

    def cut() -> None:
        nonlocal group, size
        if group:
            labels = tuple((row.label, row.part) for row in group)
            partitions.append(
                ImagePartition(str(path), "listed", size, tuple(row.file for row in group), labels=labels)
            )
            group, size = [], 0

    for row in listing.rows:
        if len(group) >= most or size + listing.sizes[row.file] > _RAW:
            cut()
        group.append(row)
        size += listing.sizes[row.file]
    cut()
    return partitions


def _tables(path: Path, format: ImageFormat) -> tuple[list[_Table], _Files, dict[str, int]]:
    """Return the tables of a folder with a column of image names, its images, and the sizes of all files."""
    sizes = {file.name: file.size for file in walk_tree(path).files}
    files = _Files([name for name in sizes if name.lower().endswith(IMAGES)])
    tables = []
    for name in sizes:
        if not name.lower().endswith(TABLES):
            continue
        try:
            head = sniff.head(path / name, _sniffed(path / name, format))
        except DataError:
            continue  # no table of images; it is reported among the files left out
        folder = name.rpartition("/")[0]
        column = _file_column(head, files, folder)
        if column is not None:
            others = [other for other in head if other != column and other.lower().strip() not in PART]
            label = usual((*LABEL, "y"), others) or (others[0] if len(others) == 1 else "")
            tables.append(_Table(name, column, label, tuple(head)))
    return tables, files, sizes


def _sniffed(path: Path, format: ImageFormat) -> readers.DocumentFormat:
    """Infer the format of a table."""
    return sniff.sniffed(path, readers.DocumentFormat(**format.csv_settings()))[0]


def _file_column(head: sniff.Head, files: _Files, folder: str) -> str | None:
    """Return the column of distinct image names. Of several, prefer a column with a usual name, else the first."""
    columns = []
    for column, values in head.items():
        texts = [str(value) for value in values if value is not None]
        image_files = {file for text in texts if (file := files.find(text, folder)) is not None}
        if texts and len(set(texts)) >= _NEARLY_ALL * len(values) and 2 * len(image_files) >= len(values):
            columns.append(column)
    return usual(_NAMES, columns) or (columns[0] if columns else None)


def _parts(paths: Sequence[str]) -> list[int]:
    """Return the part of each table by its folder or, of several tables, by its name; -1 if unknown."""
    folders = [PARTS.get(path.split("/")[0].lower(), -1) if "/" in path else -1 for path in paths]
    by_name = parts_by_name([Path(path) for path in paths])
    return [own if own >= 0 else other for own, other in zip(folders, by_name, strict=True)]


def _read(path: Path, file: str, label: str, format: ImageFormat) -> list[tuple[str, str, int, str]]:
    """Return image name, class, part and id of each row of a table.

    Raises:
        DataError: a row without a name or a class, or a damaged table.
    """
    document_format = replace(_sniffed(path, format), text=file, label=label)
    rows: list[tuple[str, str, int, str]] = []
    for partition in readers.partition([path], document_format):
        for table, stats in readers.read(partition, document_format):
            if stats["missing_label"]:
                raise DataError(f"{stats['first_missing_label']} has no class in column {label!r}; give it one")
            columns: list[list[Any]] = [table.column(name).to_pylist() for name in ("text", "label", "part", "id")]
            rows += zip(*columns, strict=True)
    return rows
