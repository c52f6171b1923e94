"""Reader of images in NumPy's npz files: arrays of pixels and labels, such as Keras's mnist.npz. Never unpickles."""

import contextlib
import math
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from raysq.data.partition_stats import Stats
from raysq.data.parts import group_texts, row_weights
from raysq.data.readers.limits import LIMITS, Limits
from raysq.data.readers.npy import NpyHeader, read_exactly, read_header, read_values
from raysq.data.readers.unpack import open_member, open_zip
from raysq.errors import DataError
from raysq.problems.images.readers.format import MAX_PIXEL, ImageFormat, ImagePartition
from raysq.problems.images.readers.rows import Rows

_BLOCK = 16 << 20  # bytes of an array read at a time
_HELD = 128 << 20  # most bytes of pixels of a partition
# Names of images and labels, and their part: those of Keras, those of MedMNIST, and those of a single pair.
_NAMES = (
    ("x_train", "y_train", 0),
    ("x_val", "y_val", 2),
    ("x_valid", "y_valid", 2),
    ("x_test", "y_test", 1),
    ("train_images", "train_labels", 0),
    ("val_images", "val_labels", 2),
    ("test_images", "test_labels", 1),
    ("x", "y", -1),
    ("X", "y", -1),
    ("images", "labels", -1),
)


def pairs(path: Path, labels: bool = True) -> list[tuple[str, str, int, NpyHeader]]:
    """Pair the arrays of images in a file with the arrays of labels.

    Args:
        path: npz file.
        labels: whether labels are needed.

    Returns:
        Name of the images, name of the labels or "", part (0 train, 1 test, 2 validation, -1 unknown), and header of
        the images, for each pair.

    Raises:
        DataError: no arrays of images, an array that does not have the shape of images, or no labels although needed.
    """
    headers = _read_headers(path)
    arrays = [(x, y if y in headers else "", part, headers[x]) for x, y, part in _NAMES if x in headers]
    if not arrays:
        raise DataError(
            f"{path.name} has no arrays of images: they are named x_train, y_train, x_test, y_test, or x and y; there "
            f"is {', '.join(headers) or 'nothing'}"
        )
    for x, y, _, header in arrays:
        _check(path, x, header)
        if labels and not y:
            raise DataError(f"{path.name} has {x} and no labels beside it: name them {_label_name(x)}")
    return arrays


def others(path: Path, beside: Collection[str] = ()) -> list[str]:
    """Return the names of the arrays that are neither images nor labels, nor hold a value for each image.

    Args:
        beside: names of values, for the array of each part; see `beside_name`.
    """
    headers = _read_headers(path)
    used = {name for x, y, _ in _NAMES if x in headers for name in (x, y, *(beside_name(x, each) for each in beside))}
    return [name for name in headers if name not in used]


def beside_name(images: str, name: str) -> str:
    """Return the name of the array with a value for each image: `w_train` for w beside `x_train` or `train_images`."""
    part = next((suffix for suffix in ("train", "valid", "val", "test") if suffix in images), "")
    return f"{name}_{part}" if part else name


def _beside(path: Path, images: str, name: str, limits: Limits) -> np.ndarray:
    """Return a value for each image from the array of that name."""
    array = beside_name(images, name)
    if array not in _read_headers(path):
        raise DataError(f"{path.name} has {images} and no {array} beside it", hint="--weight and --group name arrays")
    with _opened(path, array) as (file, header):
        if header.dtype.hasobject or len(header.shape) != 1:
            raise DataError(f"{path.name}: {array} must hold a number or a text for each image")
        limits.check_object(f"{path.name}: {array}", header.bytes)
        return read_values(file, header)


