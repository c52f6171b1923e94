"""Report of a forecast: a week of forecasts against the truth, and errors by time, horizon and series."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from raysq.data import time_zones
from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.charts import Band, Item, Line, LineChart, Section, Text, digits3, unit_name
from raysq.problems.forecasting.error_charts import error_items, known_mean
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.quantiles import median_place
from raysq.problems.forecasting.settings import ForecastingSettings, segments

if TYPE_CHECKING:
    from raysq.problems.forecasting.batches import Windows

Predict = Callable[[np.ndarray], np.ndarray]

SAMPLED = 20_000  # most windows that the error statistics are computed from
TARGETS, HORIZONS = 3, 3  # most that are drawn
_BATCH = 1024
_CHUNK = 1 << 20
_WEEK = np.timedelta64(7, "D")
_MANY = 168  # numbered rows to show
_FEW = 56  # rows to show where a week has fewer


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of some windows and the truth, in the targets' own units.

    Attributes:
        times: local times that are forecast, in the series' time zone, datetime64[us] of shape `(n, horizons)`.
        truth: True values, shape `(n, horizons, targets)`, NaN where unobserved.
        values: forecasts, shape `(n, horizons, targets, quantiles)`; the last axis has length 1 without quantiles.
        now: the targets' latest value in each window, shape `(n, targets)`: the persistence forecast.
        series: index of the series of each window, shape `(n,)`.
    """

    times: np.ndarray
    truth: np.ndarray
    values: np.ndarray
    now: np.ndarray
    series: np.ndarray


def report(
    dataset: Dataset,
    facts: Mapping[str, Any],
    settings: ForecastingSettings,
    predict: Predict,
    *,
    embedding: Callable[[], np.ndarray | None] | None = None,
    week: str | None = None,
) -> list[Section]:
    """Return the sections of a forecasting run's report.

    Args:
        dataset: data set that the run was trained on.
        facts: metadata of the run.
        settings: window settings of the run.
        predict: function from x `(n, steps, features)` to the model's outputs `(n, outputs)` in normalized units.
        embedding: unused by forecasts.
        week: first day (`2014-05-05`) of the week to show; the Monday before the middle of the test split if None.

    Raises:
        UsageError: the week is no date, or the test split has no forecasts in it.
    """
    splits = settings.open(dataset)
    split = "test" if len(splits["test"]) else "val"
    windows = splits[split]
    names, labels = list(facts["targets"]), list(facts["horizons"])
    chosen, said = _week(dataset, settings, windows, week, split)
    shown = _forecasts(dataset, facts, settings, windows, predict, chosen)
    pictures: list[Item] = [
        _picture(shown, facts, settings, target, horizon)
        for target in range(min(TARGETS, len(names)))
        for horizon in _spread(len(labels))
    ]
    if len(names) > TARGETS or len(labels) > HORIZONS:
        pictures.append(
            Text(
                f"Drawn are {min(TARGETS, len(names))} of {len(names)} targets and {min(HORIZONS, len(labels))} of "
                f"{len(labels)} horizons."
            )
        )
    ids = facts["series"] or []
    if len(ids) > 1:
        said += f" Of {len(ids)} series, {ids[int(shown.series[0])]} is shown."
    said += " \u201cAs now\u201d repeats the latest value seen; it is the baseline."
    sections = [Section("Forecast against truth", pictures, said)]

    count = min(SAMPLED, len(windows))
    sample = np.linspace(0, len(windows) - 1, count).astype(np.int64)
    found = _forecasts(dataset, facts, settings, windows, predict, sample)
    whole = "all" if count == len(windows) else f"{count:,} evenly spaced of the"
    where = f"On {whole} {len(windows):,} windows of the {split} split, by the time that is forecast."
    if len(labels) > 1:
        where += f" All {len(labels)} horizons together, unless said otherwise."
    for target, name in enumerate(names[:TARGETS]):
        title = "Errors" if len(names) == 1 else f"Errors: {name}"
        unit = _unit(facts, target)
        items = error_items(found, target, unit, labels, tuple(settings.quantiles), Frequency.of(facts), ids)
        sections.append(Section(title, items, where))
    return sections


