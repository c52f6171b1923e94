"""Validation of time formats: every directive must be applied, and together they must define a time."""

import re
from collections.abc import Mapping

from raysq.errors import UsageError

# Directives that abbreviate others, or differ from them only in padding.
_ALIASES = {
    "%F": "%Y-%m-%d",
    "%D": "%m/%d/%y",
    "%T": "%H:%M:%S",
    "%R": "%H:%M",
    "%r": "%I:%M:%S %p",
    "%h": "%b",
    "%e": "%d",
    "%k": "%H",
    "%l": "%I",
    "%n": " ",
    "%t": " ",
    **{f"%-{letter}": f"%{letter}" for letter in "ymdjHIMS"},
}
# The part of a time that each directive gives.
_PARTS = {
    "%Y": "year",
    "%y": "year",
    "%G": "ISO year",
    "%m": "month",
    "%b": "month",
    "%B": "month",
    "%d": "day",
    "%j": "day of the year",
    "%V": "ISO week",
    "%U": "week",
    "%W": "week",
    "%a": "day of the week",
    "%A": "day of the week",
    "%u": "day of the week",
    "%w": "day of the week",
    "%H": "hour",
    "%I": "hour",
    "%p": "AM or PM",
    "%M": "minute",
    "%S": "second",
    "%f": "fraction",
    "%z": "offset",
    "%%": "%",
}
_USUAL = {part: directive for directive, part in reversed(_PARTS.items())} | {"day of the week": "%w"}
_FAST = frozenset(("%Y", "%y", "%m", "%b", "%B", "%d", "%H", "%I", "%p", "%M", "%S", "%z", "%a", "%A", "%%"))
_DIRECTIVE = re.compile(r"%-?.?", re.DOTALL)


def expanded(time_format: str) -> str:
    """Replace directives that abbreviate others, such as %F."""
    return _DIRECTIVE.sub(lambda match: _ALIASES.get(match[0], match[0]), time_format)


def directives(time_format: str) -> list[str]:
    """Return the directives of an expanded format, in order."""
    return _DIRECTIVE.findall(time_format)


def is_fast(time_format: str) -> bool:
    """Return whether Arrow reads all directives of an expanded format as Python does."""
    return _FAST.issuperset(directives(time_format))


def completed(time_format: str) -> tuple[str, str]:
    """Append a day of the week to an expanded format with ISO weeks but no days.

    Returns:
        The format, and the text to append to cells so that they mean Monday; empty if nothing is appended.
    """
    used = directives(time_format)
    if "%V" in used and not any(_PARTS.get(directive) == "day of the week" for directive in used):
        return f"{time_format} %u", " 1"
    return time_format, ""


def pattern(time_format: str, patterns: Mapping[str, str]) -> str:
    """Return the regular expression for cells of an expanded format, with `patterns` for some directives."""
    patterns = {"%%": "%", **patterns}
    parts = re.split(r"(%.)", time_format)
    return f"^{''.join(patterns.get(part, '.+?') if part.startswith('%') else re.escape(part) for part in parts)}$"


def names_weekday(time_format: str) -> bool:
    """Return whether cells name the day of the week in addition to a complete date."""
    used = directives(time_format)
    return ("%a" in used or "%A" in used) and not {"%V", "%U", "%W"} & set(used)


def check(time_format: str) -> None:
    """Raise UsageError unless all directives are applied and define a time. The message names the remedy."""

    def error(reason: str) -> UsageError:
        return UsageError(f"setting time_format={time_format}: {reason}")

    used = directives(expanded(time_format))
    if "%Z" in used:
        raise error(
            "%Z is not read, as a name such as CST or IST stands for several zones: write offsets such as +02:00 (%z), "
            "or times in UTC"
        )
    if "%s" in used:
        raise error("%s is written epoch_s, alone")
    unknown = next((directive for directive in used if directive not in _PARTS), None)
    if unknown is not None:
        raise error(f"{unknown} is not read; directives are {', '.join(_PARTS)}")
    parts: dict[str, str] = {}
    for directive in used:
        part = _PARTS[directive]
        if part in parts and part != "%":
            raise error(f"{parts[part]} and {directive} both give the {part}; leave one out")
        parts[part] = directive

    def needs(part: str, *others: str) -> None:
        if part in parts and not all(other in parts for other in others):
            lacking = " and ".join(_USUAL[other] for other in others if other not in parts)
            raise error(f"{parts[part]}, the {part}, needs {lacking}")

    if "year" in parts and {"ISO year", "ISO week"} & set(parts):
        raise error("ISO weeks (%V) lie in the years of %G, not of %Y or %y")
    needs("ISO week", "ISO year")
    needs("ISO year", "ISO week")
    needs("week", "year", "day of the week")
    needs("day", "month")
    needs("month", "year")
    needs("day of the year", "year")
    needs("minute", "hour")
    needs("second", "minute")
    needs("fraction", "second")
    ways = [part for part in ("month", "week", "ISO week", "day of the year") if part in parts]
    if len(ways) > 1:
        raise error(f"{' and '.join(parts[part] for part in ways)} name a day in several ways; leave all but one out")
    if "year" not in parts and "ISO year" not in parts:
        raise error("it has no year (%Y), so that every stamp would lie in 1900")
    if "hour" in parts and ways in (["month"], []) and "day" not in parts:
        raise error("an hour needs a day (%d)")
    if parts.get("hour") == "%I" and "AM or PM" not in parts:
        raise error("%I counts hours to 12 and needs %p; %H counts to 24")
    if "AM or PM" in parts and parts.get("hour") != "%I":
        raise error("%p is of use with %I only, which counts hours to 12")
    if "week" in parts and parts["day of the week"] == "%u":
        raise error(f"%u goes with %V; {parts['week']} goes with %w or %a")
    if parts.get("day of the week") in ("%u", "%w") and not {"week", "ISO week"} & set(parts):
        raise error(f"{parts['day of the week']} needs a week (%V, %W or %U); leave it out beside a date")
