"""A person's own series: what is found in the files, what is told, and what the settings become."""

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from raysq import tasks
from raysq.cli import main
from raysq.config import make_settings
from raysq.data.dataset import read_manifest
from raysq.data.pipeline import read_table
from raysq.errors import DataError, RaysqError, UsageError
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.cyclical_features import CALENDAR, check_calendar, cyclical_features
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.readers import infer as inference
from raysq.tasks.datasets import find_dataset
from raysq.tasks.prepare import prepare
from raysq.tasks.task import Task

HOUR = 3_600_000_000


def own(**settings) -> SeriesPreprocessor:
    return make_settings(SeriesPreprocessor, {**tasks.get("forecast").preparation, **settings})


def found(path: Path, text: str | bytes | None = None, **settings) -> tuple[SeriesPreprocessor, str]:
    """What is inferred from a file, and what is told, in one text."""
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    inferred, told = own(**settings).infer([path])
    return inferred, "\n".join(told)


def stamps(begin: str, step: str, count: int) -> np.ndarray:
    return np.arange(count) * np.timedelta64(int(step[:-1]), step[-1]) + np.datetime64(begin)


def written(form: str, when: np.ndarray, *columns, sign: str = ",") -> str:
    import pandas as pd

    texts = pd.to_datetime(when).strftime(form)
    cells = columns or (range(len(when)),)
    return "".join(sign.join(map(str, row)) + "\n" for row in zip(texts, *cells, strict=True))


# Spans


def every(cadence):
    """The frequency of so many seconds from row to row, or of a name."""
    return Frequency.parse(cadence) if isinstance(cadence, str) else cadence and Frequency(cadence)


@pytest.mark.parametrize(
    ("value", "cadence", "rows"),
    [
        (12, None, 12),
        ("12", 3600.0, 12),
        ("12 rows", None, 12),
        ("6h", 600.0, 36),
        ("90min", 600.0, 9),
        ("90s", 30.0, 3),
        ("5m", 60.0, 5),
        ("1h30m", 600.0, 9),
        ("1y6mo", row_durations.MONTH, 18),
        ("1.5h", 1800.0, 3),
        ("5d", 3600.0, 120),
        ("1w", row_durations.DAY, 7),
        ("1y", row_durations.MONTH, 12),
        ("6mo", 3 * row_durations.MONTH, 2),
        ("10 years", row_durations.YEAR, 10),
        ("0h", 3600.0, 0),
        ("0d", None, 0),
        ("5d", "B", 5),
        ("2w", "B", 10),
        ("1w", "C:Mon,Tue,Wed,Thu,Fri,Sat", 6),
        ("1w", "C:Mon,Wed,Fri", 3),
        ("2mo", "ME", 2),
        ("1y", "QS-JAN", 4),
    ],
)
def test_spans_become_rows(value, cadence, rows):
    if cadence is None and value == "0d":
        with pytest.raises(UsageError, match="give delay in rows"):
            row_durations.parse(value, every(cadence), "delay")
    else:
        assert row_durations.parse(value, every(cadence), "delay") == rows


