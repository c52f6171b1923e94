"""Whether two runs were evaluated on the same examples, so that their metrics compare."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from raysq.data.columns import take_rows
from raysq.data.dataset import Dataset
from raysq.errors import RaysqError
from raysq.problems.specs import BatchSource
from raysq.training.run import Run

SPLITS = ("train", "val", "test")
_LOOKED_AT = 1024  # examples of a split whose targets are compared


def split_of(metric: str) -> str:
    """Return the split of a metric of `metrics.jsonl`; those of training have no prefix."""
    split = metric.partition("_")[0]
    return split if split in ("val", "test") else "train"


def different_examples(first: Run, second: Run) -> dict[str, str]:
    """Return why the metrics of a split do not compare, for each split of which they do not.

    Runs on the same data set with the same settings of the section `data` have the same examples. With other settings
    the numbers of examples and their targets are compared.

    Args:
        first, second: runs of any tasks.
    """
    if first.config.fingerprint != second.config.fingerprint:
        return dict.fromkeys(SPLITS, "the data sets are not the same")
    if first.config.settings["data"] == second.config.settings["data"]:
        return {}
    try:
        sources = [_sources(run) for run in (first, second)]
    except RaysqError as error:
        return dict.fromkeys(SPLITS, f"whether the examples are the same cannot be told ({error})")
    reasons = {}
    for split in SPLITS:
        ours, theirs = (source[split] for source in sources)
        if len(ours) != len(theirs):
            reasons[split] = f"{len(ours):,} and {len(theirs):,} examples"
        elif not _same_targets(ours, theirs):
            reasons[split] = "other targets"
    return reasons


def _sources(run: Run) -> Mapping[str, BatchSource]:
    dataset = Dataset.open(run.config.data)
    if dataset.fingerprint != run.config.fingerprint:
        raise RaysqError(f"data set {run.config.data} has changed")
    return run.problem.splits(dataset)


def _same_targets(first: BatchSource, second: BatchSource) -> bool:
    if not len(first):
        return True
    rows = np.unique(np.linspace(0, len(first) - 1, _LOOKED_AT, dtype=np.int64))
    pairs = [list(_arrays(source.gather(rows, source.mapped(), take_rows)[1])) for source in (first, second)]
    return len(pairs[0]) == len(pairs[1]) and all(
        name == other and np.array_equal(values, more, equal_nan=values.dtype.kind == "f")
        for (name, values), (other, more) in zip(*pairs, strict=True)
    )


def _arrays(nest: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of nested targets with their places."""
    if isinstance(nest, dict):
        for key, part in nest.items():
            yield from _arrays(part, f"{name}/{key}")
    elif isinstance(nest, (list, tuple)):
        for index, part in enumerate(nest):
            yield from _arrays(part, f"{name}/{index}")
    else:
        yield name, np.asarray(nest)
