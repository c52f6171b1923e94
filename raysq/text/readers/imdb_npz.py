"""Documents as word ranks, in `imdb.npz` as Keras distributes it. Reading the file executes no code from it."""

import contextlib
import io
import json
import pickle
import zipfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.partition_stats import Stats
from raysq.data.readers import pickles
from raysq.data.readers.files import open_file
from raysq.data.readers.limits import Limits
from raysq.data.readers.npy import read_header, read_values
from raysq.data.readers.unpack import open_member, open_zip
from raysq.errors import DataError
from raysq.text.readers.format import RANGE, DocumentFormat, DocumentPartition
from raysq.text.readers.tables import numbered

INDEX = "imdb_word_index.json"
_SEED = 113  # seed of `keras.datasets.imdb.load_data`
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_SHIPPED = "it must hold x_train, y_train, x_test and y_test, lists of word ranks and their labels, as Keras's imdb.npz"


def partition(path: Path, format: DocumentFormat) -> list[DocumentPartition]:
    """Return two partitions: train, then test."""
    with open_zip(path) as archive:
        names = archive.namelist()
        lost = [name for name in _ARRAYS if f"{name}.npy" not in names]
        if lost:
            raise DataError(f"{path.name} has no {lost[0]}: {_SHIPPED}")
        sizes = [archive.getinfo(f"x_{part}.npy").compress_size for part in ("train", "test")]
    return [DocumentPartition(str(path), "npz", size, begin=part, part=part) for part, size in enumerate(sizes)]


def read(partition: DocumentPartition, format: DocumentFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the documents of the train or test split, in the order of `keras.datasets.imdb.load_data`."""
    path, part = Path(partition.path), ("train", "test")[partition.part]
    with open_zip(path) as archive:
        labels = _array(archive, path, f"y_{part}", format)
        rows = _array(archive, path, f"x_{part}", format)
        above = len(_array(archive, path, "y_train", format))
    if len(labels) != len(rows) or labels.ndim != 1 or labels.dtype.kind not in "iub":
        raise DataError(f"{path.name}: y_{part} must be one whole number for each of x_{part}; {_SHIPPED}")
    random = np.random.RandomState(_SEED)
    order = np.arange(above)
    random.shuffle(order)
    if part == "test":
        order = np.arange(len(rows))
        random.shuffle(order)
    count = max(RANGE // 4 // max(sum(map(len, rows)) // max(len(rows), 1), 1), 1)
    for begin in range(0, len(order), count):
        selected = order[begin : begin + count]
        yield _table([rows[row] for row in selected], labels[selected], selected, partition, f"x_{part}")


def words_of(files: Sequence[Path]) -> list[str] | None:
    """Return the words by rank, from 1, of Keras's `imdb_word_index.json` beside the npz; None if there is no such
    file.
    """
    archive = next((path for path in files if path.suffix.lower() == ".npz"), None)
    if archive is None or not (path := archive.with_name(INDEX)).exists():
        return None
    try:
        with open_file(path) as file:
            ranks = json.loads(file.read().decode("utf-8"))
        words = sorted(ranks, key=ranks.__getitem__)
        if [ranks[word] for word in words] == list(range(1, len(words) + 1)):
            return words
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise DataError(f"{path.name} beside {archive.name} must say the rank of each word, from 1; mend or move it")


def _table(
    rows: list[list[int]], labels: np.ndarray, order: np.ndarray, partition: DocumentPartition, name: str
) -> tuple[pa.Table, Stats]:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    collected = array("i")  # accepts only integers, where NumPy would truncate decimals
    with contextlib.suppress(TypeError, OverflowError):
        for row in rows:
            collected.fromlist(row)
    values = np.array(collected, np.int32)
    if len(values) != offsets[-1] or (values < 1).any():
        raise DataError(f"{partition.name}: {name} holds something else than ranks of words from 1; {_SHIPPED}")
    table = pa.table(
        {
            "ranks": pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(values)),
            "label": pa.array(labels.astype(np.int64)).cast(pa.large_string()),
            "part": pa.array(np.full(len(rows), partition.part, np.int8)),
            "id": numbered(f"{partition.name}:{name}", order),
        }
    )
    return table, {
        "documents": len(rows),
        "undecodable": [],
        "missing_text": 0,
        "missing_label": 0,
        "first_missing_label": None,
        "ignored": 0,
        "not_text": [],
    }


def _array(archive: zipfile.ZipFile, path: Path, name: str, limits: Limits) -> Any:
    """Return an array, or a list of lists for an object array."""
    try:
        with open_member(archive, f"{name}.npy", path) as file:
            raw = file.read(limits.max_object_bytes + 1)
        limits.check_object(f"{path.name}: {name}", len(raw))
        data = io.BytesIO(raw)
        head = read_header(data)
        if head.dtype.hasobject:
            rows = pickles.load(data)
            rows = rows.values if isinstance(rows, pickles.Array) else None
            if (
                not isinstance(rows, list)
                or head.shape != (len(rows),)
                or not all(isinstance(row, list) for row in rows)
            ):
                raise DataError(f"{path.name}: {name} is not an array of lists; {_SHIPPED}")
            return rows
        return read_values(data, head)
    except pickles.Refused as error:
        raise DataError(
            f"{path.name}: {name} asks for {error}, which no list of ranks needs; do not trust the file, fetch another"
        ) from None
    except DataError:
        raise
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        EOFError,
        IndexError,
        KeyError,
        AttributeError,
        MemoryError,
        OverflowError,
    ) as error:
        raise _damaged(path, name, error) from None


def _damaged(path: Path, name: str, error: Exception) -> DataError:
    return DataError(f"{path.name}: {name} is damaged ({error or type(error).__name__}); fetch the file again")
