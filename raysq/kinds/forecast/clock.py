"""What is seen in the time stamps of a series: its cadence, its order, repeated stamps and gaps.

A piece of the series is summed up in a few numbers; the sums of neighbouring pieces are merged, so that nothing
ever needs all stamps at once. Stamps are int64 microseconds since 1970.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

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


def merge(notes: Iterable[tuple[dict[str, Any], str, int]]) -> dict[str, Any]:
    """The summary of a series from the notes of its pieces in order.

    Args:
        notes: for each piece its note, its file, and the lines of that file above it.

    Returns:
        `first`, `last` (int microseconds), `cadence` (the most common step, or None), and for `backwards`,
        `repeated` and `gaps` a dict of `count`, `longest` and `place` (the first), or None.
    """
    steps: dict[int, list[Any]] = {}  # step -> [count, place]
    first = last = None

    def add(step: int, count: int, place: Place) -> None:
        steps.setdefault(step, [0, place])[0] += count

    for piece, file, above in notes:
        if last is not None:
            stamp, line = piece["first"]
            add(stamp - last, 1, {"file": file, "line": above + line, "stamp": stamp})
        # In the order of lines, so that the first place is the first.
        for step, count, stamp, line in sorted(piece["steps"], key=lambda entry: entry[3]):
            add(step, count, {"file": file, "line": above + line, "stamp": stamp})
        first = piece["first"][0] if first is None else first
        last = piece["last"][0]
    forward = [step for step in steps if step > 0]
    cadence = max(forward, key=lambda step: (steps[step][0], -step)) if forward else None

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
        "backwards": seen([step for step in steps if step < 0]),
        "repeated": seen([0] if 0 in steps else []),
        "gaps": seen([step for step in forward if cadence is not None and step > cadence]),
    }


def iso(stamp: int) -> str:
    """A stamp for people."""
    text = str(np.datetime64(stamp, "us"))
    return text.removesuffix(".000000")
