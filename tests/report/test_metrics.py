"""Columns of a leaderboard are named apart."""

import pytest

from raysq.report.metrics import leaderboards, metrics_of


@pytest.mark.parametrize(("unit", "own"), [("degC", "MAE (°C)"), (None, "MAE")])
def test_an_error_of_normalized_values_is_named_apart_from_that_in_the_own_unit(unit, own):
    metrics = {f"{split}_{name}": 0.5 for split in ("val", "test") for name in ("mae", "mae_original", "loss")}
    (table,) = leaderboards({"gru": metrics, "baseline": metrics}, "gru", unit)
    assert table.columns[1:5] == [f"val {own}", f"test {own}", "val MAE (normalized)", "test MAE (normalized)"]
    assert len(set(table.columns)) == len(table.columns)


def test_an_error_without_another_unit_is_named_alone():
    (metric, _) = metrics_of({"val_mae": 0.5, "val_loss": 0.5}, "m")
    assert metric.brief == "MAE"