def _week(
    dataset: Dataset, settings: ForecastingSettings, windows: "Windows", week: str | None, split: str
) -> tuple[np.ndarray, str]:
    """Return the windows whose first forecast lies in the week, and a description of how it was selected."""
    first = min(settings.ahead)
    times = dataset.column("time")

    def stamps(indices: np.ndarray) -> np.ndarray:
        return times.take(windows.rows(indices) + first).astype("datetime64[us]")

    def moments(indices: np.ndarray) -> np.ndarray:
        return _wall(dataset, stamps(indices))

    middle = np.array([len(windows) // 2])
    if dataset.manifest.report.get("numbered"):
        if week is not None:
            raise UsageError(f"--week {week} needs times, and the rows of {dataset.manifest.name} are numbered")
        start = max(0, int(middle[0]) - _MANY // 2)
        inside = np.arange(start, min(len(windows), start + _MANY))
        inside = _one_series(inside, stamps(inside))
        return inside, f"{len(inside)} forecasts from the middle of the {split} split."
    if week is None:
        at = moments(middle)[0]
        monday = at.astype("datetime64[D]")
        begin = (monday - (monday.astype(np.int64) + 3) % 7).astype("datetime64[us]")
        said = f"The week from the Monday before the middle of the {split} split"
    else:
        try:
            begin = np.datetime64(week, "D").astype("datetime64[us]")
        except ValueError:
            raise UsageError(f"--week takes a day such as 2014-05-05, received {week!r}") from None
        said = "The week asked for"
    inside = _between(moments, len(windows), begin, begin + _WEEK)
    if not len(inside) and week is not None:
        ends = moments(np.array([0, len(windows) - 1]))
        raise UsageError(
            f"--week {week}: nothing of the {split} split lies there; it goes from {str(ends[0])[:10]} to "
            f"{str(ends[1])[:10]}"
        )
    if len(inside) < _FEW:
        # A week of a slow series has few rows: show enough for a chart, from the same start.
        start = int(inside[0]) if len(inside) else max(0, int(middle[0]) - _FEW // 2)
        inside = np.arange(start, min(len(windows), start + _FEW))
        said = f"{len(inside)} forecasts from {'the day asked for' if week else f'the middle of the {split} split'}"
    inside = _one_series(inside, stamps(inside))
    ends = moments(inside[[0, -1]])
    more = " The option \u201cweek\u201d chooses another one." if week is None else ""
    return inside, f"{said}: {str(ends[0])[:10]} to {str(ends[1])[:10]}.{more}"


def _wall(dataset: Dataset, stamps: np.ndarray) -> np.ndarray:
    """Return timestamps as local times in the series' time zone, if it has one."""
    zone = dataset.manifest.report.get("timezone")
    wall = time_zones.utc_to_local(stamps.ravel().astype(np.int64), zone)
    return wall.astype("datetime64[us]").reshape(stamps.shape)


def _between(moments: Callable[[np.ndarray], np.ndarray], count: int, begin: Any, end: Any) -> np.ndarray:
    found = []
    for low in range(0, count, _CHUNK):
        indices = np.arange(low, min(count, low + _CHUNK))
        at = moments(indices)
        found.append(indices[(at >= begin) & (at < end)])
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _one_series(indices: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the longest part in which time increases: where it does not, another series begins."""
    cuts = np.flatnonzero(np.diff(at) <= np.timedelta64(0, "us")) + 1
    return max(np.split(indices, cuts), key=len)


def _forecasts(
    dataset: Dataset,
    facts: Mapping[str, Any],
    settings: ForecastingSettings,
    windows: "Windows",
    predict: Predict,
    indices: np.ndarray,
) -> Forecasts:
    """Return forecasts and truth of windows, computed batch by batch."""
    targets, ahead = len(facts["targets"]), np.asarray(settings.ahead)
    quantiles = max(1, len(settings.quantiles))
    mean, std = np.array(facts["target_mean"]), np.array(facts["target_std"])
    truth, values = [], []
    for x, y, observed in _batches(windows, indices):
        known = np.where(observed, y, np.nan).reshape(len(y), len(ahead), targets)
        truth.append(known.astype(np.float64) * std + mean)
        # Sort the quantiles, as `predict` does.
        out = np.sort(np.asarray(predict(x), np.float64).reshape(len(y), len(ahead), targets, quantiles), axis=-1)
        values.append(out * std[:, None] + mean[:, None])
    rows = windows.rows(indices)
    now = np.stack([dataset.column(name).take(rows + settings.last).astype(np.float64) for name in facts["targets"]], 1)
    times = _wall(dataset, dataset.column("time").take(rows[:, None] + ahead).astype("datetime64[us]"))
    begins = np.array([begin for begin, _ in segments(dataset)])
    series = np.searchsorted(begins, rows, side="right") - 1
    return Forecasts(times, np.concatenate(truth), np.concatenate(values), now, series)


def _batches(windows: "Windows", indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield x, y and the mask of observed outputs, batch by batch."""
    mapped = windows.mapped()
    for low in range(0, len(indices), _BATCH):
        part = indices[low : low + _BATCH]
        x, y = windows.gather(part, mapped, lambda array, rows: array.take(rows))[:2]
        yield x, y, windows.observed(part)


def _spread(count: int) -> list[int]:
    """Return the horizons to draw: the first, the last and evenly spaced ones between."""
    return sorted(set(np.linspace(0, count - 1, min(count, HORIZONS)).round().astype(int).tolist()))


def _unit(facts: Mapping[str, Any], target: int) -> str:
    return unit_name(facts["unit"]) if len(facts["targets"]) == 1 else ""


def _picture(
    shown: Forecasts, facts: Mapping[str, Any], settings: ForecastingSettings, target: int, horizon: int
) -> LineChart:
    """Return a chart of truth, forecast and persistence over time, with a band between the outer quantiles."""
    name, label = facts["targets"][target], facts["horizons"][horizon]
    unit = _unit(facts, target)
    quantiles = tuple(settings.quantiles)
    frequency = Frequency.of(facts)
    times, cut = _parted(shown.times[:, horizon], frequency)
    x = _numbers if facts.get("numbered") else np.asarray
    values = shown.values[:, horizon, target]
    middle = values[:, median_place(quantiles) if quantiles else 0]
    truth, now = shown.truth[:, horizon, target], shown.now[:, target]
    mae, naive = (float(known_mean(np.abs(one - truth))) for one in (middle, now))
    bands = []
    if len(quantiles) > 1:
        low, high = int(np.argmin(quantiles)), int(np.argmax(quantiles))
        between = f"{quantiles[low] * 100:g} to {quantiles[high] * 100:g} % quantile"
        bands = [Band(between, x(shown.times[:, horizon]), values[:, low], values[:, high])]
    said = f" {unit}" if unit else ""
    return LineChart(
        title=f"{name}, {label} ahead",
        lines=[
            Line(f"as now (mean absolute error {digits3(naive)}{said})", x(times), cut(now), "dashed", 1),
            Line("truth", x(times), cut(truth), "fine"),
            Line(f"forecast (mean absolute error {digits3(mae)}{said})", x(times), cut(middle), "solid", 0),
        ],
        bands=bands,
        x_label="row" if facts.get("numbered") else "",
        whole_x=bool(facts.get("numbered")),
        y_label=f"{name} ({unit})" if unit and f"({facts['unit']})" not in name else name,
    )


def _numbers(times: np.ndarray) -> np.ndarray:
    """Return the numbers of numbered rows."""
    return times.astype(np.int64) / 1e6


def _parted(times: np.ndarray, frequency: Frequency | None) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return the times with one more in every gap, and a function that inserts NaN there, to break lines at gaps."""
    steps = np.diff(times).astype(np.int64)
    usual = np.full(len(steps), np.median(steps) if len(steps) else 0)
    if frequency is not None and frequency.alias:  # calendar steps, such as weekends, are no gaps
        days = times[:-1].astype("datetime64[D]").astype(np.int64)
        usual = np.array(frequency.longest)[(days + 3) % 7]
    gaps = np.flatnonzero(steps > 1.5 * usual) + 1
    filled = np.insert(times, gaps, times[gaps - 1] + np.timedelta64(1, "us"))
    return filled, lambda values: np.insert(values.astype(np.float64), gaps, np.nan)
