"""Ticks stand at round values inside the range, few enough, with labels that tell them apart."""

from datetime import UTC, datetime

import pytest

from raysq.report.numbers import number, seconds, short
from raysq.report.ticks import linear_ticks, log_ticks, nice_range, time_ticks


def stamp(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 10, ["0", "2", "4", "6", "8", "10"]),
        (0.203, 0.2891, ["0.22", "0.24", "0.26", "0.28"]),
        (-30, 40, ["\u221220", "0", "20", "40"]),
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 120_000, ["0", "25,000", "50,000", "75,000", "100,000"]),
        (2e39, 4e39, ["2e+39", "2.5e+39", "3e+39", "3.5e+39", "4e+39"]),
        (1e-9, 2e-9, ["1e-9", "1.2e-9", "1.4e-9", "1.6e-9", "1.8e-9", "2e-9"]),
        (1_600_000_003, 1_600_000_018, ["1,600,000,005", "1,600,000,010", "1,600,000,015"]),
        (-0.0004, 0.0004, ["\u22120.0004", "\u22120.0002", "0", "0.0002", "0.0004"]),
    ],
)
def test_linear_ticks(low, high, labels):
    ticks = linear_ticks(low, high, 6)
    assert list(ticks.labels) == labels
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in ticks.values)


@pytest.mark.parametrize(("low", "spread"), [(5, 6e-7), (1.6e9, 24), (-1.6e9, 1e-2), (123456789.01, 300), (2e39, 1e36)])
def test_labels_tell_neighbors_apart(low, spread):
    labels = linear_ticks(low, low + spread).labels
    assert len(set(labels)) == len(labels) > 2


@pytest.mark.parametrize("high", [1, 2, 3, 7, 40, 999])
def test_whole_ticks_are_whole_and_few(high):
    ticks = linear_ticks(1, 1 + high, 6, whole=True)
    assert all(value == int(value) for value in ticks.values)
    assert len(ticks.values) == len(set(ticks.labels)) <= 6 or high <= 6


def test_a_range_ends_at_round_numbers_and_holds_its_values():
    low, high = nice_range(0.2031, 0.2888)
    assert (round(low, 9), round(high, 9)) == (0.2, 0.3)
    low, high = nice_range(5.0, 5.0)
    assert low < 5 < high
    assert nice_range(0.0, 0.0)[0] < 0 < nice_range(0.0, 0.0)[1]


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (3e-4, 3e-3, ["0.0005", "0.001", "0.002"]),
        (1e-6, 1, ["1e-6", "0.0001", "0.01", "1"]),
        (16, 64, ["20", "30", "40", "50", "60"]),
        (0.9, 1.1, ["0.9", "1"]),
        (0.0011, 0.0019, ["0.0011", "0.0019"]),
    ],
)
def test_log_ticks(low, high, labels):
    ticks = log_ticks(low, high, 5)
    assert list(ticks.labels) == labels
    assert all(low * 0.999 <= value <= high * 1.001 for value in ticks.values)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        ("2014-06-09", "2014-06-15T23:00", ["9 Jun", "10 Jun", "11 Jun", "12 Jun", "13 Jun", "14 Jun", "15 Jun"]),
        ("2014-06-09", "2014-06-10", ["9 Jun", "06:00", "12:00", "18:00", "10 Jun"]),
        ("2014-01-15", "2014-12-20", ["Mar 2014", "May 2014", "Jul 2014", "Sep 2014", "Nov 2014"]),
        ("1949-01-01", "1960-12-01", ["1950", "1952", "1954", "1956", "1958", "1960"]),
        ("2014-06-09T12:00:00", "2014-06-09T12:01:00", ["12:00", "12:00:15", "12:00:30", "12:00:45", "12:01"]),
    ],
)
def test_time_ticks_stand_at_what_calendars_and_clocks_show(low, high, labels):
    ticks = time_ticks(stamp(low), stamp(high), 7)
    assert [label.removesuffix(":00") if label.count(":") == 2 else label for label in ticks.labels] == labels
    assert all(stamp(low) <= value <= stamp(high) for value in ticks.values)


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
