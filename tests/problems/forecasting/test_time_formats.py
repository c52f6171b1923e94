"""Time formats: each directive is applied or refused, and times that few formats know."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from raysq import tasks
from raysq.config import make_settings
from raysq.data.pipeline import read_table
from raysq.errors import DataError, UsageError
from raysq.problems.base import RowContext
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.problem import Forecasting
from raysq.problems.forecasting.readers import timestamps
from raysq.tasks.prepare import prepare


def own(**settings) -> SeriesPreprocessor:
    return make_settings(SeriesPreprocessor, {**tasks.get("forecast").preparation, **settings})


def write(path, stamps, head="when") -> list:
    sign = ";" if any("," in str(stamp) for stamp in stamps) and "," not in head else ","
    lines = [f"{stamp}{sign}{number % 7}.5" for number, stamp in enumerate(stamps)]
    path.write_text("\n".join([f"{head}{sign}load", *lines]) + "\n")
    return [path]


@pytest.mark.parametrize(
    "form",
    [
        *("%Y-%m-%d", "%y%m%d", "%d %b %Y", "%B %d, %Y", "%Y-%j", "%a %Y-%m-%d", "%A, %d.%m.%Y", "%Y-%m", "%Y", "%F"),
        *("%G-W%V", "%G-W%V-%u", "%G %V %a", "%G-W%V-%w", "%Y-%W-%w", "%Y %U %a", "%Y-%U-%w", "%D", "%e.%m.%Y"),
        *("%Y-%m-%d %H", "%Y-%m-%d %H:%M", "%F %T", "%F %R", "%Y-%m-%d %H:%M:%S.%f", "%d/%m/%Y %I:%M %p", "%F %r"),
        *("%Y-%m-%dT%H:%M:%S%z", "%d.%m.%Y %k:%M", "%m/%d/%Y %l:%M:%S %p", "%Y%m%d%H%M%S", "100%% %Y-%m-%d"),
    ],
)
def test_each_directive_is_applied(form):
    generator = np.random.default_rng(7)
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30)) if "%z" in form else None
    begin = datetime.datetime(1970, 1, 1)
    seconds = [*generator.integers(0, 2_000_000_000, 300).tolist(), 951_782_400, 1_230_768_000, 1_262_217_600]
    moments = [begin + datetime.timedelta(seconds=one, microseconds=one % 1_000_000) for one in seconds]
    text = [moment.replace(tzinfo=zone).strftime(form) for moment in moments]
    stamps, bad = timestamps.parse_values(pa.table({"t": text}), ("t",), form)
    assert not bad.any()
    # What is read is written as it was, and no other directive is lost: the same moment is never later.
    found = [begin + datetime.timedelta(microseconds=int(stamp)) for stamp in stamps]
    shift = datetime.timedelta(hours=5, minutes=30) if zone else datetime.timedelta(0)
    assert [(moment + shift).replace(tzinfo=zone).strftime(form) for moment in found] == text
    finest = {"%f": 1e-6, "%S": 1, "%T": 1, "%r": 1, "%M": 60, "%R": 60, "%H": 3600, "%d": 86400, "%e": 86400}
    finest |= {"%F": 86400, "%D": 86400, "%j": 86400, "%w": 86400, "%u": 86400, "%a": 86400, "%V": 604800}
    finest |= {"%W": 604800, "%U": 604800, "%m": 31 * 86400, "%Y": 366 * 86400}
    limit = next(length for directive, length in finest.items() if directive in form)
    distances = [(moment - shift - stamp).total_seconds() for moment, stamp in zip(moments, found, strict=True)]
    assert min(distances) >= 0 and max(distances) < limit


@pytest.mark.parametrize(
    ("form", "match"),
    [
        ("%Y-%m-%d %H:%M %Z", "%Z is not read.*several zones.*%z"),
        ("%Y-%m-%d %H:%M %p", "%p is of use with %I only"),
        ("%Y-%m-%d %I:%M", "%I counts hours to 12 and needs %p"),
        ("%d/%m", "%m, the month, needs %Y"),
        ("%H:%M", "every stamp would lie in 1900"),
        ("%Y-%d", "%d, the day, needs %m"),
        ("%Y-%m %H", "an hour needs a day"),
        ("%Y-%m-%d %M", "%M, the minute, needs %H"),
        ("%Y-%m-%d %H.%f", "%f, the fraction, needs %S"),
        ("%Y-%V", r"ISO weeks \(%V\) lie in the years of %G"),
        ("%G-%m", "%G, the ISO year, needs %V"),
        ("%Y-%m-%d %y", "%Y and %y both give the year"),
        ("%Y-%m-%d %j", "%m and %j name a day in several ways"),
        ("%Y-%W", "%W, the week, needs %w"),
        ("%Y-%U-%u", "%u goes with %V; %U goes with %w or %a"),
        ("%Y-%m-%d %w", "%w needs a week"),
        ("%c", "%c is not read; directives are %Y"),
        ("%Y-%m-%d %Q", "%Q is not read"),
        ("%s", "epoch_s"),
        ("%Y-%m-%d%", "% is not read"),
        ("when", "has no year"),
    ],
)
def test_what_is_not_applied_is_refused(form, match):
    with pytest.raises(UsageError, match=match):
        own(time_format=form)


def test_days_of_the_week_and_years_that_are_wrong_are_named(tmp_path):
    stamps = ["Mon 2023-05-01", "Tue 2023-05-02", "Thu 2023-05-03"]
    with pytest.raises(DataError, match="line 4, column when: 'Thu 2023-05-03' is not a time"):
        read_table(own(time="when", time_format="%a %Y-%m-%d"), write(tmp_path / "x.csv", stamps))
    with pytest.raises(DataError, match="line 2, column when: '01.02.23' is not a time"):
        read_table(own(time="when", time_format="%d.%m.%Y"), write(tmp_path / "x.csv", ["01.02.23", "02.02.2023"]))


@pytest.mark.parametrize(
    ("stamps", "head", "form", "begin", "end", "frequency"),
    [
        (["2015-W02", "2015-W03", "2015-W04", "2015-W05"], "when", "%G-W%V", "2015-01-05", "2015-01-26", "W-MON"),
        (["2015W52", "2015W53", "2016W01"], "week", "%GW%V", "2015-12-21", "2016-01-04", "W-MON"),
        (["2008Q1", "2008Q2", "2008Q3", "2008Q4", "2009Q1"], "when", "quarter", "2008-01-01", "2009-01-01", "QS-JAN"),
        (["2008-Q1", "2008-Q2", "2008-Q3"], "quarter", "quarter", "2008-01-01", "2008-07-01", "QS-JAN"),
        (["Q1 2008", "Q2 2008", "Q3 2008"], "date", "quarter", "2008-01-01", "2008-07-01", "QS-JAN"),
        (["44927.00000", "44927.04167", "44927.08333"], "when", "excel", "2023-01-01", "2023-01-01T02:00:00", "h"),
        (["44927,5", "44928,5", "44929,5"], "date", "excel", "2023-01-01T12:00:00", "2023-01-03T12:00:00", "D"),
        (["44927", "44928", "44929"], "date", "excel", "2023-01-01", "2023-01-03", "D"),
        (["44927.0069444", "44927.0138889"], "date", "excel", "2023-01-01T00:10:00", "2023-01-01T00:20:00", "10min"),
    ],
)
def test_weeks_quarters_and_serial_days(tmp_path, stamps, head, form, begin, end, frequency):
    files = write(tmp_path / "x.csv", stamps, head)
    settings, _ = own(time=head).infer(files)
    assert settings.time_format == form
    _, report = read_table(settings, files)
    assert (report["from"].removesuffix("T00:00:00"), report["to"].removesuffix("T00:00:00")) == (begin, end)
    assert (report["frequency"], report["gaps"]["count"]) == (frequency, 0)


@pytest.mark.parametrize(
    ("head", "form", "write_stamp"),
    [
        ("when", None, lambda day, hour: f"{day:%Y-%m-%d} {hour:02d}:00"),
        ("when", None, lambda day, hour: f"{day:%Y-%m-%d}T{hour:02d}:00:00Z"),
        ("when", "%d.%m.%Y %H:%M", lambda day, hour: f"{day:%d.%m.%Y} {hour:02d}:00"),
        ("date,hour", "%Y-%m-%d %H", lambda day, hour: f"{day:%Y-%m-%d},{hour}"),
        ("year,month,day,hour", None, lambda day, hour: f"{day.year},{day.month},{day.day},{hour}"),
    ],
)
def test_midnight_may_be_24_hours_of_the_day_before(tmp_path, head, form, write_stamp):
    days = [datetime.date(2023, 2, 27) + datetime.timedelta(days=number) for number in range(4)]
    stamps = [write_stamp(day, hour) for day in days for hour in range(1, 25)]
    settings, _ = own().infer(write(tmp_path / "x.csv", stamps, head))
    table, report = read_table(settings, [tmp_path / "x.csv"])
    assert (report["from"][:19], report["to"][:19]) == ("2023-02-27T01:00:00", "2023-03-03T00:00:00")
    assert report["gaps"]["count"] == report["repeated_stamps"]["count"] == 0 and table.num_rows == 96


def test_no_other_hour_beyond_the_day_is_a_time(tmp_path):
    for stamp in ("2023-03-01 24:30", "2023-03-01 25:00"):
        with pytest.raises(DataError, match=f"line 3, column when: '{stamp}' is not a time"):
            read_table(
                own(time=("when",), time_format="%Y-%m-%d %H:%M"),
                write(tmp_path / "x.csv", ["2023-03-01 23:00", stamp]),
            )


def test_names_of_zones_are_named(tmp_path):
    files = write(tmp_path / "x.csv", ["2023-10-29 02:00 CEST", "2023-10-29 02:00 CET"])
    for named in ({}, {"time": "when"}):
        with pytest.raises(DataError, match="name of a time zone.* CES?T may stand for several: write offsets"):
            own(**named).infer(files)


class Nothing:
    """A model that forecasts the mean."""

    def predict_on_batch(self, x):
        return np.zeros((len(x), 2), np.float32)


@pytest.mark.parametrize(
    ("head", "rows", "time", "first", "step"),
    [
        ("step,load", lambda n: f"{100 + n},{n % 7}.5", "step", 100, 1),
        ("step,load", lambda n: f"{5 * n},{n % 7}.5", "step", 0, 5),
        ("step,load", lambda n: f"{100_000 * n},{n % 7}.5", "step", 0, 100_000),  # no days
        ("load,temp", lambda n: f"{n % 7}.5,{n % 5}.25", None, 0, 1),
        ("name,load", lambda n: f"x{n},{n % 7}.5", "none", 0, 1),
    ],
)
def test_rows_that_are_numbered_or_only_have_an_order(tmp_path, raysq_home, head, rows, time, first, step):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([head, *map(rows, range(200))]) + "\n")
    chosen = {"time": time} if time else {}
    data = prepare("forecast", path, name="d", settings={**chosen, "targets": "load"}, quiet=True)
    report = data.manifest.report
    assert (report["from"], report["to"], report["step"]) == (str(first), str(first + 199 * step), step)
    assert (report["frequency"], report["cadence_seconds"], report["gaps"]["count"]) == ("number", None, 0)
    window = {"targets": ("load",), "lookback": 3, "horizon": (1, 2)}
    problem = Forecasting.from_dataset(data, window)
    assert problem.horizons == ["1 row", "2 rows"]
    path.write_text("\n".join([head, *map(rows, range(10))]) + "\n")
    table, report = read_table(problem.prediction_preprocessor(), [path])
    out = problem.predict(Nothing(), table, RowContext(report))
    assert out.column("time").to_pylist()[-2:] == [first + 10 * step, first + 11 * step]
    assert out.column("from").to_pylist()[-1] == first + 9 * step
    for refused in ({"lookback": "6h"}, {"calendar": ("hour",)}, {"split": "2020-01-01/2021-01-01"}):
        with pytest.raises(UsageError, match="needs times, and the rows of .* are numbered"):
            Forecasting.from_dataset(data, {**window, **refused})


def test_numbers_that_are_out_of_order_repeated_or_left_out_are_told(tmp_path):
    numbers = [*range(50), 20, *range(53, 90), 52]
    _, told = own(time="step").infer(write(tmp_path / "x.csv", numbers, "step"))
    assert "rows 0 to 89" in told
    text = "\n".join(told)
    assert "2 rows out of order" in text and "1 repeated stamp (first at 20)" in text
    assert "1 gap, the longest of 3 numbers (first at 52)" in text


def test_the_order_of_rows_is_no_guess_where_a_column_may_be_the_time(tmp_path):
    stamps = [f"day {number}" for number in range(30)]
    for head in ("date", "label"):
        with pytest.raises(DataError, match="no column tells the time.*--time none takes the order of the rows"):
            own().infer(write(tmp_path / "x.csv", stamps, head))
    with pytest.raises(DataError, match="no column tells the time"):
        own().infer(write(tmp_path / "x.csv", [f"{number}.5" for number in range(30)], "time"))
    temperatures = [20 + number % 4 for number in range(30)]
    settings, told = own().infer(write(tmp_path / "x.csv", temperatures, "temp"))
    assert (settings.time, settings.time_format) == ((), "rows")
    assert told[0].startswith("time: none: the rows are numbered in their order (--time COLUMN")
    rows = [f"{number},2024-01-{number + 1:02d}" for number in range(30)]
    settings, _ = own().infer(write(tmp_path / "x.csv", rows, "timestep,recorded"))
    assert (settings.time, settings.time_format) == (("recorded",), None)
    settings, told = own().infer(write(tmp_path / "x.csv", range(30), "t"))  # a column that counts the rows
    assert (settings.time, settings.time_format, settings.columns) == (("t",), "number", ("load",))
    settings, _ = own().infer(write(tmp_path / "x.csv", range(1990, 2020), "when"))
    assert (settings.time, settings.time_format) == (("when",), "year")
    with pytest.raises(DataError, match="a, b count the rows; --time COLUMN names one of them"):
        own().infer(write(tmp_path / "x.csv", [f"{number},{2 * number}" for number in range(30)], "a,b"))
    with pytest.raises(UsageError, match="setting freq needs times, and the rows are numbered"):
        own(time="none", freq="h")


def test_series_without_a_time_are_each_numbered(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,v\n" + "".join(f"{name},{number}.5\n" for number in range(20) for name in "ab"))
    settings, _ = own(time="none", id="id").infer([path])
    table, report = read_table(settings, [path])
    assert [one["to"] for one in report["series"]] == ["19", "19"]
    assert table.column("v").to_pylist() == [number + 0.5 for number in range(20)] * 2
    assert report["repeated_stamps"]["count"] == report["gaps"]["count"] == 0