@pytest.mark.parametrize(
    ("value", "cadence", "match"),
    [
        ("90min", 3600.0, "delay=90min is not a multiple of the series' 1h between rows: take 1h or 2h"),
        ("30min", 3600.0, "take 1h$"),
        ("5d", None, "needs a series with a cadence.*give delay in rows"),
        ("5M", 60.0, "delay must be rows such as 12, or a span .* received '5M'"),
        ("12m", row_durations.MONTH, "no fixed number of rows in a series with a row every 1mo"),
        ("1y3d", row_durations.MONTH, "received '1y3d'"),
        ("1w1d", "B", "not a multiple of the series' 1d between rows: take 1w or 6d"),
        ("1mo", row_durations.DAY, "no fixed number of rows in a series with a row every 1d; 30d comes nearest"),
        ("1y", row_durations.DAY, "365d comes nearest"),
        ("2w", row_durations.MONTH, "every 1mo; 1mo comes nearest"),
        ("soon", 60.0, "delay must be rows such as 12, or a span .* received 'soon'"),
        ("2.5", 60.0, "whole number of rows"),
        ("6h", "B", "delay=6h is not a multiple of the series' 1d between rows: take 1d"),
        ("1mo", "B", "no fixed number of rows in a series with a row every 1d; 21d comes nearest"),
        ("2d", "C:Mon,Wed,Fri", r"has rows on Monday, Wednesday, Friday only; give weeks \(1w\) or rows"),
        (-1, 60.0, "received -1"),
        (True, 60.0, "received True"),
    ],
)
def test_spans_that_are_none(value, cadence, match):
    with pytest.raises(UsageError, match=match):
        row_durations.parse(value, every(cadence), "delay")


@pytest.mark.parametrize(
    "cadence",
    [
        1.0,
        420.0,
        600.0,
        3600.0,
        row_durations.DAY,
        row_durations.WEEK,
        row_durations.MONTH,
        row_durations.YEAR,
        None,
        "B",
        "C:Mon,Wed,Fri",
        "ME",
    ],
)
def test_what_is_said_can_be_read_back(cadence):
    for rows in (0, 1, 7, 24, 100, 720):
        assert row_durations.parse(row_durations.format_rows(rows, every(cadence)), every(cadence), "x") == rows


def test_defaults_by_cadence():
    for cadence, said in {
        600.0: ("5d", "1h", "24h", "24h"),
        3600.0: ("5d", "1h", "24h", "24h"),
        row_durations.DAY: ("28d", "1d", "1d", "7d"),
        row_durations.WEEK: ("52w", "1w", "1w", "52w"),
        row_durations.MONTH: ("24mo", "1mo", "1mo", "12mo"),
        3 * row_durations.MONTH: ("36mo", "3mo", "3mo", "12mo"),
        row_durations.YEAR: ("12y", "1y", "1y", None),
        "B": ("4w", "1d", "1d", "1w"),
        "C:Tue,Wed,Thu,Fri,Sat": ("4w", "1d", "1d", "1w"),
        "C:Mon,Wed,Fri": ("4w", "1 row", "1 row", "1w"),
        None: ("30 rows", "1 row", "1 row", None),
    }.items():
        values = row_durations.default_windows(every(cadence))
        assert (
            tuple(
                None if values[key] is None else row_durations.format_rows(values[key], every(cadence))
                for key in ("lookback", "step", "horizon", "season")
            )
            == said
        )
    assert row_durations.default_windows(every(3600.0), 500)["lookback"] == 24  # a short series gets a shorter window


def test_cyclical_features():
    waves = cyclical_features(
        stamps("2024-01-01T00", "1h", 24 * 366).astype("datetime64[us]").astype(np.int64), CALENDAR
    )
    assert waves.shape == (24 * 366, 10)
    assert waves.dtype == np.float32
    np.testing.assert_allclose(np.hypot(waves[:, ::2], waves[:, 1::2]), 1, rtol=1e-6)
    np.testing.assert_allclose(waves[6, :2], [1, 0], atol=1e-6)  # six o'clock
    np.testing.assert_allclose(waves[0, 2:4], [0, 1], atol=1e-6)  # a Monday, first of the month and of the year
    assert len(np.unique(waves[:, 2])) == 7
    assert len(np.unique(np.round(waves[:, 6:8], 5), axis=0)) == 366
    with pytest.raises(UsageError, match="received 'weekdays': did you mean weekday"):
        check_calendar(["weekdays"])


