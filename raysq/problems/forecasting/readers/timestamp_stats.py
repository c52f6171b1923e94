"""What is seen in the time stamps of a series: its frequency, its order, repeated stamps and gaps.

A piece of the series is summed up in a few numbers; the sums of neighboring pieces are merged, so that nothing
ever needs all stamps at once. Stamps are int64 microseconds since 1970.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from raysq.data import time_zones
from raysq.data.durations import MONTH, WEEK
from raysq.problems.forecasting.frequency import NUMBERED, WEEKDAYS, Frequency

Place = dict[str, Any]  # file, line, stamp
Steps = Mapping[tuple[int, int], int]  # (microseconds, day of the week before) -> how many

ANY = 7  # stands for the day of the week before a step that takes less than a day
_MOST_STEPS = 10_000  # different steps that a note lists; a series with more has no cadence
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_LONG = 22 * _HOUR  # a day, also where clocks are put forward
# Sundays on which clocks are changed in most zones, as month, first and last day that they may be.
_CHANGES = ((3, 8, 14), (3, 25, 31), (4, 1, 7), (9, 24, 30), (10, 1, 7), (10, 25, 31), (11, 1, 7))
_PLACED = 0.9  # share of the rows that lie on the first, or last, days of their months
_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def note(stamps: np.ndarray, lines: np.ndarray, zone: str | None = None) -> dict[str, Any]:
    """Sums up the stamps of neighboring rows.

    Args:
        stamps: of each row, at least one; in UTC where there is a zone.
        lines: of each row.
        zone: of the series: its days are those of steps of a day or more.

    Returns:
        JSON-ready: first and last stamp with their lines, and on clocks in the zone as `wall`; every step between
        neighbors, with the day of the week before it (`ANY` for less than a day), how often it occurs, and the stamp
        and the line after its first occurrence. Where most steps take a day or more, how many rows lie on each day of
        the week; where they take a month, how many on the first, last, first business and last business day of one.
        Unusual steps to where clocks are changed, and how often each, as `changes`.
    """
    moments, steps = stamps, np.diff(stamps)
    long = steps >= _LONG
    if zone is not None and 2 * long.sum() >= len(steps):
        stamps = time_zones.utc_to_local(moments, zone)
        steps = np.diff(stamps)
    weekdays = (stamps // _DAY + 3) % 7  # 1 January 1970 was a Thursday
    keys, first, counts = np.unique(
        steps * 8 + np.where(long, weekdays[:-1], ANY), return_index=True, return_counts=True
    )
    if len(keys) > _MOST_STEPS:
        keep = np.sort(np.argsort(-counts, kind="stable")[:_MOST_STEPS])
        # Whatever is kept, steps backwards and repeated stamps are.
        keep = np.union1d(keep, np.flatnonzero(keys < 8)[:_MOST_STEPS])
        keys, first, counts = keys[keep], first[keep], counts[keep]
    after = first + 1
    found = {
        "first": [int(moments[0]), int(lines[0])],
        "last": [int(moments[-1]), int(lines[-1])],
        "wall": [int(stamps[0]), int(stamps[-1])],
        "steps": [
            [int(key >> 3), int(key & 7), int(count), int(moments[row]), int(lines[row])]
            for key, count, row in zip(keys, counts, after, strict=True)
        ],
    }
    if len(keys):
        usual = int(keys[np.argmax(counts)]) >> 3
        odd = np.flatnonzero(steps != usual)
        odd = odd[at_change(stamps[odd + 1])] if usual < _LONG else odd[:0]
        if len(odd):
            each, counts = np.unique(steps[odd], return_counts=True)
            found["changes"] = [[int(step), int(count)] for step, count in zip(each, counts, strict=True)][:_MOST_STEPS]
    if 2 * long.sum() >= len(steps):
        found["weekdays"] = np.bincount(weekdays, minlength=7).tolist()
        if 2 * (steps >= 27 * _DAY).sum() >= len(steps):
            found["month_days"] = _month_days(stamps)
    return found


def at_change(stamps: np.ndarray) -> np.ndarray:
    """Where stamps lie in the hours in which most zones change to summer time and back: early on Sundays."""
    hours = stamps // _HOUR
    found = ((hours // 24 + 3) % 7 == 6) & (hours % 24 < 5)
    places = np.flatnonzero(found)
    days = stamps[places].astype("datetime64[us]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    number, day = months.astype(int) % 12 + 1, (days - months.astype("datetime64[D]")).astype(int) + 1
    found[places] = np.any([(number == m) & (day >= low) & (day <= high) for m, low, high in _CHANGES], axis=0)
    return found


def frequency_of(
    steps: Steps,
    weekdays: Sequence[int] = (),
    month_days: Sequence[int] = (),
    span: tuple[int, int] = (0, 0),
    numbered: bool = False,
) -> Frequency | None:
    """How a series goes on from row to row.

    Args:
        steps: between neighboring stamps, and how often each occurs.
        weekdays: rows on each day of the week, as in a note.
        month_days: rows on the first, last, first business and last business day of their months.
        span: first and last stamp.
        numbered: the rows have numbers and no times.

    Returns:
        That of calendar months or of some days of the week where the stamps lie so, else the most common step; None
        where fewer than half of the steps forward are it.
    """
    forward = _forward(steps)
    if not forward:
        return None
    half = sum(forward.values()) / 2
    # Of equally common steps the shortest.
    step = max(forward, key=lambda step: (forward[step], -step))
    if numbered:
        return Frequency(step / 1e6, NUMBERED) if forward[step] >= half else None
    for months, least, most, doubtful in _MONTHS:
        inside = {step: count for step, count in forward.items() if _days(least) <= step <= _days(most, 2)}
        # Weeks and even months are not calendar months: 28 days on end are four weeks.
        if sum(inside.values()) > half:
            anchor = _anchor(months, month_days, sum(weekdays), span[1])
            sure = len(inside) > 1 or round(min(inside) / _DAY) not in doubtful
            if sure or (anchor is not None and not anchor.startswith("B")):
                return Frequency(months * MONTH, anchor)
    opened = sorted((day for day, count in enumerate(weekdays) if count), key=lambda day: -weekdays[day])
    if len(opened) == 1 and step == WEEK * 1e6:
        return Frequency.of_week([day in opened for day in range(7)])
    if len(opened) > 1 and span[1] - span[0] >= 14 * _DAY:
        # A day on which few weeks have a row may be an exception: as many of the most frequent days as fit best.
        weekly = [Frequency.of_week([day in opened[:count] for day in range(7)]) for count in range(2, len(opened) + 1)]
        best = max(weekly, key=lambda one: fitting(steps, one))
        if best.days is not None and fitting(steps, best) > max(forward[step], half):
            return best
    return Frequency(step / 1e6) if forward[step] >= half else None


def _forward(steps: Steps) -> dict[int, int]:
    """The steps forward, whatever the day of the week."""
    forward: dict[int, int] = {}
    for (step, _), count in steps.items():
        if step > 0:
            forward[step] = forward.get(step, 0) + count
    return forward


def fitting(steps: Steps, frequency: Frequency) -> int:
    """How many steps are those of the frequency."""
    longest, shortest, tolerance = frequency.longest, frequency.shortest, frequency.tolerance
    return sum(
        count
        for (step, day), count in steps.items()
        if (shortest <= step <= longest[day] if frequency.months else abs(step - longest[day]) <= tolerance)
    )


# Months, the fewest and most days they have, and days that on their own are more likely no months.
_MONTHS = ((1, 28, 31, (28, 30)), (3, 89, 92, (91,)), (6, 181, 184, (182,)), (12, 365, 366, ()))


def _days(count: int, hours: int = -2) -> int:
    """Microseconds of so many days, and a few hours for clocks that are put forward and back."""
    return (count * 24 + (hours if count > 1 else 0)) * _HOUR


def _month_days(stamps: np.ndarray) -> list[int]:
    """How many stamps lie on the first, last, first business and last business day of their months."""
    days = stamps.astype("datetime64[us]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    first, last = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]") - 1
    wanted = (first, last, np.busday_offset(first, 0, roll="forward"), np.busday_offset(last, 0, roll="backward"))
    return [int((days == day).sum()) for day in wanted]


def _anchor(months: int, month_days: Sequence[int], rows: int, last: int) -> str | None:
    """pandas' alias for rows on the first or last (business) days of months; None where they lie elsewhere."""
    for kind, count in zip(("{}S", "{}E", "B{}S", "B{}E"), month_days, strict=False):
        if count >= _PLACED * rows:
            month = int(np.datetime64(last, "us").astype("datetime64[M]").astype(int)) % 12
            if months == 12:
                return f"{kind.format('Y')}-{_NAMES[month]}"
            if months == 3:  # named by their first month of a year, or the last
                return f"{kind.format('Q')}-{_NAMES[month % 3 if 'S' in kind else 9 + month % 3]}"
            return f"{'' if months == 1 else months}{kind.format('M')}"
    return None


