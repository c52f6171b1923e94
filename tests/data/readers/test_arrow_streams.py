"""Arrow streams in memory: what is read, and what would take much more memory than it was sent in."""

import numpy as np
import pyarrow as pa
import pytest

from raysq.data.readers.arrow_files import read_stream
from raysq.data.readers.limits import Limits
from raysq.errors import DataError

LIMITS = Limits(max_object_bytes=1 << 20)
TEXT = "x" * 2000


def stream(column: pa.Array) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"column": column})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def codes(values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, np.int8)), values)


def views(kind: pa.DataType) -> pa.Array:
    """1,000 views of one text."""
    one = pa.array([TEXT], kind)
    return pa.Array.from_buffers(
        kind, 1000, [None, pa.py_buffer(one.buffers()[1].to_pybytes() * 1000), *one.buffers()[2:]]
    )


def nulls(kind: pa.DataType, size: int, *children: pa.Array) -> pa.Array:
    return pa.Array.from_buffers(kind, size, [None], children=list(children))


@pytest.mark.parametrize(
    "column",
    [
        codes(pa.array([TEXT])),
        codes(pa.array([TEXT], pa.large_string())),
        codes(pa.array([TEXT], pa.string_view())),
        codes(pa.array([b"x" * 2000], pa.binary(2000))),
        codes(pa.array([[1] * 500])),
        pa.StructArray.from_arrays([codes(pa.array([TEXT]))], ["inner"]),
        views(pa.string_view()),
        views(pa.binary_view()),
        nulls(pa.null(), 1 << 30),
        nulls(pa.list_(pa.null(), 1 << 30), 1, nulls(pa.null(), 1 << 30)),
        nulls(pa.struct([]), 1 << 30),
        pa.array(["x" * (1 << 21)]),
    ],
    ids=lambda column: str(column.type)[:40],
)
def test_columns_that_expand_to_much_are_refused(column):
    with pytest.raises(DataError, match="the stream has more than 1,048,576 bytes"):
        read_stream(stream(column), "the stream", LIMITS)


def test_types_that_share_ranges_are_refused():
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1 << 30], pa.int32()), pa.array([1.0]))
    with pytest.raises(DataError, match="type run_end_encoded<.*> is none that is read; send plain arrays or lists"):
        read_stream(stream(runs), "the stream", LIMITS)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None, "b"]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.int32()), pa.array(["x", None])),
        pa.array([1, 2, 1]).dictionary_encode(),
        pa.array(["a", None, "c" * 100], pa.string_view()),
        pa.array([[1], None, [2, 3]]),
        pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
        pa.array([{"a": 1, "b": None}] * 3),
        pa.array([None] * 3),
        pa.array([True, None, False]),
        pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((3, 2, 2))),
        pa.array(["x"]).slice(1),
    ],
    ids=lambda column: str(column.type)[:40],
)
def test_plain_columns_are_read(column):
    assert read_stream(stream(column), "the stream", LIMITS).column("column").combine_chunks().equals(column)
