"""A small learnable series, written as a data set without the preparation pipeline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysq import tasks
from raysq.data.dataset import Dataset, Manifest, schema_entries, write_extra, write_manifest, write_shard
from raysq.problems.forecasting.problem import Forecasting
from raysq.problems.forecasting.readers.repair import FILLED
from raysq.problems.forecasting.settings import ForecastingSettings

SMALL = {
    "data.lookback": 24,
    "data.step": 2,
    "data.delay": 6,
    "training.batch_size": 16,
    "training.eval_batch_size": 64,
    "training.steps_per_epoch": 12,
}


def bind(dataset: Dataset, settings: ForecastingSettings) -> Forecasting:
    """Bind the problem to settings in rows."""
    return Forecasting(settings, Forecasting.make_metadata(dataset, settings))


def write_series(
    directory: Path, rows: int = 1200, shard_rows: int = 500, seed: int = 0, unobserved: Sequence[tuple[int, int]] = ()
) -> Dataset:
    """Writes Jena's columns: noisy waves, the target lagging the first column, of which some stretches are made up."""
    names = tasks.get("jena").preparation["columns"]
    random = np.random.RandomState(seed)
    hours = np.arange(rows)[:, None]
    waves = np.sin(2 * np.pi * hours / (24 + 7 * np.arange(len(names)))) + 0.3 * random.standard_normal(
        (rows, len(names))
    )
    columns = {name: waves[:, number].astype(np.float32) * 5 + number for number, name in enumerate(names)}
    columns["T (degC)"] = np.roll(columns["p (mbar)"], 6)
    stamps = np.datetime64("2020-01-01", "us") + np.arange(rows) * np.timedelta64(600_000_000, "us")
    table = pa.table({"time": stamps, **columns})
    directory.mkdir(parents=True)
    shards = [
        write_shard(directory, number, table.slice(begin, shard_rows))
        for number, begin in enumerate(range(0, rows, shard_rows))
    ]
    begins, ends = ([stretch[end] for stretch in unobserved] for end in (0, 1))
    stretches = {"column": ["T (degC)"] * len(begins), "begin": begins, "end": ends, "ahead": [False] * len(begins)}
    extras = [write_extra(directory, FILLED, pa.table(stretches))] if unobserved else []
    write_manifest(
        directory,
        Manifest(
            task="jena",
            problem="forecasting",
            name=directory.name,
            rows=rows,
            bytes=sum(shard.bytes for shard in shards),
            schema=schema_entries(table.schema),
            shard_rows=shard_rows,
            shards=shards,
            source={"label": "made", "synthetic": True, "files": []},
            preparation={"version": 1, "settings": {}},
            report={},
            fingerprint=f"made-{rows}-{seed}-{len(begins)}" if unobserved else f"made-{rows}-{seed}",
            extras=extras,
        ),
    )
    return Dataset.open(directory)
