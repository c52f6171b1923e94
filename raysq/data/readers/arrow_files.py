"""Arrow IPC files (.arrow, and .feather of version 2) and streams: record batches, decompressed within limits only."""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.readers.files import check_file, damages
from raysq.data.readers.limits import Limits
from raysq.errors import DataError

_MAGIC, _OLD = b"ARROW1", b"FEA1"
_BLOCK = struct.Struct("<qi4xq")  # offset, size of the metadata, size of the body
_DICTIONARIES, _RECORDS = 2, 3  # fields of the footer


class ArrowFile:
    """Open Arrow IPC file.

    Attributes:
        schema: columns and their types.
        groups: rows of each record batch.
        sizes: bytes of each record batch, decompressed.
    """

    def __init__(self, path: Path, data: pa.Buffer, limits: Limits) -> None:
        self._reader = pa.ipc.open_file(data)
        self._path = path
        self.schema: pa.Schema = self._reader.schema
        view = memoryview(data)
        batches = [_batch(view, block) for block in _blocks(view, _RECORDS)]
        self.groups: Sequence[int] = tuple(batch.rows for batch in batches)
        self.sizes: Sequence[int] = tuple(batch.size for batch in batches)
        if len(batches) != self._reader.num_record_batches:
            raise pa.ArrowInvalid("the footer lists other record batches")
        for batch in batches:
            batch.check(f"{path.name}: a record batch", limits)
        for block in _blocks(view, _DICTIONARIES):
            _batch(view, block, of_dictionary=True).check(f"{path.name}: a dictionary", limits)

    def batches(self, group: int, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yield columns of a record batch, at most `rows` rows at a time.

        Raises:
            DataError: the file is damaged.
        """
        with damages(self._path):
            batch = self._reader.get_batch(group).select(columns)
            batch.validate(full=True)  # an invalid offset would be followed otherwise
        for begin in range(0, batch.num_rows, rows):
            yield batch.slice(begin, rows)


@contextlib.contextmanager
def open_arrow(path: Path, limits: Limits) -> Iterator[ArrowFile]:
    """Open an Arrow IPC file.

    Raises:
        SourceError: the file is missing or cannot be read.
        DataError: the file is not an Arrow file, is damaged, or has a batch that is too large when decompressed.
    """
    check_file(path)
    with damages(path), pa.memory_map(str(path)) as source:
        data = source.read_buffer()
        begin = bytes(memoryview(data)[: len(_MAGIC)])
        if begin[: len(_OLD)] == _OLD:
            raise DataError(f"{path.name} is a Feather file of version 1", hint="write it again with a current pyarrow")
        if begin != _MAGIC:
            raise DataError(
                f"{path.name} is not an Arrow file", hint="of a stream of Arrow, write a file: pyarrow.ipc.new_file"
            )
        yield ArrowFile(path, data, limits)


def read_stream(data: bytes, name: str, limits: Limits) -> pa.Table:
    """Read an Arrow IPC stream in memory.

    Args:
        data: the stream.
        name: what it is called in messages.
        limits: limits of a batch, and of all of them, when decompressed.

    Raises:
        DataError: the stream is damaged, or too large when decompressed.
    """
    with damages(Path(name)):
        size = 0
        for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(data)):
            if message.type not in ("record batch", "dictionary"):
                continue
            views = memoryview(message.metadata), memoryview(message.body)
            size += max(0, _batch_of_message(*views, of_dictionary=message.type == "dictionary").size)
            limits.check_object(name, size)
        with pa.ipc.open_stream(pa.BufferReader(data)) as reader:
            batches = list(reader)
            for batch in batches:
                batch.validate(full=True)  # an invalid offset would be followed otherwise
            limits.check_object(name, sum(map(_expanded_bytes, batches)))
            return pa.Table.from_batches(batches, reader.schema)


def _expanded_bytes(values: pa.RecordBatch | pa.Array) -> int:
    """Return the bytes of values once each is stored by itself: those of a dictionary or of views may be shared.

    Raises:
        DataError: the values are of a type that shares ranges of them.
    """
    if isinstance(values, pa.RecordBatch):
        return 8 * int(values.num_rows) + sum(map(_expanded_bytes, values.columns))
    kind = values.type
    if isinstance(values, pa.ExtensionArray):
        return _expanded_bytes(values.storage)
    if pa.types.is_null(kind):
        return 8 * len(values)
    if pa.types.is_dictionary(kind):
        texts = values.dictionary
        if pa.types.is_nested(texts.type) or isinstance(texts, pa.ExtensionArray):
            return _expanded_bytes(texts) * len(values)
        if _is_view(texts.type):
            sizes = pa.array(_view_sizes(texts))
        elif _is_binary(texts.type):
            sizes = pc.binary_length(texts)
        else:
            return (8 + (0 if pa.types.is_null(texts.type) else texts.type.bit_width // 8)) * len(values)
        total = pc.sum(sizes.take(values.indices).cast(pa.int64())).as_py()
        return 8 * len(values) + int(total or 0)
    if _is_view(kind):
        return 8 * len(values) + int(_view_sizes(values).sum())
    if pa.types.is_run_end_encoded(kind) or pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        raise DataError(f"type {kind} is none that is read", "send plain arrays or lists")
    if pa.types.is_struct(kind):
        return 8 * len(values) + sum(_expanded_bytes(values.field(number)) for number in range(kind.num_fields))
    if pa.types.is_nested(kind):
        return int(values.nbytes) + sum(_expanded_bytes(part) for part in _children(values))
    return int(values.nbytes)


def _children(values: pa.Array) -> list[pa.Array]:
    if isinstance(values, pa.UnionArray):
        return [values.field(number) for number in range(values.type.num_fields)]
    return [values.keys, values.items] if isinstance(values, pa.MapArray) else [values.values]


def _is_binary(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in checks)


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _view_sizes(values: pa.Array) -> np.ndarray:
    """Return the sizes of texts that are views: a view of 16 bytes begins with its size."""
    views = np.frombuffer(values.buffers()[1], np.int32).reshape(-1, 4)
    return views[values.offset : values.offset + len(values), 0].astype(np.int64)


class _Batch(NamedTuple):
    """Rows of a batch, the bytes of its buffers when decompressed, and the bytes of its body in the file."""

    rows: int
    size: int
    stored: int

    def check(self, where: str, limits: Limits) -> None:
        """Raise `DataError` if the batch is compressed and too large when decompressed."""
        if self.size > self.stored:
            limits.check_object(where, self.size)


def _blocks(data: memoryview, field: int) -> list[tuple[int, int, int]]:
    """Return offset, size of the metadata and size of the body of each batch that a field of the footer lists."""
    end = len(data) - len(_MAGIC) - 4
    (size,) = struct.unpack_from("<i", data, max(end, 0))
    footer = _Flat.root(data[max(end - size, 0) : end])
    return [_BLOCK.unpack(item) for item in footer.structs(field, _BLOCK.size)]


def _batch(data: memoryview, block: tuple[int, int, int], *, of_dictionary: bool = False) -> _Batch:
    """Return the sizes of a record batch, or of that which holds the values of a dictionary."""
    offset, metadata, length = block
    if min(block) < 0 or offset + metadata + length > len(data):
        raise struct.error("a record batch lies beyond the end")
    prefix = 8 if bytes(data[offset : offset + 4]) == b"\xff\xff\xff\xff" else 4
    message = data[offset + prefix : offset + metadata]
    return _batch_of_message(message, data[offset + metadata : offset + metadata + length], of_dictionary=of_dictionary)


def _batch_of_message(message: memoryview, body: memoryview, *, of_dictionary: bool = False) -> _Batch:
    """Return the sizes of a batch from its message, a flatbuffer, and its body."""
    header = _Flat.root(message).table(2)
    header = header.table(1) if of_dictionary else header
    compressed, size = header.has(3), 0
    for begin, count in (struct.unpack("<qq", item) for item in header.structs(2, 16)):
        stored = struct.unpack_from("<q", body, begin)[0] if compressed and count else -1
        size += count if stored < 0 else stored
    return _Batch(header.integer(0), size, len(body))


class _Flat:
    """Table of a flatbuffer, of which fields are read by number."""

    def __init__(self, data: memoryview, position: int) -> None:
        self._data, self._position = data, position
        self._fields = position - struct.unpack_from("<i", data, position)[0]
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    @classmethod
    def root(cls, data: memoryview) -> "_Flat":
        """Return the outermost table of a buffer."""
        return cls(data, struct.unpack_from("<I", data)[0])

    def _at(self, field: int) -> int:
        """Return the position of a field, or 0 if the table lacks it."""
        place = 4 + 2 * field
        offset: int = struct.unpack_from("<H", self._data, self._fields + place)[0] if place + 2 <= self._size else 0
        return self._position + offset if offset else 0

    def has(self, field: int) -> bool:
        """Whether the table has a field."""
        return bool(self._at(field))

    def integer(self, field: int) -> int:
        """Return a field of 64 bits, 0 by default."""
        at = self._at(field)
        return int(struct.unpack_from("<q", self._data, at)[0]) if at else 0

    def table(self, field: int) -> "_Flat":
        """Return a table that a field refers to."""
        at = self._at(field)
        return _Flat(self._data, at + struct.unpack_from("<I", self._data, at)[0])

    def structs(self, field: int, size: int) -> list[memoryview]:
        """Return the items of a vector of structs."""
        at = self._at(field)
        if not at:
            return []
        at += struct.unpack_from("<I", self._data, at)[0]
        (count,) = struct.unpack_from("<I", self._data, at)
        if at + 4 + count * size > len(self._data):
            raise struct.error("a vector lies beyond the end")
        return [self._data[at + 4 + size * item : at + 4 + size * (item + 1)] for item in range(count)]
