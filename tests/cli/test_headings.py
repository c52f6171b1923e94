"""Headings of metrics name their units."""

from types import SimpleNamespace

from raysq.cli.output import headings


def test_squared_errors_have_squared_units():
    names = ["test_mae", "test_mae_original", "mse_original", "mae_6h_original"]
    config = SimpleNamespace(metadata={"unit": "degC"})
    assert headings(names, config) == ["mae", "mae (degC)", "mse (degC²)", "mae_6h (degC)"]
    assert headings(names[2:3], SimpleNamespace(metadata={})) == ["mse (own unit²)"]
