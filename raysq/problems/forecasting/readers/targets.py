"""Targets and features of a series: validated against its columns, and inferred where there is only one choice."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raysq.config import coerce, nearest_name
from raysq.errors import UsageError
from raysq.problems.forecasting.cyclical_features import check_calendar

ALL = "all"  # as a target: every column that the model sees

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor


def infer_defaults(
    preprocessor: "SeriesPreprocessor", settings: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return window settings that follow from the columns, and messages: see `SeriesPreprocessor.infer_defaults`."""
    values = tuple(map(preprocessor.stored, preprocessor.columns))
    if not values and not preprocessor.levels:
        return {}, []
    columns = (*values, *preprocessor.category_columns)
    inferred: dict[str, Any] = {}
    messages: list[str] = []
    check_calendar(_names(settings, "calendar"))
    given = _names(settings, "targets")
    targets = _stored(preprocessor, given)
    if targets != given:
        inferred["targets"] = list(targets)
    if not targets and not defaults.get("targets"):
        if len(values) != 1:
            raise UsageError(
                "which column is to be forecast? --target NAME says it, several parted by commas, or all; "
                f"there are {', '.join(values) or 'only categories'}"
            )
        inferred["targets"] = json.dumps(list(values)) if "," in values[0] else values[0]
        messages.append(f"target: {values[0]}, the only column of values")
    for name in targets if targets != (ALL,) else ():
        if name not in columns:
            raise _no_column("target", name, preprocessor, targets)
    features = _stored(preprocessor, _names(settings, "features"))
    if not features:
        return inferred, messages
    expanded: list[str] = []
    for name in features:
        levels = [f"{name}={value}" for value in (preprocessor.levels or {}).get(name, ())]
        if not levels and name not in columns:
            raise _no_column("feature", name, preprocessor, features)
        expanded += [column for column in levels or [name] if column not in expanded]
    unnamed = [column for column in preprocessor.category_columns if column not in expanded]
    if unnamed and not any(column in expanded for column in preprocessor.category_columns):
        expanded += unnamed  # a user who sets categories expects the model to see them
        messages.append(f"features: {', '.join(features)}, and the categories {', '.join(preprocessor.levels)}")
    if tuple(expanded) != _names(settings, "features"):
        inferred["features"] = expanded
    return inferred, messages


def _names(settings: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(coerce(settings.get(key) or (), tuple[str, ...], key))


def _stored(preprocessor: "SeriesPreprocessor", names: Sequence[str]) -> tuple[str, ...]:
    """Return column names as the data set stores them."""
    return tuple(preprocessor.stored(name) if name in preprocessor.columns else name for name in names)


def _no_column(role: str, name: str, preprocessor: "SeriesPreprocessor", names: Sequence[str]) -> UsageError:
    reason = preprocessor.left_out.get(name)
    if reason is not None:
        return UsageError(f"{role} {name!r} is no column of values: {reason}")
    columns = (*map(preprocessor.stored, preprocessor.columns), *preprocessor.category_columns)
    return UsageError(f"{role} {name!r} is no column of values: {_nearest(name, columns, names)}")


def _nearest(name: str, columns: Sequence[str], names: Sequence[str]) -> str:
    joined = ",".join(names)
    comma = next((column for column in columns if "," in column and column in joined), None)
    if comma is not None:
        return f"a name with a comma is written as a JSON list, such as '{json.dumps([comma])}'"
    return nearest_name(name, columns)
