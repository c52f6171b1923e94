"""Charts and tables of forecast errors: by hour, month, horizon and series, and their distribution."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from raysq.data.durations import DAY
from raysq.problems.charts import (
    Bars,
    Figure,
    Figures,
    Histogram,
    Item,
    Line,
    LineChart,
    Mark,
    Table,
    digits3,
    unit_name,
)
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.quantiles import median_index
from raysq.problems.forecasting.window_forecasts import WindowForecasts

if TYPE_CHECKING:
    from raysq.problems.forecasting.problem import Forecasting

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BINS = 40
_SERIES = 24  # most rows in the table of series


def error_items(problem: "Forecasting", forecasts: WindowForecasts, target: int) -> list[Item]:
    """Return figures, bars, tables and a histogram of the errors of one target, given by its index."""
    quantiles, horizons, frequency = problem.settings.quantiles, problem.horizons, problem.frequency
    unit, series = unit_name(problem.unit), problem.metadata.series or []
    truth = forecasts.truth[:, :, target]
    error = forecasts.values[:, :, target, median_index(quantiles)] - truth
    persistence = np.abs(forecasts.latest[:, None, target] - truth)
    size = np.abs(error)
    observed = ~np.isnan(error)
    bias, mae = float(error[observed].mean()), float(size[observed].mean())
    p90, persistence_p90 = float(np.percentile(size[observed], 90)), float(np.nanpercentile(persistence, 90))
    suffix = f" {unit}" if unit else ""
    # A margin for rounding errors, so that the baseline is not counted as nearer than itself.
    better = float((size < persistence * (1 - 1e-5))[observed].mean())
    y_label = f"mean absolute error ({unit})" if unit else "mean absolute error"
    figures = [
        Figure(
            "Mean absolute error",
            f"{digits3(mae)}{suffix}",
            f"as now: {digits3(float(np.nanmean(persistence)))}{suffix}",
        ),
        Figure(
            "Bias",
            f"{bias:+.2g}{suffix}".replace("-", "\u2212"),
            f"forecasts are too {'low' if bias < 0 else 'high'} on average",
        ),
        Figure("90 % of errors are below", f"{digits3(p90)}{suffix}", f"as now: {digits3(persistence_p90)}{suffix}"),
        Figure("Nearer than \u201cas now\u201d", f"{100 * better:.0f} %", "of the forecasts"),
    ]
    items: list[Item] = [Figures(figures)]
    if problem.settings.is_range:
        steps = np.array(problem.settings.horizons)
        items.append(
            LineChart(
                "Error by step ahead",
                [
                    Line("as now", steps, observed_mean(persistence), "dashed", 1),
                    Line("forecast", steps, observed_mean(size), "solid", 0),
                ],
                x_label=f"rows after the last row seen, to {horizons[-1]}",
                y_label=y_label,
                whole_x=True,
            )
        )
    elif len(horizons) > 1:
        items.append(
            Bars(
                "Error by horizon",
                horizons,
                observed_mean(size),
                x_label="after the last row seen",
                y_label=y_label,
                name="forecast",
                references={"as now": observed_mean(persistence)},
                wide=False,
            )
        )
    if len(series) > 1:
        indices = np.broadcast_to(forecasts.series[:, None], observed.shape)
        items.append(_by_series(indices[observed], size[observed], persistence[observed], unit, series))
    if frequency is None or not frequency.numbered:
        items += _by_time(forecasts.times[observed], size[observed], persistence[observed], y_label, frequency)
    items.append(_distribution(error[observed], bias, p90, unit))
    if quantiles:
        items.append(_calibration(forecasts.values[:, :, target][observed], truth[observed], quantiles))
    return items


def observed_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of each column over values that are not NaN; NaN for columns without any."""
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.nansum(values, 0) / (~np.isnan(values)).sum(0)
    return mean


