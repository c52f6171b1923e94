"""From raw rows to a series: what is kept, what is repaired, and the one line that a person reads otherwise."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from raysq import tasks
from raysq.config import make_settings
from raysq.data.pipeline import read_table
from raysq.data.readers import tables
from raysq.errors import DataError, UsageError
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor

GOOD = "time,a,b\n2020-01-01 00:00,1,10\n2020-01-01 01:00,2,20\n2020-01-01 02:00,3,30\n2020-01-01 03:00,4,40\n"


def table_of(path: Path, text: str | bytes | None = None, **settings):
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(make_settings(SeriesPreprocessor, settings), [path])


def values(table: pa.Table, name: str = "a") -> list[float]:
    return table.column(name).to_pylist()


def with_rows(*rows: str) -> str:
    return "time,a,b\n" + "".join(row + "\n" for row in rows)


def test_every_row_is_kept_as_it_is(tmp_path):
    table, report = table_of(tmp_path / "x.csv", GOOD)
    assert table.schema == pa.schema({"time": pa.timestamp("us"), "a": pa.float32(), "b": pa.float32()})
    assert values(table) == [1, 2, 3, 4]
    assert (report["from"], report["to"]) == ("2020-01-01T00:00:00", "2020-01-01T03:00:00")
    assert report["cadence_seconds"] == 3600


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n"),
        GOOD.rstrip("\n"),
        GOOD + "\n\n",
        GOOD.replace("time,a,b", '"time" , " a",\'b\''),
        GOOD.replace(",1,", ", 1 ,").replace(",2,", ',"2",'),
        GOOD.replace("00:00,1", "00:00,1e0").replace(",3,", ",+3.,"),
    ],
    ids=["bom", "crlf", "no-last-newline", "blank-lines", "header-spaces", "cell-spaces", "exponents"],
)
def test_the_same_rows_written_otherwise(tmp_path, text):
    assert table_of(tmp_path / "x.csv", text)[0] == table_of(tmp_path / "y.csv", GOOD)[0]


def test_containers_encodings_and_delimiters(tmp_path):
    expected = table_of(tmp_path / "x.csv", GOOD)[0]
    with gzip.open(tmp_path / "x.csv.gz", "wt") as file:
        file.write(GOOD)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.csv", GOOD)
    assert table_of(tmp_path / "x.csv.gz")[0] == expected
    assert table_of(tmp_path / "x.zip")[0] == expected
    assert table_of(tmp_path / "16.csv", GOOD.encode("utf-16"), encoding="utf-16")[0] == expected
    assert table_of(tmp_path / "s.csv", GOOD.replace(",", ";"), delimiter=";")[0] == expected
    assert table_of(tmp_path / "t.csv", GOOD.replace(",", "\t"), delimiter="tab")[0] == expected
    latin = GOOD.replace("b\n", "µ\n", 1).encode("latin-1")
    assert table_of(tmp_path / "l.csv", latin, encoding="latin-1")[0].column_names == ["time", "a", "µ"]


def test_parquet(tmp_path):
    expected = table_of(tmp_path / "x.csv", GOOD)[0]
    for time in (expected.column("time"), expected.column("time").cast(pa.timestamp("ns", "UTC"))):
        raw = pa.table({"time": time, "a": [1, 2, 3, 4], "b": pa.array(["10", "20", "30", "40"])})
        pa.parquet.write_table(raw, tmp_path / "x.parquet", row_group_size=3)
        assert table_of(tmp_path / "x.parquet")[0] == expected
    pa.parquet.write_table(raw.set_column(1, "a", pa.array([1, 2, 3, None])), tmp_path / "x.parquet", row_group_size=3)
    with pytest.raises(DataError, match=r"x\.parquet, row 4, column 'a': the cell is missing"):
        table_of(tmp_path / "x.parquet")
    pa.parquet.write_table(raw.set_column(1, "a", pa.array([[1]] * 4)), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="column 'a' holds list.*, not numbers"):
        table_of(tmp_path / "x.parquet")


def test_byte_ranges_are_the_same_as_one_block(tmp_path, monkeypatch):
    rows = [f"2020-01-{1 + n // 24:02d} {n % 24:02d}:00,{n},{n / 7:.3f}" for n in range(700)]
    text = with_rows(*rows)
    expected, report = table_of(tmp_path / "x.csv", text)
    with gzip.open(tmp_path / "x.csv.gz", "wt") as file:
        file.write(text)
    bad = text.replace("600,85.714", "600,eighty")
    for size in (1, 37, 1000, 5000):
        monkeypatch.setattr(tables, "RANGE", size)
        table, same = table_of(tmp_path / "x.csv")
        assert table == expected
        assert same == report
        assert table_of(tmp_path / "x.csv.gz")[0] == expected
        with pytest.raises(DataError, match=r"y\.csv, line 602, column 'b': 'eighty' is not a number"):
            table_of(tmp_path / "y.csv", bad)


@pytest.mark.parametrize(
    ("text", "settings", "match"),
    [
        ("\n1,2\n", {}, r"x\.csv, line 1 is empty: it must name the columns"),
        ("time,a\n", {}, r"x\.csv has a header and no rows"),
        ("time,a\n\n\n", {}, r"x\.csv has no rows"),
        ("time,a,a\n2020-01-01,1,2\n", {}, "line 1 names column 'a' twice"),
        ("time;a\n2020-01-01;1\n", {}, "--set delimiter=';'"),
        ("time\n2020-01-01\n", {}, "no column of values beside the time"),
        (GOOD, {"columns": "a,c,d"}, r"lacks columns 'c', 'd'; it has time, a, b; --set columns=a keeps"),
        (GOOD, {"columns": "c"}, "lacks columns 'c'.*--set columns=a,b keeps"),
        (GOOD, {"time": "date"}, r"no time column 'date'.*it has time, a, b; --set time=NAME"),
        (GOOD + "2020-01-01 04:00,5\n", {}, r"x\.csv, line 6 has 2 cells, the header has 3"),
        (GOOD + "2020-01-01 04:00,5,50,500\n", {}, r"x\.csv, line 6 has 4 cells, the header has 3"),
        (GOOD.replace(",2,", ",x2,"), {}, r"line 3, column 'a': 'x2' is not a number; --set bad_cells=missing"),
        (GOOD.replace(",2,", ",inf,"), {}, r"line 3, column 'a': 'inf' is not a number"),
        (GOOD.replace(",2,", ",1e151,"), {}, r"line 3, column 'a': '?1e\+?151'? is too large a number, beyond 1e\+150"),
        (GOOD.replace(",2,", ",,"), {}, r"line 3, column 'a': the cell is missing; --set missing=interpolate"),
        (GOOD.replace(",40", ",NaN"), {}, r"line 5, column 'b': the cell is missing"),
        (GOOD.replace(",2,", ",-9999.0,"), {"sentinel": "error"}, "column 'a': -9999.0 stands for a missing value"),
        (GOOD.replace(" 02:00", " 25:00"), {}, r"line 4, column time: '2020-01-01 25:00' is not a time \(ISO 8601\)"),
        (GOOD, {"time_format": "%d.%m.%Y"}, r"line 2, column time: '2020-01-01 00:00' is not a time .*time_format="),
        (GOOD.replace("02:00", "00:30"), {}, r"x\.csv, line 4: stamp 2020-01-01T00:30:00 is before .*--set order=sort"),
        (GOOD.replace("02:00", "01:00"), {"duplicates": "error"}, r"line 4: stamp .* is that of the row above \(1 "),
        (
            GOOD.replace("03:00", "09:00"),
            {"gaps": "error"},
            r"line 5: stamp .* after a gap \(1 gaps, the longest of 25200",
        ),
        ("time,a\n2020-01-01,\n", {"missing": "drop"}, "has no rows: all 1 have missing cells"),
        ("time,a\n2020-01-01,\n", {"missing": "interpolate"}, "column 'a' has no value at all"),
        (GOOD.encode("utf-16"), {}, r"line 1 is not utf-8 \(byte 0xff\); --set encoding=utf-16"),
        (
            GOOD.encode() + b"2020-01-01 04:00,5,\xb0\n",
            {},
            r"line 6 is not utf-8 \(byte 0xb0\); --set encoding=latin-1",
        ),
        (GOOD.encode("utf-16")[:-1], {"encoding": "utf-16"}, "the file is not utf-16|line . is not utf-16"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, text, settings, match):
    with pytest.raises(DataError, match=match) as caught:
        table_of(tmp_path / "x.csv", text, **settings)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_the_first_bad_line_is_the_one_that_is_named(tmp_path):
    rows = with_rows("2020-01-01,1,", "2020-01-02,x,2", "2020-01-03,1,2,3")
    with pytest.raises(DataError, match="line 2, column 'b'"):
        table_of(tmp_path / "x.csv", rows)
    with pytest.raises(DataError, match="line 3, column 'a': 'x'"):
        table_of(tmp_path / "x.csv", rows, missing="drop")
    with pytest.raises(DataError, match="line 4 has 4 cells"):
        table_of(tmp_path / "x.csv", rows, missing="drop", bad_cells="missing")


def test_damaged_archives(tmp_path):
    whole = gzip.compress(GOOD.encode() * 100)
    for data in (whole[: len(whole) // 2], b"no gzip at all"):
        with pytest.raises(DataError, match=r"x\.csv\.gz is damaged or cut short"):
            table_of(tmp_path / "x.csv.gz", data)
    with pytest.raises(DataError, match="not a readable Parquet file"):
        table_of(tmp_path / "x.parquet", b"PAR1")


def test_files_of_one_layout(tmp_path):
    (tmp_path / "1.csv").write_text(GOOD)
    (tmp_path / "2.csv").write_text(GOOD.replace("01-01", "01-02"))
    (tmp_path / "3.csv").write_text("time,b,a\n2020-01-03,1,2\n")
    preparation = SeriesPreprocessor()
    assert read_table(preparation, [tmp_path / "1.csv", tmp_path / "2.csv"])[0].num_rows == 8
    with pytest.raises(DataError, match=r"1\.csv and 3\.csv have different columns: time, a, b and time, b, a"):
        read_table(preparation, [tmp_path / "1.csv", tmp_path / "3.csv"])
    with pytest.raises(DataError, match=r"1\.csv, line 2: stamp .* is before that of the row above"):
        read_table(preparation, [tmp_path / "2.csv", tmp_path / "1.csv"])


def test_missing_cells(tmp_path):
    text = with_rows(
        "2020-01-01 00:00,,1",
        "2020-01-01 01:00,2,1",
        "2020-01-01 02:00,NA,1",
        "2020-01-01 05:00,10,x",
        "2020-01-01 06:00,?,1",
    )
    common = {"bad_cells": "missing"}
    table, report = table_of(tmp_path / "x.csv", text, missing="interpolate", **common)
    np.testing.assert_equal(values(table), [np.nan, 2, 4, 10, 10])  # linear in time, not in rows
    assert report["repairs"]["cells_filled"] == {"a": 2, "b": 1}
    assert report["repairs"]["leading"] == {"a": 1}
    assert report["repairs"]["unobserved"] == {"a": 3, "b": 1}
    assert report["missing"]["a"] == {"count": 3, "first": {"file": "x.csv", "line": 2, "value": ""}}
    assert report["not_numbers"]["b"]["first"]["line"] == 5
    table, _ = table_of(tmp_path / "x.csv", text, missing="previous", **common)
    np.testing.assert_equal(values(table), [np.nan, 2, 2, 10, 10])  # nothing was known before the first value
    table, report = table_of(tmp_path / "x.csv", text, missing="drop", **common)
    assert values(table) == [2]
    assert report["rows_dropped"] == 4


def test_sentinels(tmp_path):
    text = GOOD.replace(",2,", ",-9999.0,")
    table, report = table_of(tmp_path / "x.csv", text)
    assert values(table) == [1, -9999, 3, 4]
    assert report["sentinels"]["a"]["first"] == {"file": "x.csv", "line": 3, "value": "-9999.0"}
    assert values(table_of(tmp_path / "x.csv", text, sentinel="missing", missing="interpolate")[0]) == [1, 2, 3, 4]
    assert values(table_of(tmp_path / "x.csv", text, sentinel="missing", sentinels="4", missing="drop")[0]) == [
        1,
        -9999,
        3,
    ]
    with pytest.raises(DataError, match="line 3, column 'a': the cell is missing"):
        table_of(tmp_path / "x.csv", text, sentinel="missing")


def test_order_and_duplicates(tmp_path):
    text = with_rows("2020-01-03,3,0", "2020-01-01,1,0", "2020-01-02,2,0", "2020-01-02,2.5,0", "2020-01-04,4,0")
    table, report = table_of(tmp_path / "x.csv", text, order="sort")
    assert values(table) == [1, 2, 2.5, 3, 4]
    assert report["out_of_order"]["count"] == 1
    assert report["out_of_order"]["first"]["line"] == 3
    assert report["repeated_stamps"]["count"] == 1
    assert report["gaps"]["count"] == 0
    assert report["from"] == "2020-01-01T00:00:00"
    assert values(table_of(tmp_path / "x.csv", text, order="sort", duplicates="first")[0]) == [1, 2, 3, 4]
    assert values(table_of(tmp_path / "x.csv", text, order="sort", duplicates="last")[0]) == [1, 2.5, 3, 4]
    with pytest.raises(DataError, match="^stamp 2020-01-02T00:00:00 is that of the row above"):
        table_of(tmp_path / "x.csv", text, order="sort", duplicates="error")


def test_gaps(tmp_path):
    text = with_rows("2020-01-01,1,0", "2020-01-02,2,0", "2020-01-03,3,0", "2020-01-06,9,0", "2020-01-06,7,0")
    table, report = table_of(tmp_path / "x.csv", text, gaps="fill")
    assert values(table) == [1, 2, 3, 5, 7, 9]
    assert report["repairs"] == {
        "repeated_rows_dropped": 1,
        "gap_rows_filled": 2,
        "rows_off_the_grid": 0,
        "unobserved": {"a": 2, "b": 2},
    }
    assert report["gaps"] == {
        "count": 1,
        "longest_seconds": 3 * 86400.0,
        "first": {"stamp": "2020-01-06T00:00:00", "file": "x.csv", "line": 5},
    }
    with pytest.raises(DataError, match="filling the gaps would make .* rows of 4"):
        table_of(tmp_path / "x.csv", text.replace("2020-01-06", "2090-01-06"), gaps="fill")


@pytest.mark.parametrize(
    ("names", "form", "rows", "expected"),
    [
        ("t", None, ["2020-02-29", "2020-03-01"], "2020-02-29T00:00:00"),
        ("t", None, ["2020-02-29T12:30:00.5", "2020-03-01T00:00:00"], "2020-02-29T12:30:00.500000"),
        ("t", None, ["2020-02-29T12:30:00Z", "2020-02-29T13:30:00+00:00"], "2020-02-29T12:30:00+00:00"),
        ("t", None, ["2020-02-29T12:30:00+02:00", "2020-02-29T13:30:00+02:00"], "2020-02-29T12:30:00+02:00"),
        ("t", "%d.%m.%Y %H:%M:%S", ["01.03.2020 00:10:00", "31.03.2020 00:00:00"], "2020-03-01T00:10:00"),
        ("t", "%d.%m.%Y", ["1.3.2020", "1.5.2020"], "2020-03-01T00:00:00"),
        (
            "t",
            "%Y-%m-%d %H:%M:%S.%f",
            ["2020-01-01 00:00:00.25", "2020-01-01 00:00:01.25"],
            "2020-01-01T00:00:00.250000",
        ),
        ("year,month,day,hour", None, ["2020,2,29,23", "2020,3,1,0"], "2020-02-29T23:00:00"),
        ("year,month", None, ["2020,2", "2020,3"], "2020-02-01T00:00:00"),
        ("d,t", "%d/%m/%y %H:%M", ["29/02/20,23:10", "01/03/20,00:00"], "2020-02-29T23:10:00"),
    ],
)
def test_times(tmp_path, names, form, rows, expected):
    text = f"{names},v\n" + "".join(f"{row},1\n" for row in rows)
    _, report = table_of(tmp_path / "x.csv", text, time=names, time_format=form)
    assert report["from"] == expected


@pytest.mark.parametrize(
    ("names", "form", "row"),
    [
        ("t", None, "2021-02-29"),
        ("t", "%d.%m.%Y", "31.04.2020"),
        ("t", "%d.%m.%Y", "30.02.2020"),
        ("t", "%d.%m.%Y", "01.05.2020 12:00"),
        ("t", "%d.%m.%Y", ""),
        ("year,month,day", None, "2021,2,29"),
        ("year,month,day", None, "2021,13,1"),
        ("year,month,day,hour", None, "2021,1,1,25"),
        ("year,month", None, "2021,1.5"),
    ],
)
def test_times_that_are_none(tmp_path, names, form, row):
    with pytest.raises(DataError, match="line 2, column .* is not a time"):
        table_of(tmp_path / "x.csv", f"{names},v\n{row},1\n", time=names, time_format=form)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"order": "up"}, "one of error, sort"),
        ({"ordre": "sort"}, "did you mean order"),
        ({"encoding": "utf-99"}, "received 'utf-99'"),
        ({"delimiter": ";;"}, "one character"),
        ({"time": "a,b"}, "setting time must be one column"),
        ({"time": "a", "columns": "a,b"}, "must not name the time column 'a'"),
        ({"columns": "a,b,a"}, "names 'a' twice"),
    ],
)
def test_settings_that_cannot_be(settings, match):
    with pytest.raises(UsageError, match=match):
        make_settings(SeriesPreprocessor, settings)


def test_real_jena_2020(real):
    preparation = make_settings(SeriesPreprocessor, dict(tasks.get("jena").preparation))
    table, report = read_table(preparation, [real("jena/jena_climate_2020.csv.zip")])
    assert table.num_rows == 52_696
    assert (report["from"], report["to"]) == ("2020-01-01T00:10:00", "2021-01-01T00:00:00")
    assert report["cadence_seconds"] == 600
    assert report["repeated_stamps"]["count"] == report["gaps"]["count"] == 1
    assert report["gaps"]["longest_seconds"] == 100 * 60
    assert list(report["sentinels"]) == ["wv (m/s)"]
    assert report["sentinels"]["wv (m/s)"]["count"] == 1
    assert table.column("wv (m/s)")[report["sentinels"]["wv (m/s)"]["first"]["line"] - 2].as_py() == -9999


def test_real_jena_2009_lacks_the_wind(real):
    path = real("jena/jena_climate_2009_first4000.csv")
    settings = dict(tasks.get("jena").preparation)
    with pytest.raises(
        DataError, match=r"lacks columns 'wv \(m/s\)', 'max\. wv \(m/s\)', 'wd \(deg\)'.*--set 'columns="
    ) as caught:
        read_table(make_settings(SeriesPreprocessor, settings), [path])
    advised = str(caught.value).split("--set 'columns=")[1].split("'")[0]
    table, report = read_table(make_settings(SeriesPreprocessor, settings | {"columns": advised}), [path])
    assert table.num_rows == 4000
    assert len(table.column_names) == 12
    assert table.column("p (mbar)")[0].as_py() == pytest.approx(996.52)
    assert report["to"] == "2009-01-28T18:40:00"


def test_real_beijing(real):
    preparation = make_settings(SeriesPreprocessor, dict(tasks.get("beijing").preparation))
    table, report = read_table(preparation, [real("beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv")])
    assert table.num_rows == 43_824
    assert report["cadence_seconds"] == 3600
    assert report["ignored_columns"] == ["No", "pm2.5", "cbwd"]


def test_cells_hold_line_breaks_and_swallow_no_rows(tmp_path, monkeypatch):
    """Also where pieces end among them, and with the lines that errors name right."""
    notes = ["calm", '"two\nlines, of text"', '"a ""word"""', "", 'say "no"']
    rows = [f"2020-01-{1 + n // 24:02d} {n % 24:02d}:00,{notes[n % 5]},{n / 7:.3f}" for n in range(400)]
    text = "time,note,b\n" + "\n".join(rows) + "\n"
    settings = {"columns": ["b"]}
    line = text.count("\n")  # the last
    for size in (1, 50, 1000, 1 << 20):
        monkeypatch.setattr(tables, "RANGE", size)
        table, report = table_of(tmp_path / "x.csv", text, **settings)
        assert values(table, "b") == pytest.approx([n / 7 for n in range(400)], abs=1e-3)
        with pytest.raises(DataError, match=rf"y\.csv, line {line}, column 'b': 'many' is not a number"):
            table_of(tmp_path / "y.csv", text.replace("57.000", "many"), **settings)
        swallowed = text.replace("09:00,,", '09:00,"gusty,', 1).replace("15:00,calm", '15:00,gusty"', 1)
        first = swallowed[: swallowed.index('"gusty')].count("\n") + 1
        with pytest.raises(DataError, match=rf"y\.csv, line {first} opens a quote that closes"):
            table_of(tmp_path / "y.csv", swallowed, **settings)
        assert (
            table_of(tmp_path / "y.csv", swallowed.replace('"two\nlines, of text"', "x"), quoting="none", **settings)[
                0
            ].num_rows
            == 400
        )
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert table_of(tmp_path / "x.csv.gz", **settings)[0] == table
    assert report["rows_read"] == 400


def test_rows_of_units_and_files_without_names(tmp_path):
    wanted = table_of(tmp_path / "x.csv", GOOD)[0]
    units = GOOD.replace("\n", "\n-,kW,degC\n", 1)
    assert table_of(tmp_path / "x.csv", units, skip=1)[0] == wanted
    assert table_of(tmp_path / "x.csv", units.replace("\n", "\n\n", 1), skip=2)[0] == wanted
    with pytest.raises(DataError, match=r"line 2, column time: '-' is not a time.* left out by --set skip=1$"):
        table_of(tmp_path / "x.csv", units)
    with pytest.raises(DataError, match=r"x\.csv, line 4, column 'a': 'x2' is not a number"):
        table_of(tmp_path / "x.csv", units.replace(",2,", ",x2,"), skip=1)
    bare = GOOD.split("\n", 1)[1]
    found = table_of(tmp_path / "x.csv", bare, time="1", header=False)[0]
    assert found.rename_columns(["time", "a", "b"]) == wanted and found.column_names == ["time", "2", "3"]
    with pytest.raises(DataError, match=r"x\.csv, line 2, column '2': 'x2' is not a number"):
        table_of(tmp_path / "x.csv", bare.replace(",2,", ",x2,"), time="1", header=False)
