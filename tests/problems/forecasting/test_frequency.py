"""How a series goes on: frequencies that are named or found, their gaps, and the stamps that come next."""

import numpy as np
import pandas as pd
import pytest

from raysq import tasks
from raysq.config import make_settings
from raysq.data.durations import MONTH
from raysq.data.pipeline import read_table
from raysq.errors import DataError, UsageError
from raysq.problems.base import RowContext
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.problem import Forecasting
from raysq.tasks.prepare import prepare


def own(**settings) -> SeriesPreprocessor:
    return make_settings(SeriesPreprocessor, {**tasks.get("forecast").preparation, **settings})


def days(freq: str, begin: str, periods: int, **more) -> pd.DatetimeIndex:
    if freq.startswith("C:"):
        freq = pd.offsets.CustomBusinessDay(weekmask=freq[2:].replace(",", " "))
    return pd.date_range(begin, periods=periods, freq=freq, **more)


def write(path, stamps) -> list:
    pd.DataFrame({"when": stamps, "load": np.arange(len(stamps)) % 7 + 0.5}).to_csv(path, index=False)
    return [path]


@pytest.mark.parametrize(
    ("freq", "begin", "name"),
    [
        ("B", "2022-01-03", "B"),
        ("B", "2022-01-03 16:00", "B"),
        ("C:Tue,Wed,Thu,Fri,Sat", "2022-01-04", "C:Tue,Wed,Thu,Fri,Sat"),
        ("C:Mon,Tue,Wed,Thu,Fri,Sat", "2022-01-03", "C:Mon,Tue,Wed,Thu,Fri,Sat"),
        ("C:Mon,Wed,Fri", "2022-01-03", "C:Mon,Wed,Fri"),
        ("D", "2022-01-03", "D"),
        ("2D", "2022-01-03", "2D"),
        ("W-SUN", "2022-01-02", "W-SUN"),
        ("ME", "2010-01-31", "ME"),
        ("MS", "2010-01-01", "MS"),
        ("BME", "2010-01-29", "BME"),
        ("BMS", "2010-01-01", "BMS"),
        ("QS-JAN", "2010-01-01", "QS-JAN"),
        ("QE-DEC", "2010-03-31", "QE-DEC"),
        ("YE-DEC", "2010-12-31", "YE-DEC"),
        ("YS-APR", "2010-04-01", "YS-APR"),
        ("10min", "2022-01-03", "10min"),
    ],
)
def test_a_frequency_is_found_without_gaps_and_goes_on_as_pandas_does(tmp_path, freq, begin, name):
    stamps = days(freq, begin, 66)
    _, report = read_table(own(), write(tmp_path / "x.csv", stamps[:60]))
    assert (report["frequency"], report["gaps"]["count"]) == (name, 0)
    found = Frequency.from_report(report)
    assert found == Frequency.parse(name)
    moments = stamps.as_unit("us").asi8
    assert found.after(moments[59], np.arange(7)).tolist() == moments[59:].tolist()
    assert found.grid(moments[0], moments[59]).tolist() == moments[:60].tolist()


def test_the_same_day_of_each_month_has_no_alias(tmp_path):
    stamps = pd.DatetimeIndex([pd.Timestamp("2010-01-15") + pd.DateOffset(months=count) for count in range(40)])
    _, report = read_table(own(), write(tmp_path / "x.csv", stamps))
    assert (report["cadence_seconds"], report["frequency"]) == (MONTH, None)
    end = np.datetime64("2010-01-31", "us").astype(int)
    after = Frequency(MONTH).after(end, np.array([1, 2])).astype("datetime64[us]")
    assert [str(stamp)[:10] for stamp in after] == ["2010-02-28", "2010-03-31"]


