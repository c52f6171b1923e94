"""Which examples train, validate and test: by a checksum of their content, so that equal ones stay together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitSettings:
    """Row numbers of each split, int64 and rising."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def split_amount(val: str, noun: str = "document") -> float | int:
    """What the setting `val` says: a share as a float, or a number of examples as an int.

    Args:
        val: as a person wrote it.
        noun: what an example is called.

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
    raise UsageError(
        f"setting val must be a share of the {noun}s between 0 and 1 such as 0.2, or a number of {noun}s such as "
        f"10000; received {val!r}"
    )


def with_val_text(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with `val` as text where it was given as a number: 0.2 is a share, 10000 a number of examples."""
    val = values.get("val")
    return {**values, "val": str(val)} if isinstance(val, (int, float)) else dict(values)


def split_rows(
    dataset: Dataset, val: str, pick: str, train_samples: int | None, noun: str = "document", content: str = "text"
) -> SplitSettings:
    """The rows of each split.

    Args:
        dataset: with columns `part` (0 train, 1 test, 2 validation) and `key`.
        val: as for `amount`, of the examples that are not of the test part; not asked where the source says which
            ones validate.
        pick: "hash" takes them in the order of their `key`, validation first, and never cuts between documents of
            one key, so that it may validate on some more; "first" and "last" validate on the first or the last rows.
        train_samples: train on so many of the rest only, those that come first in that order; None for all.
        noun: what an example is called.
        content: what is the same in equal ones.

    Raises:
        DataError: too few examples.
    """
    part = dataset.column("part").slice(0, dataset.rows)
    rows, test, validating = (np.flatnonzero(part == number) for number in range(3))
    if len(validating):
        if pick == "hash":
            rows = rows[np.argsort(dataset.column("key").take(rows), kind="stable")]
        return SplitSettings(np.sort(_some(rows, train_samples, noun, "there are")), validating, test)
    if len(rows) < 2:
        raise DataError(
            f"data set {dataset.manifest.name} has {_said(len(rows), noun)} to train and to validate on, and 2 are "
            "needed"
        )
    share = split_amount(val, noun)
    count = max(1, round(share * len(rows))) if isinstance(share, float) else share
    if pick == "hash":
        keys = dataset.column("key").take(rows)
        order = np.argsort(keys, kind="stable")
        rows, keys = rows[order], keys[order]
        if 0 < count < len(rows):
            asked, count = count, int(np.searchsorted(keys, keys[count - 1], side="right"))
            if count == len(rows):
                raise DataError(
                    f"val={val} leaves no {noun} to train on: {_said(count - asked + 1, noun)} or more of data set "
                    f"{dataset.manifest.name} have one and the same {content}, and equal {content}s stay together; "
                    "lower val, or set pick=first"
                )
    elif pick == "last":
        rows = np.roll(rows, min(count, len(rows)))
    if count >= len(rows):
        raise DataError(
            f"val={val} leaves no {noun} to train on: data set {dataset.manifest.name} has {_said(len(rows), noun)} "
            "that are not of the test part; lower val"
        )
    validating, training = rows[:count], rows[count:]
    training = _some(training, train_samples, noun, f"that val={val} leaves")
    return SplitSettings(np.sort(training), np.sort(validating), test)


def has_own_validation(dataset: Dataset) -> int:
    """Return how many rows the source itself has for validation, so that no share is drawn for it."""
    return int((dataset.column("part").slice(0, dataset.rows) == 2).sum())


def validation_messages(facts: Mapping[str, Any], noun: str) -> list[str]:
    """Return the message that the source says what validates; the facts of earlier runs do not tell it."""
    count = facts.get("own_validation", 0)
    return [f"validates on the {_said(count, noun)} that the source has for it: val does not act"] if count else []


def _some(training: np.ndarray, train_samples: int | None, noun: str, there: str) -> np.ndarray:
    """The first rows of those to train on, as many as are asked for."""
    if train_samples is not None and train_samples > len(training):
        raise DataError(
            f"train_samples={train_samples} is more than the {_said(len(training), noun)} {there} to train on"
        )
    return training[:train_samples]


def _said(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