def merge(
    notes: Iterable[tuple[dict[str, Any], str, int]],
    apart: bool = False,
    frequency: Frequency | None = None,
    numbered: bool = False,
) -> dict[str, Any]:
    """The summary of a series from the notes of its pieces in order.

    Args:
        notes: for each piece its note, its file, and the lines of that file above it.
        apart: the pieces are series of their own: there is no step from one to the next.
        frequency: of the series; found in its stamps if left out.
        numbered: the rows have numbers and no times.

    Returns:
        `first`, `last` (int microseconds), `frequency` (as of `frequency_of`), `steps` (how many forward), `common`
        (the most common of them, 0 for none), `fitting` (how many are the frequency's), `off` (day of the week ->
        rows, for days that the frequency has not), `changes` (how many of the backwards, repeated and gaps look like
        changes of clocks), and for `backwards`, `repeated` and `gaps` a dict of `count`,
        `longest` and `place` (the first), or None.
    """
    steps: dict[tuple[int, int], list[Any]] = {}  # step -> [count, place]
    sums = {"weekdays": [0] * 7, "month_days": [0] * 4}
    changes: dict[int, int] = {}
    first = last = begun = wall = None

    def add(step: tuple[int, int], count: int, place: Place) -> None:
        steps.setdefault(step, [0, place])[0] += count

    for piece, file, above in notes:
        if wall is not None and not apart:
            stamp, line = piece["first"]
            step = piece["wall"][0] - wall
            add((step, (wall // _DAY + 3) % 7 if step >= _LONG else ANY), 1, _place(file, above + line, stamp))
        # In the order of lines, so that the first place is the first.
        for step, day, count, stamp, line in sorted(piece["steps"], key=lambda entry: entry[4]):
            add((step, day), count, _place(file, above + line, stamp))
        begin, end = piece["first"][0], piece["last"][0]
        first = begin if first is None else min(first, begin) if apart else first
        last = end if last is None or not apart else max(last, end)
        wall = piece["wall"][1] if wall is None or not apart else max(wall, piece["wall"][1])
        begun = piece["wall"][0] if begun is None else min(begun, piece["wall"][0])
        for step, count in piece.get("changes", ()):
            changes[step] = changes.get(step, 0) + count
        for name, total in sums.items():
            sums[name] = [one + more for one, more in zip(total, piece.get(name, [0] * len(total)), strict=True)]
    counts = {step: count for step, (count, _) in steps.items()}
    if frequency is None:
        ends = (0, 0) if begun is None or wall is None else (begun, wall)
        frequency = frequency_of(counts, sums["weekdays"], sums["month_days"], ends, numbered)
    longest = None if frequency is None else [step + frequency.tolerance for step in frequency.longest]
    forward = _forward(counts)

    def seen(which: Iterable[tuple[int, int]]) -> dict[str, Any] | None:
        # `steps` keeps the order in which steps were first met.
        met = list(which)
        if not met:
            return None
        return {
            "count": sum(steps[step][0] for step in met),
            "longest": max((step for step, _ in met), key=abs),
            "place": steps[met[0]][1],
        }

    return {
        "first": first,
        "last": last,
        "frequency": frequency,
        "steps": sum(forward.values()),
        "common": max(forward, key=lambda step: (forward[step], -step), default=0),
        "fitting": fitting(counts, frequency) if frequency is not None else 0,
        "off": {
            day: count
            for day, count, there in zip(
                WEEKDAYS, sums["weekdays"], (frequency and frequency.days) or [True] * 7, strict=True
            )
            if count and not there
        },
        "changes": _changes(changes, frequency),
        "backwards": seen(step for step in steps if step[0] < 0),
        "repeated": seen(step for step in steps if step[0] == 0),
        "gaps": seen(step for step in steps if longest is not None and step[0] > longest[step[1]]),
    }


def _changes(steps: Mapping[int, int], frequency: Frequency | None) -> dict[str, int]:
    """Of unusual steps to where clocks are changed, those that a change explains."""
    usual = 0 if frequency is None else round(frequency.seconds * 1e6)
    return {
        "backwards": sum(count for step, count in steps.items() if -_HOUR <= step < 0),
        "repeated": steps.get(0, 0),
        "gaps": steps.get(usual + _HOUR, 0) if 0 < usual <= _HOUR else 0,
    }


def _place(file: str, line: int, stamp: int) -> Place:
    return {"file": file, "line": line, "stamp": stamp}


def iso(stamp: int, zone: str | None = None) -> str:
    """A stamp for people, in the zone and with its offset there, if it has one; `NUMBERED` for numbers."""
    if zone == NUMBERED:
        return str(stamp // 1_000_000)
    if zone is not None:
        return str(time_zones.texts(np.array([stamp]), zone, "T")[0])
    text = str(np.datetime64(stamp, "us"))
    return text.removesuffix(".000000")
