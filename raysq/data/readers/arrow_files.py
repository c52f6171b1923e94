"""Arrow IPC files (.arrow, and .feather of version 2) and streams: record batches, decompressed within limits only."""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

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
            return pa.Table.from_batches(batches, reader.schema)


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
