"""Check that a file has the columns that the settings name."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from raysq.config import join_names, nearest_name
from raysq.data.readers import tables
from raysq.errors import DataError
from raysq.problems.forecasting.readers.notation import quote_names

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor


def check_columns(settings: "SeriesPreprocessor", partition: tables.TablePartition) -> None:
    """Raise DataError if a column is missing, or if there is none of values."""
    columns, name = partition.columns, partition.name
    header = join_names([column for column in partition.header if column])
    missing = [column for column in settings.time if column not in columns]
    if missing:
        raise DataError(
            f"{name} has no time column {missing[0]!r}; it has {header}",
            hint="--set time=NAME names the one to read",
        )
    weight = () if settings.weight is None else (settings.weight,)
    check_named(partition, {"--id": settings.id, "--category": settings.categories, "--weight": weight})
    kept = settings.kept(partition.header)
    missing = [column for column in kept if column not in columns]
    if missing:
        rest = [column for column in kept if column in columns]
        rest = rest or [column for column in columns if column not in settings.time]
        raise DataError(
            f"{name} lacks columns {join_names([repr(column) for column in missing])}; it has {header}",
            hint=f"--set {quote_names(rest, 'columns')} keeps those that are there",
        )
    if not kept and not settings.categories:
        raise DataError(f"{name} has no column of values beside the time; it has {header}")
    missing = [column for column in settings.float64 if column not in kept]
    if missing:
        raise DataError(f"{name} has no column of values {missing[0]!r} for float64: {nearest_name(missing[0], kept)}")
    if "time" in kept and (not settings.columns or settings.stored("time") in kept):
        # If `columns` is set, by the user or by `infer`, the column is kept on purpose.
        raise DataError(
            f"{name} has a column of values named 'time', which is the name of the stamps",
            hint=f"--set columns=... keeps it, as {settings.stored('time')!r}, which no other column can be called "
            "then",
        )


def check_named(partition: tables.TablePartition, options: Mapping[str, Sequence[str]]) -> None:
    """Raise DataError for a missing column, and name the option that gave it."""
    for option, names in options.items():
        for name in names:
            if name not in partition.columns:
                raise DataError(
                    f"{partition.name} has no column {name!r}",
                    f"{option} names another ({nearest_name(name, partition.columns)})",
                )