# The time: its columns, its format, its cadence


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
    when = stamps(begin, step, 60).astype("datetime64[us]")
    if form == "%s":
        rows = "".join(f"{int(stamp) // 1_000_000},{n}\n" for n, stamp in enumerate(when.astype(np.int64)))
    elif head.startswith("v,"):
        rows = "".join(f"{n},{row.split(',')[0]}\n" for n, row in enumerate(written(form, when).splitlines()))
    else:
        rows = written(form, when)
    settings, told = found(tmp_path / "x.csv", f"{head}\n{rows}")
    assert settings.time == time
    assert settings.time_format == time_format
    assert settings.columns == ("v",)
    table, report = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("time").cast(pa.int64()).to_pylist() == when.astype(np.int64).tolist()
    assert report["cadence_seconds"] == every
    assert report["gaps"]["count"] == 0
    assert f"a row every {row_durations.format_rows(1, Frequency(every))}" in told


def test_day_and_month_that_cannot_be_told_apart(tmp_path):
    text = "date,v\n01/02/2020,1\n02/02/2020,2\n03/03/2020,5\n"
    with pytest.raises(DataError, match=r"'01/02/2020' may be .*time_format=%d/%m/%Y' or .*time_format=%m/%d/%Y'"):
        found(tmp_path / "x.csv", text)
    settings, _ = found(tmp_path / "x.csv", text, time_format="%d/%m/%Y")
    assert (settings.time, settings.time_format, settings.columns) == (("date",), "%d/%m/%Y", ("v",))
    with pytest.raises(DataError, match="no column has times written as '%d %b %Y'"):
        found(tmp_path / "x.csv", text, time_format="%d %b %Y")


def test_gaps_in_months_are_filled_by_the_calendar(tmp_path):
    when = [stamp for stamp in stamps("2019-01", "1M", 40).tolist() if str(stamp)[:7] not in ("2019-05", "2020-02")]
    text = "date,v\n" + "".join(f"{stamp:%Y-%m-%d},{stamp.year * 12 + stamp.month}\n" for stamp in when)
    _, told = found(tmp_path / "x.csv", text)
    assert "2 gaps, the longest of 61d (first at 2019-06-01): gaps=keep" in told
    table, report = read_table(own(gaps="fill"), [tmp_path / "x.csv"])
    assert table.num_rows == 40
    assert report["repairs"]["gap_rows_filled"] == 2
    assert [stamp.day for stamp in table.column("time").to_pylist()] == [1] * 40


def test_months_weeks_and_irregular_steps_are_told_apart(tmp_path):
    ends = (np.datetime64("2019-02") + np.arange(30)).astype("datetime64[D]") - 1  # last days of months
    for when, every in (
        (ends, row_durations.MONTH),
        (stamps("2020-01-01", "28D", 30), 28 * 86400),
        (stamps("2020-01-01", "91D", 30), 91 * 86400),
        (np.datetime64("2020-01-01") + np.cumsum(np.arange(30) % 11 + 1), None),
    ):
        found(tmp_path / "x.csv", "date,v\n" + written("%Y-%m-%d", when))
        assert read_table(own(), [tmp_path / "x.csv"])[1]["cadence_seconds"] == every


# Cells


def test_delimiter_decimal_comma_encoding_and_empty_columns(tmp_path):
    when = stamps("2004-03-10T18", "1h", 80)
    values = [f"1.0{n:02d},5" if n % 2 else f"{n},25" for n in range(80)]
    text = "Zeit;Wärme (°C);leer;;\n" + written(
        "%d.%m.%Y %H:%M", when, values, [""] * 80, [""] * 80, [""] * 80, sign=";"
    )
    settings, told = found(tmp_path / "x.csv", (text + ";;;;\n" * 5).encode("cp1252"))
    assert (settings.delimiter, settings.decimal, settings.thousands) == (";", ",", ".")
    assert (settings.encoding, settings.columns) == ("cp1252", ("Wärme (°C)",))
    for said in ("delimiter: ';'", "decimal comma", "encoding: cp1252", "left out: leer, it is empty"):
        assert said in told
    table, report = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("Wärme (°C)").to_pylist()[:4] == [0.25, 1001.5, 2.25, 1003.5]
    assert report["blank_lines"] == 5


