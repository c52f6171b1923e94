"""Durations are converted to rows and back, and default windows follow from the frequency."""

import pytest

from raysq.errors import UsageError
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.frequency import Frequency


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
