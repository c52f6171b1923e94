"""Validate the statistics of all chunks, and summarize them in the data set's report."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from raysq.config import join_names
from raysq.data.readers.tables import wrong_encoding
from raysq.errors import DataError
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.frequency import NUMBERED, Frequency
from raysq.problems.forecasting.readers import parsing, timestamp_stats, timestamp_validation
from raysq.problems.forecasting.readers.timestamps import ROWS

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor

Note = dict[str, Any]


def validate(settings: "SeriesPreprocessor", notes: list[Note]) -> None:
    """Raise the error of the first line that cannot be used with these settings.

    Args:
        settings: preprocessor whose settings apply.
        notes: statistics of all chunks, in order.

    Raises:
        DataError: a line cannot be used; the message names file, line, column, value, and the setting to repair it.
    """
    for note, above in _placed(notes):
        found = sorted(_errors(settings, note), key=lambda error: error[0])
        if found:
            line, message, hint = found[0]
            where = f"{note['file']}, {note['unit']} {above + line}"
            if message is None:
                raise wrong_encoding(where, settings, note["undecodable"][1])
            raise DataError(f"{where}{message}", hint)
    timestamp_validation.check_zones(settings, _placed(notes))


def require_rows(notes: list[Note]) -> None:
    """Raise an error if there are no rows.

    Args:
        notes: statistics of all chunks.

    Raises:
        DataError: there are no rows; the message states whether `missing=drop` dropped them.
    """
    if not any(note["rows"] for note in notes):
        dropped = sum(note.get("rows_dropped", 0) for note in notes)
        why = f": all {dropped:,} have missing cells and missing=drop drops them" if dropped else ""
        raise DataError(f"{notes[0]['file'] if notes else 'the source'} has no rows{why}")


def _errors(settings: "SeriesPreprocessor", note: Note) -> Iterator[tuple[int, str | None, str | None]]:
    """Yield line within the partition, message and hint of the first error of each kind."""
    if note["undecodable"]:
        yield note["undecodable"][0], None, None
    if note["ragged"]:
        line, found, wanted = note["ragged"]
        yield line, f" has {found} cells, the header has {wanted}: mend or delete that line", None
    if note["unread"]:
        form = f"time_format={settings.time_format}" if settings.time_format else "ISO 8601"
        names = ", ".join(settings.time)
        line, top = (
            note["unread"]["line"],
            note["first"] and note["unread"]["line"] == 0 and note["unread"]["count"] == 1,
        )
        units = f"; a row of units is left out by --set skip={settings.skip + 1}" if top else ""
        yield (
            line,
            f", column {names}: {join_names([note['unread']['value']])!r} is not a time ({form})",
            f"--set time_format=... says how it is written, such as '%d.%m.%Y %H:%M:%S'{units}",
        )
    for name, seen in note["no_id"].items():
        message = f", column {name!r}: the cell is missing, it must name the series that the row belongs to"
        yield seen["line"], message, None
    if settings.bad_cells == "error":
        for name, seen in note["bad"].items():
            yield (
                seen["line"],
                f", column {name!r}: {join_names([seen['value']])!r} is {parsing.fault(seen['value'])}",
                "--set bad_cells=missing treats such cells as missing, --set columns=... chooses columns",
            )
    if settings.missing == "error":
        for name, seen in note["missing"].items():
            value = f" ({seen['value']!r})" if seen["value"] not in ("", "None", "nan") else ""
            yield (
                seen["line"],
                f", column {name!r}: the cell is missing{value}",
                "--set missing=interpolate, missing=previous or missing=drop repairs it",
            )
    if settings.sentinel == "error":
        for name, seen in note["sentinels"].items():
            yield (
                seen["line"],
                f", column {name!r}: {seen['value']} stands for a missing value",
                "--set sentinel=missing treats it so, sentinel=keep keeps it",
            )


def summarize(settings: "SeriesPreprocessor", notes: list[Note], repaired: Note | None) -> dict[str, Any]:
    """Return the report of a data set.

    Args:
        settings: preprocessor whose settings apply.
        notes: statistics of all chunks, in order.
        repaired: summary of the repair, if there was one.

    Raises:
        DataError: the settings refuse the timestamps.
    """
    placed = _placed(notes)
    rows = sum(note["rows"] for note in notes)
    known = settings.frequency, settings.numbered
    if settings.id and repaired is not None:
        received = seen = timestamp_stats.merge([(each, "", 0) for each in repaired["clocks"]], True, *known)
    elif repaired is not None and (settings.timezone or settings.time_format == ROWS):
        # Local times are converted to UTC, and rows are numbered, only once all rows are in order.
        received = timestamp_stats.merge([(repaired["received"], "", 0)], False, *known)
        seen = timestamp_stats.merge([(repaired["clock"], "", 0)], False, *known)
    else:
        clocks = [(note["clock"], note["file"], above) for note, above in placed if note["rows"]]
        received = timestamp_stats.merge(clocks, False, *known)
        seen = received
        if repaired is not None and settings.order == "sort":
            seen = timestamp_stats.merge([(repaired["clock"], "", 0)], False, *known)
    zone = NUMBERED if settings.numbered else timestamp_validation.zone_of(settings, notes)
    timestamp_validation.refuse(settings, received, seen, notes[0]["unit"], zone)
    timestamp_validation.check_frequency(settings, seen, rows)

    frequency: Frequency | None = seen["frequency"]
    changed = timestamp_validation.clock_changes(received, seen, zone)
    report: dict[str, Any] = {
        "rows_read": rows + sum(note.get("rows_dropped", 0) for note in notes),
        "from": timestamp_stats.iso(seen["first"], zone),
        "to": timestamp_stats.iso(seen["last"], zone),
        **({"timezone": zone} if zone and not settings.numbered else {}),
        "cadence_seconds": None if frequency is None or settings.numbered else frequency.seconds,
        "frequency": None if frequency is None else frequency.name,
        **({"numbered": True, "step": frequency and frequency.seconds} if settings.numbered else {}),
        "repeated_stamps": _count(seen["repeated"], zone),
        "gaps": _count(seen["gaps"], zone),
        **({"off_frequency": seen["off"]} if seen["off"] else {}),
        **({"clock_changes": changed} if changed else {}),
        "out_of_order": _count(received["backwards"], zone),
        "missing": _cells(placed, "missing"),
        "not_numbers": _cells(placed, "bad"),
        "sentinels": _cells(placed, "sentinels"),
        "rows_dropped": sum(note.get("rows_dropped", 0) for note in notes),
        "blank_lines": sum(note.get("blank_lines", 0) for note in notes),
        "ignored_columns": notes[0]["ignored"],
    }
    if settings.float64:
        report["float64"] = list(settings.float64)
    if settings.categories:
        report["categories"] = settings.levels
        report["unlabeled"] = _cells(placed, "unlabeled")
        report["unknown_values"] = _cells(placed, "unknown")
    if repaired is not None:
        report["repairs"] = repaired["repairs"]
        if repaired["twice"]:
            report["repeated_hours"] = repaired["twice"]
        if settings.id:
            report["series"] = repaired["series"]
            report["out_of_order"] = {"count": repaired["backwards"]}
    return report


def describe(settings: "SeriesPreprocessor", report: Mapping[str, Any]) -> list[str]:
    """Return the lines that describe a report to the user.

    Args:
        settings: preprocessor whose settings apply.
        report: report of a data set, as from `summarize`.
    """
    frequency = Frequency.from_report(report)
    every = ", without a cadence: steps differ from row to row"
    if report.get("numbered"):
        every = "" if frequency is None or frequency.seconds == 1 else f", in steps of {frequency.seconds:g}"
    elif frequency is not None:
        words = f", {frequency.words}" if frequency.words else ""
        every = f", a row every {row_durations.format_rows(1, frequency)}{words}"
    rows = "rows " if report.get("numbered") else ""
    lines = [f"{rows}{_day(report['from'])} to {_day(report['to'])}{every if report['rows_read'] > 1 else ''}"]
    if report.get("timezone"):
        lines.append(f"time zone {report['timezone']}: predictions and the days and hours of the calendar are in it")
    if report.get("repeated_hours"):
        rows = _say(report["repeated_hours"], "row{s}")
        lines.append(f"{rows} in hours that come twice as clocks are put back, told apart by their order")
    if "series" in report:
        lines += _series(settings, report["series"], frequency)
    changed = report.get("clock_changes", {})
    if changed:
        parts = [_say(changed[key], noun) for key, noun in _CHANGED.items() if changed.get(key)]
        lines.append(
            f"{', '.join(parts)} where clocks are changed: this looks like local time with summer time "
            f"({timestamp_validation.READ_LOCAL})"
        )
    for key, kind, said, choice in (
        ("out_of_order", "backwards", "row{s} out of order", f"order={settings.order}"),
        ("repeated_stamps", "repeated", "repeated stamp{s}", f"duplicates={settings.duplicates}"),
        ("gaps", "gaps", "gap{s}", f"gaps={settings.gaps}"),
    ):
        found = {**report[key], "count": report[key]["count"] - changed.get(kind, 0)}
        if found["count"]:
            span = found.get("longest_seconds", 0)
            span = f"{span:g} numbers" if report.get("numbered") else _span(span)
            longest = f", the longest of {span}" if key == "gaps" else ""
            first = found.get("first")
            line = f", line {first['line']}" if first and "line" in first else ""
            place = f" (first at {_day(first['stamp'])}{line})" if first else ""
            if key == "out_of_order" and "series" not in report and found["count"] == report["rows_read"] - 1:
                lines.append(f"the latest row comes first: {choice}")
            else:
                lines.append(f"{_say(found['count'], said)}{longest}{place}: {choice}")
    if report.get("off_frequency"):
        rows = sum(report["off_frequency"].values())
        lines.append(f"{_say(rows, 'row{s}')} on days that the others leave out: {', '.join(report['off_frequency'])}")
    for key, said, choice in (
        ("missing", "missing cell{s}", f"missing={settings.missing}"),
        ("not_numbers", "cell{s} without a number", f"bad_cells={settings.bad_cells}"),
        ("sentinels", "sentinel{s}", f"sentinel={settings.sentinel}"),
        ("unlabeled", "missing cell{s}", "no value of the category"),
        ("unknown_values", "cell{s} of a value that is not known", "no value of the category"),
    ):
        for name, found in report.get(key, {}).items():
            if key == "missing" and found["count"] == report["not_numbers"].get(name, {}).get("count"):
                continue  # reported as cells without a number
            first = found["first"]
            value = "" if first["value"] in ("", "None") else f" {first['value']!r},"
            of = f" of {report['rows_read']:,}"
            lines.append(f"{_say(found['count'], said)}{of} in {name} (first{value} line {first['line']}): {choice}")
    lines += _repairs(report.get("repairs", {}), frequency)
    if report.get("float64"):
        lines.append(f"float64: {', '.join(report['float64'])}, whose values float32 would change")
    if report["rows_dropped"]:
        lines.append(f"{report['rows_dropped']:,} rows dropped")
    if report["ignored_columns"] and settings.layout == "given":  # otherwise each was reported with its reason
        lines.append(f"ignored columns: {', '.join(report['ignored_columns'])}")
    return lines


def _series(settings: "SeriesPreprocessor", series: list[dict[str, Any]], frequency: Frequency | None) -> Iterator[str]:
    """Yield the number and the lengths of the series, and name those that are too short."""
    rows = sorted(entry["rows"] for entry in series)
    shown = ", ".join(entry["id"] for entry in series[:6]) + (", ..." if len(series) > 6 else "")
    length = f"{rows[0]:,}" if rows[0] == rows[-1] else f"{rows[0]:,} to {rows[-1]:,}"
    yield f"{len(series):,} series by {', '.join(settings.id)} ({shown}) of {length} rows"
    usual = row_durations.default_windows(frequency, rows[len(rows) // 2])
    needed = (usual["lookback"] or 0) + (usual["horizon"] or 0)
    short = [entry for entry in series if entry["rows"] < needed]
    if short:
        names = ", ".join(entry["id"] for entry in short[:6]) + (", ..." if len(short) > 6 else "")
        yield f"{_say(len(short), 'series')} with fewer than {needed} rows ({names}): too short for a usual window"


def _repairs(done: Mapping[str, Any], frequency: Frequency | None) -> Iterator[str]:
    """Yield messages about repairs other than filled missing cells."""
    if done.get("gap_rows_filled"):
        yield f"{_say(done['gap_rows_filled'], 'row{s}')} put into gaps"
    if done.get("rows_off_the_grid"):
        yield f"{_say(done['rows_off_the_grid'], 'row{s}')} between the regular stamps replaced"
    if done.get("repeated_rows_dropped"):
        yield f"{_say(done['repeated_rows_dropped'], 'row{s}')} with repeated stamps dropped"
    for name, rows in done.get("leading", {}).items():
        yield f"{name} begins {_say(rows, 'row{s}')} after its series: no window sees or forecasts the rows before"
    runs = {name: rows for name, rows in done.get("longest_filled", {}).items() if rows > _LONG}
    if runs:
        name = max(runs, key=lambda name: runs[name])
        yield (
            f"long stretches without values were filled, the longest of "
            f"{row_durations.format_rows(runs[name], frequency)} in {name}: "
            f"they are seen by a model, and never forecast"
        )


def _day(stamp: str) -> str:
    """Return a timestamp in short form: without its offset, a time of day of midnight, or seconds of 0."""
    stamp = re.sub(r"[+-]\d\d:\d\d$", "", stamp) if "T" in stamp else stamp
    return stamp.removesuffix("T00:00:00").replace("T", " ").removesuffix(":00")


def _span(seconds: float) -> str:
    return row_durations.format_rows(1, Frequency(seconds))


# Nouns for irregular timestamps at changes of daylight saving time.
_CHANGED = {"backwards": "step{s} back", "repeated": "repeated stamp{s}", "gaps": "hour{s} left out"}
_LONG = 24  # rows; longer filled ranges are reported


def _say(count: int, noun: str) -> str:
    return f"{count:,} {noun.format(s='' if count == 1 else 's')}"


def _placed(notes: list[Note]) -> list[tuple[Note, int]]:
    """Pair each chunk's statistics with the number to add to its lines, so that they count within the file from 1."""
    placed: list[tuple[Note, int]] = []
    above = 1
    for note in notes:
        if note["first"] and (not placed or placed[-1][0]["file"] != note["file"]):
            above = note["above"] + 1
        placed.append((note, above))
        above += note["lines"]
    return placed


def _count(found: Note | None, zone: str | None) -> dict[str, Any]:
    if found is None:
        return {"count": 0}
    first = {"stamp": timestamp_stats.iso(found["place"]["stamp"], zone)}
    if found["place"]["file"]:
        first |= {"file": found["place"]["file"], "line": found["place"]["line"]}
    longest = {"longest_seconds": abs(found["longest"]) / 1e6} if found["longest"] else {}
    return {"count": found["count"], **longest, "first": first}


def _cells(placed: list[tuple[Note, int]], sort: str) -> dict[str, Any]:
    """Count the cells of a kind by column, with the first of each."""
    found: dict[str, Any] = {}
    for note, above in placed:
        for name, seen in note[sort].items():
            entry = found.setdefault(
                name,
                {"count": 0, "first": {"file": note["file"], "line": above + seen["line"], "value": seen["value"]}},
            )
            entry["count"] += seen["count"]
    return found
