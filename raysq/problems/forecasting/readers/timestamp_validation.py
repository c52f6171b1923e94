"""Validation of the timestamps of a whole series: time zone, daylight saving time, order, duplicates and gaps."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from raysq.errors import DataError
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.readers import timestamp_stats

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor

Note = dict[str, Any]

READ_LOCAL = "--timezone ZONE, such as Europe/Berlin, reads local time with summer time"
_CENTURY = 60 * 366 * 86_400_000_000  # microseconds; longer than any series with two-digit years is expected to be
_OFF = 0.05  # share of the rows that may lie on days without rows in the given frequency


def refuse(settings: "SeriesPreprocessor", received: Note, seen: Note, unit: str, zone: str | None) -> None:
    """Raise an error for timestamps that the settings do not allow.

    Args:
        settings: settings that state what is an error.
        received: merged statistics of the timestamps in the order of the files.
        seen: merged statistics of the timestamps in the order in which they are stored.
        unit: "row" or "line".
        zone: time zone of the series, or `NUMBERED`; used to format timestamps.

    Raises:
        DataError: the first timestamp that is not allowed.
    """
    if "%y" in (settings.time_format or "") and seen["last"] - seen["first"] > _CENTURY:
        raise DataError(
            f"column {', '.join(settings.time)}: years of two digits are taken for 1969 to 2068, so the stamps go "
            f"from {timestamp_stats.iso(seen['first'], zone)} to {timestamp_stats.iso(seen['last'], zone)}: "
            "write them with four digits"
        )
    changed = clock_changes(received, seen, zone)

    def hint(kind: str) -> str:
        likely = changed.get(kind, 0) * 2 >= (received if kind == "backwards" else seen)[kind]["count"]
        return f"; it looks like a clock change, and {READ_LOCAL}" if changed and likely else ""

    def where(place: dict[str, Any]) -> str:
        # After sorting, only timestamps are known, no lines.
        line = f"{place['file']}, {unit} {place['line']}: " if place["file"] else ""
        return f"{line}stamp {timestamp_stats.iso(place['stamp'], zone)}"

    if settings.order == "error" and received["backwards"]:
        found = received["backwards"]
        raise DataError(
            f"{where(found['place'])} is before that of the row above ({found['count']:,} such rows)",
            hint=f"--set order=sort sorts them{hint('backwards')}",
        )
    if settings.duplicates == "error" and seen["repeated"]:
        found = seen["repeated"]
        raise DataError(
            f"{where(found['place'])} is that of the row above ({found['count']:,} such rows)",
            hint=f"--set duplicates=keep, duplicates=first or duplicates=last says what to do{hint('repeated')}",
        )
    if settings.gaps == "error" and seen["gaps"]:
        found = seen["gaps"]
        unit_of = "" if settings.numbered else " s"
        raise DataError(
            f"{where(found['place'])} comes after a gap ({found['count']:,} gaps, the longest of "
            f"{found['longest'] / 1e6:g}{unit_of} at a cadence of {seen['frequency'].seconds:g}{unit_of})",
            hint=f"--set gaps=fill or gaps=keep{hint('gaps')}",
        )


def clock_changes(received: Note, seen: Note, zone: str | None) -> dict[str, int]:
    """Count irregular timestamps that a change to or from daylight saving time explains.

    Args:
        received: merged statistics of the timestamps in the order of the files.
        seen: merged statistics of the timestamps in the order in which they are stored.
        zone: time zone of the series.

    Returns:
        Counts by "backwards", "repeated" and "gaps". Empty if there is a zone, or if most irregular timestamps of each
        kind occur at other times.
    """
    if zone is not None:
        return {}
    kinds = {"backwards": received, "repeated": seen, "gaps": seen}
    found = {name: summary["changes"][name] for name, summary in kinds.items() if summary["changes"][name]}
    likely = any(2 * count >= kinds[name][name]["count"] for name, count in found.items())
    return found if likely else {}


def check_zones(settings: "SeriesPreprocessor", placed: Iterable[tuple[Note, int]]) -> None:
    """Raise an error if only some timestamps have a time zone.

    Args:
        settings: settings that name the time columns.
        placed: statistics of the chunks, each with the number of lines above it in its file.

    Raises:
        DataError: names one timestamp with a zone and one without.
    """
    first: dict[bool, tuple[str, Note]] = {}
    for note, above in placed:
        for zone, seen in note["zones"].items():
            where = f"{note['file']}, {note['unit']} {above + seen['line']}"
            first.setdefault(bool(zone), (where, seen))
    if len(first) == 2:
        (with_one, zoned), (without, bare) = first[True], first[False]
        raise DataError(
            f"{without}, column {', '.join(settings.time)}: {bare['value']!r} has no time zone, and {zoned['value']!r} "
            f"({with_one}) has one: write all stamps with one, or none"
        )


def zone_of(settings: "SeriesPreprocessor", notes: list[Note]) -> str | None:
    """Return the series' time zone.

    Args:
        settings: preprocessor whose `timezone` is returned if it is set.
        notes: statistics of all chunks.

    Returns:
        The zone that is set, else the only one in the timestamps; UTC for several, None for none.
    """
    found = sorted({zone for note in notes for zone in note["zones"] if zone})
    return settings.timezone or (found[0] if len(found) == 1 else "UTC" if found else None)


def check_frequency(settings: "SeriesPreprocessor", seen: Note, rows: int) -> None:
    """Raise an error if the timestamps do not fit the frequency that is set.

    Args:
        settings: preprocessor with the setting `freq`; nothing is checked without it.
        seen: merged statistics of the timestamps.
        rows: number of rows.

    Raises:
        DataError: the timestamps do not fit; the message describes how.
    """
    if settings.freq is None:
        return
    off = sum(seen["off"].values())
    if off > _OFF * rows:
        raise DataError(
            f"freq={settings.freq} does not fit the stamps: {off:,} of {rows:,} rows lie on {', '.join(seen['off'])}"
        )
    if 2 * seen["fitting"] < seen["steps"]:
        common = row_durations.format_rows(1, Frequency(seen["common"] / 1e6))
        raise DataError(f"freq={settings.freq} does not fit the stamps, whose most common step is {common}")
