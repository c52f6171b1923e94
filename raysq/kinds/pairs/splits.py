"""Which pairs train, validate and test: as the files say, else by a checksum of the source sentence."""

import math
from dataclasses import dataclass

import numpy as np

from raysq.errors import DataError, UsageError
from raysq.shards import Dataset

SPLITS = ("train", "val", "test")
VALID = "a share of the pairs between 0 and 1 such as 0.1, or a number of pairs such as 2000"


@dataclass(frozen=True)
class Split:
    """Row numbers of each split, int64 and rising."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def amount(val: str) -> float | int:
    """What the setting `val` says: a share as a float, or a number of pairs as an int.

    Raises:
        UsageError: it is neither.
    """
    try:
        number = float(val)
    except ValueError:
        number = math.nan
    if 0 < number < 1:
        return number
    if 1 <= number < math.inf and number == int(number) and "." not in val:
        return int(number)
    raise UsageError(f"setting val must be {VALID}; received {val!r}")


def split(dataset: Dataset, val: str, train_pairs: int | None) -> Split:
    """The rows of each split.

    Args:
        dataset: prepared pairs.
        val: as for `amount`, of the pairs of the train part; not asked where the files said which validate.
        train_pairs: train on so many only, those with the lowest keys; None for all.

    Raises:
        DataError: too few pairs.
    """
    part = dataset.column("part").slice(0, dataset.rows)
    training, test, validating = (np.flatnonzero(part == number) for number in range(3))
    keys = dataset.column("key").take(training)
    training = training[np.argsort(keys, kind="stable")]
    keys = np.sort(keys, kind="stable")
    if not len(validating):
        share = amount(val)
        count = max(1, round(share * len(training))) if isinstance(share, float) else share
        if 0 < count < len(training):  # equal source sentences stay together
            count = int(np.searchsorted(keys, keys[count - 1], side="right"))
        if count >= len(training):
            raise DataError(
                f"val={val} leaves no pair to train on: data set {dataset.manifest.name} has {len(training):,} that "
                "are not of the test part; lower val"
            )
        validating, training = training[:count], training[count:]
    if not len(training):
        raise DataError(f"data set {dataset.manifest.name} has no pairs to train on")
    if train_pairs is not None:
        if train_pairs > len(training):
            raise DataError(
                f"train_pairs={train_pairs:,} is more than the {len(training):,} pairs there are to train on"
            )
        training = training[:train_pairs]
    return Split(np.sort(training), np.sort(validating), test)
