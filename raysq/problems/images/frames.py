"""Images in rows given in Python, written as the files that the readers of images take: npz of arrays, tar of files."""

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.config import join_names, nearest_name
from raysq.data import frames
from raysq.data.parts import PARTS
from raysq.data.readers.files import open_file
from raysq.data.row_streams import SPLIT
from raysq.errors import UsageError
from raysq.problems.images.readers.format import IMAGES
from raysq.text.readers.columns import LABEL

_LABELS = (*LABEL, "labels", "y")
_SUFFIXES = {0: "_train", 1: "_test", 2: "_val", -1: ""}
_FOLDERS = {0: "train/", 1: "test/", 2: "val/", -1: ""}


def write_images(
    rows: Any, folder: Path, labels: bool = True, weight: str | None = None, group: str | None = None
) -> Path:
    """Write the images of a frame, a data set or an iterable to a file named after a digest of its contents.

    Args:
        rows: rows as for `raysq.data.frames.to_table`. One column holds the images: arrays of one shape, or encoded
            files (bytes, or `datasets.Image`). One holds the labels: it is called label, class, y or similar, or is
            the only other one. A column `split` names the part of each image.
        labels: whether labels are read.
        weight: column of weights, or None.
        group: column of groups, or None.

    Returns:
        An npz file of arrays, or a tar archive of image files in folders of their classes.

    Raises:
        UsageError: there is no column of images or of labels, or an image has no label or another type.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{os.getpid()}.part-", dir=folder) as scratch:
        tables = frames.tables(rows)
        first = next(tables)
        columns = _Columns.of(first, labels, {"weight": weight, "group": group})
        parts = (columns.read(table) for table in _chained(first, tables))
        write = (
            _write_arrays
            if columns.of_rows or isinstance(first.schema.field(columns.image).type, pa.FixedShapeTensorType)
            else _write_files
        )
        written = write(parts, Path(scratch))
        with open(written, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        path = folder / f"frame-{digest[:16]}{written.suffix}"
        os.replace(written, path)
    return path


def _chained(first: pa.Table, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from tables


@dataclass(frozen=True)
class _Batch:
    """Images of a table, their labels, and their parts as codes of `PARTS`."""

    images: pa.Array
    labels: list[Any] | None
    parts: list[int]
    of_rows: dict[str, list[Any]]


@dataclass(frozen=True)
class _Columns:
    """Names of the columns of images, labels and parts."""

    image: str
    label: str | None
    part: str | None
    of_rows: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: pa.Table, labels: bool, of_rows: Mapping[str, str | None]) -> "_Columns":
        """Find the columns by their types and names. `of_rows` are further columns by option."""
        given = {option: name for option, name in of_rows.items() if name is not None}
        for option, name in given.items():
            if name not in table.column_names:
                nearest = nearest_name(name, table.column_names)
                raise UsageError(f"the rows have no column {name!r}", hint=f"--{option} names another ({nearest})")
        images = [column.name for column in table.schema if _is_image(column.type)]
        if len(images) != 1:
            found = f"several columns of images ({join_names(images)})" if images else "no column of images"
            raise UsageError(
                f"the rows have {found}; there are {join_names(table.column_names)}",
                hint="give one column of arrays of shape (height, width) or (height, width, 3), or of encoded images",
            )
        if given and not isinstance(table.schema.field(images[0]).type, pa.FixedShapeTensorType):
            raise UsageError(
                f"--{next(iter(given))} needs images that are arrays of one shape: encoded ones are kept as files, "
                "which have no columns; decode them"
            )
        others = [name for name in table.column_names if name not in (*images, *given.values())]
        part = next((name for name in others if labels and name.lower() == SPLIT), None)
        others = [name for name in others if name != part]
        named = next((name for usual in _LABELS for name in others if name.lower() == usual), None)
        label = (named or (others[0] if len(others) == 1 else None)) if labels else None
        if labels and label is None:
            raise UsageError(
                f"the rows have no column of labels; there are {join_names(table.column_names)}: call it label"
            )
        return cls(images[0], label, part, tuple(given.values()))

    def read(self, table: pa.Table) -> _Batch:
        """Return the columns of a table."""
        names = (self.image, self.label, self.part, *self.of_rows)
        missing = [name for name in names if name and name not in table.column_names]
        if missing:
            raise UsageError(f"some of the rows have no {missing[0]!r}")
        images = table.column(self.image).combine_chunks()
        labels = None if self.label is None else table.column(self.label).to_pylist()
        if images.null_count or (labels is not None and None in labels):
            name = self.image if images.null_count else self.label
            raise UsageError(f"an image has no value in column {name!r}: take its row out")
        labels = None if labels is None else [_label(label) for label in labels]
        parts = [-1] * len(images)
        if self.part is not None:
            said = [str(name).lower() for name in table.column(self.part).to_pylist()]
            unknown = next((name for name in said if name not in PARTS), None)
            if unknown is not None:
                raise UsageError(f"column {self.part!r} says {unknown!r}: parts are train, validation and test")
            parts = [PARTS[name] for name in said]
        return _Batch(images, labels, parts, {name: table.column(name).to_pylist() for name in self.of_rows})


def _is_image(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.FixedShapeTensorType):
        return len(kind.shape) in (2, 3)
    if pa.types.is_struct(kind):  # of `datasets.Image`
        return {field.name for field in kind} >= {"bytes", "path"}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _label(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:  # Keras's labels have shape (n, 1)
        value = value[0]
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if not isinstance(value, (str, int)):
        raise UsageError(f"labels of images are texts or whole numbers, received {type(value).__name__} {value!r:.40}")
    return value


def _write_files(batches: Iterable[_Batch], folder: Path) -> Path:
    """Write encoded images to a tar archive: CLASS/NUMBER.png, below train/, val/ and test/ where parts are given."""
    path, number = folder / "images.tar", 0
    with tarfile.open(path, "w") as archive:
        for batch in batches:
            for position, image in enumerate(batch.images.to_pylist()):
                name: Any = image["path"] if isinstance(image, dict) else None
                content = image["bytes"] if isinstance(image, dict) else image
                if content is None:
                    with open_file(name) as file:
                        content = file.read()
                suffix = os.path.splitext(name or "")[1].lower()
                label = "" if batch.labels is None else f"{_folder(str(batch.labels[position]))}/"
                suffix = suffix if suffix in IMAGES else ".png"
                member = tarfile.TarInfo(f"{_FOLDERS[batch.parts[position]]}{label}{number:09d}{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
                number += 1
    return path


def _vector(values: list[Any]) -> np.ndarray:
    """Return values as numbers, or as texts where one is none or missing, which is an empty text."""
    if all(isinstance(value, (int, float)) for value in values):
        return np.array(values)
    return np.array(["" if value is None else str(value) for value in values])


def _folder(label: str) -> str:
    if not label or label.startswith(".") or "/" in label or "\0" in label:
        raise UsageError(f"label {label!r} cannot be the name of a folder: rename it")
    return label


@dataclass
class _Part:
    """Images of one part: their pixels in a file of raw bytes, their labels, and their other columns by name."""

    path: Path
    rows: int = 0
    labels: list[Any] = field(default_factory=list)
    of_rows: dict[str, list[Any]] = field(default_factory=dict)


def _write_arrays(batches: Iterable[_Batch], folder: Path) -> Path:
    """Write arrays to an npz file with x and y, or x_train and so on, without holding them in memory."""
    parts: dict[int, _Part] = {}
    kind: pa.DataType = None
    labeled = True
    for batch in batches:
        kind = kind or batch.images.type
        if batch.images.type != kind:
            raise UsageError(
                f"some images have the shape {batch.images.type.shape} and others {kind.shape}: bring them to one"
            )
        labeled = batch.labels is not None
        pixels, codes = batch.images.to_numpy_ndarray(), np.array(batch.parts)
        for code in np.unique(codes).tolist():
            part = parts.setdefault(code, _Part(folder / f"part{code}"))
            chosen = np.flatnonzero(codes == code)
            with open(part.path, "ab") as file:
                file.write(np.ascontiguousarray(pixels[chosen]).data)
            part.rows += len(chosen)
            part.labels += [batch.labels[index] for index in chosen] if batch.labels is not None else []
            for name, of_rows in batch.of_rows.items():
                part.of_rows.setdefault(name, []).extend(of_rows[index] for index in chosen)
    path = folder / "images.npz"
    dtype = np.dtype(kind.value_type.to_pandas_dtype())
    with zipfile.ZipFile(path, "w") as archive:
        for code, part in sorted(parts.items()):
            with archive.open(f"x{_SUFFIXES[code]}.npy", "w", force_zip64=True) as member:
                header = {"descr": dtype.str, "fortran_order": False, "shape": (part.rows, *kind.shape)}
                np.lib.format.write_array_header_1_0(member, header)
                with open(part.path, "rb") as file:
                    shutil.copyfileobj(file, member)
            if labeled:
                texts = any(isinstance(label, str) for label in part.labels)
                values = np.array([str(label) for label in part.labels] if texts else part.labels)
                with archive.open(f"y{_SUFFIXES[code]}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, values)
            for name, of_rows in part.of_rows.items():
                with archive.open(f"{name}{_SUFFIXES[code]}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, _vector(of_rows))
    return path
