"""Built-in synthetic table: customers of a shop and whether they come back, for first steps without data."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raysq.problems.sample_size import sample_length
from raysq.storage.atomic import atomic_write

VERSION = 1  # raised when the same length would give another table
DEFAULT = "4000"

_FEWEST, _MOST = 100, 1_000_000
_CITIES = ("Aarau", "Bergen", "Cadiz", "Delft", "Evora", "Fulda", "Gent", "Horten")
_PLANS = ("basic", "family", "business")


def sample(directory: Path, spec: str = "") -> Path:
    """Write a synthetic table, unless the file exists. The same length gives the same table everywhere.

    Args:
        directory: folder of the file.
        spec: number of rows, such as "2000"; 4,000 if empty.

    Returns:
        Path of a csv with numbers, categories, missing cells, and a column `label` with the class: stays or leaves.

    Raises:
        UsageError: `spec` is no number of rows.
        SourceError: the directory cannot be written.
    """
    count = sample_length(spec, DEFAULT, "rows", _FEWEST, _MOST)
    path = Path(directory) / f"sample-{count}-v{VERSION}.csv"
    if not path.exists():
        with atomic_write(path) as partial:
            pa.csv.write_csv(customers(count), partial)
    return path


def customers(count: int, seed: int = 0) -> pa.Table:
    """Return a table of customers.

    Age and income act together on the class, the city and the plan by themselves, and a missing income tells something.

    Args:
        count: number of rows.
        seed: seed of the random numbers.
    """
    random = np.random.RandomState(seed)
    age = random.randint(18, 80, count)
    income = np.round(np.exp(random.normal(10.3, 0.5, count)) / 100) * 100
    visits = random.poisson(4, count)
    spent = np.round(visits * random.gamma(2.0, 20.0, count), 2)
    city = random.choice(len(_CITIES), count, p=np.arange(8, 0, -1) / 36)
    plan = random.choice(3, count, p=(0.6, 0.25, 0.15))
    hidden = random.uniform(size=count) < 0.1
    score = 0.03 * (age - 45) * (np.log(income) - 10.3) * 4 + 0.5 * (visits - 4) - 1.2 * hidden
    score += np.array([0.8, -0.6, 0.2, 0.9, -0.9, 0.0, 0.5, -0.3])[city] + np.array([-0.2, 0.9, 0.3])[plan]
    stays = score + random.logistic(0, 0.7, count) > 0
    return pa.table(
        {
            "customer_id": np.arange(10_000, 10_000 + count),
            "age": age,
            "income": pa.array(income, mask=hidden),
            "city": np.array(_CITIES)[city],
            "plan": np.array(_PLANS)[plan],
            "visits": visits,
            "spent": pa.array(spent, mask=random.uniform(size=count) < 0.03),
            "label": np.array(["leaves", "stays"])[stays.astype(int)],
        }
    )