def test_thousands_between_commas(tmp_path):
    text = "date,sales,rate\n" + written(
        "%Y-%m-%d", stamps("2020-01-01", "1D", 40), [f'"{1000 + n:,}"' for n in range(40)], [n / 8 for n in range(40)]
    )
    settings, _ = found(tmp_path / "x.csv", text)
    assert (settings.decimal, settings.thousands) == (".", ",")
    table, _ = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("sales").to_pylist() == [1000 + n for n in range(40)]
    assert table.column("rate")[1].as_py() == 0.125


def test_columns_that_are_left_out_and_what_is_odd(tmp_path):
    count = 60
    text = "No,date,temp,sky,note,fixed,odd\n" + "".join(
        f"{n},{stamp},{'NA' if n in (3, 4) else n % 9},{('clear', 'rain')[n % 2]},text {n},5,{n if n % 10 else -200}\n"
        for n, stamp in enumerate(stamps("2020-01-01", "1D", count))
    )
    settings, told = found(tmp_path / "x.csv", text)
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
        assert said in told
    table, _ = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("temp").to_pylist()[2:6] == [2, 2, 2, 5], "a cell is filled from before it, never from after"


def test_the_latest_row_comes_first_and_containers(tmp_path):
    when = stamps("2020-01-01", "1D", 50)
    text = "date,v\n" + written("%Y-%m-%d", when[::-1])
    settings, told = found(tmp_path / "x.csv", text)
    assert "the latest row comes first: order=sort" in told
    expected, _ = read_table(settings, [tmp_path / "x.csv"])
    assert expected.column("v").to_pylist() == list(range(49, -1, -1))
    with gzip.open(tmp_path / "x.csv.gz", "wt") as file:
        file.write(text)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.csv", text)
    raw = pa.table({"date": pa.array(when[::-1].astype("datetime64[us]")), "v": list(range(50)), "who": ["a"] * 50})
    pa.parquet.write_table(raw, tmp_path / "x.parquet", row_group_size=20)
    for name in ("x.csv.gz", "x.zip", "x.parquet"):
        assert read_table(own(), [tmp_path / name])[0] == expected
    assert "left out: who holds text (a)" in found(tmp_path / "x.parquet")[1]


