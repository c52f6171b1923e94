"""Small tables, prepared as `raysq prepare` does."""

import numpy as np
import pyarrow as pa

from raysq.config import make_settings
from raysq.data.pipeline import build
from raysq.data.sources import resolve
from raysq.problems.arrays.preprocessor import TablePreprocessor
from raysq.problems.arrays.problem import Tables


def make_dataset(source, directory, cpus=None, shard_rows=None, **settings):
    """Prepares a table, a file or a folder."""
    resolved = resolve(source, suffixes=TablePreprocessor.suffixes)
    preprocessor, messages = make_settings(TablePreprocessor, settings).infer(resolved.files)
    identity = {"task": "arrays", "problem": "arrays", "name": directory.name}
    return build(preprocessor, resolved, directory, identity, messages=messages, shard_rows=shard_rows, cpus=cpus)


def bound(dataset, **settings):
    """The problem on a data set, and its batch sources."""
    problem = Tables.from_dataset(dataset, settings)
    return problem, problem.splits(dataset)


def whole(examples, gathered=None):
    """All examples of a split as one batch."""
    return examples.gather(np.arange(len(examples)), examples.arrays(), lambda array, rows: array[rows])


def house_table(rows=200, seed=0):
    """Numbers with missing ones, categories, a boolean; a price that depends on them linearly, and a class."""
    random = np.random.RandomState(seed)
    area = random.uniform(30, 200, rows)
    rooms = random.randint(1, 8, rows)
    city = random.randint(3, size=rows)
    garden = random.uniform(size=rows) < 0.4
    price = 3000.0 * area + 10_000 * rooms + np.array([0, 50_000, -20_000])[city] + 30_000 * garden
    hidden = random.uniform(size=rows) < 0.1
    return pa.table(
        {
            "id": np.arange(rows),
            "area": pa.array(area, mask=hidden),
            "rooms": rooms,
            "city": np.array(["Aarau", "Bergen", "Cadiz"])[city],
            "garden": garden,
            "price": price + random.normal(0, 1000, rows),
            "sold": np.where(price > np.median(price), "late", "soon"),
        }
    )
