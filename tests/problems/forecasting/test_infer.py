"""Settings that the user left out are inferred from the files."""

import gzip
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from problems.forecasting.series_files import format_rows, infer_file, make_preprocessor, make_times

from raysq.data.pipeline import read_table
from raysq.errors import DataError, UsageError
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.readers import infer as inference


@pytest.mark.parametrize(
    ("head", "form", "begin", "step", "time", "time_format", "every"),
    [
        ("date,v", "%Y-%m-%d %H:%M", "2020-02-27T00:00", "10m", ("date",), None, 600),
        ("v,Timestamp", "%Y/%m/%d %H:%M:%S", "2020-02-27T00:00", "1h", ("Timestamp",), None, 3600),
        ("Datum,v", "%d.%m.%Y %H:%M", "2020-02-01T00:00", "1h", ("Datum",), "%d.%m.%Y %H:%M", 3600),
        ("date,v", "%m/%d/%Y", "2020-02-01", "1D", ("date",), "%m/%d/%Y", 86400),
        ("date,v", "%d/%m/%y", "2020-02-01", "1D", ("date",), "%d/%m/%y", 86400),
        ("when,v", "%b %d %Y", "2020-02-01", "7D", ("when",), "%b %d %Y", 604800),
        ("date,v", "%d-%b-%Y %I:%M %p", "2020-02-01T00:00", "1h", ("date",), "%d-%b-%Y %I:%M %p", 3600),
        ("month,v", "%Y-%m", "2019-01", "1M", ("month",), None, row_durations.MONTH),
        ("date,v", "%d/%m/%Y", "2010-01", "1M", ("date",), "%d/%m/%Y", row_durations.MONTH),  # regular one way only
        ("date,v", "%m/%d/%Y", "2010-01", "3M", ("date",), "%m/%d/%Y", 3 * row_durations.MONTH),
        ("day,v", "%Y%m%d", "2020-02-01", "1D", ("day",), "%Y%m%d", 86400),
        ("year,v", "%Y", "1900", "1Y", ("year",), "year", row_durations.YEAR),
        ("ts,v", "%s", "2020-01-01T00:00", "1m", ("ts",), "epoch_s", 60),
        ("year,month,day,hour,v", "%Y,%m,%d,%H", "2020-02-01T00", "1h", ("year", "month", "day", "hour"), None, 3600),
        ("Date,Time,v", "%d/%m/%Y,%H.%M.%S", "2020-02-28T00", "1h", ("Date", "Time"), "%d/%m/%Y %H.%M.%S", 3600),
        (",v", "%Y-%m-%d", "2020-02-01", "1D", ("column 1",), None, 86400),
    ],
)
def test_time_is_found(tmp_path, head, form, begin, step, time, time_format, every):
    when = make_times(begin, step, 60).astype("datetime64[us]")
    if form == "%s":
        rows = "".join(f"{int(stamp) // 1_000_000},{n}\n" for n, stamp in enumerate(when.astype(np.int64)))
    elif head.startswith("v,"):
        rows = "".join(f"{n},{row.split(',')[0]}\n" for n, row in enumerate(format_rows(form, when).splitlines()))
    else:
        rows = format_rows(form, when)
    settings, messages = infer_file(tmp_path / "x.csv", f"{head}\n{rows}")
    assert settings.time == time
    assert settings.time_format == time_format
    assert settings.columns == ("v",)
    table, report = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("time").cast(pa.int64()).to_pylist() == when.astype(np.int64).tolist()
    assert report["cadence_seconds"] == every
    assert report["gaps"]["count"] == 0
    assert f"a row every {row_durations.format_rows(1, Frequency(every))}" in messages