def partition_files(path: Path, format: ImageFormat) -> list[ImagePartition]:
    """Return partitions of at most 128 MiB of pixels, counted as a byte each.

    Args:
        path: npz file.
        format: format of every image, of which `labels` is used.

    Raises:
        DataError: the file has no arrays of images, or none of labels although `format` needs them.
    """
    partitions = []
    arrays = pairs(path, format.labels)
    total = max(1, sum(math.prod(header.shape) for _, _, _, header in arrays))
    for x, y, part, header in arrays:
        count, each = header.shape[0], max(1, math.prod(header.shape[1:]))
        most = max(1, _HELD // each)
        for begin in range(0, count, most):
            end = min(count, begin + most)
            size = path.stat().st_size * (end - begin) * each // total
            partitions.append(ImagePartition(str(path), "npz", size, (x, y), part=part, begin=begin, end=end))
    return partitions


def labels_of(path: Path, name: str, limits: Limits = LIMITS) -> list[Any]:
    """Return the labels of an array, as integers or strings.

    Args:
        path: npz file.
        name: name of the array.
        limits: limits of memory.

    Raises:
        DataError: the array holds other values, or is no vector, or is larger than the limit for one object.
    """
    with _opened(path, name) as (file, header):
        if header.dtype.hasobject:
            raise DataError(f"{path.name}: {name} holds Python objects, which are not read; write whole numbers")
        limits.check_object(f"{path.name}: {name}", header.bytes)
        values = read_values(file, header)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(
            f"{path.name}: {name} must have one label for each image, and its shape is {values.shape}; of one-hot "
            f"labels give {name}.argmax(1)"
        )
    return labels(values, f"{path.name}: {name}")


def labels(values: np.ndarray, what: str) -> list[Any]:
    """Return the values of an array as integers or strings.

    Args:
        values: integers, booleans, whole floats, or strings, shape (n,).
        what: name of the array, for errors.

    Raises:
        DataError: the values are neither whole numbers nor strings.
    """
    if values.dtype.kind in "iub":
        return list(values.astype(np.int64).tolist())
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.floor(values)).all():
        return list(values.astype(np.int64).tolist())
    if values.dtype.kind == "S":
        return [value.decode("utf-8", "replace") for value in values.tolist()]
    if values.dtype.kind == "U":
        return list(values.tolist())
    raise DataError(f"{what} holds {values.dtype}, and labels are whole numbers or texts")


