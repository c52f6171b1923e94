"""Series whose stamps have a time zone, or are local times of one that is given."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from raysq import tasks
from raysq.config import make_settings
from raysq.data.pipeline import read_table
from raysq.errors import DataError, UsageError
from raysq.problems.base import RowContext
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.problem import Forecasting
from raysq.problems.forecasting.series import split_bounds
from raysq.tasks.prepare import prepare

BERLIN = "Europe/Berlin"


def own(**settings) -> SeriesPreprocessor:
    return make_settings(SeriesPreprocessor, {**tasks.get("forecast").preparation, **settings})


def hours(begin="2023-10-20", count=400, freq="h") -> pd.DatetimeIndex:
    return pd.date_range(begin, periods=count, freq=freq, tz=BERLIN).as_unit("us")


def write(path, stamps) -> list:
    pd.DataFrame({"when": stamps, "load": np.arange(len(stamps)) % 7 + 0.5}).to_csv(path, index=False)
    return [path]


def utc(stamps: pd.DatetimeIndex) -> list:
    return stamps.tz_convert("UTC").tz_localize(None).asi8.tolist()


def read(files, **settings) -> tuple:
    inferred, told = own(**settings).infer(files)
    table, report = read_table(inferred, files)
    return table.column("time").cast(pa.int64()).to_pylist(), report, "\n".join(told)


def parquet(path, stamps) -> list:
    pa.parquet.write_table(pa.table({"when": pa.array(stamps), "load": np.arange(len(stamps)) % 7 + 0.5}), path)
    return [path]


def test_the_zone_of_parquet_is_told_and_kept(tmp_path):
    stamps = hours()
    found, report, told = read(parquet(tmp_path / "x.parquet", stamps))
    assert found == utc(stamps)
    assert report["timezone"] == BERLIN and f"time zone: {BERLIN}, as the stamps say" in told
    assert report["from"] == "2023-10-20T00:00:00+02:00" and report["to"].endswith("+01:00")
    assert report["gaps"]["count"] == report["repeated_stamps"]["count"] == 0


def test_offsets_are_told_and_kept(tmp_path):
    one = hours().tz_convert("+02:00")
    found, report, told = read(write(tmp_path / "x.csv", [stamp.isoformat() for stamp in one]))
    assert (found, report["timezone"], report["from"]) == (utc(one), "+02:00", "2023-10-20T00:00:00+02:00")
    several = hours()
    found, report, told = read(write(tmp_path / "x.csv", [stamp.isoformat() for stamp in several]))
    assert (found, report["timezone"], report["gaps"]["count"]) == (utc(several), "UTC", 0)
    assert "offsets +01:00, +02:00 are written in the stamps" in told
    found, report, _ = read([tmp_path / "x.csv"], timezone=BERLIN)
    assert (found, report["timezone"], report["from"]) == (utc(several), BERLIN, "2023-10-20T00:00:00+02:00")
    text = [stamp.strftime("%d.%m.%Y %H:%M %z") for stamp in several]
    found, report, _ = read(write(tmp_path / "y.csv", text), time_format="%d.%m.%Y %H:%M %z")
    assert (found, report["timezone"]) == (utc(several), "UTC")


def test_utc_is_the_only_name_of_a_zone_that_is_read(tmp_path):
    stamps = hours().tz_convert("UTC")
    found, report, _ = read(write(tmp_path / "x.csv", stamps.strftime("%Y-%m-%d %H:%M:%S UTC")))
    assert (found, report["timezone"]) == (utc(stamps), "UTC")


def test_stamps_with_and_without_a_zone_are_not_mixed(tmp_path):
    stamps = ["2023-10-20T00:00:00Z", "2023-10-20T01:00:00Z", "2023-10-20T02:00:00"]
    with pytest.raises(DataError, match=r"x.csv, line 4, column when: '2023-10-20T02:00:00' has no time zone.*line 2"):
        read(write(tmp_path / "x.csv", stamps))


@pytest.mark.parametrize("freq", ["h", "30min"])
def test_local_times_of_a_given_zone_have_no_gaps_and_no_repeated_stamps(tmp_path, freq):
    for begin in ("2023-10-20", "2023-03-20"):
        stamps = hours(begin, 500, freq)
        found, report, told = read(write(tmp_path / "x.csv", stamps.tz_localize(None)), timezone=BERLIN)
        assert found == utc(stamps)
        assert [report[key]["count"] for key in ("gaps", "repeated_stamps", "out_of_order")] == [0, 0, 0]
        assert ("rows in hours that come twice" in told) == begin.endswith("10-20")
        assert "never changes" not in told


def test_several_series_of_local_times(tmp_path):
    stamps = hours()
    frame = pd.DataFrame({"when": stamps.tz_localize(None), "load": 1.5})
    both = pd.concat([frame.assign(id="a", load=np.arange(400.0)), frame.assign(id="b", load=np.arange(400.0))])
    both.sort_index(kind="stable").to_csv(tmp_path / "x.csv", index=False)
    found, report, _ = read([tmp_path / "x.csv"], timezone=BERLIN, id="id")
    assert found == utc(stamps) * 2
    assert [report[key]["count"] for key in ("gaps", "repeated_stamps", "out_of_order")] == [0, 0, 0]
    assert report["series"][0]["from"] == "2023-10-20T00:00:00+02:00"


@pytest.mark.parametrize(("freq", "name"), [("D", "D"), ("B", "B"), ("ME", "ME"), ("W-MON", "W-MON")])
def test_days_are_those_of_the_zone(tmp_path, freq, name):
    stamps = hours("2023-01-31", 300, freq)
    found, report, _ = read(parquet(tmp_path / "x.parquet", stamps))
    assert (found, report["frequency"], report["gaps"]["count"]) == (utc(stamps), name, 0)
    fewer = stamps.delete([40, 90])
    filled, report, _ = read(parquet(tmp_path / "y.parquet", fewer), gaps="fill")
    assert filled == utc(stamps) and report["gaps"]["count"] == 2


class Nothing:
    """A model that forecasts the mean."""

    def predict_on_batch(self, x):
        self.seen = x
        return np.zeros((len(x), 2), np.float32)


@pytest.mark.parametrize(("freq", "begin"), [("h", "2023-10-20"), ("D", "2023-01-01")])
def test_forecasts_and_the_calendar_are_in_the_zone(tmp_path, raysq_home, freq, begin):
    stamps = hours(begin, 302, freq)
    stamps = stamps[stamps <= stamps[-1]]
    data = prepare("forecast", parquet(tmp_path / "x.parquet", stamps[:300])[0], name="d", quiet=True)
    chosen = {"targets": ("load",), "lookback": 3, "horizon": (1, 2), "calendar": ("hour",)}
    problem = Forecasting.from_dataset(data, chosen)
    assert problem.metadata.timezone == BERLIN
    files = write(tmp_path / "new.csv", stamps[200:300].tz_localize(None))
    table, report = read_table(problem.prediction_preprocessor(), files)
    model = Nothing()
    out = problem.predict(model, table, RowContext(report))
    assert out.column("time").type == pa.timestamp("us", BERLIN)
    assert out.column("time").to_pandas().tolist()[-2:] == stamps[300:].tolist()
    assert out.column("from").to_pandas().tolist()[-1] == stamps[299]
    # The last step that the last window sees: sine and cosine of the hour on the wall.
    angle = 2 * np.pi * stamps[299].hour / 24
    np.testing.assert_allclose(model.seen[len(out) // 2 - 1, -1, 1:], [np.sin(angle), np.cos(angle)], atol=1e-6)
    trained = problem.splits(data)["train"]
    x, _ = trained.gather(np.array([0]), trained.mapped(), lambda array, rows: array.take(rows))
    angle = 2 * np.pi * stamps[2].hour / 24
    np.testing.assert_allclose(x[0, -1, 1:], [np.sin(angle), np.cos(angle)], atol=1e-6)


def test_dates_of_a_split_are_those_of_the_zone(tmp_path, raysq_home):
    stamps = hours()
    data = prepare("forecast", parquet(tmp_path / "x.parquet", stamps)[0], name="d", quiet=True)
    chosen = {"targets": ("load",), "lookback": 3, "split": "2023-10-28/2023-11-01"}
    (bounds,) = split_bounds(data, Forecasting.from_dataset(data, chosen).settings)
    assert stamps[bounds["val"][0]] == pd.Timestamp("2023-10-28", tz=BERLIN)
    assert stamps[bounds["test"][0]] == pd.Timestamp("2023-11-01", tz=BERLIN)


def test_what_is_no_time_zone():
    with pytest.raises(UsageError, match="setting timezone must be a time zone"):
        own(timezone="Berlin")


@pytest.mark.parametrize(("freq", "a_year"), [("h", 1), ("30min", 2), ("15min", 4)])
def test_changes_of_clocks_in_times_without_a_zone_are_told_as_such(tmp_path, freq, a_year):
    stamps = hours("2022-03-01", 14 * 30 * 24 * a_year, freq).tz_localize(None)  # two springs and an autumn
    _, report, told = read(write(tmp_path / "x.csv", stamps))
    assert report["clock_changes"] == {"repeated": a_year, "gaps": 2, **({"backwards": 1} if a_year > 1 else {})}
    assert "2 hours left out where clocks are changed: this looks like local time with summer time (--timezone" in told
    assert "repeated stamps (" not in told and " gap" not in told and "out of order" not in told
    other = stamps.delete([500, 700, 900]).insert(50, stamps[50])
    _, report, told = read(write(tmp_path / "x.csv", other))
    assert (report["gaps"]["count"], report["repeated_stamps"]["count"]) == (5, a_year + 1)
    assert "3 gaps, the longest of" in told and "1 repeated stamp (" in told and "looks like local time" in told
    with pytest.raises(
        DataError, match="is that of the row above .*; it looks like a clock change, and --timezone ZONE"
    ):
        read(write(tmp_path / "x.csv", stamps), duplicates="error")


def test_other_odd_stamps_are_no_changes_of_clocks(tmp_path):
    stamps = pd.date_range("2022-03-01", periods=3000, freq="h")
    _, report, told = read(write(tmp_path / "x.csv", stamps.delete(np.arange(40, 2900, 97)).insert(200, stamps[202])))
    assert report["repeated_stamps"]["count"] == 1 and report["gaps"]["count"] > 20
    assert "clock_changes" not in report and "summer" not in told


@pytest.mark.parametrize("freq", ["D", "B"])
def test_days_with_offsets_have_no_gap_where_clocks_are_changed(tmp_path, freq):
    stamps = hours("2023-01-02 06:00", 260, freq)
    found, report, _ = read(write(tmp_path / "x.csv", [stamp.isoformat() for stamp in stamps]))
    assert (found, report["timezone"], report["frequency"]) == (utc(stamps), "UTC", freq)
    assert report["gaps"]["count"] == 0
    _, report, _ = read(write(tmp_path / "x.csv", [stamp.isoformat() for stamp in stamps.delete([60, 200])]))
    assert report["gaps"]["count"] == 2
