"""Train, validation and test splits. Examples are split by a checksum, so that equal examples stay together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from raysq.data.dataset import Dataset
from raysq.data.parts import TEST, TRAIN, VALIDATION
from raysq.errors import DataError, UsageError

SPLITS: tuple[Literal["train", "val", "test"], ...] = ("train", "val", "test")


@dataclass(frozen=True)
class SplitRows:
    """Row numbers of each split, int64, ascending."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def split_amount(val: str, noun: str = "document") -> float | int:
    """Parse the setting `val`.

    Args:
        val: the setting.
        noun: noun for an example, for the error.

    Returns:
        A share between 0 and 1 as a float, or a number of examples as an int.

    Raises:
        UsageError: `val` is neither.

    Example:
        >>> split_amount("0.2"), split_amount("10000")
        (0.2, 10000)
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
    """Return settings whose `val` is text, also if it was given as a number: a share such as 0.2, or 10000 examples."""
    val = values.get("val")
    return {**values, "val": str(val)} if isinstance(val, (int, float)) else dict(values)


class LabeledSplitSettings(Protocol):
    """Settings of the splits of examples that may have classes; see `split_rows`."""

    @property
    def val(self) -> str: ...
    @property
    def val_selection(self) -> str: ...
    @property
    def train_samples(self) -> int | None: ...
    @property
    def sample_seed(self) -> int | None: ...


def split_labeled_rows(
    dataset: Dataset,
    settings: LabeledSplitSettings,
    labels: np.ndarray | None,
    noun: str = "document",
    content: str = "text",
) -> SplitRows:
    """Return the rows of each split by the settings.

    Args:
        dataset, labels, noun, content: see `split_rows`.
        settings: batch-time settings.
    """
    return split_rows(
        dataset,
        settings.val,
        settings.val_selection,
        settings.train_samples,
        noun,
        content,
        labels,
        settings.sample_seed,
    )


def split_rows(
    dataset: Dataset,
    val: str,
    val_selection: str,
    train_samples: int | None,
    noun: str = "document",
    content: str = "text",
    labels: np.ndarray | None = None,
    sample_seed: int | None = None,
) -> SplitRows:
    """Return the rows of each split.

    Args:
        dataset: data set with columns `part` (0 train, 1 test, 2 validation) and `key`.
        val: share or number of the examples outside the test part to validate on; see `split_amount`. Not used if the
            source has a validation part.
        val_selection: selection of the validation examples. "hash" orders the examples by `key` and takes the first. It
            never cuts between examples with the same key, so the split may be slightly larger than `val`. "stratified"
            does so within each class. "first" and "last" take the first or the last rows.
        train_samples: number of the remaining examples to train on, the first in the same order. None for all.
        noun: noun for an example, for errors.
        content: noun for the content that equal examples share, for errors.
        labels: class of each row of the data set, for "stratified".
        sample_seed: seed with which the `train_samples` examples are drawn; None for the first.

    Raises:
        DataError: too few examples, or the selection divides groups that the data set keeps together.
    """
    part = dataset.column("part").slice(0, dataset.rows)
    rows, test, validating = (np.flatnonzero(part == number) for number in (TRAIN, TEST, VALIDATION))
    if len(validating):
        if val_selection in ("hash", "stratified"):
            rows = rows[np.argsort(dataset.column("key").take(rows), kind="stable")]
        return SplitRows(np.sort(_some(rows, train_samples, noun, "there are", sample_seed)), validating, test)
    group = dataset.preprocessor_settings.get("group")
    if group and val_selection != "hash":
        raise DataError(
            f"val_selection={val_selection} would divide {noun}s of one {group}, which stay together",
            hint="leave it out, or prepare the data without --group",
        )
    if len(rows) < 2:
        raise DataError(
            f"data set {dataset.manifest.name} has {_counted(len(rows), noun)} to train and to validate on, and 2 are "
            "needed"
        )
    share = split_amount(val, noun)
    count = max(1, round(share * len(rows))) if isinstance(share, float) else share
    if val_selection == "stratified":
        assert labels is not None
        rate = share if isinstance(share, float) else share / len(rows)
        return _stratified(dataset, rows, labels, rate, train_samples, test, f"val={val}", noun, sample_seed)
    if val_selection == "hash":
        keys = dataset.column("key").take(rows)
        order = np.argsort(keys, kind="stable")
        rows, keys = rows[order], keys[order]
        if 0 < count < len(rows):
            requested, count = count, int(np.searchsorted(keys, keys[count - 1], side="right"))
            if count == len(rows):
                equal = _counted(count - requested + 1, noun)
                raise DataError(
                    f"val={val} leaves no {noun} to train on: {equal} or more of data set {dataset.manifest.name} have "
                    f"one and the same {content}, and equal {content}s stay together; lower val, or set "
                    "val_selection=first"
                )
    elif val_selection == "last":
        rows = np.roll(rows, min(count, len(rows)))
    if count >= len(rows):
        raise DataError(
            f"val={val} leaves no {noun} to train on: data set {dataset.manifest.name} has {_counted(len(rows), noun)} "
            "that are not of the test part; lower val"
        )
    validating, training = rows[:count], rows[count:]
    training = _some(training, train_samples, noun, f"that val={val} leaves", sample_seed)
    return SplitRows(np.sort(training), np.sort(validating), test)


def _stratified(
    dataset: Dataset,
    rows: np.ndarray,
    labels: np.ndarray,
    share: float,
    train_samples: int | None,
    test: np.ndarray,
    val: str,
    noun: str,
    sample_seed: int | None,
) -> SplitRows:
    """Return the split with the share of validation rows taken within each class, by the rows' keys."""
    classes, keys = labels[rows], dataset.column("key").take(rows)
    train, validating = [], []
    for number in np.unique(classes):
        members, of_class = rows[classes == number], keys[classes == number]
        order = np.argsort(of_class, kind="stable")
        members, of_class = members[order], of_class[order]
        count = round(share * len(members))
        if 0 < count < len(members):
            count = int(np.searchsorted(of_class, of_class[count - 1], side="right"))  # equal rows stay together
        if count == len(members):  # the last ones, equal to each other, train
            count = int(np.searchsorted(of_class, of_class[-1], side="left"))
        validating.append(members[:count])
        train.append(members[count:])
    training, chosen = np.concatenate(train), np.concatenate(validating)
    for what, part in (("train", training), ("validate", chosen)):
        if not len(part):
            raise DataError(
                f"{val} leaves no {noun} to {what} on with val_selection=stratified: data set {dataset.manifest.name} "
                f"has {_counted(len(rows), noun)} of {len(train):,} classes; change val"
            )
    if train_samples is not None:
        training = training[np.argsort(dataset.column("key").take(training), kind="stable")]
    return SplitRows(
        np.sort(_some(training, train_samples, noun, f"that {val} leaves", sample_seed)), np.sort(chosen), test
    )


