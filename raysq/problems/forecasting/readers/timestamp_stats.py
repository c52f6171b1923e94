"""Statistics of a series' timestamps: frequency, order, duplicates and gaps.

The statistics of a part of the series are a few numbers. Those of neighboring parts are merged, so that no step needs
all timestamps at once. Timestamps are int64 microseconds since 1970.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from raysq.data import time_zones
from raysq.data.durations import MONTH, WEEK
from raysq.problems.forecasting.frequency import NUMBERED, WEEKDAYS, Frequency

Location = dict[str, Any]  # file, line, stamp
Steps = Mapping[tuple[int, int], int]  # (microseconds, day of the week before) -> count

ANY = 7  # in place of the day of the week before a step of less than a day
_MOST_STEPS = 10_000  # most distinct steps in the statistics; a series with more has no cadence
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_LONG = 22 * _HOUR  # the least that counts as a day, also when daylight saving time begins
# Sundays on which daylight saving time begins or ends in most zones: month, earliest and latest day.
_CHANGES = ((3, 8, 14), (3, 25, 31), (4, 1, 7), (9, 24, 30), (10, 1, 7), (10, 25, 31), (11, 1, 7))
_PLACED = 0.9  # share of the rows that lie on the first, or last, days of their months
_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def measure(timestamps: np.ndarray, lines: np.ndarray, zone: str | None = None) -> dict[str, Any]:
    """Return the statistics of the timestamps of neighboring rows.

    Args:
        timestamps: timestamp of each row, at least one; in UTC if there is a zone.
        lines: line of each row.
        zone: time zone of the series, whose days count for steps of a day or more.

    Returns:
        JSON-ready statistics:

        - `first` and `last`: the first and the last timestamp, with their lines.
        - `wall`: the same two timestamps, as local times where most steps take a day or more.
        - `steps`: each distinct step between neighbors, with the day of the week before it (`ANY` for less than a day),
          its count, and the timestamp and line after its first occurrence.
        - `changes`: unusual steps to hours in which daylight saving time may begin or end, with their counts.
        - `weekdays`: rows on each day of the week, if most steps take a day or more.
        - `month_days`: rows on the first, last, first business and last business day of a month, if most steps take a
          month.
    """
    moments, steps = timestamps, np.diff(timestamps)
    long = steps >= _LONG
    if zone is not None and 2 * long.sum() >= len(steps):
        timestamps = time_zones.utc_to_local(moments, zone)
        steps = np.diff(timestamps)
    weekdays = (timestamps // _DAY + 3) % 7  # 1 January 1970 was a Thursday
    keys, first, counts = np.unique(
        steps * 8 + np.where(long, weekdays[:-1], ANY), return_index=True, return_counts=True
    )
    if len(keys) > _MOST_STEPS:
        keep = np.sort(np.argsort(-counts, kind="stable")[:_MOST_STEPS])
        # Steps backwards and repeated timestamps are always kept.
        keep = np.union1d(keep, np.flatnonzero(keys < 8)[:_MOST_STEPS])
        keys, first, counts = keys[keep], first[keep], counts[keep]
    after = first + 1
    stats = {
        "first": [int(moments[0]), int(lines[0])],
        "last": [int(moments[-1]), int(lines[-1])],
        "wall": [int(timestamps[0]), int(timestamps[-1])],
        "steps": [
            [int(key >> 3), int(key & 7), int(count), int(moments[row]), int(lines[row])]
            for key, count, row in zip(keys, counts, after, strict=True)
        ],
    }
    if len(keys):
        usual = int(keys[np.argmax(counts)]) >> 3
        unusual = np.flatnonzero(steps != usual)
        unusual = unusual[at_change(timestamps[unusual + 1])] if usual < _LONG else unusual[:0]
        if len(unusual):
            distinct, counts = np.unique(steps[unusual], return_counts=True)
            stats["changes"] = [[int(step), int(count)] for step, count in zip(distinct, counts, strict=True)][
                :_MOST_STEPS
            ]
    if 2 * long.sum() >= len(steps):
        stats["weekdays"] = np.bincount(weekdays, minlength=7).tolist()
        if 2 * (steps >= 27 * _DAY).sum() >= len(steps):
            stats["month_days"] = _month_days(timestamps)
    return stats


def at_change(timestamps: np.ndarray) -> np.ndarray:
    """Return a mask of timestamps at which daylight saving time may begin or end.

    These are early hours of Sundays on which most zones change it.
    """
    hours = timestamps // _HOUR
    is_change: np.ndarray = ((hours // 24 + 3) % 7 == 6) & (hours % 24 < 5)
    rows = np.flatnonzero(is_change)
    days = timestamps[rows].astype("datetime64[us]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    number, day = months.astype(int) % 12 + 1, (days - months.astype("datetime64[D]")).astype(int) + 1
    is_change[rows] = np.any([(number == m) & (day >= low) & (day <= high) for m, low, high in _CHANGES], axis=0)
    return is_change


def infer_frequency(
    steps: Steps,
    weekdays: Sequence[int] = (),
    month_days: Sequence[int] = (),
    span: tuple[int, int] = (0, 0),
    numbered: bool = False,
) -> Frequency | None:
    """Infer the frequency of a series.

    Args:
        steps: steps between neighboring timestamps, and their counts.
        weekdays: rows on each day of the week, as from `measure`.
        month_days: rows on the first, last, first business and last business day of their months.
        span: first and last timestamp.
        numbered: whether rows have numbers instead of times.

    Returns:
        The frequency of calendar months or of some days of the week if the timestamps fit it, else the most common
        step. None if fewer than half of the forward steps are equal to it.
    """
    forward = _forward(steps)
    if not forward:
        return None
    half = sum(forward.values()) / 2
    # Among equally common steps, take the shortest.
    step = max(forward, key=lambda step: (forward[step], -step))
    if numbered:
        return Frequency(step / 1e6, NUMBERED) if forward[step] >= half else None
    for months, least, most, doubtful in _MONTHS:
        inside = {step: count for step, count in forward.items() if _days(least) <= step <= _days(most, 2)}
        # Steps of equal length are not calendar months: 28 days every time are four weeks.
        if sum(inside.values()) > half:
            anchor = _anchor(months, month_days, sum(weekdays), span[1])
            sure = len(inside) > 1 or round(min(inside) / _DAY) not in doubtful
            if sure or (anchor is not None and not anchor.startswith("B")):
                return Frequency(months * MONTH, anchor)
    days = sorted((day for day, count in enumerate(weekdays) if count), key=lambda day: -weekdays[day])
    if len(days) == 1 and step == WEEK * 1e6:
        return Frequency.of_week([day in days for day in range(7)])
    if len(days) > 1 and span[1] - span[0] >= 14 * _DAY:
        # A day with rows in few weeks may be an exception: take as many of the most frequent days as fit best.
        weekly = [Frequency.of_week([day in days[:count] for day in range(7)]) for count in range(2, len(days) + 1)]
        best = max(weekly, key=lambda frequency: count_fitting(steps, frequency))
        if best.days is not None and count_fitting(steps, best) > max(forward[step], half):
            return best
    return Frequency(step / 1e6) if forward[step] >= half else None


def _forward(steps: Steps) -> dict[int, int]:
    """Return the forward steps and their counts, summed over the days of the week."""
    forward: dict[int, int] = {}
    for (step, _), count in steps.items():
        if step > 0:
            forward[step] = forward.get(step, 0) + count
    return forward


def count_fitting(steps: Steps, frequency: Frequency) -> int:
    """Return the number of steps that fit the frequency."""
    longest, shortest, tolerance = frequency.longest, frequency.shortest, frequency.tolerance
    return sum(
        count
        for (step, day), count in steps.items()
        if (shortest <= step <= longest[day] if frequency.months else abs(step - longest[day]) <= tolerance)
    )


# Number of months, their fewest and most days, and day counts that are more likely no months if all steps have them.
_MONTHS = ((1, 28, 31, (28, 30)), (3, 89, 92, (91,)), (6, 181, 184, (182,)), (12, 365, 366, ()))


def _days(count: int, hours: int = -2) -> int:
    """Return the microseconds of so many days, adjusted by some hours for daylight saving time."""
    return (count * 24 + (hours if count > 1 else 0)) * _HOUR


def _month_days(timestamps: np.ndarray) -> list[int]:
    """Count the timestamps on the first, last, first business and last business day of their months."""
    days = timestamps.astype("datetime64[us]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    first = months.astype("datetime64[D]")
    last = (months + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    anchors = (first, last, np.busday_offset(first, 0, roll="forward"), np.busday_offset(last, 0, roll="backward"))
    return [int((days == day).sum()) for day in anchors]


def _anchor(months: int, month_days: Sequence[int], rows: int, last: int) -> str | None:
    """Return pandas' alias for rows on the first or last (business) days of months; None for other days."""
    for kind, count in zip(("{}S", "{}E", "B{}S", "B{}E"), month_days, strict=False):
        if count >= _PLACED * rows:
            month = int(np.datetime64(last, "us").astype("datetime64[M]").astype(int)) % 12
            if months == 12:
                return f"{kind.format('Y')}-{_NAMES[month]}"
            if months == 3:  # quarters are named by the first or last month of their year
                return f"{kind.format('Q')}-{_NAMES[month % 3 if 'S' in kind else 9 + month % 3]}"
            return f"{'' if months == 1 else months}{kind.format('M')}"
    return None


