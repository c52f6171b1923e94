"""What a run of forecasting takes and gives."""

import datetime
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from raysq.data import time_zones
from raysq.problems.charts import unit_name
from raysq.problems.forecasting.predict import quantile_column
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.readers import timestamps
from raysq.problems.interface import Input, InputColumn, Interface, Output

if TYPE_CHECKING:
    from raysq.problems.forecasting.problem import Forecasting

_START = 1_704_067_200_000_000  # 2024-01-01, a Monday, in microseconds
_DIGITS = 5  # of the numbers of the example
_WAVE = 24  # rows of a wave of the example
_DAY = 86_400_000_000
_UNITS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}


def interface(problem: "Forecasting") -> Interface:
    """Return the interface of a run. Its example has waves about the mean of each column, as many rows as needed."""
    preprocessor = problem.prediction_preprocessor()
    settings, keys = problem.settings, problem.key_columns
    columns = (
        *(InputColumn(name, "time") for name in preprocessor.time),
        *(InputColumn(name, "text", tuple(problem.metadata.series or ())[:50]) for name in keys),
        *(InputColumn(name, "number") for name in preprocessor.columns),
        *(InputColumn(name, "text", tuple((preprocessor.levels or {})[name])) for name in preprocessor.categories),
    )
    quantiles = {
        target: tuple(quantile_column(target, quantile) for quantile in sorted(settings.quantiles))
        for target in settings.targets
        if settings.quantiles
    }
    output = Output(
        "forecast", targets=tuple(settings.targets), quantiles=quantiles, unit=unit_name(problem.unit) or None
    )
    example = _example(problem, preprocessor)
    return Interface(Input("rows", example, columns, rows=settings.rows_needed), output)


def _example(problem: "Forecasting", preprocessor: SeriesPreprocessor) -> list[dict[str, Any]]:
    """Return rows that the run can forecast from, or none if its times have a form that is only read."""
    metadata = problem.metadata
    scales = {name: (mean, std) for name, mean, std in zip(metadata.columns, metadata.mean, metadata.std, strict=True)}
    fixed: dict[str, Any] = {name: values[0] for name, values in (preprocessor.levels or {}).items()}
    if problem.key_columns:
        # Several columns name a series together; how they are joined is not undone here.
        if len(problem.key_columns) > 1 or not metadata.series:
            return []
        fixed[problem.key_columns[0]] = metadata.series[0]
    rows = []
    for number, moment in enumerate(_moments(problem)):
        times = _times(preprocessor, number * (metadata.step or 1.0), moment)
        if times is None:
            return []
        wave = math.sin(2 * math.pi * number / _WAVE) / 2
        values = {
            name: float(f"{scales[stored][0] + scales[stored][1] * wave:.{_DIGITS}g}")
            for name in preprocessor.columns
            if (stored := preprocessor.stored(name)) in scales
        }
        rows.append({**times, **fixed, **values})
    return rows


def _moments(problem: "Forecasting") -> list[datetime.datetime]:
    """Return the times of the rows, which follow the frequency of the training data, as its clocks show them."""
    counts = np.arange(1, problem.settings.rows_needed + 1)
    frequency, zone = problem.frequency, problem.metadata.timezone
    if frequency is None or frequency.numbered:
        moments = _START + counts * _DAY
    else:
        moments = frequency.after(_START, counts, zone)
        moments = moments if zone is None else time_zones.utc_to_local(moments, zone)
    times: list[datetime.datetime] = moments.astype("datetime64[us]").tolist()
    return times


def _times(preprocessor: SeriesPreprocessor, number: float, moment: datetime.datetime) -> dict[str, Any] | None:
    """Return the cells of the time columns of a row, as the run's own files have them, or None.

    Args:
        preprocessor: preprocessor for predictions.
        number: number of the row, for rows that are numbered.
        moment: time of the row.
    """
    names, written = preprocessor.time, preprocessor.time_format
    if written == timestamps.ROWS:
        return {}
    if written is None and timestamps.is_parts(names) and "quarter" not in [name.lower() for name in names]:
        return {name: getattr(moment, name.lower()) for name in names}
    if len(names) != 1:
        return None
    if written is None:
        return {names[0]: moment.isoformat(" ")}
    if written == timestamps.NUMBER:
        return {names[0]: number}
    if written in _UNITS:
        return {names[0]: round(moment.replace(tzinfo=datetime.UTC).timestamp()) * _UNITS[written]}
    return {names[0]: moment.strftime(written)} if "%" in written else None