def test_large_files_are_looked_at_in_part(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("date,v\n" + written("%Y-%m-%d", stamps("2020-01-01", "1D", 50)))
    monkeypatch.setattr(inference, "_SEEN", 100)
    settings, told = found(path)
    assert settings.columns == ("v",)
    assert "as found in 50 rows" in told


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
        found(tmp_path / "x.csv", text, **settings)
    assert "\n" not in str(caught.value)


# Categories


def test_categories_become_columns(tmp_path):
    text = "date,v,sky,zone\n2020-01-01,1,rain,10\n2020-01-02,2, sun ,2\n2020-01-03,3,,2.0\n2020-01-04,4,rain,10\n"
    settings, told = found(tmp_path / "x.csv", text, categories=["sky", "zone"])
    assert settings.levels == {"sky": ["rain", "sun"], "zone": ["2", "10"]}
    assert "category sky: 2 values (rain, sun)" in told
    assert "1 missing cell of 4 in sky (first line 4): no value of the category" in told
    table, report = read_table(settings, [tmp_path / "x.csv"])
    assert table.column_names == ["time", "v", "sky=rain", "sky=sun", "zone=2", "zone=10"]
    assert {str(kind) for kind in table.schema.types[1:]} == {"float"}
    assert table.column("sky=rain").to_pylist() == [1, 0, 0, 1]
    assert table.column("sky=sun").to_pylist() == [0, 1, 0, 0]
    assert table.column("zone=2").to_pylist() == [0, 1, 1, 0]
    assert report["categories"] == settings.levels

    # Another file: a value that was never seen is none of those that were.
    (tmp_path / "y.csv").write_text("date,v,sky,zone\n2021-01-01,1,hail,10\n2021-01-02,1,sun,3\n")
    reading = json.loads(json.dumps(settings.reading()))
    again, report = read_table(SeriesPreprocessor(**reading), [tmp_path / "y.csv"])
    assert again.column_names == table.column_names
    assert again.column("sky=sun").to_pylist() == [0, 1]
    assert again.column("sky=rain").to_pylist() == again.column("zone=2").to_pylist() == [0, 0]
    assert report["unknown_values"]["sky"]["count"] == report["unknown_values"]["zone"]["count"] == 1


def test_too_many_values_of_a_category(tmp_path):
    text = "date,v,sky\n" + "".join(f"{stamp},1,s{n}\n" for n, stamp in enumerate(stamps("2020-01-01", "1D", 51)))
    with pytest.raises(DataError, match="category 'sky' has more than 50 values"):
        found(tmp_path / "x.csv", text, categories="sky")


def test_files_may_lack_columns_that_are_not_needed(tmp_path):
    text = "date,a,b,sky\n" + "".join(f"{s},{n},{n},x{n % 2}\n" for n, s in enumerate(stamps("2020-01-01", "1D", 9)))
    settings, _ = found(tmp_path / "x.csv", text, categories="sky")
    (tmp_path / "y.csv").write_text("extra,b,date\n7,5,2021-01-01\n")
    reading = json.loads(json.dumps(settings.reading(["b"])))
    table, report = read_table(SeriesPreprocessor(**reading), [tmp_path / "y.csv"])
    assert table.column_names == ["time", "b"]
    assert table.num_rows == report["rows_read"] == 1
    both = SeriesPreprocessor(**settings.reading(["sky=x1", "b"]))
    assert read_table(both, [tmp_path / "x.csv"])[0].column_names == ["time", "b", "sky=x0", "sky=x1"]
    with pytest.raises(DataError, match="lacks columns 'a'"):
        read_table(SeriesPreprocessor(**settings.reading(["a", "b"])), [tmp_path / "y.csv"])


# Several series


def test_series_are_kept_apart(tmp_path):
    text = (
        "shop,date,v\nB,2020-01-03,3\nA,2020-01-02,20\nB,2020-01-01,1\nA,2020-01-01,10\nB,2020-01-02,\nA,2020-01-03,30\n"
        "C,2019-06-01,7\n"
    )
    table, report = read_table(own(id="shop"), [_write(tmp_path / "x.csv", text)])
    assert table.column_names == ["time", "v"]
    assert table.column("v").to_pylist() == [1, 1, 3, 10, 20, 30, 7]
    assert report["series"] == [
        {"id": "B", "keys": ["B"], "rows": 3, "from": "2020-01-01T00:00:00", "to": "2020-01-03T00:00:00"},
        {"id": "A", "keys": ["A"], "rows": 3, "from": "2020-01-01T00:00:00", "to": "2020-01-03T00:00:00"},
        {"id": "C", "keys": ["C"], "rows": 1, "from": "2019-06-01T00:00:00", "to": "2019-06-01T00:00:00"},
    ]
    assert (report["from"], report["to"]) == ("2019-06-01T00:00:00", "2020-01-03T00:00:00")
    assert report["cadence_seconds"] == 86400
    assert report["gaps"]["count"] == report["repeated_stamps"]["count"] == 0
    assert report["repairs"]["cells_filled"] == {"v": 1}
    _, told = found(tmp_path / "x.csv", id="shop")
    assert "3 series by shop (B, A, C) of 1 to 3 rows" in told
    assert "1 series with fewer than 3 rows (C)" in told
    with pytest.raises(DataError, match="stamp 2020-01-01T00:00:00 is before that of the row above"):
        read_table(own(id="shop", order="error"), [tmp_path / "x.csv"])
    with pytest.raises(DataError, match="series 'B': column 'v' has no value at all"):
        read_table(own(id="shop"), [_write(tmp_path / "y.csv", "shop,date,v\nA,2020-01-01,1\nB,2020-01-01,\n")])


def test_several_series_without_an_id_are_noticed(tmp_path):
    rows = [f"{s},{name},{n}" for name in ("north", "south") for n, s in enumerate(stamps("2020-01-01", "1D", 20))]
    path = _write(tmp_path / "x.csv", "date,region,v\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"rows repeat the stamp.*'region' tells them apart .*give --id region"):
        found(path)
    settings, _ = found(path, id="region")
    reading = json.loads(json.dumps(settings.reading()))
    assert read_table(SeriesPreprocessor(**reading), [path])[1]["series"][1]["id"] == "south"


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# From the command line


def weather(path: Path, days: int = 120) -> Path:
    random = np.random.RandomState(0)
    rows = [
        f"{stamp},{10 + 5 * np.sin(n / 58):.2f},{random.rand():.3f},{('dry', 'wet')[n % 2]}"
        for n, stamp in enumerate(stamps("2020-01-01", "1D", days))
    ]
    return _write(path, "date,temp,wind,sky\n" + "\n".join(rows) + "\n")


def call(*arguments: str) -> int:
    return main(["prepare", "forecast", *map(str, arguments)])


def test_prepare_and_only_change_the_settings(cluster, tmp_path, capsys, monkeypatch):
    path = weather(tmp_path / "weather.csv")
    options = ("--source", path, "--target", "temp", "--category", "sky", "--features", "temp,sky", "--name", "w")
    assert call(*options, "--delay", "1d", "--lookback", "1w", "--split", "0.6/0.2/0.2") == 0
    said = capsys.readouterr()
    assert said.out.strip().endswith("/forecast/w")
    assert "time: column 'date' (ISO 8601)" in said.err
    assert said.err.count("a row every 1d") == 1  # told before, not again after
    data = find_dataset("forecast")
    assert data.columns == ("time", "temp", "wind", "sky=dry", "sky=wet")
    assert data.manifest.settings == {
        "targets": "temp",
        "features": ["temp", "sky=dry", "sky=wet"],
        "delay": "1d",
        "lookback": "1w",
        "split": "0.6/0.2/0.2",
    }
    assert data.manifest.preparation["settings"]["levels"] == {"sky": ["dry", "wet"]}
    before = (data.directory / "shard-00000.arrow").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr("raysq.tasks.prepare.build", lambda *_, **__: pytest.fail("prepared again"))
        assert call(*options, "--delay", "2d", "--lookback", "1w") == 0
        said = capsys.readouterr().err
        assert "its settings are changed: delay 1d -> 2d, split 0.6/0.2/0.2 -> default" in said
        assert call(*options, "--delay", "2d", "--lookback", "1w") == 0
        assert "nothing to do" in capsys.readouterr().err
        assert call(*options, "--delay", "6h") == 2
        assert "delay=6h is not a multiple of the series' 1d between rows" in capsys.readouterr().err
    changed = read_manifest(data.directory)
    assert changed.settings == {
        "targets": "temp",
        "features": ["temp", "sky=dry", "sky=wet"],
        "delay": "2d",
        "lookback": "1w",
    }
    assert changed.fingerprint == data.fingerprint
    assert (data.directory / "shard-00000.arrow").stat().st_mtime_ns == before


def test_settings_that_do_not_fit_leave_no_data_set(cluster, tmp_path, raysq_home):
    path = weather(tmp_path / "weather.csv")
    with pytest.raises(UsageError, match="delay=6h is not a multiple"):
        prepare("forecast", path, settings={"targets": "temp", "delay": "6h"}, quiet=True)
    assert [file.name for file in (raysq_home / "data" / "forecast").iterdir()] == [".lock"]


def test_several_series_through_the_pipeline(cluster, tmp_path, capsys):
    rows = [f"{name},{s},{n}" for name in "ab" for n, s in enumerate(stamps("2020-01-01T00", "1h", 600))]
    path = _write(tmp_path / "x.csv", "shop,date,v\n" + "\n".join(rows[::-1]) + "\n")
    assert call("--source", path, "--id", "shop", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["settings"] == {"targets": "v"}
    assert "target: v, the only column of values" in result["messages"]
    assert [series["id"] for series in result["report"]["series"]] == ["b", "a"]
    data = find_dataset("forecast")
    assert data.column("v").slice(0, 1200).tolist() == 2 * list(range(600))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            (),
            "which column is to be forecast? --target NAME says it, or several parted by commas; there are temp, wind",
        ),
        (("--target", "temperature"), "target 'temperature' is no column of values: did you mean temp?"),
        (("--target", "temp", "--features", "tem"), "feature 'tem' is no column of values: did you mean temp?"),
        (("--target", "temp", "--calendar", "weekdays"), "did you mean weekday"),
        (("--target", "temp", "--set", "lokback=3"), "unknown setting 'lokback' of prepare: did you mean lookback"),
    ],
)
def test_usage_errors_come_before_anything_long(tmp_path, capsys, monkeypatch, arguments, match):
    monkeypatch.setattr("raysq.tasks.prepare.build", lambda *_, **__: pytest.fail("began"))
    assert call("--source", weather(tmp_path / "w.csv"), *arguments) == 2
    said = capsys.readouterr().err
    assert match in said
    assert said.count("\n") == 1


