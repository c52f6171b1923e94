"""Rows given in Python become what a file of them would hold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import raysq
from raysq.data.frames import is_frame, to_file, to_table
from raysq.errors import UsageError


def test_a_frame_is_a_table_of_plain_columns():
    days = pd.date_range("2024-01-01", periods=3, name="day")
    frame = pd.DataFrame(
        {"kind": pd.Categorical(["a", "b", "a"]), "mixed": [1.5, "n/a", None], 7: [1, 2, 3], "none": [None] * 3},
        index=days,
    )
    table = to_table(frame)
    assert table.column_names == ["day", "kind", "mixed", "7", "none"]
    assert table["kind"].type in (pa.string(), pa.large_string()) and table["none"].type == pa.string()
    assert table["kind"].to_pylist() == ["a", "b", "a"]
    assert table["mixed"].to_pylist() == ["1.5", "n/a", None], "numbers and text side by side, as in a csv"
    assert table["day"].to_pylist() == days.to_pydatetime().tolist()
    # An index that only numbers the rows is no column, also after rows were moved; one of periods tells the time.
    assert to_table(frame.reset_index(drop=True)[::-1]).column_names == ["kind", "mixed", "7", "none"]
    series = pd.Series([1.0, 2.0], index=pd.date_range("2024", periods=2), name="load")
    assert to_table(series).column_names == ["time", "load"]
    monthly = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.period_range("2024-01", periods=2, freq="M"))
    assert to_table(monthly)["time"].to_pylist() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01")]


def test_what_speaks_arrow_is_a_frame_and_a_path_is_none():
    class Stream:
        def __arrow_c_stream__(self, requested_schema=None):
            coded = pa.array(["x", "y"]).dictionary_encode()
            return pa.table({"a": coded, "b": pa.array(["x", "y"], pa.string_view())}).__arrow_c_stream__()

    table = to_table(Stream())
    assert table.to_pydict() == {"a": ["x", "y"], "b": ["x", "y"]} and table["a"].type == pa.string()
    assert is_frame({}) and is_frame(table) and is_frame(pd.DataFrame()) and not is_frame("x.csv")
    assert to_table({"a": np.arange(2), "b": ["u", None]}).to_pydict() == {"a": [0, 1], "b": ["u", None]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "rows are a DataFrame, .* received int"),
        ({"a": [1], "b": [1, 2]}, "different lengths: a 1, b 2"),
        ({"a": [1, "x"]}, "column 'a' of the frame is no column of one type"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns named 'a'"),
    ],
)
def test_what_is_no_frame_is_one_line(value, message):
    with pytest.raises(UsageError, match=message):
        to_table(value)


def test_a_frame_is_kept_once_as_a_file(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.5]})
    path = to_file(frame, tmp_path / "sources")
    assert to_file(frame.copy(), tmp_path / "sources") == path != to_file(frame * 2, tmp_path / "sources")
    assert pa.parquet.read_table(path).to_pydict() == {"a": [1.5, 2.5]}


def test_a_frame_is_prepared_as_its_csv_is(tmp_path):
    hours = pd.date_range("2024-01-01", periods=200, freq="h")
    frame = pd.DataFrame({"when": hours, "load": np.sin(np.arange(200)).round(3), "kind": ["a", "b"] * 100})
    frame.loc[5, "load"] = -9999
    shuffled = frame.sample(frac=1, random_state=1)
    shuffled.to_csv(tmp_path / "load.csv", index=False)
    settings = {"targets": "load", "categories": "kind"}
    expected = raysq.prepare("forecast", tmp_path / "load.csv", settings=settings, quiet=True)
    for given in (
        shuffled,
        pa.Table.from_pandas(shuffled, preserve_index=False),
        shuffled.to_dict("list"),
        shuffled.set_index("when"),
    ):
        data = raysq.prepare("forecast", given, settings=settings, quiet=True)
        assert data.columns == expected.columns and data.rows == 200
        for name in data.columns:
            assert np.array_equal(data.column(name).slice(0, 200), expected.column(name).slice(0, 200)), name
        assert data.manifest.report["sentinels"]["load"]["count"] == 1
    reshuffled = raysq.prepare("forecast", shuffled, settings=settings, quiet=True)
    assert reshuffled.directory == raysq.prepare("forecast", shuffled.copy(), settings=settings, quiet=True).directory


def test_kinds_that_read_no_tables_say_so():
    class Waves(raysq.Preprocessor):
        suffixes = (".wav",)

        def read(self, partition):
            raise AssertionError

    with pytest.raises(UsageError, match=r"not read from rows in memory \(DataFrame\)"):
        Waves().write_rows(pd.DataFrame({"a": [1]}), Path())
    with pytest.raises(UsageError, match="source takes a path, a URL, .* received int"):
        raysq.prepare("forecast", 3, quiet=True)
