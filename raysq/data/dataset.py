"""Data sets on disk: Arrow IPC shards with a fixed number of rows, a manifest written last, and a memory-mapped reader.

A shard is an Arrow IPC file with one uncompressed record batch, so that columns are read in place. All shards have
`shard_rows` rows except the last, so the shard of a row follows from a division.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from raysq.config import join_names, nearest_name
from raysq.data.columns import Column, Ragged
from raysq.data.integrity import changed, check_files, check_offsets, check_sizes, open_batch
from raysq.data.moments import Moments, merge, moments
from raysq.display import notebook
from raysq.errors import DamagedError, DataError
from raysq.storage.atomic import write_text
from raysq.storage.hashed_file import HashedFile
from raysq.storage.json_files import Version, read_json, seal
from raysq.storage.trust import check_file_links

FORMAT_VERSION = 4  # version 4 renamed settings, and `told` to `messages`
MANIFEST = "manifest.json"
SHARD_ROWS = 131072
_SHOWN = 12  # columns listed in a notebook
_FRESH = "prepare the data set again with --fresh"

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """File of a data set.

    Attributes:
        file: name within the data set's directory.
        statistics: `count`, `mean` and `m2` (sum of squared deviations) of each numeric column, in float64.
    """

    file: str
    rows: int
    bytes: int
    sha256: str
    statistics: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Manifest:
    """Contents and origin of a data set. `manifest.json` holds these fields.

    Attributes:
        task: name of the task that the data set was prepared for.
        schema: `{"name", "type"}` of each column, in order.
        shard_rows: rows of every shard but the last.
        source: `label`, `synthetic`, and `files` with `name`, `bytes` and `sha256` of each raw file.
        preparation: `version` and `settings` of the problem's preprocessor, and its `messages`.
        report: statistics of the raw data and of repairs, from the preprocessor.
        fingerprint: sha256 over the raw files' checksums and the preprocessor's settings and version.
        settings: example settings that the user gave during preparation. They are the defaults for training on this
            data set, and are not part of the fingerprint.
        extras: tables stored beside the rows, one file each, such as a vocabulary or word vectors.
    """

    task: str
    problem: str
    name: str
    rows: int
    bytes: int
    schema: list[dict[str, str]]
    shard_rows: int
    shards: list[Shard]
    source: dict[str, Any]
    preparation: dict[str, Any]
    report: dict[str, Any]
    fingerprint: str
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    extras: list[Shard] = field(default_factory=list)
    format_version: int = FORMAT_VERSION

    @property
    def files(self) -> list[Shard]:
        """All files of the data set, shards first."""
        return [*self.shards, *self.extras]


def write_shard(directory: Path, index: int, table: pa.Table, *, synced: bool = True) -> Shard:
    """Write a shard and return its manifest entry. The same rows always give the same bytes.

    Args:
        synced: wait until the rows are on disk. If False, call `raysq.storage.atomic.sync` before writing the manifest.
    """
    return _write(directory, f"shard-{index:05d}.arrow", table, synced)


def write_extra(directory: Path, name: str, table: pa.Table) -> Shard:
    """Write a table beside the rows, for `Dataset.extra`, and return its manifest entry."""
    return _write(directory, f"{name}.arrow", table, True)


def _write(directory: Path, file: str, table: pa.Table, synced: bool) -> Shard:
    # Without this, metadata of pandas or Parquet writers, and the chunking, would affect the bytes.
    table = table.replace_schema_metadata(None).combine_chunks()
    (batch,) = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    if batch.get_total_buffer_size() != batch.nbytes:
        # Arrow pads the buffers of a slice with values of the rows beside it, which depend on how rows were cut.
        batch = pa.record_batch(
            [pa.concat_arrays([column, column.slice(0, 0)]) for column in batch.columns], schema=table.schema
        )
    with HashedFile(directory / file) as handle:
        with pa.ipc.new_file(handle, table.schema) as writer:
            writer.write_batch(batch)
        if hasattr(os, "posix_fadvise"):  # start writing to disk
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        statistics = {}
        for column in table.schema:
            if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
                count, mean, m2 = moments(batch.column(column.name).to_numpy(zero_copy_only=True))
                statistics[column.name] = {"count": count, "mean": mean, "m2": m2}
        if synced:
            os.fsync(handle.fileno())
        return Shard(file, table.num_rows, handle.tell(), handle.sha256.hexdigest(), statistics)


def schema_entries(schema: pa.Schema) -> list[dict[str, str]]:
    """Return the manifest's representation of an Arrow schema."""
    return [{"name": column.name, "type": str(column.type)} for column in schema]


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write `manifest.json` atomically. Call this last, because the manifest makes a directory a data set."""
    values = dataclasses.asdict(dataclasses.replace(manifest, format_version=FORMAT_VERSION))
    text = json.dumps(seal(values), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(directory / MANIFEST, text + "\n")


def read_manifest(directory: Path) -> Manifest:
    """Read `manifest.json`.

    Raises:
        DamagedError: the manifest is truncated or changed.
        DataError: there is no manifest, or its format version is not supported.
    """
    path = Path(directory) / MANIFEST
    check_file_links(path.parent, [MANIFEST])
    if not path.exists():
        raise DataError(f"no data set in {directory} (it has no {MANIFEST}); make one with `raysq prepare`")
    values: Any = read_json(path, Manifest, _FRESH, version=Version(FORMAT_VERSION, oldest=FORMAT_VERSION))
    for part in ("shards", "extras"):
        values[part] = [Shard(**shard) for shard in values.get(part, ())]
    manifest = Manifest(**values)
    if any(Path(file.file).name != file.file or file.file in ("", "..") for file in manifest.files):
        raise DamagedError(f"{path} is damaged (a file in it is none of this folder); {_FRESH}")
    check_file_links(path.parent, [file.file for file in manifest.files])
    # The shard of a row is computed by a division, which relies on these counts.
    rows = [shard.rows for shard in manifest.shards]
    if sum(rows) != manifest.rows or any(count != manifest.shard_rows for count in rows[:-1]):
        raise DamagedError(f"{path} is damaged (its shards have other rows than it says); {_FRESH}")
    return manifest


class Dataset:
    """Prepared data set: a manifest and memory-mapped columns. Open one with `Dataset.open`."""

    def __init__(
        self, directory: Path, manifest: Manifest, buffers: Sequence[Any] | None = None, *, checked: bool = False
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self.rows = manifest.rows
        self.columns = tuple(column["name"] for column in manifest.schema)
        self.fingerprint = manifest.fingerprint
        self.synthetic = bool(manifest.source.get("synthetic", False))
        self._batches: list[pa.RecordBatch] | None = None
        self._checked = checked  # whether the files are known to be unchanged
        self._derived: dict[Any, tuple[Any, Any]] = {}  # last settings and result by function, for `derived`
        self._buffers = None if buffers is None else [pa.py_buffer(buffer) for buffer in buffers]

    def __repr__(self) -> str:
        fields = {"task": self.manifest.task, "rows": self.rows, "columns": len(self.columns)}
        return notebook.line("Dataset", str(self.directory), fields)

    def _repr_html_(self) -> str:
        manifest = self.manifest
        columns = [f"{column['name']} ({column['type']})" for column in manifest.schema]
        fields = {
            "task": manifest.task,
            "source": f"{manifest.source.get('label', '')}{' (synthetic)' if self.synthetic else ''}",
            "rows": self.rows,
            "columns": join_names(columns, _SHOWN),
            "size": f"{manifest.bytes / 1e6:,.1f} MB in {len(manifest.shards):,} shards",
            "settings": manifest.settings or None,
            "directory": self.directory,
        }
        return notebook.card(f"Data set {manifest.name}", fields)

    def __reduce__(self) -> tuple[Any, ...]:
        # The receiving process maps the files itself.
        if self._buffers is None:
            return Dataset.open, (self.directory,)
        return Dataset.from_buffers, (self.manifest, self._buffers, self.directory)

    @classmethod
    def open(cls, directory: str | Path) -> "Dataset":
        """Open a data set and check the sizes of its files.

        Checksums are verified when a column is first read. Those of small extra tables are verified every time, all
        others once after the files were created, moved or changed.

        Raises:
            DataError: there is no manifest, its format version is not supported, or a file is damaged.
        """
        directory = Path(directory)
        manifest = read_manifest(directory)
        check_sizes(directory, manifest.files)
        return cls(directory, manifest)

    @classmethod
    def from_buffers(cls, manifest: Manifest, buffers: Sequence[Any], directory: str | Path) -> "Dataset":
        """Create a data set on buffers in memory, such as Ray's object store. They are read without a copy.

        Args:
            buffers: bytes of each file, in the order of `manifest.files`, as objects with Python's buffer protocol.
            directory: directory where the data set was prepared. It is not read.

        Raises:
            DataError: the number or the size of the buffers does not match the manifest.
        """
        if len(buffers) != len(manifest.files):
            raise DataError(f"data set {manifest.name} has {len(manifest.files)} files, received {len(buffers)}")
        dataset = cls(Path(directory), manifest, buffers)
        for shard, buffer in zip(manifest.files, dataset.buffers(), strict=True):
            if buffer.size != shard.bytes:
                raise DataError(f"{shard.file} came with {buffer.size:,} bytes, its manifest says {shard.bytes:,}")
        return dataset

    def buffers(self) -> list[pa.Buffer]:
        """Return the bytes of each file, mapped from disk or held in memory."""
        return [self._buffer(index) for index in range(len(self.manifest.files))]

    def check(self) -> None:
        """Verify checksums as described for `open`, or raise `DamagedError`."""
        if self._buffers is None and not self._checked:
            check_files(self.directory, self.manifest.shards, self.manifest.extras)
            self._checked = True

    def verify(self) -> None:
        """Verify the checksum of every file, or raise `DamagedError`."""
        if self._buffers is None:
            check_files(self.directory, self.manifest.shards, self.manifest.extras, every=True)
            return
        for file, buffer in zip(self.manifest.files, self._buffers, strict=True):
            if (sha256 := hashlib.sha256(buffer).hexdigest()) != file.sha256:
                raise changed(self.directory / file.file, file, sha256)

    def column(self, name: str) -> Column:
        """Return a column over all shards.

        Raises:
            DataError: there is no such column.
        """
        views = [array.to_numpy(zero_copy_only=True) for array in self.arrow(name)]
        dtype = views[0].dtype if views else np.dtype(np.float32)
        return Column(views, self.manifest.shard_rows, self.rows, dtype)

    def matrix(self, name: str) -> Column:
        """Return a column of fixed-length lists over all shards. Each row's value is an array of that length.

        Raises:
            DataError: there is no such column.
        """
        arrays = self.arrow(name)
        width = arrays[0].type.list_size
        views = [
            array.values.to_numpy(zero_copy_only=True)[array.offset * width :][: len(array) * width].reshape(-1, width)
            for array in arrays
        ]
        return Column(views, self.manifest.shard_rows, self.rows, views[0].dtype, (width,))

    def ragged(self, name: str) -> Ragged:
        """Return a column of lists of numbers over all shards.

        Raises:
            DataError: there is no such column.
        """
        return Ragged(self.arrow(name))

    def arrow(self, name: str) -> list[pa.Array]:
        """Return a column as one Arrow array per shard, without a copy.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.columns:
            raise DataError(f"data set {self.manifest.name} has no column {name!r}: {nearest_name(name, self.columns)}")
        if self._batches is None:
            self._batches = [self._map(index) for index in range(len(self.manifest.shards))]
        arrays = [batch.column(name) for batch in self._batches]
        for shard, array in zip(self.manifest.shards, arrays, strict=True):
            check_offsets(array, self.directory / shard.file)
        return arrays

    def texts(self, name: str, rows: np.ndarray) -> list[str]:
        """Return the values of a text column in the given rows, "" for null."""
        shards, size = self.arrow(name), self.manifest.shard_rows
        return [shards[row // size][row % size].as_py() or "" for row in np.asarray(rows).tolist()]

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the tables beside the rows."""
        return tuple(entry.file.removesuffix(".arrow") for entry in self.manifest.extras)

    def extra(self, name: str) -> pa.Table:
        """Return a table stored beside the rows, without a copy.

        Raises:
            DataError: there is no such table.
        """
        if name not in self.extras:
            raise DataError(f"data set {self.manifest.name} has no {name}; prepare it with one")
        return pa.Table.from_batches([self._map(len(self.manifest.shards) + self.extras.index(name))])

    @property
    def preprocessor_settings(self) -> dict[str, Any]:
        """Settings of the preprocessor that prepared the data."""
        settings: dict[str, Any] = self.manifest.preparation["settings"]
        return settings

    def derived(self, make: Callable[["Dataset", S], T], settings: S) -> T:
        """Return `make(self, settings)`, computed again only if the settings differ from those of the last call.

        A problem reads the data once in this way, although its metadata, examples and assets are requested one by one.
        """
        last = self._derived.get(make)
        if last is None or last[0] != settings:
            last = self._derived[make] = (settings, make(self, settings))
        result: T = last[1]
        return result

    def statistics(self, name: str, begin: int = 0, end: int | None = None) -> tuple[float, float]:
        """Return the mean and population standard deviation of a column over rows `begin` to `end`, in float64.

        Whole shards are covered by the manifest. Only shards that the range cuts are read.

        Raises:
            DataError: there is no such column, it is not numeric, or the range is empty.
        """
        column = self.column(name)
        if column.dtype.kind not in "fiu":
            raise DataError(f"column {name!r} holds {column.dtype}, which has no mean")
        begin, stop, _ = slice(begin, end).indices(self.rows)
        total: Moments = (0, 0.0, 0.0)
        for index, view, low, high in column.parts(begin, stop):
            recorded = self.manifest.shards[index].statistics.get(name)
            if high - low == len(view) and recorded is not None:
                total = merge(total, (int(recorded["count"]), float(recorded["mean"]), float(recorded["m2"])))
            else:
                total = merge(total, moments(view[low:high]))
        if not total[0]:
            raise DataError(f"no rows in {begin}:{stop} of data set {self.manifest.name}, which has {self.rows} rows")
        return total[1], float(np.sqrt(total[2] / total[0]))

    def _buffer(self, index: int) -> pa.Buffer:
        if self._buffers is not None:
            return self._buffers[index]
        self.check()
        return pa.memory_map(str(self.directory / self.manifest.files[index].file)).read_buffer()

    def _map(self, index: int) -> pa.RecordBatch:
        file = self.manifest.files[index]
        extra = index >= len(self.manifest.shards)
        batch = open_batch(self.directory / file.file, self._buffer(index), file, full=extra)
        if not extra and schema_entries(batch.schema) != self.manifest.schema:
            raise DamagedError(f"{self.directory / file.file} has other columns than its manifest says; {_FRESH}")
        return batch