def test_day_and_month_that_cannot_be_told_apart(tmp_path):
    text = "date,v\n01/02/2020,1\n02/02/2020,2\n03/03/2020,5\n"
    with pytest.raises(DataError, match=r"'01/02/2020' may be .*time_format=%d/%m/%Y' or .*time_format=%m/%d/%Y'"):
        infer_file(tmp_path / "x.csv", text)
    settings, _ = infer_file(tmp_path / "x.csv", text, time_format="%d/%m/%Y")
    assert (settings.time, settings.time_format, settings.columns) == (("date",), "%d/%m/%Y", ("v",))
    with pytest.raises(DataError, match="no column has times written as '%d %b %Y'"):
        infer_file(tmp_path / "x.csv", text, time_format="%d %b %Y")


def test_gaps_in_months_are_filled_by_the_calendar(tmp_path):
    when = [stamp for stamp in make_times("2019-01", "1M", 40).tolist() if str(stamp)[:7] not in ("2019-05", "2020-02")]
    text = "date,v\n" + "".join(f"{stamp:%Y-%m-%d},{stamp.year * 12 + stamp.month}\n" for stamp in when)
    _, messages = infer_file(tmp_path / "x.csv", text)
    assert "2 gaps, the longest of 61d (first at 2019-06-01): gaps=keep" in messages
    table, report = read_table(make_preprocessor(gaps="fill"), [tmp_path / "x.csv"])
    assert table.num_rows == 40
    assert report["repairs"]["gap_rows_filled"] == 2
    assert [stamp.day for stamp in table.column("time").to_pylist()] == [1] * 40


def test_months_weeks_and_irregular_steps_are_told_apart(tmp_path):
    ends = (np.datetime64("2019-02") + np.arange(30)).astype("datetime64[D]") - 1  # last days of months
    for when, every in (
        (ends, row_durations.MONTH),
        (make_times("2020-01-01", "28D", 30), 28 * 86400),
        (make_times("2020-01-01", "91D", 30), 91 * 86400),
        (np.datetime64("2020-01-01") + np.cumsum(np.arange(30) % 11 + 1), None),
    ):
        infer_file(tmp_path / "x.csv", "date,v\n" + format_rows("%Y-%m-%d", when))
        assert read_table(make_preprocessor(), [tmp_path / "x.csv"])[1]["cadence_seconds"] == every


def test_delimiter_decimal_comma_encoding_and_empty_columns(tmp_path):
    when = make_times("2004-03-10T18", "1h", 80)
    values = [f"1.0{n:02d},5" if n % 2 else f"{n},25" for n in range(80)]
    text = "Zeit;Wärme (°C);leer;;\n" + format_rows(
        "%d.%m.%Y %H:%M", when, values, [""] * 80, [""] * 80, [""] * 80, sign=";"
    )
    settings, messages = infer_file(tmp_path / "x.csv", (text + ";;;;\n" * 5).encode("cp1252"))
    assert (settings.delimiter, settings.decimal, settings.thousands) == (";", ",", ".")
    assert (settings.encoding, settings.columns) == ("cp1252", ("Wärme (°C)",))
    for said in ("delimiter: ';'", "decimal comma", "encoding: cp1252", "left out: leer, it is empty"):
        assert said in messages
    table, report = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("Wärme (°C)").to_pylist()[:4] == [0.25, 1001.5, 2.25, 1003.5]
    assert report["blank_lines"] == 5


def test_thousands_between_commas(tmp_path):
    text = "date,sales,rate\n" + format_rows(
        "%Y-%m-%d",
        make_times("2020-01-01", "1D", 40),
        [f'"{1000 + n:,}"' for n in range(40)],
        [n / 8 for n in range(40)],
    )
    settings, _ = infer_file(tmp_path / "x.csv", text)
    assert (settings.decimal, settings.thousands) == (".", ",")
    table, _ = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("sales").to_pylist() == [1000 + n for n in range(40)]
    assert table.column("rate")[1].as_py() == 0.125


