"""Splits of sentence pairs: as the files specify, else by a checksum of the source sentence."""

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.splits import SplitRows, split_amount


def split_pairs(dataset: Dataset, val: str, train_pairs: int | None) -> SplitRows:
    """Return the rows of each split.

    Args:
        dataset: prepared sentence pairs.
        val: share or number of pairs of the train part to validate on, as for `raysq.problems.splits.split_amount`.
            Ignored where the files specify a validation part.
        train_pairs: number of pairs to train on, those with the lowest keys; None for all.

    Raises:
        DataError: there are too few pairs.
    """
    part = dataset.column("part").slice(0, dataset.rows)
    training, test, validation = (np.flatnonzero(part == number) for number in range(3))
    keys = dataset.column("key").take(training)
    training = training[np.argsort(keys, kind="stable")]
    keys = np.sort(keys, kind="stable")
    if not len(validation):
        share = split_amount(val, "pair")
        count = max(1, round(share * len(training))) if isinstance(share, float) else share
        if 0 < count < len(training):  # pairs with equal source sentences stay in one split
            count = int(np.searchsorted(keys, keys[count - 1], side="right"))
        if count >= len(training):
            raise DataError(
                f"val={val} leaves no pair to train on: data set {dataset.manifest.name} has {len(training):,} that "
                "are not of the test part; lower val"
            )
        validation, training = training[:count], training[count:]
    if not len(training):
        raise DataError(f"data set {dataset.manifest.name} has no pairs to train on")
    if train_pairs is not None:
        if train_pairs > len(training):
            raise DataError(
                f"train_pairs={train_pairs:,} is more than the {len(training):,} pairs there are to train on"
            )
        training = training[:train_pairs]
    return SplitRows(np.sort(training), np.sort(validation), test)