def _by_time(
    times: np.ndarray, size: np.ndarray, persistence: np.ndarray, y_label: str, frequency: Frequency | None
) -> list[Item]:
    """Return bars by hour of day (by weekday for daily rows) and by month."""
    hours = times.astype("datetime64[h]").astype(np.int64) % 24
    days = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    months = times.astype("datetime64[M]").astype(np.int64) % 12
    items: list[Item] = []

    def bars(title: str, label: str, group: np.ndarray, names: Sequence[str]) -> None:
        counts = np.bincount(group, minlength=len(names))
        with np.errstate(invalid="ignore"):
            mean, baseline = (np.bincount(group, v, len(names)) / counts for v in (size, persistence))
        items.append(
            Bars(
                title,
                list(names),
                mean,
                x_label=label,
                y_label=y_label,
                name="forecast",
                counts=counts.tolist(),
                references={"as now": baseline},
            )
        )

    if len(np.unique(hours)) > 1:
        bars("Error by hour of day", "hour", hours, [f"{hour}" for hour in range(24)])
    elif frequency is not None and frequency.seconds <= DAY:
        bars("Error by day of week", "day", days, _DAYS)
    if len(np.unique(months)) > 1:
        bars("Error by month", "month", months, _MONTHS)
    return items


def _by_series(
    indices: np.ndarray, size: np.ndarray, persistence: np.ndarray, unit: str, series: Sequence[str]
) -> Table:
    """Return a table of the error on each series, the largest first, limited to `_SERIES` rows."""
    counts = np.bincount(indices, minlength=len(series))
    with np.errstate(invalid="ignore"):
        mean, baseline = (np.bincount(indices, v, len(series)) / counts for v in (size, persistence))
    order = [index for index in np.argsort(-np.nan_to_num(mean)).tolist() if counts[index]]
    rows = [(str(series[n]), float(mean[n]), float(baseline[n]), int(counts[n])) for n in order[:_SERIES]]
    title = "Error by series" + (f": the {_SERIES} largest of {len(order)}" if len(order) > _SERIES else "")
    suffix = f" ({unit})" if unit else ""
    return Table(["series", f"mean absolute error{suffix}", f"as now{suffix}", "forecasts"], rows, title)


def _distribution(error: np.ndarray, bias: float, p90: float, unit: str) -> Histogram:
    """Return a histogram from the 0.25th to the 99.75th percentile; the outer bins count the errors beyond."""
    low, high = np.percentile(error, [0.25, 99.75])
    if not high > low:
        low, high = float(low) - 0.5, float(high) + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    counts, _ = np.histogram(np.clip(error, low, high), edges)
    suffix = f" {unit}" if unit else ""
    sign = "\u2212" if bias < 0 else "+"
    return Histogram(
        "Distribution of errors",
        edges,
        counts,
        x_label=f"forecast \u2212 truth{f' ({unit})' if unit else ''}; the outer bars hold all beyond",
        marks=[
            Mark(-p90, ""),
            Mark(0.0, "no error"),
            Mark(bias, f"bias {sign}{abs(bias):.2g}{suffix}"),
            Mark(p90, f"90 % within \u00b1{digits3(p90)}{suffix}"),
        ],
        y_label="forecasts",
        wide=True,
    )


def _calibration(values: np.ndarray, truth: np.ndarray, quantiles: tuple[float, ...]) -> Table:
    """Return a table of how often the truth lies below each quantile, next to the nominal share."""
    rows = [
        (f"{100 * quantile:g} %", f"{100 * float((truth <= values[..., number]).mean()):.1f} %")
        for number, quantile in enumerate(quantiles)
    ]
    if len(quantiles) > 1:
        inside = float(((truth >= values[..., 0]) & (truth <= values[..., -1])).mean())
        share = 100 * (quantiles[-1] - quantiles[0])
        rows.append((f"between them: {share:g} %", f"{100 * inside:.1f} %"))
    return Table(["the truth should lie below in", "and lies below in"], rows, "Quantiles against the truth")
