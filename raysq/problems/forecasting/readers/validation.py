"""Validate the statistics of all rows of a series, and summarize them in the data set's report."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from raysq.config import join_names
from raysq.data.partition_stats import Stats
from raysq.data.parts import refuse_second_validation, require_weight
from raysq.data.readers.tables import wrong_encoding
from raysq.errors import DataError
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.frequency import NUMBERED, Frequency
from raysq.problems.forecasting.readers import parsing, timestamp_stats, timestamp_validation
from raysq.problems.forecasting.readers.timestamps import ROWS

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor


def validate(settings: "SeriesPreprocessor", stats: list[Stats]) -> None:
    """Raise the error of the first line that cannot be used with these settings.

    Raises:
        DataError: a line cannot be used; the message names file, line, column, value, and the setting to repair it.
    """
    for chunk, offset in _with_offsets(stats):
        errors = sorted(_errors(settings, chunk), key=lambda error: error[0])
        if errors:
            line, message, hint = errors[0]
            line_name = f"{chunk['file']}, {chunk['unit']} {offset + line}"
            if message is None:
                raise wrong_encoding(line_name, settings, chunk["undecodable"][1])
            raise DataError(f"{line_name}{message}", hint)
    timestamp_validation.check_zones(settings, _with_offsets(stats))
    if settings.weight is not None:
        require_weight(max((chunk["heaviest"] for chunk in stats), default=0), settings.weight)
    if any(chunk.get("validates") for chunk in stats):
        refuse_second_validation(sum(chunk["own_validation"] for chunk in stats), "row")


def require_rows(stats: list[Stats]) -> None:
    """Raise DataError if there are no rows. The message states whether `missing=drop` dropped them."""
    if not any(chunk["rows"] for chunk in stats):
        dropped = sum(chunk.get("rows_dropped", 0) for chunk in stats)
        reason = f": all {dropped:,} have missing cells and missing=drop drops them" if dropped else ""
        raise DataError(f"{stats[0]['file'] if stats else 'the source'} has no rows{reason}")


def _errors(settings: "SeriesPreprocessor", chunk: Stats) -> Iterator[tuple[int, str | None, str | None]]:
    """Yield line within the partition, message and hint of the first error of each kind."""
    if chunk["undecodable"]:
        yield chunk["undecodable"][0], None, None
    if chunk["ragged"]:
        line, count, expected = chunk["ragged"]
        yield line, f" has {count} cells, the header has {expected}: mend or delete that line", None
    if chunk["unread"]:
        formats = f"time_format={settings.time_format}" if settings.time_format else "ISO 8601"
        names = ", ".join(settings.time)
        line, top = (
            chunk["unread"]["line"],
            chunk["first"] and chunk["unread"]["line"] == 0 and chunk["unread"]["count"] == 1,
        )
        units = f"; a row of units is left out by --set skip={settings.skip + 1}" if top else ""
        yield (
            line,
            f", column {names}: {join_names([chunk['unread']['value']])!r} is not a time ({formats})",
            f"--set time_format=... says how it is written, such as '%d.%m.%Y %H:%M:%S'{units}",
        )
    for name, cells in chunk["no_id"].items():
        message = f", column {name!r}: the cell is missing, it must name the series that the row belongs to"
        yield cells["line"], message, None
    for name, cells in chunk["odd"].items():
        if name == settings.weight:
            message = f"holds {cells['value']!r}, and a weight is a number of at least 0 that float32 holds"
            yield cells["line"], f": weight column {name!r} {message}", "--weight names another column"
        else:
            wanted = "val alone, as the source validates" if chunk.get("validates") else "train, val or test"
            message = f": column {name!r} of --split-column says {cells['value']!r}, and not {wanted}"
            yield cells["line"], message, None
    if settings.bad_cells == "error":
        for name, cells in chunk["bad"].items():
            yield (
                cells["line"],
                f", column {name!r}: {join_names([cells['value']])!r} is {parsing.fault(cells['value'])}",
                "--set bad_cells=missing treats such cells as missing, --set columns=... chooses columns",
            )
    if settings.missing == "error":
        for name, cells in chunk["missing"].items():
            value = f" ({cells['value']!r})" if cells["value"] not in ("", "None", "nan") else ""
            yield (
                cells["line"],
                f", column {name!r}: the cell is missing{value}",
                "--set missing=interpolate, missing=previous or missing=drop repairs it",
            )
    if settings.sentinel == "error":
        for name, cells in chunk["sentinels"].items():
            yield (
                cells["line"],
                f", column {name!r}: {cells['value']} stands for a missing value",
                "--set sentinel=missing treats it so, sentinel=keep keeps it",
            )


def summarize(settings: "SeriesPreprocessor", stats: list[Stats], repair_summary: Stats | None) -> dict[str, Any]:
    """Return the report of a data set, from the statistics of all chunks and the summary of a repair, if any.

    Raises:
        DataError: the settings refuse the timestamps.
    """
    chunks = _with_offsets(stats)
    rows = sum(chunk["rows"] for chunk in stats)
    given = settings.frequency, settings.numbered
    if (settings.id or settings.parted) and repair_summary is not None:
        received = stored = timestamp_stats.merge(
            [(part, "", 0) for part in repair_summary["timestamps"]], True, *given
        )
    elif repair_summary is not None and (settings.timezone or settings.time_format == ROWS):
        # Local times are converted to UTC, and rows are numbered, only once all rows are in order.
        received = timestamp_stats.merge([(repair_summary["received"], "", 0)], False, *given)
        stored = timestamp_stats.merge([(repair_summary["timestamps"], "", 0)], False, *given)
    else:
        parts = [(chunk["timestamps"], chunk["file"], offset) for chunk, offset in chunks if chunk["rows"]]
        received = timestamp_stats.merge(parts, False, *given)
        stored = received
        if repair_summary is not None and settings.order == "sort":
            stored = timestamp_stats.merge([(repair_summary["timestamps"], "", 0)], False, *given)
    zone = NUMBERED if settings.numbered else timestamp_validation.zone_of(settings, stats)
    timestamp_validation.refuse(settings, received, stored, stats[0]["unit"], zone)
    timestamp_validation.check_frequency(settings, stored, rows)

    frequency: Frequency | None = stored["frequency"]
    changed = timestamp_validation.clock_changes(received, stored, zone)
    report: dict[str, Any] = {
        "rows_read": rows + sum(chunk.get("rows_dropped", 0) for chunk in stats),
        "from": timestamp_stats.iso(stored["first"], zone),
        "to": timestamp_stats.iso(stored["last"], zone),
        **({"timezone": zone} if zone and not settings.numbered else {}),
        "cadence_seconds": None if frequency is None or settings.numbered else frequency.seconds,
        "frequency": None if frequency is None else frequency.name,
        **({"numbered": True, "step": frequency and frequency.seconds} if settings.numbered else {}),
        "repeated_stamps": _count(stored["repeated"], zone),
        "gaps": _count(stored["gaps"], zone),
        **({"off_frequency": stored["off_frequency"]} if stored["off_frequency"] else {}),
        **({"clock_changes": changed} if changed else {}),
        "out_of_order": _count(received["backwards"], zone),
        "missing": _cells(chunks, "missing"),
        "not_numbers": _cells(chunks, "bad"),
        "sentinels": _cells(chunks, "sentinels"),
        "rows_dropped": sum(chunk.get("rows_dropped", 0) for chunk in stats),
        "blank_lines": sum(chunk.get("blank_lines", 0) for chunk in stats),
        "ignored_columns": stats[0]["ignored"],
    }
    if settings.float64:
        report["float64"] = list(settings.float64)
    if settings.categories:
        report["categories"] = settings.levels
        report["unlabeled"] = _cells(chunks, "unlabeled")
        report["unknown_values"] = _cells(chunks, "unknown")
    if repair_summary is not None:
        report["repairs"] = repair_summary["repairs"]
        if repair_summary["repeated_hours"]:
            report["repeated_hours"] = repair_summary["repeated_hours"]
        if "stretches" in repair_summary:
            report |= {name: repair_summary[name] for name in ("stretches", "overlap", "earlier")}
        if settings.id:
            report["series"] = repair_summary["series"]
            report["out_of_order"] = {"count": repair_summary["backwards"]}
    return report


def describe(settings: "SeriesPreprocessor", report: Mapping[str, Any]) -> list[str]:
    """Return the lines that describe a report to the user."""
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
        rows = _format_count(report["repeated_hours"], "row{s}")
        lines.append(f"{rows} in hours that come twice as clocks are put back, told apart by their order")
    if "series" in report:
        lines += _series(settings, report["series"], frequency)
    if "stretches" in report:
        lines += _stretches(report)
    clock_changes = report.get("clock_changes", {})
    if clock_changes:
        parts = [_format_count(clock_changes[key], noun) for key, noun in _CHANGED.items() if clock_changes.get(key)]
        lines.append(
            f"{', '.join(parts)} where clocks are changed: this looks like local time with summer time "
            f"({timestamp_validation.READ_LOCAL})"
        )
    for key, kind, noun, choice in (
        ("out_of_order", "backwards", "row{s} out of order", f"order={settings.order}"),
        ("repeated_stamps", "repeated", "repeated stamp{s}", f"duplicates={settings.duplicates}"),
        ("gaps", "gaps", "gap{s}", f"gaps={settings.gaps}"),
    ):
        irregular = {**report[key], "count": report[key]["count"] - clock_changes.get(kind, 0)}
        if irregular["count"]:
            span = irregular.get("longest_seconds", 0)
            span = f"{span:g} numbers" if report.get("numbered") else _span(span)
            longest = f", the longest of {span}" if key == "gaps" else ""
            first = irregular.get("first")
            line = f", line {first['line']}" if first and "line" in first else ""
            location = f" (first at {_day(first['stamp'])}{line})" if first else ""
            if key == "out_of_order" and "series" not in report and irregular["count"] == report["rows_read"] - 1:
                lines.append(f"the latest row comes first: {choice}")
            else:
                lines.append(f"{_format_count(irregular['count'], noun)}{longest}{location}: {choice}")
    if report.get("off_frequency"):
        rows = sum(report["off_frequency"].values())
        lines.append(
            f"{_format_count(rows, 'row{s}')} on days that the others leave out: {', '.join(report['off_frequency'])}"
        )
    for key, noun, choice in (
        ("missing", "missing cell{s}", f"missing={settings.missing}"),
        ("not_numbers", "cell{s} without a number", f"bad_cells={settings.bad_cells}"),
        ("sentinels", "sentinel{s}", f"sentinel={settings.sentinel}"),
        ("unlabeled", "missing cell{s}", "no value of the category"),
        ("unknown_values", "cell{s} of a value that is not known", "no value of the category"),
    ):
        for name, irregular in report.get(key, {}).items():
            if key == "missing" and irregular["count"] == report["not_numbers"].get(name, {}).get("count"):
                continue  # reported as cells without a number
            first = irregular["first"]
            value = "" if first["value"] in ("", "None") else f" {first['value']!r},"
            of = f" of {report['rows_read']:,}"
            lines.append(
                f"{_format_count(irregular['count'], noun)}{of} in {name} (first{value} line {first['line']}): {choice}"
            )
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
    names_shown = ", ".join(entry["id"] for entry in series[:6]) + (", ..." if len(series) > 6 else "")
    length = f"{rows[0]:,}" if rows[0] == rows[-1] else f"{rows[0]:,} to {rows[-1]:,}"
    yield f"{len(series):,} series by {', '.join(settings.id)} ({names_shown}) of {length} rows"
    window = row_durations.default_windows(frequency, rows[len(rows) // 2])
    needed = (window["lookback"] or 0) + (window["horizon"] or 0)
    short = [entry for entry in series if entry["rows"] < needed]
    if short:
        names = ", ".join(entry["id"] for entry in short[:6]) + (", ..." if len(short) > 6 else "")
        count = _format_count(len(short), "series")
        yield f"{count} with fewer than {needed} rows ({names}): too short for a usual window"


def _stretches(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the source says of its rows, and rows to validate on that lie beside or before those to train on."""
    counts: dict[str, list[int]] = {}
    for stretch in report["stretches"]:
        counts.setdefault(stretch["part"], []).append(stretch["rows"])
    parts = [
        f"{name} {_format_count(sum(counts[name]), 'row{s}')}"
        + (f" in {len(counts[name]):,} stretches" if len(counts[name]) > 1 else "")
        for name in ("train", "validation", "test")
        if name in counts
    ]
    yield f"parts, as the source says: {', '.join(parts)}"
    if report["overlap"]:
        yield (
            f"{_format_count(report['overlap'], 'row{s}')} to validate on have the time of a row to train on: metrics "
            "count what was learned by heart"
        )
    if report["earlier"] > report["overlap"]:
        yield (
            f"{_format_count(report['earlier'], 'row{s}')} to validate on lie before rows to train on: a forecast of "
            "the future is not what is measured"
        )