def test_a_holiday_is_a_gap_and_a_weekend_is_none(tmp_path):
    stamps = days("B", "2022-01-03", 60)
    files = write(tmp_path / "x.csv", stamps.delete([14, 32]))  # Friday 21 January, Wednesday 16 February
    _, report = read_table(own(), files)
    assert (report["frequency"], report["gaps"]["count"]) == ("B", 2)
    assert report["gaps"]["first"]["stamp"].startswith("2022-01-24")
    assert report["gaps"]["longest_seconds"] == 4 * 86400
    told = "\n".join(own().infer(files)[1])
    assert "a row every 1d, Monday to Friday" in told and "2 gaps, the longest of 4d" in told
    table, report = read_table(own(gaps="fill"), files)
    assert table.column("time").to_pylist() == stamps.to_pydatetime().tolist()
    assert report["repairs"]["gap_rows_filled"] == 2


def test_rows_on_days_that_the_others_leave_out_are_told(tmp_path):
    stamps = days("B", "2022-01-03", 60).insert(20, pd.Timestamp("2022-01-29")).sort_values()
    files = write(tmp_path / "x.csv", stamps)
    _, report = read_table(own(), files)
    assert (report["frequency"], report["off_frequency"]) == ("B", {"Sat": 1})
    assert "1 row on days that the others leave out: Sat" in "\n".join(own().infer(files)[1])


def test_a_frequency_that_is_given_must_fit(tmp_path):
    files = write(tmp_path / "x.csv", days("D", "2022-01-03", 70))
    with pytest.raises(DataError, match="freq=B does not fit the stamps: 20 of 70 rows lie on Sat, Sun"):
        read_table(own(freq="B"), files)
    with pytest.raises(DataError, match="freq=h does not fit the stamps, whose most common step is 1d"):
        read_table(own(freq="h"), files)
    few = write(tmp_path / "few.csv", days("B", "2022-01-03", 4))  # too few to show it
    assert read_table(own(), few)[1]["frequency"] == "D"
    assert read_table(own(freq="B"), few)[1]["frequency"] == "B"


@pytest.mark.parametrize(
    ("freq", "match"),
    [
        ("often", "freq must be an offset alias of pandas.*received 'often'"),
        ("bh", "BusinessHour is not supported"),
        ("SMS", "SemiMonthBegin is not supported"),
        ("WOM-2TUE", "WeekOfMonth is not supported"),
        ("C", "C is followed by the days of the week"),
        ("C:Mon-Fri", "C is followed by the days of the week"),
        ("C:Mon,Mon", "C is followed by the days of the week"),
        ("-1D", "freq must be an offset alias"),
    ],
)
def test_frequencies_that_are_none(freq, match):
    with pytest.raises(UsageError, match=match):
        own(freq=freq)


class Nothing:
    """A model that forecasts the mean."""

    def predict_on_batch(self, x):
        return np.zeros((len(x), 3), np.float32)


@pytest.mark.parametrize(
    ("freq", "begin", "season"),
    [
        ("B", "2022-01-03", 5),
        ("C:Tue,Wed,Thu,Fri,Sat", "2022-01-04", 5),
        ("ME", "2010-01-31", 12),
        ("D", "2022-01-03", 7),
    ],
)
def test_the_season_and_the_stamps_of_forecasts_follow_the_frequency(tmp_path, raysq_home, freq, begin, season):
    stamps = days(freq, begin, 203)
    data = prepare("forecast", write(tmp_path / "x.csv", stamps[:200])[0], name="d", quiet=True)
    assert Forecasting.from_dataset(data, {"targets": ("load",)}).settings.season == season
    short = {"targets": ("load",), "lookback": 3, "horizon": (1, 2, 3)}
    problem = Forecasting.from_dataset(data, short)
    # Fewer rows than would show the frequency: the run knows it.
    table, report = read_table(problem.prediction_preprocessor(), write(tmp_path / "few.csv", stamps[195:200]))
    out = problem.predict(Nothing(), table, RowContext(report))
    assert out.column("time").to_pylist()[-3:] == stamps[200:].to_pydatetime().tolist()
