"""Numbers as people read them: never a 0.0000 that is none."""

import argparse
import io

import pytest

from raysq.cli.output import metrics_table
from raysq.display.numbers import metric, number, seconds, short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0.0000"),
        (0.23456, "0.2346"),
        (-12.5, "-12.5000"),
        (0.0004321, "0.0004321"),
        (1.6281e-9, "1.628e-09"),
        (-3.2e-5, "-3.2e-05"),
        (123456793.6612, "123456793.6612"),
        (2.8906e39, "2.891e+39"),
        (float("nan"), "nan"),
    ],
)
def test_a_metric_has_significant_digits(value, text):
    assert metric(value) == text


def test_the_page_has_them_too():
    assert number(1.6281e-9) == "1.628e-09"


def test_the_table_of_metrics_shows_small_ones():
    from rich.console import Console

    output = io.StringIO()
    config = argparse.Namespace(metadata={"unit": None}, synthetic=False)
    metrics = {"baseline": {"val_mae": 0.16, "val_mae_original": 1.6281e-10}}
    metrics_table(Console(file=output, width=200), metrics, config)
    assert "1.628e-10" in output.getvalue()
    assert "0.1600" in output.getvalue()


def test_numbers_as_people_read_them():
    assert [number(value) for value in (0.203149, 2.6853, 1234.5678, 0.0, None, 3873, -0.25)] == [
        "0.2031",
        "2.685",
        "1,235",
        "0",
        "\u2013",
        "3,873",
        "\u22120.2500",
    ]
    assert number(float("nan")) == "not a number"
    assert [seconds(value) for value in (3.14, 48.2, 200, 7500)] == ["3.1 s", "48 s", "3 min 20 s", "2 h 05 min"]
    assert short([0.1, 0.5]) == "0.1, 0.5" and short(None) == "none" and short(True) == "true"
