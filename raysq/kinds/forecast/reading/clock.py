"""What is seen in the time stamps of a series: its cadence, its order, repeated stamps and gaps.

A piece of the series is summed up in a few numbers; the sums of neighbouring pieces are merged, so that nothing
ever needs all stamps at once. Stamps are int64 microseconds since 1970.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from raysq.kinds.forecast.spans import MONTH

Place = dict[str, Any]  # file, line, stamp
_MOST_STEPS = 10_000  # different steps that a note lists; a series with more has no cadence


def note(stamps: np.ndarray, lines: np.ndarray) -> dict[str, Any]:
    """Sums up the stamps of neighbouring rows.

    Args:
        stamps: of each row, at least one.
        lines: of each row.

    Returns:
        JSON-ready: first and last stamp with their lines; every step between neighbours with how often it
        occurs and the line after its first occurrence.
    """
    steps, first, counts = np.unique(np.diff(stamps), return_index=True, return_counts=True)
    if len(steps) > _MOST_STEPS:
        keep = np.sort(np.argsort(-counts, kind="stable")[:_MOST_STEPS])
        # Whatever is kept, steps backwards and repeated stamps are.
        keep = np.union1d(keep, np.flatnonzero(steps <= 0)[:_MOST_STEPS])
        steps, first, counts = steps[keep], first[keep], counts[keep]
    after = first + 1
    return {
        "first": [int(stamps[0]), int(lines[0])],
        "last": [int(stamps[-1]), int(lines[-1])],
        "steps": [
            [int(step), int(count), int(stamps[row]), int(lines[row])]
            for step, count, row in zip(steps, counts, after, strict=True)
        ],
    }


def cadence_of(steps: Mapping[int, int]) -> tuple[int | None, int]:
    """The time from a row to the next.

    Args:
        steps: between neighbouring stamps, in microseconds, and how often each occurs.

    Returns:
        The most common step, or None where fewer than half of those forward are it; and the step above which
        there is a gap. Steps of calendar months are not equal: they give `spans.MONTH` times a whole number.
    """
    forward = {step: count for step, count in steps.items() if step > 0}
    if not forward:
        return None, 0
    half = sum(forward.values()) / 2
    for months, least, most, doubtful in _MONTHS:
        inside = {step: count for step, count in forward.items() if _days(least) <= step <= _days(most, 2)}
        # Weeks and even months are not calendar months: 28 days on end are four weeks.
        if sum(inside.values()) > half and (len(inside) > 1 or round(min(inside) / _days(1)) not in doubtful):
            return int(months * MONTH * 1e6), _days(most, 2)
    # Of equally common steps the shortest.
    step = max(forward, key=lambda step: (forward[step], -step))
    return (step, step) if forward[step] >= half else (None, 0)


# Months, the fewest and most days they have, and days that on their own are more likely no months.
_MONTHS = ((1, 28, 31, (28, 30)), (3, 89, 92, (91,)), (6, 181, 184, (182,)), (12, 365, 366, ()))


def _days(count: int, hours: int = -2) -> int:
    """Microseconds of so many days, and a few hours for clocks that are put forward and back."""
    return (count * 24 + (hours if count > 1 else 0)) * 3_600_000_000


def merge(notes: Iterable[tuple[dict[str, Any], str, int]], apart: bool = False) -> dict[str, Any]:
    """The summary of a series from the notes of its pieces in order.

    Args:
        notes: for each piece its note, its file, and the lines of that file above it.
        apart: the pieces are series of their own: there is no step from one to the next.

    Returns:
        `first`, `last` (int microseconds), `cadence` (as of `cadence_of`), `steps` (how many forward), and for
        `backwards`, `repeated` and `gaps` a dict of `count`, `longest` and `place` (the first), or None.
    """
    steps: dict[int, list[Any]] = {}  # step -> [count, place]
    first = last = None

    def add(step: int, count: int, place: Place) -> None:
        steps.setdefault(step, [0, place])[0] += count

    for piece, file, above in notes:
        if last is not None and not apart:
            stamp, line = piece["first"]
            add(stamp - last, 1, {"file": file, "line": above + line, "stamp": stamp})
        # In the order of lines, so that the first place is the first.
        for step, count, stamp, line in sorted(piece["steps"], key=lambda entry: entry[3]):
            add(step, count, {"file": file, "line": above + line, "stamp": stamp})
        begin, end = piece["first"][0], piece["last"][0]
        first = begin if first is None else min(first, begin) if apart else first
        last = end if last is None or not apart else max(last, end)
    cadence, longest = cadence_of({step: count for step, (count, _) in steps.items()})

    def seen(which: list[int]) -> dict[str, Any] | None:
        # `steps` keeps the order in which steps were first met.
        wanted = set(which)
        met = [step for step in steps if step in wanted]
        if not met:
            return None
        return {
            "count": sum(steps[step][0] for step in met),
            "longest": max(met, key=abs),
            "place": steps[met[0]][1],
        }

    return {
        "first": first,
        "last": last,
        "cadence": cadence,
        "steps": sum(count for step, (count, _) in steps.items() if step > 0),
        "backwards": seen([step for step in steps if step < 0]),
        "repeated": seen([0] if 0 in steps else []),
        "gaps": seen([step for step in steps if cadence is not None and step > longest]),
    }


def iso(stamp: int) -> str:
    """A stamp for people."""
    text = str(np.datetime64(stamp, "us"))
    return text.removesuffix(".000000")
