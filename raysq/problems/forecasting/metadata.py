"""Metadata of forecasting runs: what a forecast needs to know of the series that the model was trained on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.base import Metadata
from raysq.problems.forecasting.series import Series
from raysq.problems.forecasting.settings import ForecastingSettings


@dataclass(frozen=True, kw_only=True)
class ForecastingMetadata(Metadata):
    """Metadata of a series under given window settings.

    Attributes:
        columns: columns that the model sees.
        mean: mean of each column over its observed training values.
        std: standard deviation of each column.
        target_mean: mean of each target.
        target_std: standard deviation of each target.
        float64: columns that are stored as float64; the others are float32.
        unobserved: number of unobserved values of each target that has any.
        rows: rows of the data set.
        cadence_seconds: most common step from row to row in seconds; None for numbered rows, and without a cadence.
        frequency: alias of the frequency, or None.
        timezone: time zone of the series, or None.
        numbered: whether rows have numbers instead of times.
        step: step of the numbers of numbered rows, or None.
        series: ids of the series; None unless the data set was prepared with an id.

    Raises:
        DataError: the statistics are not of as many columns or targets as there are.
    """

    columns: list[str]
    mean: list[float]
    std: list[float]
    target_mean: list[float]
    target_std: list[float]
    float64: list[str]
    unobserved: dict[str, int]
    rows: int
    cadence_seconds: float | None
    frequency: str | None
    timezone: str | None
    numbered: bool
    step: float | None
    series: list[str] | None

    def __post_init__(self) -> None:
        if not len(self.columns) == len(self.mean) == len(self.std) or len(self.target_mean) != len(self.target_std):
            raise DataError(
                f"the metadata of a run of forecasting cannot be used: {len(self.columns)} columns have "
                f"{len(self.mean)} means and {len(self.std)} deviations, and the targets {len(self.target_mean)} and "
                f"{len(self.target_std)}"
            )

    @classmethod
    def from_dataset(cls, dataset: Dataset, settings: ForecastingSettings) -> Self:
        """Return the metadata of a data set.

        Args:
            dataset: a prepared series.
            settings: resolved settings.

        Raises:
            DataError: the settings do not fit the data set.
        """
        series = Series(dataset, settings)
        report = dataset.manifest.report
        ids = report.get("series")
        return cls(
            preprocessor=dataset.manifest.preparation["settings"],
            unit=_unit(settings),
            columns=list(series.columns),
            mean=series.mean.tolist(),
            std=series.std.tolist(),
            target_mean=series.target_mean.tolist(),
            target_std=series.target_std.tolist(),
            float64=list(report.get("float64", ())),
            unobserved=_unobserved(report, settings),
            rows=dataset.rows,
            cadence_seconds=report.get("cadence_seconds"),
            frequency=report.get("frequency"),
            timezone=report.get("timezone"),
            numbered=report.get("numbered", False),
            step=report.get("step"),
            series=[entry["id"] for entry in ids] if ids else None,
        )


def _unit(settings: ForecastingSettings) -> str | None:
    """Return the unit of the only target, from the settings or from its name, as in "T (degC)"."""
    if len(settings.targets) > 1:
        return None
    in_name = re.search(r"\(([^()]+)\)\s*$", settings.targets[0])
    return settings.unit or (in_name.group(1) if in_name else None)


def _unobserved(report: Mapping[str, Any], settings: ForecastingSettings) -> dict[str, int]:
    counts = report.get("repairs", {}).get("unobserved", {})
    return {name: counts[name] for name in settings.targets if name in counts}