def test_columns_that_are_left_out_and_what_is_odd(tmp_path):
    count = 60
    text = "No,date,temp,sky,note,fixed,odd\n" + "".join(
        f"{n},{stamp},{'NA' if n in (3, 4) else n % 9},{('clear', 'rain')[n % 2]},text {n},5,{n if n % 10 else -200}\n"
        for n, stamp in enumerate(make_times("2020-01-01", "1D", count))
    )
    settings, messages = infer_file(tmp_path / "x.csv", text)
    assert settings.columns == ("temp", "fixed", "odd")
    for said in (
        "time: column 'date' (ISO 8601)",
        "values: temp, fixed, odd",
        "left out: No, it numbers the rows",
        "left out: sky holds text (clear, rain); --category sky makes features of it",
        "left out: note holds text",
        "2 missing cells of 60 in temp (first line 5): missing=previous",
        "never changes: fixed",
        "-200 occurs 6 times in odd, far from its other values",
        "2020-01-01 to 2020-02-29, a row every 1d",
    ):
        assert said in messages
    table, _ = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("temp").to_pylist()[2:6] == [2, 2, 2, 5], "a cell is filled from before it, never from after"


def test_the_latest_row_comes_first_and_containers(tmp_path):
    when = make_times("2020-01-01", "1D", 50)
    text = "date,v\n" + format_rows("%Y-%m-%d", when[::-1])
    settings, messages = infer_file(tmp_path / "x.csv", text)
    assert "the latest row comes first: order=sort" in messages
    expected, _ = read_table(settings, [tmp_path / "x.csv"])
    assert expected.column("v").to_pylist() == list(range(49, -1, -1))
    with gzip.open(tmp_path / "x.csv.gz", "wt") as file:
        file.write(text)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.csv", text)
    raw = pa.table({"date": pa.array(when[::-1].astype("datetime64[us]")), "v": list(range(50)), "who": ["a"] * 50})
    pa.parquet.write_table(raw, tmp_path / "x.parquet", row_group_size=20)
    for name in ("x.csv.gz", "x.zip", "x.parquet"):
        assert read_table(make_preprocessor(), [tmp_path / name])[0] == expected
    assert "left out: who holds text (a)" in infer_file(tmp_path / "x.parquet")[1]


