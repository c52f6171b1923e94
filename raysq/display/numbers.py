"""Format numbers, settings, durations and dates for display."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

MINUS = "\u2212"
DASH = "\u2013"


def number(value: float | None, digits: int = 4) -> str:
    """Format a number with `digits` significant digits, such as 2.318, 0.2032, 1,234 or 3.2e-05; None is a dash."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if not math.isfinite(value):
        return {math.inf: "\u221e", -math.inf: MINUS + "\u221e"}.get(value, "not a number")
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    text = f"{value:.{digits - 1}e}" if size < -4 or size > 11 else f"{value:,.{max(0, digits - 1 - size)}f}"
    return text.replace("-", MINUS) if text.startswith("-") else text


def metric(value: float | None) -> str:
    """Format a metric for the terminal: four decimals, or four significant digits if small or large; "-" for None."""
    if value is None:
        return "-"
    size = abs(value)
    return f"{value:.4f}" if not math.isfinite(value) or not value or 0.01 <= size < 1e9 else f"{value:.4g}"


def short(value: Any, digits: int = 4) -> str:
    """Format a setting's value: floats without trailing zeros, lists separated by commas."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(short(item, digits) for item in value)
    return str(value)


def seconds(value: float) -> str:
    """Format a duration in seconds, such as 48 s, 3 min 20 s or 2 h 05 min."""
    if value < 9.95:
        return f"{value:.1f} s"
    rounded = round(value)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60:02d} s"
    return f"{rounded // 3600:,} h {rounded % 3600 // 60:02d} min"


def utc(value: float) -> datetime:
    """Convert seconds since 1970, which may be negative, to a date in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
