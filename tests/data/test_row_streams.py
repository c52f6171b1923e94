"""Data sets of other libraries, and iterables, hold the rows that their batches yield."""

import datetime
import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf

from raysq.data.frames import is_frame, to_file, to_table
from raysq.errors import UsageError

DAY = datetime.datetime(2024, 1, 1)
X = np.arange(24, dtype="float32").reshape(4, 2, 3)
Y = np.array([0, 1, 0, 1])
TEXTS = ["u", "v", "w", "é"]
PAIRS = tf.data.Dataset.from_tensor_slices((X, Y))


def lengths():
    return tf.data.Dataset.from_generator(
        lambda: iter([[1, 2], [3]]), output_signature=tf.TensorSpec((None,), tf.int32)
    )


@pytest.mark.parametrize(
    "dataset",
    [
        PAIRS,
        PAIRS.batch(3),
        PAIRS.batch(2, drop_remainder=True).prefetch(1),
        PAIRS.batch(3).map(lambda x, y: (x, y)).take(9),
        PAIRS.batch(2).unbatch(),
        tf.data.Dataset.from_tensor_slices({"x": X, "y": Y}),
        tf.data.Dataset.from_tensor_slices(({"x": X}, Y)),
    ],
)
def test_a_tf_data_set_gives_rows_however_it_is_batched(dataset):
    table = to_table(dataset)
    assert table.column_names == ["x", "y"] and table["y"].to_pylist() == [0, 1, 0, 1]
    assert np.array_equal(table["x"].combine_chunks().to_numpy_ndarray(), X)


def test_a_tf_data_set_has_texts_nested_parts_and_lists():
    dataset = tf.data.Dataset.from_tensor_slices({"a": {"b": X}, "text": TEXTS})
    assert to_table(dataset)["text"].to_pylist() == TEXTS and to_table(dataset).column_names == ["a.b", "text"]
    assert to_table(lengths().ragged_batch(2)).to_pydict() == {"x": [[1, 2], [3]]}
    ragged = tf.data.Dataset.from_tensor_slices({"x": tf.ragged.constant([[1, 2], [3]]), "y": [1, 2]})
    assert to_table(ragged).to_pydict() == {"x": [[1, 2], [3]], "y": [1, 2]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (tf.data.Dataset.range(3).repeat(), "infinite: give a finite one"),
        (lengths(), "may be rows or batches: call .batch"),
        (tf.data.Dataset.from_tensor_slices((Y, Y, Y, Y)), "is a tuple of 4: elements are a dict, or x, y"),
        (tf.data.Dataset.from_tensor_slices(({"y": Y}, Y)), "two parts named 'y'"),
        (tf.data.Dataset.range(0), "has no rows"),
        (iter([]), "one that was read already, such as a generator, has none left"),
        (iter([1, 2]), "its element 0 is int"),
        (iter([{"a": 1}, 3]), "its element 1 is int"),
        ([{"a": 1}, {"a": "x"}], "column 'a' of the frame is no column of one type"),
        (iter([{"a": [1]}, {"a": ["x"]}]), "batches of the rows have different types: .*'?a'?"),
        (iter([{"a": DAY}, {"a": DAY.replace(tzinfo=datetime.UTC)}]), "'a' of the frame has times with and without a"),
        ({"a": [None, DAY, DAY.replace(tzinfo=datetime.UTC)]}, "'a' of the frame has times with and without a"),
        (iter([{"a": [2**60 + 1]}, {"a": [0.5]}]), "batches of the rows have different types: Integer value"),
        ([{"m": np.ones((2, 2)), "n": 1}, {"m": np.ones((3, 2))}], "arrays of the shapes"),
        ([{"m": np.ones((2, 2))}, {"m": np.ones((3, 2)), "n": 1}], "element 1 of the iterable is a row"),
    ],
)
def test_what_is_no_table_is_one_line(value, message, tmp_path):
    assert is_frame(value)
    with pytest.raises(UsageError, match=message):
        to_table(value)


