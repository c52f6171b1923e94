"""Small images and the files that hold them, written by hand: nothing here uses the readers that are tested."""

import gzip
import io
import pickle
import struct
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from raysq.config import make_settings
from raysq.data.dataset import Dataset
from raysq.data.pipeline import build
from raysq.data.sources import resolve
from raysq.problems.images.preprocessor import ImagePreprocessor

SMALL = {"batch_size": 32, "eval_batch_size": 64, "steps_per_epoch": None, "val": "0.25"}
NAMES = ("dash", "dot", "bar")


def png(pixels: np.ndarray, *, palette: bytes = b"", transparent: bytes = b"", deep: bool = False) -> bytes:
    """A PNG of pixels (height, width) or (height, width, 2, 3 or 4), after the specification (W3C, 2003)."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    color_type = 3 if palette else {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    values = pixels.astype(">u2" if deep else "u1")

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    lines = b"".join(b"\0" + values[row].tobytes() for row in range(height))
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16 if deep else 8, color_type, 0, 0, 0))]
    parts += [chunk(b"PLTE", palette)] if palette else []
    parts += [chunk(b"tRNS", transparent)] if transparent else []
    parts += [chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def idx(values: np.ndarray) -> bytes:
    """An IDX file of bytes."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def marks(count: int = 240, side: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, side, side) of one of three marks at some place, which a model soon learns; their classes."""
    random = np.random.RandomState(seed)
    labels = np.arange(count) % 3
    pixels = random.randint(0, 60, (count, side, side)).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        row, column = random.randint(1, side - 1, 2)
        if label == 0:
            image[row, 1:-1] = 220
        elif label == 1:
            image[row - 1 : row + 2, column - 1 : column + 2] = 240
        else:
            image[1:-1, column] = 220
    return pixels, labels


def write_npz(path: Path, count: int = 240, tests: int = 60, seed: int = 0) -> Path:
    """Marks with the names of their classes; the last ones test."""
    pixels, labels = marks(count, seed=seed)
    names = np.array(NAMES)[labels]
    cut = count - tests
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, x_train=pixels[:cut], y_train=names[:cut], x_test=pixels[cut:], y_test=names[cut:])
    return path


def write_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Files by their paths."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def tree_files(count: int = 30) -> dict[str, bytes]:
    """Gray PNG files of marks, train/CLASS/NUMBER.png and test/CLASS/NUMBER.png."""
    pixels, labels = marks(count)
    return {
        f"set/{'test' if number % 5 == 4 else 'train'}/{NAMES[label]}/{number:03d}.png": png(image)
        for number, (image, label) in enumerate(zip(pixels, labels, strict=True))
    }


def tar_of(files: Mapping[str, bytes], compressed: bool = True) -> bytes:
    """The files as a tar archive."""
    with io.BytesIO() as out:
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return gzip.compress(out.getvalue()) if compressed else out.getvalue()


def cifar_files(rows: int = 6, protocol: int = 2, batches: int = 2) -> dict[str, bytes]:
    """Batches as the publisher pickles them."""
    random = np.random.RandomState(0)
    files = {}
    for name in [*(f"data_batch_{number}" for number in range(1, batches + 1)), "test_batch"]:
        data = random.randint(0, 256, (rows, 3072)).astype(np.uint8)
        labels = [int(label) for label in np.arange(rows) % 3]
        batch = {b"batch_label": name.encode(), b"labels": labels, b"data": data, b"filenames": [b"x.png"] * rows}
        files[f"cifar-10-batches-py/{name}"] = pickle.dumps(batch, protocol)
    meta = {b"label_names": [b"plane", b"car", b"bird"], b"num_vis": 3072}
    files["cifar-10-batches-py/batches.meta"] = pickle.dumps(meta, protocol)
    return files


def make_dataset(
    source: Path, target: Path, cpus: int | None = None, shard_rows: int | None = None, **settings
) -> Dataset:
    """Prepares images as `raysq prepare` does."""
    resolved = resolve(
        source, suffixes=ImagePreprocessor.suffixes, trees=True, zip_member=None, listing=ImagePreprocessor.listing
    )
    preparation, messages = make_settings(ImagePreprocessor, settings).infer(resolved.files)
    messages = [*messages, *resolved.messages]
    identity = {"task": "images", "problem": "images", "name": target.name}
    return build(preparation, resolved, target, identity, messages=messages, shard_rows=shard_rows, cpus=cpus)


def pixels_of(dataset: Dataset) -> np.ndarray:
    """All images of a data set, uint8 of shape (n, height, width, channels)."""
    return dataset.matrix("pixels").slice(0, dataset.rows).reshape(-1, *dataset.manifest.report["shape"])


def labels_of(dataset: Dataset) -> list[str]:
    """The names of all images' classes."""
    classes = dataset.manifest.report["classes"]
    return [classes[number] for number in dataset.column("label").slice(0, dataset.rows).tolist()]


def ids_of(dataset: Dataset) -> list[str]:
    """The names of all images."""
    return [name for array in dataset.arrow("id") for name in array.to_pylist()]
