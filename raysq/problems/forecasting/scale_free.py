"""Errors without a unit: MASE and sMAPE."""

from typing import TYPE_CHECKING, Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.forecasting.batches import Windows, open_splits
from raysq.problems.forecasting.quantiles import median_index
from raysq.problems.forecasting.series import segments, series_numbers

if TYPE_CHECKING:
    from raysq.problems.forecasting.problem import Forecasting

_VALUES = 1 << 22  # forecasts at a time


def scale_free_errors(problem: "Forecasting", dataset: Dataset, split: str, model: Any) -> dict[str, float]:
    """Return the scale-free errors of all forecasts of a split: nothing where it has no window.

    `mase` is the mean absolute scaled error (Hyndman and Koehler 2006, "Another look at measures of forecast
    accuracy"): errors divided by the mean absolute error of the seasonal-naive forecast one season ahead (one row ahead
    without a season) on the training rows of the same series. `smape` is the symmetric mean absolute percentage error,
    200 % times the error over the sum of the sizes of forecast and truth, from 0 to 200 (Makridakis 1993, "Accuracy
    measures: theoretical and practical concerns"); it is 0 where both are 0.
    """
    settings, metadata = problem.settings, problem.metadata
    windows = open_splits(dataset, settings)[split]
    if not len(windows):
        return {}
    scales = seasonal_scales(dataset, windows)
    mean, std = np.array(metadata.target_mean), np.array(metadata.target_std)
    begins = [begin for begin, _ in segments(dataset)]
    numbers, mapped = series_numbers(dataset), windows.mapped()
    shape = (-1, len(settings.ahead), len(settings.targets))
    sums, counts = np.zeros(2), np.zeros(2)
    for batch, count in fixed_batches(np.arange(len(windows)), max(1, min(1024, _VALUES // settings.outputs))):
        x, y = windows.gather(batch, mapped, lambda array, rows: array.take(rows))[:2]
        values = np.asarray(model.predict_on_batch(x), np.float64)[:count]
        ordered = np.sort(values.reshape(*shape, max(1, len(settings.quantiles))), axis=-1)
        forecast = ordered[..., median_index(settings.quantiles)] * std + mean
        truth = y[:count].astype(np.float64).reshape(shape) * std + mean
        observed = windows.observed(batch[:count]).reshape(shape)
        error = np.abs(forecast - truth)
        series = numbers[np.searchsorted(begins, windows.rows(batch[:count]), side="right") - 1]
        scaled = error / scales[series][:, None]
        size = np.abs(forecast) + np.abs(truth)
        shares = np.divide(200 * error, size, out=np.zeros_like(error), where=size > 0)
        for number, part in enumerate((scaled, shares)):
            used = observed & np.isfinite(part)
            sums[number] += part[used].sum()
            counts[number] += used.sum()
    means = np.divide(sums, counts, out=np.full(2, np.nan), where=counts > 0)
    return {name: float(value) for name, value in zip(("mase", "smape"), means, strict=True) if np.isfinite(value)}


def seasonal_scales(dataset: Dataset, windows: Windows) -> np.ndarray:
    """Return the mean absolute change over a season, or from row to row, in the training rows.

    Args:
        dataset: a prepared series.
        windows: windows of any split.

    Returns:
        float64 of shape `(series, targets)`. A series without such rows has the mean of all. NaN where nothing changes.
    """
    settings, series = windows.settings, windows.series
    season, numbers = settings.season or 1, series_numbers(dataset)
    sums = np.zeros((numbers.max() + 1, len(settings.targets)))
    counts = np.zeros_like(sums)
    for number, bounds in zip(numbers, series.bounds, strict=True):
        begin, end = bounds["train"]
        if end - begin <= season:
            continue
        for target, name in enumerate(settings.targets):
            values = dataset.column(name).slice(begin, end).astype(np.float64)
            changes = np.abs(values[season:] - values[:-season])
            if series.observed is not None:
                seen = series.observed[begin:end, target].astype(bool)
                changes = changes[seen[season:] & seen[:-season]]
            sums[number, target] += changes.sum()
            counts[number, target] += len(changes)
    with np.errstate(invalid="ignore", divide="ignore"):
        scales = sums / counts
        common = sums.sum(0) / counts.sum(0)
    scales = np.where(np.isnan(scales), common, scales)
    return np.where(scales > 0, scales, np.nan)
