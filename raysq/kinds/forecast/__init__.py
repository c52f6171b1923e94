"""Forecasting: the value of a column some rows ahead, from a window of rows behind."""

import re
from collections.abc import Mapping
from typing import Any

from raysq.kinds.forecast.examples import Series, WindowSettings
from raysq.kinds.forecast.predict import predict
from raysq.kinds.forecast.prepare import SeriesPreparation
from raysq.kinds.forecast.sample import sample
from raysq.kinds.kind import Kind, Model
from raysq.shards import Dataset

_BUILDERS = "raysq.kinds.forecast.models:"


def facts(dataset: Dataset, settings: WindowSettings) -> dict[str, Any]:
    """Names, means and deviations of the training rows, and the unit of the target as its column's name says it."""
    series = Series(dataset, settings)
    named = re.search(r"\(([^()]+)\)\s*$", settings.targets[0])
    unit = settings.unit or (named.group(1) if named else None)
    return {
        "columns": list(series.names),
        "mean": series.mean.tolist(),
        "std": series.std.tolist(),
        "targets": list(settings.targets),
        "unit": unit if len(settings.targets) == 1 else None,
    }


def scale(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, float]:
    """Every mean absolute error times the target's deviation, as `..._original`; one target only."""
    if len(facts["targets"]) != 1:
        return {}
    std = facts["std"][facts["columns"].index(facts["targets"][0])]
    return {f"{name}_original": value * std for name, value in metrics.items() if name.split("_")[-1] == "mae"}


KIND = Kind(
    name="forecast",
    preparation=SeriesPreparation,
    examples=WindowSettings,
    models={
        "baseline": Model(_BUILDERS + "baseline", xla=False),
        "dense": Model(_BUILDERS + "dense", xla=False),
        "gru": Model(_BUILDERS + "gru"),
        "gru_dropout": Model(_BUILDERS + "gru", {"dropout": 0.2, "recurrent_dropout": 0.2, "epochs": 40}),
        "gru_stacked": Model(_BUILDERS + "gru_stacked", {"epochs": 40}),
        "gru_reversed": Model(_BUILDERS + "gru", {"reversed": True}),
        "gru_bidirectional": Model(_BUILDERS + "gru_bidirectional"),
        "conv1d": Model(_BUILDERS + "conv1d", xla=False),
        "conv1d_gru": Model(_BUILDERS + "conv1d_gru"),
        "lstm": Model(_BUILDERS + "lstm"),
    },
    loss="mae",
    metrics=("mae",),
    default_model="gru",
    sample=sample,
    facts=facts,
    scale=scale,
    predict=predict,
)