def test_a_source_is_needed(capsys):
    assert call() == 2
    assert "give --source PATH" in capsys.readouterr().err


def test_other_tasks_keep_their_own_settings():
    for name in tasks.names():
        task: Task = tasks.get(name)
        if task.problem != "forecast":
            continue
        settings = make_settings(SeriesPreprocessor, dict(task.preparation))
        assert (settings.layout == "infer") == (name == "forecast")
        if name != "forecast":
            assert settings.infer([]) == (settings, [])


# Real series


def test_real_beijing_with_its_wind(real):
    path = real("beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv")
    settings, told = own(categories="cbwd").infer([path])
    assert settings.time == ("year", "month", "day", "hour")
    assert settings.columns == ("pm2.5", "DEWP", "TEMP", "PRES", "Iws", "Is", "Ir")
    assert settings.levels == {"cbwd": ["NE", "NW", "SE", "cv"]}
    assert any(line.startswith("2,067 missing cells of 43,824 in pm2.5") for line in told)
    table, report = read_table(settings, [path])
    assert table.num_rows == 43_824
    assert sum(np.asarray(table.column(f"cbwd={value}")).sum() for value in settings.levels["cbwd"]) == 43_824
    assert report["repairs"]["cells_filled"] == {"pm2.5": 2043}
    assert report["repairs"]["leading"] == {"pm2.5": 24}
    assert report["repairs"]["unobserved"] == {"pm2.5": 2067}


