"""Report of a forecast: a week of forecasts against the truth, and errors by time, horizon and series."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.charts import Band, Item, Line, LineChart, Section, Text, digits3, unit_name
from raysq.problems.forecasting.batches import Windows, open_splits
from raysq.problems.forecasting.error_charts import error_items, observed_mean
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.quantiles import median_index
from raysq.problems.forecasting.range_charts import history_charts
from raysq.problems.forecasting.window_forecasts import WindowForecasts, forecast_windows, local_times

if TYPE_CHECKING:
    from raysq.problems.forecasting.problem import Forecasting

SAMPLED = 20_000  # most windows that the error statistics are computed from
TARGETS, HORIZONS = 3, 3  # most that are drawn
_VALUES = 30_000_000  # most forecasts of a target that the error statistics are computed from
_CHUNK = 1 << 20
_WEEK = np.timedelta64(7, "D")
_MANY = 168  # numbered rows to show
_FEW = 56  # rows to show where a week has fewer


def report(
    problem: "Forecasting", dataset: Dataset, predict: Callable[[np.ndarray], np.ndarray], week: str | None
) -> list[Section]:
    """Return the sections of a forecasting run's report.

    Args:
        problem: problem of the run.
        dataset: data set that the run was trained on.
        predict: function from x `(n, steps, features)` to the model's outputs `(n, outputs)` in normalized units.
        week: first day (`2014-05-05`) of the week to show; the Monday before the middle of the test split if None.

    Raises:
        UsageError: the week is no date, or the test split has no forecasts in it.
    """
    splits = open_splits(dataset, problem.settings)
    split = "test" if len(splits["test"]) else "val"
    windows = splits[split]
    targets, horizons, ids = problem.settings.targets, problem.horizons, problem.metadata.series or []
    selection, description = _select_week(problem, dataset, windows, split, week)
    drawn = _spread(len(horizons))
    forecasts = forecast_windows(problem, dataset, windows, predict, selection, drawn)
    charts: list[Item] = [
        _line_chart(problem, forecasts, target, number, horizons[horizon])
        for target in range(min(TARGETS, len(targets)))
        for number, horizon in enumerate(drawn)
    ]
    if len(targets) > TARGETS or len(horizons) > HORIZONS:
        charts.append(
            Text(
                f"Drawn are {min(TARGETS, len(targets))} of {len(targets)} targets and "
                f"{min(HORIZONS, len(horizons))} of {len(horizons)} horizons."
            )
        )
    if len(ids) > 1:
        description += f" Of {len(ids)} series, {ids[int(forecasts.series[0])]} is shown."
    description += " \u201cAs now\u201d repeats the latest value seen; it is the baseline."
    sections = [Section("Forecast against truth", charts, description)]
    if problem.settings.is_range:
        ahead = f"{horizons[0]} to {horizons[-1]}"
        sections.append(
            Section(
                f"Forecasts of {ahead}",
                history_charts(problem, dataset, windows, predict),
                f"Single forecasts of the {split} split with the history before them, evenly spaced in time.",
            )
        )

    count = min(SAMPLED, len(windows), max(1, _VALUES // problem.settings.outputs))
    sample = np.linspace(0, len(windows) - 1, count).astype(np.int64)
    forecasts = forecast_windows(problem, dataset, windows, predict, sample)
    share = "all" if count == len(windows) else f"{count:,} evenly spaced of the"
    description = f"On {share} {len(windows):,} windows of the {split} split, by the time that is forecast."
    if len(horizons) > 1:
        description += f" All {len(horizons)} horizons together, unless said otherwise."
    for target, name in enumerate(targets[:TARGETS]):
        title = "Errors" if len(targets) == 1 else f"Errors: {name}"
        sections.append(Section(title, error_items(problem, forecasts, target), description))
    return sections


def _select_week(
    problem: "Forecasting", dataset: Dataset, windows: Windows, split: str, week: str | None
) -> tuple[np.ndarray, str]:
    """Return the windows whose first forecast lies in the week, and a description of how it was selected."""
    first = min(problem.settings.ahead)
    column = dataset.column("time")

    def timestamps(indices: np.ndarray) -> np.ndarray:
        return column.take(windows.rows(indices) + first).astype("datetime64[us]")

    def times(indices: np.ndarray) -> np.ndarray:
        return local_times(dataset, timestamps(indices))

    middle = len(windows) // 2
    if problem.metadata.numbered:
        if week is not None:
            raise UsageError(f"--week {week} needs times, and the rows of {dataset.manifest.name} are numbered")
        selection = _range(middle - _MANY // 2, _MANY, len(windows))
        selection = _one_series(selection, timestamps(selection))
        return selection, f"{len(selection)} forecasts from the middle of the {split} split."
    if week is None:
        monday = times(np.array([middle]))[0].astype("datetime64[D]")
        begin = (monday - (monday.astype(np.int64) + 3) % 7).astype("datetime64[us]")
        description = f"The week from the Monday before the middle of the {split} split"
    else:
        try:
            begin = np.datetime64(week, "D").astype("datetime64[us]")
        except ValueError:
            raise UsageError(f"--week takes a day such as 2014-05-05, received {week!r}") from None
        description = "The week asked for"
    selection = _between(times, len(windows), begin, begin + _WEEK)
    if not len(selection) and week is not None:
        ends = times(np.array([0, len(windows) - 1]))
        raise UsageError(
            f"--week {week}: nothing of the {split} split lies there; it goes from {str(ends[0])[:10]} to "
            f"{str(ends[1])[:10]}"
        )
    if len(selection) < _FEW:
        # A week of a slow series has few rows: show enough for a chart, from the same start.
        selection = _range(int(selection[0]) if len(selection) else middle - _FEW // 2, _FEW, len(windows))
        origin = "the day asked for" if week else f"the middle of the {split} split"
        description = f"{len(selection)} forecasts from {origin}"
    selection = _one_series(selection, timestamps(selection))
    ends = times(selection[[0, -1]])
    hint = " The option \u201cweek\u201d chooses another one." if week is None else ""
    return selection, f"{description}: {str(ends[0])[:10]} to {str(ends[1])[:10]}.{hint}"


def _range(begin: int, count: int, end: int) -> np.ndarray:
    """Return `count` numbers from `begin` on, within 0 and `end`."""
    begin = max(0, begin)
    return np.arange(begin, min(end, begin + count))


def _between(times: Callable[[np.ndarray], np.ndarray], count: int, begin: Any, end: Any) -> np.ndarray:
    """Return the windows, of `count`, whose times lie in a range."""
    parts = []
    for low in range(0, count, _CHUNK):
        indices = np.arange(low, min(count, low + _CHUNK))
        values = times(indices)
        parts.append(indices[(values >= begin) & (values < end)])
    return np.concatenate(parts)


def _one_series(indices: np.ndarray, timestamps: np.ndarray) -> np.ndarray:
    """Return the longest part in which time increases: where it does not, another series begins."""
    cuts = np.flatnonzero(np.diff(timestamps) <= np.timedelta64(0, "us")) + 1
    return max(np.split(indices, cuts), key=len)


def _spread(count: int) -> list[int]:
    """Return the horizons to draw: the first, the last and evenly spaced ones between."""
    return sorted(set(np.linspace(0, count - 1, min(count, HORIZONS)).round().astype(int).tolist()))


def _line_chart(problem: "Forecasting", forecasts: WindowForecasts, target: int, horizon: int, label: str) -> LineChart:
    """Return a chart of truth, forecast and persistence over time, with a band between the outer quantiles."""
    name = problem.settings.targets[target]
    unit, quantiles, numbered = unit_name(problem.unit), problem.settings.quantiles, problem.metadata.numbered
    times, break_lines = _break_at_gaps(forecasts.times[:, horizon], problem.frequency)
    x = _row_numbers if numbered else np.asarray
    values = forecasts.values[:, horizon, target]
    median = values[:, median_index(quantiles)]
    truth, latest = forecasts.truth[:, horizon, target], forecasts.latest[:, target]
    mae, persistence = (float(observed_mean(np.abs(line - truth))) for line in (median, latest))
    bands = []
    if len(quantiles) > 1:
        label_of_band = f"{quantiles[0] * 100:g} to {quantiles[-1] * 100:g} % quantile"
        bands = [Band(label_of_band, x(forecasts.times[:, horizon]), values[:, 0], values[:, -1])]
    suffix = f" {unit}" if unit else ""
    return LineChart(
        title=f"{name}, {label} ahead",
        lines=[
            Line(
                f"as now (mean absolute error {digits3(persistence)}{suffix})",
                x(times),
                break_lines(latest),
                "dashed",
                1,
            ),
            Line("truth", x(times), break_lines(truth), "fine"),
            Line(f"forecast (mean absolute error {digits3(mae)}{suffix})", x(times), break_lines(median), "solid", 0),
        ],
        bands=bands,
        x_label="row" if numbered else "",
        whole_x=numbered,
        y_label=f"{name} ({unit})" if unit and f"({problem.unit})" not in name else name,
    )


def _row_numbers(times: np.ndarray) -> np.ndarray:
    """Return the numbers of numbered rows."""
    return times.astype(np.int64) / 1e6


def _break_at_gaps(
    times: np.ndarray, frequency: Frequency | None
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return the times with one more in every gap, and a function that inserts NaN there, to break lines at gaps."""
    steps = np.diff(times).astype(np.int64)
    longest = np.full(len(steps), np.median(steps) if len(steps) else 0)
    if frequency is not None and frequency.alias:  # calendar steps, such as weekends, are no gaps
        days = times[:-1].astype("datetime64[D]").astype(np.int64)
        longest = np.array(frequency.longest)[(days + 3) % 7]
    gaps = np.flatnonzero(steps > 1.5 * longest) + 1
    filled = np.insert(times, gaps, times[gaps - 1] + np.timedelta64(1, "us"))
    return filled, lambda values: np.insert(values.astype(np.float64), gaps, np.nan)
