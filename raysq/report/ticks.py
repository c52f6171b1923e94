"""Where an axis has its ticks, and what stands beside them."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from raysq.report.numbers import MINUS


@dataclass(frozen=True)
class Ticks:
    """Places on an axis, ascending, with their labels."""

    values: tuple[float, ...]
    labels: tuple[str, ...]


def linear_ticks(low: float, high: float, most: int = 6, *, whole: bool = False) -> Ticks:
    """Ticks at multiples of 1, 2, 2.5 or 5 times a power of ten, inside `[low, high]`.

    Args:
        low: lower end.
        high: upper end, above `low`.
        most: how many at most; at least 2.
        whole: only whole numbers.
    """
    step = _step((high - low) / max(1, most - 1), whole)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    values = [number * step for number in range(first, last + 1)]
    return Ticks(tuple(values), tuple(_label(value, step) for value in values))


def nice_range(low: float, high: float, most: int = 6) -> tuple[float, float]:
    """The range widened to whole ticks, so that nothing drawn touches the frame's end without a label."""
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    step = _step((high - low) / max(1, most - 1), False)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def _step(rough: float, whole: bool) -> float:
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    steps = [factor * power for factor in (1, 2, 2.5, 5, 10)]
    if whole:
        steps = [max(1.0, step) for step in steps if step == int(step) or step < 1]
    return next(step for step in steps if step >= rough * (1 - 1e-9))


def _label(value: float, step: float) -> str:
    if abs(value) < step * 1e-9:
        return "0"
    # As many digits as tell neighbors apart: large numbers may differ by little.
    digits = max(3, math.floor(math.log10(abs(value))) - math.floor(math.log10(step)) + 2)
    if step < 1e-5 or abs(value) >= (1e7 if digits < 7 else 1e15):
        text = f"{value:.{digits}g}"
        return text.replace("e+0", "e").replace("e-0", "e-").replace("-", MINUS, 1 if value < 0 else 0)
    decimals = 0
    while decimals < 6 and abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def log_ticks(low: float, high: float, most: int = 6) -> Ticks:
    """Ticks at powers of ten, with 2 and 5 or 3 between where there is room, inside `[low, high]`; both above 0."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    for factors in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,)):
        found = [
            factor * 10.0**power
            for power in range(first, last + 1)
            for factor in factors
            if low * (1 - 1e-9) <= factor * 10.0**power <= high * (1 + 1e-9)
        ]
        if len(found) <= most:
            break
    if len(found) > most:
        found = found[:: -(-len(found) // most)]
    if len(found) < 2:  # a range so small that it holds one round number or none
        found = sorted({low, high})
    return Ticks(tuple(found), tuple(_plain(value) for value in found))


def _plain(value: float) -> str:
    text = f"{value:.3g}"
    if "e" in text and 1e-4 <= value < 1e6:
        text = f"{value:,.0f}" if value >= 1 else f"{value:.6f}".rstrip("0")
    return text.replace("e+0", "e").replace("e-0", "e-")


_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    *(1, 5, 15, 30),
    *(_MINUTE * n for n in (1, 5, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14)),
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200)


def time_ticks(low: float, high: float, most: int = 6) -> Ticks:
    """Ticks at whole minutes, hours, days, Mondays, months or years.

    Args:
        low: lower end, in seconds since 1970, read as UTC.
        high: upper end.
        most: how many at most.
    """
    rough = (high - low) / max(1, most)
    step = next((step for step in _STEPS if step >= rough), None)
    if step is None:
        return _calendar_ticks(low, high, rough)
    # Weeks begin on Mondays; 1970-01-01 was a Thursday.
    offset = 4 * _DAY if step % (7 * _DAY) == 0 else 0
    first = math.ceil((low - offset) / step)
    last = math.floor((high - offset) / step)
    values = [number * step + offset for number in range(first, last + 1)]
    return Ticks(tuple(float(value) for value in values), tuple(_moment(value, step) for value in values))


def _moment(value: float, step: int) -> str:
    at = utc(value)
    if step >= _DAY:
        return f"{at.day} {at:%b}"
    if at.hour == at.minute == at.second == 0:
        return f"{at.day} {at:%b}"
    return f"{at:%H:%M}" if step >= _MINUTE else f"{at:%H:%M:%S}"


def _calendar_ticks(low: float, high: float, rough: float) -> Ticks:
    months = next((months for months in _MONTHS if months * 30.44 * _DAY >= rough), _MONTHS[-1])
    begin = utc(low)
    number = -(-(begin.year * 12 + begin.month - 1) // months) * months
    values, labels = [], []
    while number // 12 < 9999:
        at = datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
        if at.timestamp() > high:
            break
        if at.timestamp() >= low:
            values.append(at.timestamp())
            labels.append(f"{at:%Y}" if months >= 12 else f"{at:%b %Y}")
        number += months
    return Ticks(tuple(values), tuple(labels))


def utc(value: float) -> datetime:
    """Seconds since 1970 as a date; also those before it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
