"""Time zones: moments as clocks show them, back again, and as texts."""

import numpy as np
import pyarrow as pa
import pytest

from raysq.data import time_zones
from raysq.errors import DataError, UsageError


def moments(begin: str, count: int, minutes: int) -> np.ndarray:
    return np.datetime64(begin, "us").astype(np.int64) + np.arange(count) * (minutes * 60_000_000)


@pytest.mark.parametrize("minutes", [15, 30, 60])
@pytest.mark.parametrize(
    ("zone", "begin", "rows"),
    [
        ("Europe/Berlin", "2023-10-20T00:00", 2),
        ("Europe/Berlin", "2023-03-20T00:00", 0),
        ("America/New_York", "2023-10-30T00:00", 2),
        ("Australia/Lord_Howe", "2023-03-30T00:00", 1),  # half an hour
        ("Atlantic/Azores", "2023-10-20T00:00", 2),
        ("Asia/Kolkata", "2023-10-20T00:00", 0),
        ("-05:30", "2023-10-20T00:00", 0),
        ("UTC", "2023-10-20T00:00", 0),
    ],
)
def test_local_times_become_moments_in_the_order_of_the_rows(zone, begin, rows, minutes):
    utc = moments(begin, 14 * 24 * 60 // minutes, minutes)
    wall = time_zones.utc_to_local(utc, zone)
    localized, twice = time_zones.localized(wall, zone)
    assert localized.tolist() == utc.tolist()
    assert twice == rows * (60 // minutes)
    latest_first, _ = time_zones.localized(wall[::-1], zone)
    assert latest_first[::-1].tolist() == utc.tolist()


def test_rows_that_begin_in_the_second_of_two_hours():
    utc = moments("2023-10-29T01:00", 5, 30)  # 02:00 winter time in Berlin
    localized, _ = time_zones.localized(time_zones.utc_to_local(utc, "Europe/Berlin"), "Europe/Berlin")
    assert localized.tolist() == utc.tolist()


def test_times_that_no_clock_shows_are_refused():
    with pytest.raises(DataError, match=r"2023-03-26T02:00:00 is no time in Europe/Berlin.*\(2 such rows\).*\+01:00"):
        time_zones.localized(moments("2023-03-26T00:00", 8, 30), "Europe/Berlin")


@pytest.mark.parametrize("zone", ["Mars/Base", "5", "", "Europe", "+2", "CEST"])
def test_what_is_no_zone(zone):
    with pytest.raises(UsageError, match="timezone must be a time zone such as Europe/Berlin, or an offset"):
        time_zones.validate_zone(zone, "timezone")


def test_texts_have_offsets():
    texts = time_zones.format_times(moments("2023-10-29T00:30", 3, 60), "Europe/Berlin")
    assert texts.to_pylist() == [
        "2023-10-29 02:30:00+02:00",
        "2023-10-29 02:30:00+01:00",
        "2023-10-29 03:30:00+01:00",
    ]
    stamps = pa.array([0, None, 1_500_000], pa.timestamp("us", "-03:30"))
    table = time_zones.with_offsets(pa.table({"a": pa.array([0], pa.timestamp("us")).take([0, 0, 0]), "b": stamps}))
    assert table.column("a").type == pa.timestamp("us")
    assert table.column("b").to_pylist() == [
        "1969-12-31 20:30:00.000000-03:30",
        None,
        "1969-12-31 20:30:01.500000-03:30",
    ]