def test_large_files_are_looked_at_in_part(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("date,v\n" + format_rows("%Y-%m-%d", make_times("2020-01-01", "1D", 50)))
    monkeypatch.setattr(inference, "_SEEN", 100)
    settings, messages = infer_file(path)
    assert settings.columns == ("v",)
    assert "as found in 50 rows" in messages


@pytest.mark.parametrize(
    ("text", "settings", "match"),
    [
        ("2020-01-01,1\n2020-01-02,2\n", {}, "line 1 must name the columns, and it seems to hold values"),
        ("a,b\nx,2\ny,4\n", {}, "no column tells the time; there are a, b; --time COLUMN"),
        ("date,b\n2020-01-01,x\n2020-01-02,y\n", {}, "no column of numbers beside the time .*--category b"),
        (
            "date,b\n2020-01-01,1\n2020-01-02,2\n",
            {"time": "dat"},
            "no column 'dat'; --time names another .did you mean date",
        ),
        ("date,b\n2020-01-01,1.5\n2020-01-02,2.5\n", {"time": "b"}, "'1.5' is not a time in any format.*time_format="),
        ("date,b\n2020-01-01,1\n2020-01-02,2\n", {"id": "c"}, "no column 'c'; --id names another .valid: b, date"),
        ("date,b\n2020-01-01,1\n2020-01-02,2\n", {"categories": "c"}, "no column 'c'; --category names another"),
        ("date,a,b\n2020-01-01,1,\n2020-01-02,2,\n", {"categories": "b"}, "category 'b' is empty"),
        ("date,a,b\n2020-01-01,1,x\n2020-01-02,2,\n", {"id": "b"}, r"line 3, column 'b': the cell is missing, it must"),
    ],
)
def test_errors_say_what_to_do(tmp_path, text, settings, match):
    with pytest.raises(DataError, match=match) as caught:
        infer_file(tmp_path / "x.csv", text, **settings)
    assert "\n" not in str(caught.value)


def test_dates_as_columns_and_numbers_of_columns(tmp_path):
    days = [str(day) for day in make_times("2022-01-01", "1D", 300)]
    wide = "product," + ",".join(days) + "\n" + "".join(f"p{row}," + ",".join(["5"] * 300) + "\n" for row in range(4))
    with pytest.raises(DataError, match=r"most of the 301 columns are called as times \(2022-01-01, .*melt$") as caught:
        infer_file(tmp_path / "wide.csv", wide)
    assert len(str(caught.value)) < 300
    bare = format_rows("%Y-%m-%d %H:%M", make_times("2022-01-01", "1h", 100))
    settings, messages = infer_file(tmp_path / "bare.csv", bare, time="1")
    assert (settings.time, settings.columns, settings.header) == (("1",), ("2",), False)
    assert "columns are called by their numbers" in messages
    with pytest.raises(DataError, match="line 1 must name the columns.*--set header=false --time 1 --target 2"):
        infer_file(tmp_path / "bare.csv")


def test_files_of_which_no_row_can_be_used(tmp_path):
    rows = format_rows("%Y-%m-%d %H:%M", make_times("2022-01-01", "1h", 100))
    with pytest.raises(DataError, match=r"x\.csv, line 2 has 3 cells, the header has 2, and so it is in all rows"):
        infer_file(tmp_path / "x.csv", "when,load\n" + rows.replace("\n", ",\n"))
    assert infer_file(tmp_path / "x.csv", "when,load,\n" + rows.replace("\n", ",\n"))[0].columns == ("load",)
    noted = rows.replace("\n", ',"two\nlines"\n')
    assert "note holds text (two lines)" in infer_file(tmp_path / "x.csv", "when,load,note\n" + noted)[1]


def test_settings_of_csv_files_are_refused_for_parquet(tmp_path):
    table = pa.table({"when": pa.array(make_times("2022-01-01", "1h", 50).astype("datetime64[us]")), "load": range(50)})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    assert make_preprocessor().infer([tmp_path / "x.parquet"])[0].columns == ("load",)
    with pytest.raises(UsageError, match=r"setting skip says how a csv is written, and x\.parquet is none"):
        make_preprocessor(skip=1).infer([tmp_path / "x.parquet"])


def test_the_time_of_the_day_stands_in_a_column_of_any_name(tmp_path):
    when = make_times("2024-03-13", "1h", 240)
    rows = "".join(
        f"{day}.03.2024,{hour:02}:00,{value}\n"
        for day, hour, value in ((13 + number // 24, number % 24, number * 7 % 11) for number in range(240))
    )
    settings, messages = infer_file(tmp_path / "x.csv", "day,clock,load\n" + rows)
    assert settings.time == ("day", "clock") and "a row every 1h" in messages
    table, _ = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("time").cast(pa.int64()).to_pylist() == when.astype("datetime64[us]").astype(np.int64).tolist()
    # A time of the day that does not tell rows of one day apart is not the row's.
    rows = "".join(f"{day:02}.03.2024,06:{60 - day:02},{day}\n" for day in range(1, 31))
    settings, _ = infer_file(tmp_path / "y.csv", "day,sunrise,load\n" + rows)
    assert settings.time == ("day",)


def test_years_of_two_digits_that_span_a_century_are_refused(tmp_path):
    days = np.datetime64("1968-07-01") + np.arange(400)
    rows = "".join(f"{day.item():%d.%m.%y},{number % 7}\n" for number, day in enumerate(days))
    with pytest.raises(DataError, match="day: years of two digits .* four digits"):
        infer_file(tmp_path / "x.csv", "day,flow\n" + rows)