def _repairs(repairs: Mapping[str, Any], frequency: Frequency | None) -> Iterator[str]:
    """Yield messages about repairs other than filled missing cells."""
    if repairs.get("gap_rows_filled"):
        yield f"{_format_count(repairs['gap_rows_filled'], 'row{s}')} put into gaps"
    if repairs.get("rows_off_the_grid"):
        yield f"{_format_count(repairs['rows_off_the_grid'], 'row{s}')} between the regular stamps replaced"
    if repairs.get("repeated_rows_dropped"):
        yield f"{_format_count(repairs['repeated_rows_dropped'], 'row{s}')} with repeated stamps dropped"
    for name, rows in repairs.get("leading", {}).items():
        count = _format_count(rows, "row{s}")
        yield f"{name} begins {count} after its series: no window sees or forecasts the rows before"
    runs = {name: rows for name, rows in repairs.get("longest_filled", {}).items() if rows > _LONG}
    if runs:
        name = max(runs, key=lambda name: runs[name])
        yield (
            f"long stretches without values were filled, the longest of "
            f"{row_durations.format_rows(runs[name], frequency)} in {name}: "
            f"they are seen by a model, and never forecast"
        )


def _day(timestamp: str) -> str:
    """Return a timestamp in short form: without its offset, a time of day of midnight, or seconds of 0."""
    timestamp = re.sub(r"[+-]\d\d:\d\d$", "", timestamp) if "T" in timestamp else timestamp
    return timestamp.removesuffix("T00:00:00").replace("T", " ").removesuffix(":00")


