"""Messages about the classes of each part: classes that cannot be learned, and parts with a single class."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from raysq.errors import DataError
from raysq.problems.splits import SplitRows

Counts = Sequence[int]

_NAMED = 5


def counts_by_part(counts: Mapping[str, list[int]]) -> tuple[list[int], list[int], list[int]]:
    """Return the number of examples of each class in the train, the test and the validation part of a data set."""
    return counts["train"], counts["test"], counts.get("validation", [0] * len(counts["train"]))


def check_validation_classes(validation: Collection[str], train: Collection[str]) -> None:
    """Raise DataError for classes of the validation part that the train part lacks.

    Args:
        validation: names of the classes of the validation part.
        train: names of the classes of the train part.
    """
    unseen = sorted(set(validation) - set(train))
    if unseen:
        has = "class" if len(unseen) == 1 else "classes"
        raise DataError(
            f"the validation part has {len(unseen):,} {has} that the train part lacks, so that no model can learn "
            f"{'it' if len(unseen) == 1 else 'them'}: {_listed(unseen)}",
            hint="take these rows out, or give some to train on",
        )


def class_messages(
    names: Sequence[str], train: Counts, test: Counts, validation: Counts, noun: str, *, several: bool = False
) -> list[str]:
    """Return the messages about classes that training or testing lacks.

    Args:
        names: names of the classes.
        train, test, validation: number of examples of each class in the part.
        noun: noun for an example, such as "image".
        several: whether these are labels, of which an example may have several or none.
    """
    messages = []
    has_one, have = ("label has", "labels have") if several else ("class has", "classes have")
    unseen = [name for name, count in zip(names, train, strict=True) if not count]
    if unseen:
        has = has_one if len(unseen) == 1 else have
        messages.append(f"{len(unseen):,} {has} no {noun} in the train part and cannot be learned: {_listed(unseen)}")
    for part, counts in (("test", test), ("validation", validation)):
        if not any(counts):
            continue
        present = [name for name, count in zip(names, counts, strict=True) if count]
        untested = [name for name, a, b in zip(names, train, counts, strict=True) if a > 1 and not b]
        if untested:
            has = has_one if len(untested) == 1 else have
            messages.append(f"{len(untested):,} {has} no {noun} in the {part} part: {_listed(untested)}")
        if len(present) == 1 and not several:
            messages.append(f"the {part} part has {single_class_message(present[0])}")
    return messages


def described_classes(classes: Sequence[str], priors: Sequence[float], noun: str, most: int) -> list[str]:
    """Return the messages about the classes that a model tells apart, and those without a training example.

    Args:
        classes: names of the classes.
        priors: share of each class among the training examples.
        noun: noun for an example, such as "image".
        most: largest number of names in a message.
    """
    names = f": {', '.join(classes)}" if len(classes) <= most else ""
    messages = [f"tells {len(classes)} classes apart{names}"]
    return [*messages, *absent_messages(classes, priors, noun, most)]


def absent_messages(classes: Sequence[str], priors: Sequence[float], noun: str, most: int) -> list[str]:
    """Return the message about classes or labels without a training example, if there are any.

    Args:
        classes, priors, noun, most: see `described_classes`.
    """
    absent = [name for name, share in zip(classes, priors, strict=True) if not share]
    others = f", and {len(absent) - most:,} more" if len(absent) > most else ""
    names = ", ".join(absent[:most]) + others
    return [f"has no training {noun} of {names}: it cannot learn what these are"] if absent else []


def single_class_message(name: str) -> str:
    """Return the message about a part or split that has examples of one class only."""
    return f"one class only, {name}: accuracy on it says nothing of how well classes are told apart"


def single_classes(labels: np.ndarray, split: SplitRows, classes: Sequence[str]) -> dict[str, str]:
    """Return the name of the class by split, "val" or "test", for each of these that has a single class."""
    present = {name: np.unique(labels[getattr(split, name)]) for name in ("val", "test")}
    return {name: classes[int(labels[0])] for name, labels in present.items() if len(labels) == 1}


def single_class_messages(single: Mapping[str, str]) -> list[str]:
    """Return the messages about splits with a single class, from the result of `single_classes`."""
    words = {"val": "validation", "test": "test"}
    return [f"the {words[split]} split has {single_class_message(name)}" for split, name in single.items()]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