def test_an_iterable_yields_rows_or_batches(tmp_path):
    rows = [{"a": 1, "v": np.arange(3), "t": tf.constant(5)}, {"a": 2.5, "v": np.arange(3), "s": "late"}]
    table = to_table(row for row in rows)
    assert table["v"].type == pa.fixed_shape_tensor(pa.int64(), [3])
    assert table.drop_columns("v").to_pydict() == {"a": [1, 2.5], "t": [5, None], "s": [None, "late"]}
    batches = [{"a": [1, 2], "v": np.ones((2, 3))}, {"a": [3], "v": np.ones((1, 3))}]
    assert to_table(batches)["a"].to_pylist() == [1, 2, 3]
    assert to_table(iter([pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})]))["a"].to_pylist() == [1, 2]
    assert not is_frame("x") and not is_frame(["x"]) and not is_frame(np.ones(3)) and not is_frame([])
    # Types that widen and columns that appear late, beyond the first group that was written.
    rows = itertools.chain(({"a": n} for n in range(140_000)), ({"a": n + 0.5, "b": "x"} for n in range(2)))
    written = pa.parquet.read_table(to_file(rows, tmp_path))
    assert written["a"].to_pylist()[-3:] == [139_999.0, 0.5, 1.5] and written["b"].null_count == 140_000
    assert len(list(tmp_path.iterdir())) == 1


def test_equal_rows_give_one_file(tmp_path):
    def cut(size):
        return ({"a": np.arange(low, min(low + size, 300_000))} for low in range(0, 300_000, size))

    given = (cut(1000), cut(77_777), {"a": np.arange(300_000)}, pa.table({"a": np.arange(300_000)}))
    assert len({to_file(value, tmp_path) for value in given}) == 1


def test_tensors_of_other_libraries_are_those_of_arrow(tmp_path):
    assert to_table({"a": [b"x", b"y"], "b": [b"\xff", None]}).to_pydict() == {"a": ["x", "y"], "b": [b"\xff", None]}
    table = to_table({"x": X, "o": list(X), "flags": X > 3})
    assert table["x"].type == table["o"].type == pa.fixed_shape_tensor(pa.float32(), [2, 3])
    turned = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [3, 2], permutation=[1, 0]), table["x"].combine_chunks().storage
    )
    assert np.array_equal(to_table({"x": turned})["x"].combine_chunks().to_numpy_ndarray(), turned.to_numpy_ndarray())
    path = to_file(table, tmp_path)
    assert pa.parquet.read_table(path).schema.equals(table.schema)
    frame = pd.DataFrame({"v": [np.arange(2), np.arange(2)]})
    assert to_table(frame)["v"].type == pa.fixed_shape_tensor(pa.int64(), [2])
    with pytest.raises(UsageError, match="column 'a' of the frame is one value"):
        to_table({"a": np.array(3)})


def test_hugging_face_labels_are_names_and_splits_a_column():
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, -1]}, features=features)
    expected = {"text": ["a", "b", "c"], "label": ["neg", "pos", None]}
    assert to_table(data).to_pydict() == to_table(data.to_iterable_dataset()).to_pydict() == expected
    assert to_table(data.select([2, 0])).to_pydict() == {"text": ["c", "a"], "label": [None, "neg"]}
    both = to_table(datasets.DatasetDict(train=data, test=data.select([1])))
    assert both["split"].to_pylist() == ["train"] * 3 + ["test"] and both["text"].to_pylist() == ["a", "b", "c", "b"]


def test_polars_frames_are_frames():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    table = to_table(
        polars.DataFrame({"a": [1, None], "s": ["x", "y"], "c": polars.Series(["u", "u"], dtype=polars.Categorical)})
    )
    assert table.to_pydict() == {"a": [1, None], "s": ["x", "y"], "c": ["u", "u"]}
    assert all(not pa.types.is_dictionary(field.type) for field in table.schema)


def test_whole_numbers_that_do_not_fit_a_wider_type_are_named(tmp_path):
    batches = iter([{"a": [2**60 + 1]}, {"a": [0.5]}])
    with pytest.raises(UsageError, match="batches of the rows have different types: Integer value"):
        to_file(batches, tmp_path)
    assert not list(tmp_path.iterdir())


def test_times_with_a_zone_may_be_missing():
    table = to_table({"a": [pd.NaT, pd.Timestamp("2024-01-01", tz="UTC"), None]})
    assert table.column("a").null_count == 2 and table.schema.field("a").type.tz == "UTC"