def _span(seconds: float) -> str:
    return row_durations.format_rows(1, Frequency(seconds))


# Nouns for irregular timestamps at changes of daylight saving time.
_CHANGED = {"backwards": "step{s} back", "repeated": "repeated stamp{s}", "gaps": "hour{s} left out"}
_LONG = 24  # rows; longer filled ranges are reported


def _format_count(count: int, noun: str) -> str:
    return f"{count:,} {noun.format(s='' if count == 1 else 's')}"


def _with_offsets(stats: list[Stats]) -> list[tuple[Stats, int]]:
    """Pair each chunk's statistics with the number to add to its lines, so that they count within the file from 1."""
    chunks: list[tuple[Stats, int]] = []
    offset = 1
    for chunk in stats:
        if chunk["first"] and (not chunks or chunks[-1][0]["file"] != chunk["file"]):
            offset = chunk["above"] + 1
        chunks.append((chunk, offset))
        offset += chunk["lines"]
    return chunks


def _count(summary: Stats | None, zone: str | None) -> dict[str, Any]:
    if summary is None:
        return {"count": 0}
    first = {"stamp": timestamp_stats.iso(summary["location"]["stamp"], zone)}
    if summary["location"]["file"]:
        first |= {"file": summary["location"]["file"], "line": summary["location"]["line"]}
    longest = {"longest_seconds": abs(summary["longest"]) / 1e6} if summary["longest"] else {}
    return {"count": summary["count"], **longest, "first": first}


def _cells(chunks: list[tuple[Stats, int]], kind: str) -> dict[str, Any]:
    """Count the cells of a kind by column, with the first of each."""
    counts: dict[str, Any] = {}
    for chunk, offset in chunks:
        for name, cells in chunk[kind].items():
            entry = counts.setdefault(
                name,
                {"count": 0, "first": {"file": chunk["file"], "line": offset + cells["line"], "value": cells["value"]}},
            )
            entry["count"] += cells["count"]
    return counts
