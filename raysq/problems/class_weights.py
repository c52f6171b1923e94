"""Weights of training examples by their class, as `class_weight` of `Model.fit`."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysq.config import join_names, nearest_name
from raysq.errors import UsageError

BALANCED = "balanced"
_NAMED = 12  # most classes that a message names


def with_class_weight_text(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings whose `class_weight` is text in one form, also if it was given as a dict or as `a=1,b=2`.

    Raises:
        UsageError: a weight is no finite number of at least 0, or the text has another form.

    Example:
        >>> with_class_weight_text({"class_weight": {0: 1, 1: 5}})
        {'class_weight': '{"0": 1.0, "1": 5.0}'}
    """
    given = values.get("class_weight")
    if given in (None, "none", "None", "", BALANCED):
        return dict(values)
    return {**values, "class_weight": json.dumps(dict(sorted(_parse(given).items())), ensure_ascii=False)}


def check_class_weight(text: str | None) -> None:
    """Raise UsageError unless a setting `class_weight` can be read."""
    if text not in (None, BALANCED):
        _parse(text)


def class_weights(text: str | None, classes: Sequence[str], priors: Sequence[float]) -> np.ndarray | None:
    """Return the weight of each class, float32, or None for 1 each.

    Args:
        text: the setting: "balanced", which weighs each class by the inverse of its share and the mean example by 1;
            weights by class, where a class that it does not name weighs 1; or None.
        classes: names of the classes.
        priors: share of each class among the training examples.

    Raises:
        UsageError: the setting names no class, or no training example would weigh anything.

    Example:
        >>> class_weights("balanced", ["no", "yes"], [0.8, 0.2])
        array([0.625, 2.5  ], dtype=float32)
    """
    if text is None:
        return None
    shares = np.asarray(priors, np.float64)
    weights = np.ones(len(classes))
    if text == BALANCED:
        present = shares > 0
        weights[present] = 1 / (present.sum() * shares[present])
    else:
        numbers = {name: number for number, name in enumerate(classes)}
        for name, weight in _parse(text).items():
            if name not in numbers:
                known = nearest_name(name, classes) if len(classes) > _NAMED else join_names(classes, _NAMED)
                raise UsageError(f"setting class_weight: there is no class {name!r}; the classes: {known}")
            weights[numbers[name]] = weight
    if not weights @ shares:
        raise UsageError("setting class_weight: no training example weighs anything; give one class a weight above 0")
    return weights.astype(np.float32)


def class_weight_messages(text: str | None, classes: Sequence[str], priors: Sequence[float]) -> list[str]:
    """Return the message about the weights of the classes, if the setting `class_weight` has any."""
    weights = class_weights(text, classes, priors)
    if weights is None:
        return []
    pairs = [f"{name} {weight:.4g}" for name, weight in zip(classes, weights.tolist(), strict=True)]
    return [f"weighs training examples by their class: {join_names(pairs, _NAMED)}"]


def weigh(weights: np.ndarray | None, of_class: np.ndarray | None, labels: np.ndarray) -> np.ndarray | None:
    """Return the weight of each training example, or None where all weigh the same.

    Args:
        weights: weights that the examples have already, or None.
        of_class: result of `class_weights`.
        labels: class index of each example.
    """
    if of_class is None:
        return weights
    found: np.ndarray = of_class[labels]
    return found if weights is None else weights * found


def _parse(given: Any) -> dict[str, float]:
    """Return weights by class, from a mapping, JSON or `a=1,b=2`."""
    if isinstance(given, str):
        try:
            pairs = json.loads(given) if given.startswith("{") else dict(_pair(part) for part in given.split(","))
        except ValueError:
            raise _unreadable(given) from None
    else:
        pairs = given
    if not isinstance(pairs, Mapping) or not pairs:
        raise _unreadable(given)
    return {_name(key): _weight(key, value) for key, value in pairs.items()}


def _pair(text: str) -> tuple[str, str]:
    name, sign, weight = text.rpartition("=")
    if not sign:
        raise ValueError
    return name.strip(), weight


def _name(key: Any) -> str:
    """Return the name that data sets have for a class: booleans are written as in JSON."""
    return str(key).lower() if isinstance(key, (bool, np.bool_)) else str(key)


def _weight(key: Any, value: Any) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise UsageError(f"setting class_weight: class {key!r} must weigh a number of at least 0, received {value!r}")
    return weight


def _unreadable(given: Any) -> UsageError:
    return UsageError(
        f"setting class_weight must be balanced or weights by class such as no=1,yes=5 (in Python a dict), received "
        f"{given!r}"
    )
