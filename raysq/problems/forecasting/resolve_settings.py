"""Resolve window settings: durations to rows, and defaults that suit the frequency of a series."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from raysq.config import coerce, nearest_name
from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.problems.forecasting import row_durations, splits
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.readers.targets import ALL
from raysq.problems.forecasting.series import segments, value_columns


def resolve_settings(values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Return the settings with durations in rows and defaults that suit the data set's frequency.

    Raises:
        UsageError: a duration cannot be parsed or is no whole number of rows, or a setting needs times and the rows
            are numbered.
        DataError: a column that the data set does not have.
    """
    resolved = dict(values)
    frequency = Frequency.from_report(dataset.manifest.report)
    for name in ("lookback", "step", "stride", "season"):
        if resolved.get(name) not in (None, "none"):
            resolved[name] = row_durations.parse(resolved[name], frequency, name)
        elif name in resolved:
            del resolved[name]
    for name in ("horizon", "delay"):
        value = resolved.pop(name, None)
        if value in (None, "none", "", (), []):
            continue
        items = value.strip("[]").split(",") if isinstance(value, str) else value
        items = items if isinstance(items, (list, tuple)) else [items]
        resolved[name] = tuple(_parse_rows(item, frequency, name) for item in items)
    resolved.setdefault("anchor", "newest")
    if resolved.get("protocol") == "ltsf" and not resolved.get("quantiles"):
        resolved.setdefault("loss", "mse")
    # Defaults suit the series of median length: series shorter than a window have no windows.
    length = median(end - begin for begin, end in segments(dataset))
    for name, value in row_durations.default_windows(frequency, int(length)).items():
        if name not in resolved and not (name == "horizon" and "delay" in resolved):
            resolved[name] = 0 if value is None else (value,) if name == "horizon" else value
    if "step" not in values and resolved["step"] > resolved["lookback"]:
        resolved["step"] = 1
    if resolved.get("targets") in (ALL, (ALL,), [ALL]) and ALL not in value_columns(dataset):
        features = resolved.get("features") or ()
        resolved["targets"] = coerce(features, tuple[str, ...], "features") or value_columns(dataset)
    if resolved.get("future"):
        resolved["future"] = _future(coerce(resolved["future"], tuple[str, ...], "future"), dataset)
    for name in ("targets", "features", "future"):
        _check_columns(name, resolved.get(name), dataset)
    if dataset.manifest.report.get("numbered"):
        for name in ("calendar", "split"):
            if _needs_times(name, resolved.get(name)):
                raise UsageError(
                    f"setting {name}={resolved[name]} needs times, and the rows of {dataset.manifest.name} are numbered"
                )
    return resolved


def _future(names: Sequence[str], dataset: Dataset) -> tuple[str, ...]:
    """Return the columns of the future, with those that categories have become.

    Raises:
        UsageError: rows without values of the other columns could not be read for predictions.
    """
    missing = dataset.manifest.preparation["settings"].get("missing", "error")
    if missing not in ("previous", "interpolate"):
        raise UsageError(
            f"setting future={','.join(names)}: forecasts are made of rows that lack the other columns, and data set "
            f"{dataset.manifest.name} was prepared with missing={missing}: prepare it with missing=previous"
        )
    columns = value_columns(dataset)
    found = []
    for name in names:
        levels = [column for column in columns if column.startswith(f"{name}=")]
        found += [name] if name in columns or not levels else levels
    return tuple(found)


def _parse_rows(item: Any, frequency: Frequency | None, setting: str) -> int | str:
    """Return a number of rows, or a range of them as "FROM:TO"."""
    if isinstance(item, range) and item and item.step == 1:
        return f"{item[0]}:{item[-1]}"
    if not isinstance(item, str) or ":" not in item:
        return row_durations.parse(item, frequency, setting)
    first, _, last = (part.strip(" '\"") for part in item.partition(":"))
    return ":".join(str(row_durations.parse(part, frequency, setting)) for part in (first, last))


def _needs_times(setting: str, value: Any) -> bool:
    """Return whether a setting needs times: a calendar, or a split by dates."""
    return bool(value) if setting == "calendar" else value is not None and splits.dates(str(value)) is not None


def _check_columns(setting: str, value: Any, dataset: Dataset) -> None:
    if isinstance(value, str):
        return  # coerced and checked later, when it is a list
    columns = value_columns(dataset)
    for name in value or ():
        if name not in columns:
            raise DataError(
                f"setting {setting}: data set {dataset.manifest.name} has no column {name!r}: "
                f"{nearest_name(name, columns)}"
            )
