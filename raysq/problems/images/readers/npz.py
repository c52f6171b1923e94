"""Reader of images in NumPy's npz files: arrays of pixels and labels, such as Keras's mnist.npz. Never unpickles."""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from raysq.data.partition_stats import Stats
from raysq.data.readers.limits import LIMITS, Limits
from raysq.data.readers.npy import NpyHeader, read_exactly, read_header, read_values
from raysq.data.readers.unpack import open_member, open_zip
from raysq.errors import DataError
from raysq.problems.images.readers.format import MAX_PIXEL, Form, ImagePartition
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
    heads = _heads(path)
    arrays = [(x, y if y in heads else "", part, heads[x]) for x, y, part in _NAMES if x in heads]
    if not arrays:
        raise DataError(
            f"{path.name} has no arrays of images: they are named x_train, y_train, x_test, y_test, or x and y; there "
            f"is {', '.join(heads) or 'nothing'}"
        )
    for x, y, _, head in arrays:
        _check(path, x, head)
        if labels and not y:
            raise DataError(f"{path.name} has {x} and no labels beside it: name them {_label_name(x)}")
    return arrays


def others(path: Path) -> list[str]:
    """Return the names of the arrays that are neither images nor labels."""
    heads = _heads(path)
    taken = {name for x, y, _ in _NAMES if x in heads for name in (x, y)}
    return [name for name in heads if name not in taken]


def partition_files(path: Path, form: Form) -> list[ImagePartition]:
    """Return partitions of at most 128 MiB of pixels, counted as a byte each.

    Args:
        path: npz file.
        form: format of every image, of which `labels` is used.

    Raises:
        DataError: the file has no arrays of images, or none of labels although `form` needs them.
    """
    partitions = []
    arrays = pairs(path, form.labels)
    total = max(1, sum(math.prod(head.shape) for _, _, _, head in arrays))
    for x, y, part, head in arrays:
        count, each = head.shape[0], max(1, math.prod(head.shape[1:]))
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
    with _opened(path, name) as (file, head):
        if head.dtype.hasobject:
            raise DataError(f"{path.name}: {name} holds Python objects, which are not read; write whole numbers")
        limits.check_object(f"{path.name}: {name}", head.bytes)
        values = read_values(file, head)
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


def read(partition: ImagePartition, form: Form) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield tables of the images of a partition, with statistics. Ids are the name of the array and the index, from 0.

    Args:
        partition: partition of kind "npz".
        form: format of every image.

    Raises:
        DataError: pixels outside the range, numbers of images and labels that differ, a label that is none of the
            classes, or an image or array larger than the limit for one object.
    """
    path, (x, y) = Path(partition.path), partition.names
    assert partition.end is not None
    rows = Rows(form)
    names = labels_of(path, y, form) if form.labels else None
    with _opened(path, x) as (file, head):
        form.check_object(f"{path.name}: an image of {x}", math.prod(head.shape[1:]) * head.dtype.itemsize)
        if head.fortran:
            form.check_object(f"{path.name}: {x}, which lies in Fortran's order,", head.bytes)
        if names is not None and len(names) != head.shape[0]:
            raise DataError(
                f"{path.name}: {x} has {head.shape[0]:,} images and {y} {len(names):,} labels; give one each"
            )
        for begin, block in _blocks(file, head, partition.begin, partition.end):
            some = None if names is None else names[begin : begin + len(block)]
            ids = [f"{x}:{number}" for number in range(begin, begin + len(block))]
            rows.add_array(as_images(block, f"{path.name}: {x}", form), some, partition.part, ids)
            if rows.full:
                yield rows.take()
    yield rows.take()


def as_images(block: np.ndarray, what: str, form: Form) -> np.ndarray:
    """Convert an array to pixels, uint8 of shape (n, height, width, channels).

    Args:
        block: array of shape (n, height, width), (n, height, width, channels) or (n, pixels of a square).
        what: name of the array, for errors.
        form: format of every image, of which `max_pixel` is used.

    Raises:
        DataError: values that are not whole numbers from 0 to 255, or, with another `max_pixel`, not from 0 to
            `max_pixel`.
    """
    if form.max_pixel != MAX_PIXEL:
        block = _scaled(block, what, form.max_pixel)
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
        said = f" from {block.min():g} to {block.max():g}" if block.size and block.dtype.kind in "iuf" else ""
        raise DataError(
            f"{what} must hold numbers from 0 to {max_pixel:g}, as max_pixel={max_pixel:g} says, and it holds "
            f"{block.dtype}{said}"
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


def _check(path: Path, name: str, head: NpyHeader) -> None:
    if head.dtype.hasobject:
        raise DataError(f"{path.name}: {name} holds Python objects, which are not read; write it as an array of uint8")
    if shape_of(head.shape) is None:
        raise DataError(
            f"{path.name}: {name} has shape {head.shape}, and images are (n, height, width), (n, height, width, 1 or "
            "3) or (n, pixels of a square); bring it to one of these"
        )


def _heads(path: Path) -> dict[str, NpyHeader]:
    """Return the headers of all arrays by name."""
    with open_zip(path) as archive:
        values = {}
        for name in archive.namelist():
            if name.endswith(".npy"):
                with open_member(archive, name, path) as file:
                    values[name.removesuffix(".npy")] = _head(archive, name, file)
        return values


def _blocks(file: IO[bytes], head: NpyHeader, begin: int, end: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield rows `begin` to `end` of an array in blocks, each with the index of its first row."""
    each = math.prod(head.shape[1:]) * head.dtype.itemsize
    if head.fortran:  # rows are not contiguous
        yield begin, np.ascontiguousarray(read_values(file, head)[begin:end])
        return
    left = begin * each
    while left:
        left -= len(read_exactly(file, min(left, _BLOCK)))
    step = max(1, _BLOCK // max(each, 1))
    for low in range(begin, end, step):
        count = min(step, end - low)
        yield low, np.frombuffer(read_exactly(file, count * each), head.dtype).reshape(count, *head.shape[1:])


def _label_name(images: str) -> str:
    return next(y for x, y, _ in _NAMES if x == images)


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[IO[bytes], NpyHeader]]:
    """Open an array in a file, positioned at its values, and yield it with its header."""
    with open_zip(path) as archive, open_member(archive, f"{name}.npy", path) as file:
        yield file, _head(archive, f"{name}.npy", file)


def _head(archive: zipfile.ZipFile, member: str, file: IO[bytes]) -> NpyHeader:
    """Read the header of an array, and check that the file has as many bytes as it claims."""
    head = read_header(file)
    left = archive.getinfo(member).file_size - file.tell()
    if min(head.shape, default=0) < 0 or (not head.dtype.hasobject and head.bytes > left):
        raise ValueError(f"{member} claims the shape {head.shape} and has {left:,} bytes")
    return head