def read(partition: ImagePartition, format: ImageFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield tables of the images of a partition, with statistics. Ids are the name of the array and the index, from 0.

    Args:
        partition: partition of format "npz".
        format: format of every image.

    Raises:
        DataError: pixels outside the range, numbers of images and labels that differ, a label that is none of the
            classes, or an image or array larger than the limit for one object.
    """
    path, (x, y) = Path(partition.path), partition.names
    assert partition.end is not None
    rows = Rows(format)
    names = labels_of(path, y, format) if format.labels else None
    with _opened(path, x) as (file, header):
        format.check_object(f"{path.name}: an image of {x}", math.prod(header.shape[1:]) * header.dtype.itemsize)
        if header.fortran:
            format.check_object(f"{path.name}: {x}, which lies in Fortran's order,", header.bytes)
        if names is not None and len(names) != header.shape[0]:
            raise DataError(
                f"{path.name}: {x} has {header.shape[0]:,} images and {y} {len(names):,} labels; give one each"
            )
        weights, groups = (
            None if name is None else _beside(path, x, name, format) for name in (format.weight, format.group)
        )
        for name, beside in ((format.weight, weights), (format.group, groups)):
            if beside is not None and len(beside) != header.shape[0]:
                raise DataError(f"{path.name}: {x} has {header.shape[0]:,} images and {len(beside):,} of {name}")
        for begin, block in _blocks(file, header, partition.begin, partition.end):
            block_labels = None if names is None else names[begin : begin + len(block)]
            ids = [f"{x}:{number}" for number in range(begin, begin + len(block))]
            some = slice(begin, begin + len(block))
            of_rows = {}
            if weights is not None and format.weight:
                of_rows["weights"] = row_weights(pa.array(weights[some]), ids, format.weight)
            if groups is not None:
                of_rows["groups"] = group_texts(pa.array(groups[some]))
            pixels = as_images(block, f"{path.name}: {x}", format)
            rows.add_array(pixels, block_labels, partition.part, ids, **of_rows)
            if rows.full:
                yield rows.take()
    yield rows.take()


def as_images(block: np.ndarray, what: str, format: ImageFormat) -> np.ndarray:
    """Convert an array to pixels, uint8 of shape (n, height, width, channels).

    Args:
        block: array of shape (n, height, width), (n, height, width, channels) or (n, pixels of a square).
        what: name of the array, for errors.
        format: format of every image, of which `max_pixel` is used.

    Raises:
        DataError: values that are not whole numbers from 0 to 255, or, with another `max_pixel`, not from 0 to
            `max_pixel`.
    """
    if format.max_pixel != MAX_PIXEL:
        block = _scaled(block, what, format.max_pixel)
    if block.dtype.kind == "f" and block.size and block.max() > 1 and (block == np.rint(block)).all():
        block = block.astype(np.int64)  # whole numbers stored as floats
    if block.dtype != np.uint8:
        if block.dtype.kind not in "iub" or (block.size and (block.min() < 0 or block.max() > 255)):
            raise DataError(
                f"{what} must hold whole numbers from 0 to 255, and it holds {block.dtype}"
                + (f" from {block.min():g} to {block.max():g}" if block.size and block.dtype.kind in "iuf" else ""),
                hint="write it as uint8, or say which value is white when the data are prepared, --set "
                "max_pixel=NUMBER",
            )
        block = block.astype(np.uint8)
    shape = shape_of(block.shape)
    assert shape is not None
    return block.reshape(len(block), *shape)


def _scaled(block: np.ndarray, what: str, max_pixel: float) -> np.ndarray:
    """Scale pixels from 0 to `max_pixel` to uint8 from 0 to 255."""
    if block.dtype.kind not in "iubf" or (block.size and not (block.min() >= 0 and block.max() <= max_pixel)):
        value_range = f" from {block.min():g} to {block.max():g}" if block.size and block.dtype.kind in "iuf" else ""
        raise DataError(
            f"{what} must hold numbers from 0 to {max_pixel:g}, as max_pixel={max_pixel:g} says, and it holds "
            f"{block.dtype}{value_range}"
        )
    values: np.ndarray = np.rint(block.astype(np.float32) * np.float32(MAX_PIXEL / max_pixel)).astype(np.uint8)
    return values


def shape_of(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return height, width and channels of an array of images, or None if the shape is not that of images.

    Args:
        shape: shape of the array: (n, height, width), (n, height, width, 1 or 3), or (n, pixels of a square).
    """
    if len(shape) == 2:
        side = math.isqrt(shape[1])
        return (side, side, 1) if side * side == shape[1] and side else None
    if len(shape) == 3:
        return (*shape[1:], 1) if min(shape[1:]) else None
    return shape[1:] if len(shape) == 4 and shape[3] in (1, 3) and min(shape[1:]) else None


def _check(path: Path, name: str, header: NpyHeader) -> None:
    if header.dtype.hasobject:
        raise DataError(f"{path.name}: {name} holds Python objects, which are not read; write it as an array of uint8")
    if shape_of(header.shape) is None:
        raise DataError(
            f"{path.name}: {name} has shape {header.shape}, and images are (n, height, width), (n, height, width, 1 or "
            "3) or (n, pixels of a square); bring it to one of these"
        )


def _read_headers(path: Path) -> dict[str, NpyHeader]:
    """Return the headers of all arrays by name."""
    with open_zip(path) as archive:
        values = {}
        for name in archive.namelist():
            if name.endswith(".npy"):
                with open_member(archive, name, path) as file:
                    values[name.removesuffix(".npy")] = _read_checked_header(archive, name, file)
        return values


def _blocks(file: IO[bytes], header: NpyHeader, begin: int, end: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield rows `begin` to `end` of an array in blocks, each with the index of its first row."""
    each = math.prod(header.shape[1:]) * header.dtype.itemsize
    if header.fortran:  # rows are not contiguous
        yield begin, np.ascontiguousarray(read_values(file, header)[begin:end])
        return
    left = begin * each
    while left:
        left -= len(read_exactly(file, min(left, _BLOCK)))
    step = max(1, _BLOCK // max(each, 1))
    for low in range(begin, end, step):
        count = min(step, end - low)
        yield low, np.frombuffer(read_exactly(file, count * each), header.dtype).reshape(count, *header.shape[1:])


def _label_name(images: str) -> str:
    return next(y for x, y, _ in _NAMES if x == images)


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[IO[bytes], NpyHeader]]:
    """Open an array in a file, positioned at its values, and yield it with its header."""
    with open_zip(path) as archive, open_member(archive, f"{name}.npy", path) as file:
        yield file, _read_checked_header(archive, f"{name}.npy", file)


def _read_checked_header(archive: zipfile.ZipFile, member: str, file: IO[bytes]) -> NpyHeader:
    """Read the header of an array, and check that the file has as many bytes as it claims."""
    header = read_header(file)
    left = archive.getinfo(member).file_size - file.tell()
    if min(header.shape, default=0) < 0 or (not header.dtype.hasobject and header.bytes > left):
        raise ValueError(f"{member} claims the shape {header.shape} and has {left:,} bytes")
    return header