@pytest.mark.parametrize(
    ("name", "settings", "every", "rows"),
    [
        ("co2", {}, row_durations.WEEK, 2284),
        ("sunspots", {}, row_durations.YEAR, 309),
        ("macrodata", {}, 3 * row_durations.MONTH, 203),
        ("grunfeld", {"id": "firm"}, row_durations.YEAR, 220),
    ],
)
def test_real_series_of_statsmodels(tmp_path, name, settings, every, rows):
    datasets = pytest.importorskip("statsmodels.datasets")
    frame = getattr(datasets, name).load_pandas().data
    frame.to_csv(tmp_path / f"{name}.csv", index=name == "co2")
    inferred, _ = own(**settings).infer([tmp_path / f"{name}.csv"])
    table, report = read_table(inferred, [tmp_path / f"{name}.csv"])
    assert (table.num_rows, report["cadence_seconds"]) == (rows, every)
    assert not report["gaps"]["count"]
    if name == "grunfeld":
        with pytest.raises(RaysqError, match="repeat the stamp of another row.*give --id firm"):
            own().infer([tmp_path / "grunfeld.csv"])


def test_dates_as_columns_and_numbers_of_columns(tmp_path):
    days = [str(day) for day in stamps("2022-01-01", "1D", 300)]
    wide = "product," + ",".join(days) + "\n" + "".join(f"p{row}," + ",".join(["5"] * 300) + "\n" for row in range(4))
    with pytest.raises(DataError, match=r"most of the 301 columns are called as times \(2022-01-01, .*melt$") as caught:
        found(tmp_path / "wide.csv", wide)
    assert len(str(caught.value)) < 300
    bare = written("%Y-%m-%d %H:%M", stamps("2022-01-01", "1h", 100))
    settings, told = found(tmp_path / "bare.csv", bare, time="1")
    assert (settings.time, settings.columns, settings.header) == (("1",), ("2",), False)
    assert "columns are called by their numbers" in told
    with pytest.raises(DataError, match="line 1 must name the columns.*--set header=false --time 1 --target 2"):
        found(tmp_path / "bare.csv")


