"""The built-in sample: the layout of the Jena file, the laws of physics, and something to learn."""

import numpy as np
import pytest

from raysq import tasks
from raysq.config import make_settings
from raysq.data.pipeline import read_table
from raysq.errors import UsageError
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.sample import ROWS_A_DAY, VERSION, dew_point, hourly_sample, magnus, sample, weather


def test_layout_is_that_of_the_jena_file(tmp_path):
    path = sample(tmp_path, "2d")
    lines = path.read_text().splitlines()
    jena = tasks.get("jena").preparation
    assert lines[0] == ",".join(f'"{name}"' for name in (*jena["time"], *jena["columns"]))
    assert lines[1].startswith("01.01.2009 00:10:00,")
    assert lines[2].startswith("01.01.2009 00:20:00,")
    assert len(lines) == 1 + 2 * ROWS_A_DAY
    assert all(len(cell.split(".")[1]) == 2 for line in lines[1:] for cell in line.split(",")[1:])


def test_it_is_written_once_and_always_the_same(tmp_path):
    first = sample(tmp_path / "a", "3d")
    before = first.stat().st_mtime_ns
    assert sample(tmp_path / "a", "3D") == first
    assert first.stat().st_mtime_ns == before
    assert sample(tmp_path / "b", "3d").read_bytes() == first.read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == [first.name]


def test_jena_prepares_it_without_a_remark(tmp_path):
    preparation = make_settings(SeriesPreprocessor, dict(tasks.get("jena").preparation))
    table, report = read_table(preparation, [sample(tmp_path, "8d")])
    assert table.num_rows == 8 * ROWS_A_DAY
    assert report["cadence_seconds"] == 600
    # Of the pressure, which moves little in eight days, float32 would lose digits.
    assert len(preparation.describe(report)) == 2
    assert preparation.describe(report)[1] == "float64: p (mbar), whose values float32 would change"
    np.testing.assert_allclose(
        table.column("T (degC)").to_numpy(), weather(8 * ROWS_A_DAY)["T (degC)"].astype(np.float32), atol=1e-6
    )


def test_beijing_prepares_its_own_layout(tmp_path):
    preparation = make_settings(SeriesPreprocessor, dict(tasks.get("beijing").preparation))
    table, report = read_table(preparation, [hourly_sample(tmp_path, "30d")])
    assert (table.num_rows, report["cadence_seconds"], report["from"]) == (720, 3600, "2009-01-01T01:00:00")
    assert report["ignored_columns"] == ["No", "pm2.5", "cbwd"] and not report["missing"]
    temperature = weather(30 * ROWS_A_DAY)["T (degC)"][5::6]
    np.testing.assert_array_equal(table.column("TEMP").to_numpy(), np.rint(temperature))
    lines = (tmp_path / f"sample-hourly-30d-v{VERSION}.csv").read_text().splitlines()
    assert lines[0].replace('"', "") == "No,year,month,day,hour,pm2.5,DEWP,TEMP,PRES,cbwd,Iws,Is,Ir"
    assert lines[1].startswith("1,2009,1,1,1,")


@pytest.mark.parametrize("spec", ["8", "0d", "d", "1.5y", "-3d", "8 years", "101y", "5m", "../x"])
def test_what_is_not_a_length(tmp_path, spec):
    with pytest.raises(UsageError, match="sample:60d"):
        sample(tmp_path, spec)


def test_default_length_is_half_a_year(tmp_path):
    assert sample(tmp_path).name.startswith("sample-4y-")


@pytest.fixture(scope="module")
def year() -> dict[str, np.ndarray]:
    return weather(int(2.5 * 365 * ROWS_A_DAY))


def test_physics(year):
    t, p, rh = year["T (degC)"], year["p (mbar)"], year["rh (%)"]
    np.testing.assert_allclose(year["Tpot (K)"], (t + 273.15) * (1000 / p) ** 0.286, atol=0.006)
    np.testing.assert_allclose(year["VPmax (mbar)"], magnus(t), atol=0.006)
    np.testing.assert_allclose(year["VPact (mbar)"], magnus(t) * rh / 100, atol=0.012)
    np.testing.assert_allclose(year["VPdef (mbar)"], year["VPmax (mbar)"] - year["VPact (mbar)"], atol=1e-9)
    assert (year["Tdew (degC)"] <= t + 0.05).all()
    assert (year["max. wv (m/s)"] >= year["wv (m/s)"]).all()
    assert year["wv (m/s)"].min() >= 0
    assert ((year["wd (deg)"] >= 0) & (year["wd (deg)"] < 360)).all()
    assert 8 < t.mean() < 10
    assert 7 < t.std() < 10
    np.testing.assert_allclose(dew_point(magnus(np.array([-5.0, 20.0]))), [-5, 20])


def test_a_model_can_beat_tomorrow_as_now(year):
    """A linear model of a few rows of history errs by a quarter less than persistence, and not by far more."""
    t = year["T (degC)"]
    names = ("T (degC)", "p (mbar)", "rh (%)", "wv (m/s)")
    x = np.stack([np.roll(year[name], lag) for name in names for lag in (0, 36, 72, 144)] + [np.ones(len(t))], 1)
    y = np.roll(t, -ROWS_A_DAY)
    half = len(t) // 2
    weights, *_ = np.linalg.lstsq(x[ROWS_A_DAY:half], y[ROWS_A_DAY:half], rcond=None)
    held_out = slice(half, len(t) - ROWS_A_DAY)
    error = np.abs(x[held_out] @ weights - y[held_out]).mean()
    persistence = np.abs(t[held_out] - y[held_out]).mean()
    assert 0.6 < error / persistence < 0.9
    assert 0.25 < persistence / t.std() < 0.4
