"""Forecasts of the windows of a data set beside the truth, for reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from raysq.data import time_zones
from raysq.data.dataset import Dataset
from raysq.problems.forecasting.batches import Windows
from raysq.problems.forecasting.series import segments, series_numbers

if TYPE_CHECKING:
    from raysq.problems.forecasting.problem import Forecasting

_BATCH = 1024


@dataclass(frozen=True)
class WindowForecasts:
    """Forecasts of some windows and the truth, in the targets' own units.

    Attributes:
        times: local times that are forecast, in the series' time zone, datetime64[us] of shape `(n, horizons)`.
        truth: true values, shape `(n, horizons, targets)`, NaN where unobserved.
        values: forecasts, shape `(n, horizons, targets, quantiles)`; the last axis has length 1 without quantiles.
        latest: the targets' latest value in each window, shape `(n, targets)`: the persistence forecast.
        series: index of the series of each window, shape `(n,)`.
    """

    times: np.ndarray
    truth: np.ndarray
    values: np.ndarray
    latest: np.ndarray
    series: np.ndarray


def forecast_windows(
    problem: "Forecasting",
    dataset: Dataset,
    windows: Windows,
    predict: Callable[[np.ndarray], np.ndarray],
    indices: np.ndarray,
    horizons: Sequence[int] | None = None,
) -> WindowForecasts:
    """Forecast windows batch by batch.

    Args:
        problem: problem of the run.
        dataset: data set of the windows.
        windows: a split of the data set.
        predict: function from x `(n, steps, features)` to the model's outputs `(n, outputs)` in normalized units.
        indices: numbers of the windows.
        horizons: indices of the horizons to keep, where all would take much memory. Defaults to all.
    """
    settings, metadata = problem.settings, problem.metadata
    shape = (-1, len(settings.ahead), len(settings.targets))
    mean, std = np.array(metadata.target_mean), np.array(metadata.target_std)
    kept = np.arange(len(settings.ahead)) if horizons is None else np.asarray(horizons)
    mapped = windows.mapped()
    truth, values = [], []
    for begin in range(0, len(indices), _BATCH):
        batch = indices[begin : begin + _BATCH]
        x, y = windows.gather(batch, mapped, lambda array, rows: array.take(rows))[:2]
        observed = np.where(windows.observed(batch), y, np.nan).reshape(shape)
        truth.append(observed[:, kept].astype(np.float64) * std + mean)
        # Quantiles are sorted, as for predictions.
        outputs = np.asarray(predict(x), np.float64).reshape(*observed.shape, -1)
        outputs = np.sort(outputs[:, kept], axis=-1)
        values.append(outputs * std[:, None] + mean[:, None])
    rows = windows.rows(indices)
    begins = [begin for begin, _ in segments(dataset)]
    latest = [dataset.column(name).take(rows + settings.last).astype(np.float64) for name in settings.targets]
    times = dataset.column("time").take(rows[:, None] + np.asarray(settings.ahead)[kept]).astype("datetime64[us]")
    return WindowForecasts(
        times=local_times(dataset, times),
        truth=np.concatenate(truth),
        values=np.concatenate(values),
        latest=np.stack(latest, 1),
        series=series_numbers(dataset)[np.searchsorted(begins, rows, side="right") - 1],
    )


def local_times(dataset: Dataset, timestamps: np.ndarray) -> np.ndarray:
    """Return timestamps as local times in the series' time zone, if it has one."""
    zone = dataset.manifest.report.get("timezone")
    local = time_zones.utc_to_local(timestamps.ravel().astype(np.int64), zone)
    return local.astype("datetime64[us]").reshape(timestamps.shape)