def test_files_of_which_no_row_can_be_used(tmp_path):
    rows = written("%Y-%m-%d %H:%M", stamps("2022-01-01", "1h", 100))
    with pytest.raises(DataError, match=r"x\.csv, line 2 has 3 cells, the header has 2, and so it is in all rows"):
        found(tmp_path / "x.csv", "when,load\n" + rows.replace("\n", ",\n"))
    assert found(tmp_path / "x.csv", "when,load,\n" + rows.replace("\n", ",\n"))[0].columns == ("load",)
    noted = rows.replace("\n", ',"two\nlines"\n')
    assert "note holds text (two lines)" in found(tmp_path / "x.csv", "when,load,note\n" + noted)[1]


def test_settings_of_csv_files_are_refused_for_parquet(tmp_path):
    table = pa.table({"when": pa.array(stamps("2022-01-01", "1h", 50).astype("datetime64[us]")), "load": range(50)})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    assert own().infer([tmp_path / "x.parquet"])[0].columns == ("load",)
    with pytest.raises(UsageError, match=r"setting skip says how a csv is written, and x\.parquet is none"):
        own(skip=1).infer([tmp_path / "x.parquet"])


def test_the_time_of_the_day_stands_in_a_column_of_any_name(tmp_path):
    when = stamps("2024-03-13", "1h", 240)
    rows = "".join(
        f"{day}.03.2024,{hour:02}:00,{value}\n"
        for day, hour, value in ((13 + number // 24, number % 24, number * 7 % 11) for number in range(240))
    )
    settings, told = found(tmp_path / "x.csv", "day,clock,load\n" + rows)
    assert settings.time == ("day", "clock") and "a row every 1h" in told
    table, _ = read_table(settings, [tmp_path / "x.csv"])
    assert table.column("time").cast(pa.int64()).to_pylist() == when.astype("datetime64[us]").astype(np.int64).tolist()
    # A time of the day that does not tell rows of one day apart is not the row's.
    rows = "".join(f"{day:02}.03.2024,06:{60 - day:02},{day}\n" for day in range(1, 31))
    settings, _ = found(tmp_path / "y.csv", "day,sunrise,load\n" + rows)
    assert settings.time == ("day",)


def test_years_of_two_digits_that_span_a_century_are_refused(tmp_path):
    days = np.datetime64("1968-07-01") + np.arange(400)
    rows = "".join(f"{day.item():%d.%m.%y},{number % 7}\n" for number, day in enumerate(days))
    with pytest.raises(DataError, match="day: years of two digits .* four digits"):
        found(tmp_path / "x.csv", "day,flow\n" + rows)