def merge(
    parts: Iterable[tuple[dict[str, Any], str, int]],
    apart: bool = False,
    frequency: Frequency | None = None,
    numbered: bool = False,
) -> dict[str, Any]:
    """Merge the statistics of a series from those of its parts, in order.

    Args:
        parts: for each part its statistics, its file, and the number of lines of that file above it.
        apart: whether the parts are separate series, without a step from one to the next.
        frequency: frequency of the series; None infers it from the timestamps.
        numbered: whether rows have numbers instead of times.

    Returns:
        A dict of merged statistics:

        - `first`, `last`: timestamps in int microseconds.
        - `frequency`: as from `frequency_of`.
        - `steps`: number of forward steps.
        - `common`: the most common forward step, 0 for none.
        - `fitting`: number of steps that fit the frequency.
        - `off_frequency`: rows by day of the week, for days that the frequency leaves out.
        - `changes`: how many of `backwards`, `repeated` and `gaps` a change of daylight saving time explains.
        - `backwards`, `repeated`, `gaps`: dict of `count`, `longest` and `location` (of the first), or None.
    """
    steps: dict[tuple[int, int], list[Any]] = {}  # step -> [count, location]
    sums = {"weekdays": [0] * 7, "month_days": [0] * 4}
    changes: dict[int, int] = {}
    first = last = wall_begin = wall_end = None

    def add(step: tuple[int, int], count: int, location: Location) -> None:
        steps.setdefault(step, [0, location])[0] += count

    for part, file, above in parts:
        if wall_end is not None and not apart:
            timestamp, line = part["first"]
            step = part["wall"][0] - wall_end
            add(
                (step, (wall_end // _DAY + 3) % 7 if step >= _LONG else ANY),
                1,
                _location(file, above + line, timestamp),
            )
        # In order of lines, so that the first occurrence is recorded.
        for step, day, count, timestamp, line in sorted(part["steps"], key=lambda entry: entry[4]):
            add((step, day), count, _location(file, above + line, timestamp))
        begin, end = part["first"][0], part["last"][0]
        first = begin if first is None else min(first, begin) if apart else first
        last = end if last is None or not apart else max(last, end)
        wall_end = part["wall"][1] if wall_end is None or not apart else max(wall_end, part["wall"][1])
        wall_begin = part["wall"][0] if wall_begin is None else min(wall_begin, part["wall"][0])
        for step, count in part.get("changes", ()):
            changes[step] = changes.get(step, 0) + count
        for name, total in sums.items():
            sums[name] = [
                count_so_far + count_of_part
                for count_so_far, count_of_part in zip(total, part.get(name, [0] * len(total)), strict=True)
            ]
    counts = {step: count for step, (count, _) in steps.items()}
    if frequency is None:
        ends = (0, 0) if wall_begin is None or wall_end is None else (wall_begin, wall_end)
        frequency = infer_frequency(counts, sums["weekdays"], sums["month_days"], ends, numbered)
    longest = None if frequency is None else [step + frequency.tolerance for step in frequency.longest]
    forward = _forward(counts)

    def summarize(selected: Iterable[tuple[int, int]]) -> dict[str, Any] | None:
        # `steps` is in order of first occurrence.
        kinds = list(selected)
        if not kinds:
            return None
        return {
            "count": sum(steps[step][0] for step in kinds),
            "longest": max((step for step, _ in kinds), key=abs),
            "location": steps[kinds[0]][1],
        }

    return {
        "first": first,
        "last": last,
        "frequency": frequency,
        "steps": sum(forward.values()),
        "common": max(forward, key=lambda step: (forward[step], -step), default=0),
        "fitting": count_fitting(counts, frequency) if frequency is not None else 0,
        "off_frequency": {
            day: count
            for day, count, has_rows in zip(
                WEEKDAYS, sums["weekdays"], (frequency and frequency.days) or [True] * 7, strict=True
            )
            if count and not has_rows
        },
        "changes": _changes(changes, frequency),
        "backwards": summarize(step for step in steps if step[0] < 0),
        "repeated": summarize(step for step in steps if step[0] == 0),
        "gaps": summarize(step for step in steps if longest is not None and step[0] > longest[step[1]]),
    }


def _changes(steps: Mapping[int, int], frequency: Frequency | None) -> dict[str, int]:
    """Count the unusual steps that a change of daylight saving time explains."""
    usual = 0 if frequency is None else round(frequency.seconds * 1e6)
    return {
        "backwards": sum(count for step, count in steps.items() if -_HOUR <= step < 0),
        "repeated": steps.get(0, 0),
        "gaps": steps.get(usual + _HOUR, 0) if 0 < usual <= _HOUR else 0,
    }


def _location(file: str, line: int, timestamp: int) -> Location:
    return {"file": file, "line": line, "stamp": timestamp}


def iso(timestamp: int, zone: str | None = None) -> str:
    """Format a timestamp for messages, in a time zone with its offset; `NUMBERED` formats it as a row's number."""
    if zone == NUMBERED:
        return str(timestamp // 1_000_000)
    if zone is not None:
        return str(time_zones.format_times(np.array([timestamp]), zone, "T")[0])
    text = str(np.datetime64(timestamp, "us"))
    return text.removesuffix(".000000")