def has_own_validation(dataset: Dataset) -> int:
    """Return the number of rows in the source's own validation part. If there are any, `val` has no effect."""
    return int((dataset.column("part").slice(0, dataset.rows) == VALIDATION).sum())


def validation_messages(count: int, noun: str) -> list[str]:
    """Return the message that the source has its own validation part, if it has.

    Args:
        count: result of `has_own_validation`.
        noun: noun for an example.
    """
    return [f"validates on the {_counted(count, noun)} that the source has for it: val does not act"] if count else []


def check_sample_seed(sample_seed: int | None, train_samples: int | None) -> None:
    """Refuse a seed of samples where all examples train.

    Raises:
        UsageError: `sample_seed` is given and `train_samples` is not.
    """
    if sample_seed is not None and train_samples is None:
        raise UsageError(f"setting sample_seed={sample_seed} draws train_samples examples: set train_samples too")


def _some(
    training: np.ndarray, train_samples: int | None, noun: str, available: str, sample_seed: int | None
) -> np.ndarray:
    """Return the first `train_samples` training rows, or as many that are drawn with a seed."""
    if train_samples is not None and train_samples > len(training):
        raise DataError(
            f"train_samples={train_samples} is more than the {_counted(len(training), noun)} {available} to train on"
        )
    if sample_seed is not None:
        training = np.random.RandomState(sample_seed).permutation(training)
    return training[:train_samples]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
