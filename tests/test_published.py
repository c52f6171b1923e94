"""Figures that are known of the real series, through the same functions that the command line calls."""

import pytest

import raysq

JENA_2020 = "jena/jena_climate_2020.csv.zip"
BEIJING = "beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv"


def test_baseline_on_jenas_real_year(cluster, real):
    data = raysq.prepare("jena", str(real(JENA_2020)), quiet=True)
    metrics = raysq.train("jena", data=data.directory, model="baseline").result()["metrics"]
    assert metrics["val_mae"] == pytest.approx(0.4488, abs=1e-3)
    assert metrics["test_mae"] == pytest.approx(0.3268, abs=1e-3)
    assert metrics["val_mae_original"] == pytest.approx(2.979, abs=1e-3)
    assert metrics["test_mae_original"] == pytest.approx(2.169, abs=1e-3)


def test_baseline_on_beijing(cluster, real):
    data = raysq.prepare("beijing", str(real(BEIJING)), quiet=True)
    metrics = raysq.train("beijing", data=data.directory, model="baseline").result()["metrics"]
    assert metrics["val_mae"] == pytest.approx(0.2230, abs=1e-4)
    assert metrics["test_mae"] == pytest.approx(0.2313, abs=1e-4)
    assert metrics["val_mae_original"] == pytest.approx(2.769, abs=1e-3)


@pytest.mark.slow
def test_gru_beats_the_baseline_on_beijing_as_in_the_book(cluster, real):
    data = raysq.prepare("beijing", str(real(BEIJING)), quiet=True)
    settings = {"epochs": 20}
    gru = raysq.train("beijing", data=data.directory, model="gru", settings=settings).result()["metrics"]
    assert gru["val_mae"] <= 0.207
    # The book's ratio to the baseline is 0.914.
    assert gru["val_mae"] / 0.2230 <= 0.93 and gru["test_mae"] / 0.2313 <= 0.93


@pytest.mark.slow
def test_reading_backwards_learns_worse_on_beijing(cluster, real):
    data = raysq.prepare("beijing", str(real(BEIJING)), quiet=True)
    run = raysq.train("beijing", data=data.directory, model="gru_reversed", settings={"epochs": 8})
    assert run.result()["metrics"]["val_mae"] > 0.2230, "not worse than the baseline after 8 epochs"
