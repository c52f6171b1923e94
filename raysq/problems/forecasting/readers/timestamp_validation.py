"""Validation of the timestamps of a whole series: time zone, daylight saving time, order, duplicates and gaps."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from raysq.data.partition_stats import Stats
from raysq.errors import DataError
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.readers import timestamp_stats

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor


READ_LOCAL = "--timezone ZONE, such as Europe/Berlin, reads local time with summer time"
_CENTURY = 60 * 366 * 86_400_000_000  # microseconds; longer than any series with two-digit years is expected to be
_OFF = 0.05  # share of the rows that may lie on days without rows in the given frequency


def refuse(settings: "SeriesPreprocessor", received: Stats, stored: Stats, unit: str, zone: str | None) -> None:
    """Raise an error for the first timestamp that the settings do not allow.

    Args:
        settings: preprocessor whose settings apply.
        received: merged statistics of the timestamps in the order of the files.
        stored: merged statistics of the timestamps in the order in which they are stored.
        unit: "row" or "line".
        zone: time zone of the series, or `NUMBERED`; used to format timestamps.
    """
    if "%y" in (settings.time_format or "") and stored["last"] - stored["first"] > _CENTURY:
        raise DataError(
            f"column {', '.join(settings.time)}: years of two digits are taken for 1969 to 2068, so the stamps go "
            f"from {timestamp_stats.iso(stored['first'], zone)} to {timestamp_stats.iso(stored['last'], zone)}: "
            "write them with four digits"
        )
    changes = clock_changes(received, stored, zone)

    def hint(kind: str) -> str:
        likely = changes.get(kind, 0) * 2 >= (received if kind == "backwards" else stored)[kind]["count"]
        return f"; it looks like a clock change, and {READ_LOCAL}" if changes and likely else ""

    def locate(location: dict[str, Any]) -> str:
        # After sorting, only timestamps are known, no lines.
        line = f"{location['file']}, {unit} {location['line']}: " if location["file"] else ""
        return f"{line}stamp {timestamp_stats.iso(location['stamp'], zone)}"

    if settings.order == "error" and received["backwards"]:
        irregular = received["backwards"]
        raise DataError(
            f"{locate(irregular['location'])} is before that of the row above ({irregular['count']:,} such rows)",
            hint=f"--set order=sort sorts them{hint('backwards')}",
        )
    if settings.duplicates == "error" and stored["repeated"]:
        irregular = stored["repeated"]
        raise DataError(
            f"{locate(irregular['location'])} is that of the row above ({irregular['count']:,} such rows)",
            hint=f"--set duplicates=keep, duplicates=first or duplicates=last says what to do{hint('repeated')}",
        )
    if settings.gaps == "error" and stored["gaps"]:
        irregular = stored["gaps"]
        unit_of = "" if settings.numbered else " s"
        raise DataError(
            f"{locate(irregular['location'])} comes after a gap ({irregular['count']:,} gaps, the longest of "
            f"{irregular['longest'] / 1e6:g}{unit_of} at a cadence of {stored['frequency'].seconds:g}{unit_of})",
            hint=f"--set gaps=fill or gaps=keep{hint('gaps')}",
        )


def clock_changes(received: Stats, stored: Stats, zone: str | None) -> dict[str, int]:
    """Count irregular timestamps that a change to or from daylight saving time explains.

    Returns:
        Counts by "backwards", "repeated" and "gaps". Empty if there is a zone, or if most irregular timestamps of each
        kind occur at other times.
    """
    if zone is not None:
        return {}
    summaries = {"backwards": received, "repeated": stored, "gaps": stored}
    changes = {name: summary["changes"][name] for name, summary in summaries.items() if summary["changes"][name]}
    likely = any(2 * count >= summaries[name][name]["count"] for name, count in changes.items())
    return changes if likely else {}


def check_zones(settings: "SeriesPreprocessor", chunks: Iterable[tuple[Stats, int]]) -> None:
    """Raise DataError if only some timestamps have a time zone. The message names one with a zone and one without."""
    first: dict[bool, tuple[str, Stats]] = {}
    for chunk, offset in chunks:
        for zone, cell in chunk["zones"].items():
            line_name = f"{chunk['file']}, {chunk['unit']} {offset + cell['line']}"
            first.setdefault(bool(zone), (line_name, cell))
    if len(first) == 2:
        (with_one, zoned), (without, bare) = first[True], first[False]
        raise DataError(
            f"{without}, column {', '.join(settings.time)}: {bare['value']!r} has no time zone, and {zoned['value']!r} "
            f"({with_one}) has one: write all stamps with one, or none"
        )


def zone_of(settings: "SeriesPreprocessor", stats: list[Stats]) -> str | None:
    """Return the time zone that is set, else the only one in the timestamps; UTC for several, None for none."""
    zones = sorted({zone for chunk in stats for zone in chunk["zones"] if zone})
    return settings.timezone or (zones[0] if len(zones) == 1 else "UTC" if zones else None)


def check_frequency(settings: "SeriesPreprocessor", stored: Stats, rows: int) -> None:
    """Raise DataError if the timestamps do not fit the frequency that is set. The message describes how."""
    if settings.freq is None:
        return
    off = stored["off_frequency"]
    count = sum(off.values())
    if count > _OFF * rows:
        raise DataError(
            f"freq={settings.freq} does not fit the stamps: {count:,} of {rows:,} rows lie on {', '.join(off)}"
        )
    if 2 * stored["fitting"] < stored["steps"]:
        common = row_durations.format_rows(1, Frequency(stored["common"] / 1e6))
        raise DataError(f"freq={settings.freq} does not fit the stamps, whose most common step is {common}")
