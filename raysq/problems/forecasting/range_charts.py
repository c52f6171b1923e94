"""Charts of single forecasts of a range of rows, with the history before them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.charts import Band, Item, Line, LineChart, unit_name
from raysq.problems.forecasting.batches import Windows
from raysq.problems.forecasting.quantiles import median_index
from raysq.problems.forecasting.series import segments
from raysq.problems.forecasting.window_forecasts import forecast_windows, local_times

if TYPE_CHECKING:
    from raysq.problems.forecasting.problem import Forecasting

WINDOWS, TARGETS = 3, 3  # most that are drawn


def history_charts(
    problem: "Forecasting", dataset: Dataset, windows: Windows, predict: Callable[[np.ndarray], np.ndarray]
) -> list[Item]:
    """Return a chart of some forecasts of each of the first targets: history, truth, forecast, persistence.

    Args:
        problem: problem of the run, whose horizon is a range.
        dataset: data set of the windows.
        windows: a split of the data set.
        predict: function from x `(n, steps, features)` to the model's outputs `(n, outputs)` in normalized units.
    """
    settings = problem.settings
    indices = np.unique(np.linspace(0, len(windows) - 1, WINDOWS + 2).astype(np.int64)[1:-1])
    forecasts = forecast_windows(problem, dataset, windows, predict, indices)
    begins = np.array([begin for begin, _ in segments(dataset)])
    charts: list[Item] = []
    for target, name in enumerate(settings.targets[:TARGETS]):
        for number, row in enumerate(windows.rows(indices)):
            begin = max(row - settings.lookback, row - 2 * len(settings.ahead), begins[begins <= row].max())
            end = row + settings.last + 1
            past = _times(problem, local_times(dataset, dataset.column("time").slice(begin, end).astype("M8[us]")))
            ahead = _times(problem, forecasts.times[number])
            values = forecasts.values[number, :, target]
            bands = []
            if len(settings.quantiles) > 1:
                low, high = settings.quantiles[0], settings.quantiles[-1]
                bands = [Band(f"{low * 100:g} to {high * 100:g} % quantile", ahead, values[:, 0], values[:, -1])]
            unit = unit_name(problem.unit)
            latest = np.full(len(ahead), forecasts.latest[number, target])
            charts.append(
                LineChart(
                    f"{name}, from {_start(problem, forecasts.times[number, 0])}",
                    [
                        Line("history", past, dataset.column(name).slice(begin, end).astype(np.float64), "quiet"),
                        Line("as now", ahead, latest, "dashed", 1),
                        Line("truth", ahead, forecasts.truth[number, :, target], "fine"),
                        Line("forecast", ahead, values[:, median_index(settings.quantiles)], "solid", 0),
                    ],
                    bands=bands,
                    x_label="row" if problem.metadata.numbered else "",
                    whole_x=problem.metadata.numbered,
                    y_label=f"{name} ({unit})" if unit and f"({problem.unit})" not in name else name,
                )
            )
    return charts


def _times(problem: "Forecasting", times: np.ndarray) -> np.ndarray:
    """Return times, or the numbers of numbered rows."""
    return times.astype(np.int64) / 1e6 if problem.metadata.numbered else times


def _start(problem: "Forecasting", time: np.datetime64) -> str:
    return (
        f"row {time.astype(np.int64) // 1_000_000:,}" if problem.metadata.numbered else str(time)[:16].replace("T", " ")
    )
