"""Charts and tables of forecast errors: by hour, month, horizon and series, and their distribution."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from raysq.data.durations import DAY
from raysq.problems.charts import Bars, Figure, Figures, Histogram, Item, Mark, Table, digits3
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.quantiles import median_place

if TYPE_CHECKING:
    from raysq.problems.forecasting.report import Forecasts

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BINS = 40
_SERIES = 24  # most rows in the table of series


def error_items(
    found: "Forecasts",
    target: int,
    unit: str,
    horizons: Sequence[str],
    quantiles: tuple[float, ...],
    frequency: Frequency | None,
    series: Sequence[str] = (),
) -> list[Item]:
    """Return figures, bars, tables and a histogram of the errors of one target.

    Args:
        found: forecasts and truth.
        target: index of the target.
        unit: unit of the target; may be empty.
        horizons: labels of the horizons.
        quantiles: quantiles that were forecast; empty for a single value.
        frequency: frequency of the rows; None if there is none.
        series: ids of the series, if there are several.
    """
    middle = median_place(quantiles) if quantiles else 0
    truth = found.truth[:, :, target]
    error = found.values[:, :, target, middle] - truth
    naive = np.abs(found.now[:, None, target] - truth)
    size = np.abs(error)
    # Unobserved values are NaN and are left out.
    known = ~np.isnan(error)
    bias, mae, p90 = float(error[known].mean()), float(size[known].mean()), float(np.percentile(size[known], 90))
    said = f" {unit}" if unit else ""
    naive90 = float(np.nanpercentile(naive, 90))
    # A margin for rounding errors, so that the baseline is not counted as nearer than itself.
    better = float((size < naive * (1 - 1e-5))[known].mean())
    y_label = f"mean absolute error ({unit})" if unit else "mean absolute error"
    figures = [
        Figure("Mean absolute error", f"{digits3(mae)}{said}", f"as now: {digits3(float(np.nanmean(naive)))}{said}"),
        Figure("Bias", f"{bias:+.2g}{said}".replace("-", "\u2212"), _bias(bias)),
        Figure("90 % of errors are below", f"{digits3(p90)}{said}", f"as now: {digits3(naive90)}{said}"),
        Figure("Nearer than \u201cas now\u201d", f"{100 * better:.0f} %", "of the forecasts"),
    ]
    items: list[Item] = [Figures(figures)]
    if len(horizons) > 1:
        items.append(
            Bars(
                "Error by horizon",
                list(horizons),
                known_mean(size),
                x_label="after the last row seen",
                y_label=y_label,
                name="forecast",
                references={"as now": known_mean(naive)},
                wide=False,
            )
        )
    if len(series) > 1:
        which = np.broadcast_to(found.series[:, None], known.shape)
        items.append(_by_series(which[known], size[known], naive[known], unit, series))
    if frequency is None or not frequency.numbered:
        items += _by_time(found.times[known], size[known], naive[known], y_label, frequency)
    items.append(_distribution(error[known], bias, p90, unit))
    if quantiles:
        items.append(_calibration(found.values[:, :, target][known], truth[known], quantiles))
    return items


def known_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of each column over values that are not NaN; NaN for columns without any."""
    with np.errstate(invalid="ignore"):
        return np.nansum(values, 0) / (~np.isnan(values)).sum(0)


def _bias(bias: float) -> str:
    return "forecasts are too low on average" if bias < 0 else "forecasts are too high on average"


def _by_time(
    times: np.ndarray, size: np.ndarray, naive: np.ndarray, y_label: str, frequency: Frequency | None
) -> list[Item]:
    """Return bars by hour of day (by weekday for daily rows) and by month."""
    at = times.ravel()
    hours = at.astype("datetime64[h]").astype(np.int64) % 24
    days = (at.astype("datetime64[D]").astype(np.int64) + 3) % 7
    months = at.astype("datetime64[M]").astype(np.int64) % 12
    items: list[Item] = []

    def bars(title: str, label: str, group: np.ndarray, names: Sequence[str]) -> None:
        counts = np.bincount(group, minlength=len(names))
        with np.errstate(invalid="ignore"):
            mean, other = (np.bincount(group, v.ravel(), len(names)) / counts for v in (size, naive))
        items.append(
            Bars(
                title,
                list(names),
                mean,
                x_label=label,
                y_label=y_label,
                name="forecast",
                counts=counts.tolist(),
                references={"as now": other},
            )
        )

    if len(np.unique(hours)) > 1:
        bars("Error by hour of day", "hour", hours, [f"{hour}" for hour in range(24)])
    elif frequency is not None and frequency.seconds <= DAY:
        bars("Error by day of week", "day", days, _DAYS)
    if len(np.unique(months)) > 1:
        bars("Error by month", "month", months, _MONTHS)
    return items


def _by_series(which: np.ndarray, size: np.ndarray, naive: np.ndarray, unit: str, series: Sequence[str]) -> Table:
    """Return a table of the error on each series, the largest first, limited to `_SERIES` rows."""
    counts = np.bincount(which, minlength=len(series))
    with np.errstate(invalid="ignore"):
        mean, other = (np.bincount(which, v, len(series)) / counts for v in (size, naive))
    order = [place for place in np.argsort(-np.nan_to_num(mean)).tolist() if counts[place]]
    rows = [(str(series[p]), float(mean[p]), float(other[p]), int(counts[p])) for p in order[:_SERIES]]
    title = "Error by series" + (f": the {_SERIES} largest of {len(order)}" if len(order) > _SERIES else "")
    said = f" ({unit})" if unit else ""
    return Table(["series", f"mean absolute error{said}", f"as now{said}", "forecasts"], rows, title)


def _distribution(error: np.ndarray, bias: float, p90: float, unit: str) -> Histogram:
    """Return a histogram from the 0.25th to the 99.75th percentile; the outer bins count the errors beyond."""
    flat = error.ravel()
    low, high = np.percentile(flat, [0.25, 99.75])
    if not high > low:
        low, high = float(low) - 0.5, float(high) + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    counts, _ = np.histogram(np.clip(flat, low, high), edges)
    said = f" {unit}" if unit else ""
    sign = "\u2212" if bias < 0 else "+"
    return Histogram(
        "Distribution of errors",
        edges,
        counts,
        x_label=f"forecast \u2212 truth{f' ({unit})' if unit else ''}; the outer bars hold all beyond",
        marks=[
            Mark(-p90, ""),
            Mark(0.0, "no error"),
            Mark(bias, f"bias {sign}{abs(bias):.2g}{said}"),
            Mark(p90, f"90 % within \u00b1{digits3(p90)}{said}"),
        ],
        y_label="forecasts",
        wide=True,
    )


def _calibration(values: np.ndarray, truth: np.ndarray, quantiles: tuple[float, ...]) -> Table:
    """Return a table of how often the truth lies below each quantile, next to the nominal share."""
    rows = [
        (f"{100 * quantile:g} %", f"{100 * float((truth <= values[..., place]).mean()):.1f} %")
        for place, quantile in enumerate(quantiles)
    ]
    low, high = int(np.argmin(quantiles)), int(np.argmax(quantiles))
    if low != high:
        inside = float(((truth >= values[..., low]) & (truth <= values[..., high])).mean())
        share = 100 * (quantiles[high] - quantiles[low])
        rows.append((f"between them: {share:g} %", f"{100 * inside:.1f} %"))
    return Table(["the truth should lie below in", "and lies below in"], rows, "Quantiles against the truth")
