"""Roles of the columns of a table, inferred from the statistics of all rows: inputs, targets, and columns left out."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from raysq.config import join_names
from raysq.data.messages import Message
from raysq.errors import DataError
from raysq.problems.arrays.statistics import ColumnStats

if TYPE_CHECKING:
    from raysq.problems.arrays.preprocessor import TablePreprocessor

Kind = Literal["number", "category", "tensor", "sequence", "class", "value"]

_FEW = 20  # rows below which a column of different values may be a category
_SHARE = 0.5  # of rows with a value of their own, from which a text tells rows apart and not groups
_LONG, _LONG_SHARE = 40, 0.1  # mean length and share of different values of free text
_CLASSES = 20  # most whole numbers that are taken for classes
_MOST_IDS = 10_000_000  # of lists: each has a row of an embedding
_ID = re.compile(r"(.*[_\s-])?(id|uuid|guid|key|index|idx|nr|no)|unnamed: 0|column 1|__index_level_0__", re.IGNORECASE)


class Column(TypedDict):
    """Column of a data set.

    Attributes:
        name: name in the raw files.
        target: whether it is predicted.
        kind: how it becomes an input or a target.
        type: Arrow type of its numbers in the shards; "" for codes of categories.
        shape: shape of a tensor.
        values: number of different values of a category.
        missing: number of missing cells.
        whole: whether the values of the category are numbers in the raw files.
        time: whether the numbers are times in the raw files, here seconds since 1970.
    """

    name: str
    target: bool
    kind: str
    type: str
    shape: list[int]
    values: int
    missing: int
    whole: bool
    time: NotRequired[bool]


class LeftOut(TypedDict):
    """Column that is not used, why, and the option that uses it."""

    name: str
    why: str
    option: str


@dataclass(frozen=True)
class Roles:
    """Columns that are used, in the order of the files, and those that are left out."""

    columns: list[Column]
    left_out: list[LeftOut]


def infer_roles(settings: "TablePreprocessor", stats: Mapping[str, ColumnStats]) -> Roles:
    """Return the roles of all columns.

    Args:
        settings: the preprocessor, whose settings name columns.
        stats: statistics by column.

    Raises:
        DataError: a column that the user named cannot be used as such, or there are no inputs.
    """
    columns, left_out = [], []
    for name, column in stats.items():
        if name in (settings.group, settings.split_column, settings.weight) and name not in settings.inputs:
            continue
        if name in settings.target:
            columns.append(_target(settings, name, column))
        elif reason := _reason(settings, name, column):
            if name in settings.inputs and not reason["option"].startswith("--inputs"):
                raise DataError(f"column {name!r} of --inputs cannot be used: {reason['why']}", reason["option"])
            left_out.append(reason)
        else:
            columns.append(_input(settings, name, column))
    if not any(not column["target"] for column in columns):
        reasons = join_names([f"{column['name']} ({column['why']})" for column in left_out], 4)
        options = "; ".join(column["option"] for column in left_out[:2]) or None
        raise DataError("the table has no column for the model to see" + (f": {reasons}" if reasons else ""), options)
    return Roles(columns, left_out)


def is_number(stats: ColumnStats) -> bool:
    """Whether a column holds numbers."""
    return stats.kind in ("number", "boolean")


def _is_time(stats: ColumnStats) -> bool:
    return stats.kind == "time" or (stats.kind == "text" and stats.time)


def _reason(settings: "TablePreprocessor", name: str, stats: ColumnStats) -> LeftOut | None:
    """Return why a column is left out, or None for an input."""

    def out(why: str, option: str = "") -> LeftOut:
        return LeftOut(name=name, why=why, option=option)

    named = name in settings.inputs
    forced = named or name in (*settings.numbers, *settings.categories)
    if stats.kind == "empty" or not stats.present:
        return out("all cells are empty")
    if stats.kind in ("other", "mixed"):
        return out(
            "its cells are of a type that no model sees" if stats.kind == "other" else "its types differ by file"
        )
    if _is_time(stats):
        return (
            None
            if name in (*settings.numbers, *settings.categories)
            else out("times", f"--numbers {shlex.quote(name)} takes seconds; task forecast is for series")
        )
    if name in settings.numbers and stats.kind == "text":
        raise DataError(f"column {name!r} of --numbers holds {stats.odd!r}, which is no number")
    if stats.odd is not None and stats.kind in ("number", "tensor", "list"):
        if forced:
            raise DataError(
                f"column {name!r} holds {stats.odd}: no model can see it", f"--ignore {shlex.quote(name)} leaves it out"
            )
        return out(f"it holds {stats.odd}")
    if stats.kind == "tensor":
        return None if not stats.missing else _missing_tensors(name, stats)
    if stats.kind == "list":
        return _list_reason(settings, name, stats)
    constant = stats.distinct is not None and len(stats.distinct) == 1
    if constant and not stats.missing and not named:
        return out("the same in all rows", f"--inputs names the columns to keep, {name} among them")
    if forced or stats.present < _FEW:
        return None
    if is_number(stats):
        rows = stats.integer and stats.unique and stats.low is not None and stats.high is not None
        numbered = rows and stats.high - stats.low + 1 == stats.present  # type: ignore[operator]
        if numbered or (rows and _ID.fullmatch(name)):
            return out("it numbers the rows", f"--numbers {shlex.quote(name)} keeps it")
        return None
    if stats.characters > _LONG * stats.values and stats.values > _LONG_SHARE * stats.present:
        return out("free text", f"--categories {shlex.quote(name)} keeps it; task classify learns from texts")
    if stats.values > _SHARE * stats.present:
        return out("nearly every row has a value of its own", f"--categories {shlex.quote(name)} keeps it")
    return None


def _missing_tensors(name: str, stats: ColumnStats) -> LeftOut:
    raise DataError(
        f"column {name!r} has {stats.missing:,} rows without a tensor: give all rows one",
        f"--ignore {shlex.quote(name)} leaves it out",
    )


def _list_reason(settings: "TablePreprocessor", name: str, stats: ColumnStats) -> LeftOut | None:
    whole = "int" in stats.dtype
    if stats.missing == 0 and stats.shortest == stats.longest and (not whole or name in settings.numbers):
        return None
    if not whole:
        why = f"lists of {stats.shortest} to {stats.longest} numbers, which are no tensors"
        return LeftOut(name=name, why=why, option="keras.utils.pad_sequences gives them one length")
    if stats.low is not None and stats.high is not None and (stats.low < 0 or stats.high >= _MOST_IDS):
        why = f"lists of ids from {stats.low:,.0f} to {stats.high:,.0f}, and ids are 0 to {_MOST_IDS - 1:,}"
        return LeftOut(name=name, why=why, option="")
    return None


def _input(settings: "TablePreprocessor", name: str, stats: ColumnStats) -> Column:
    if stats.kind == "tensor":
        return _column(name, "tensor", stats, shape=list(stats.shape), type=stats.dtype)
    if stats.kind == "list":
        if "int" in stats.dtype and name not in settings.numbers:
            return _column(name, "sequence", stats, values=int(stats.high or 0) + 1, type="int32")
        return _column(name, "tensor", stats, shape=[stats.longest], type=stats.dtype)
    if is_number(stats) or name in settings.numbers:
        column = _column(name, "number", stats, type=number_type(stats))
        return Column(**column, time=True) if _is_time(stats) else column
    return _column(name, "category", stats)


def _target(settings: "TablePreprocessor", name: str, stats: ColumnStats) -> Column:
    if not stats.present:
        raise DataError(f"target {name!r} is missing in all rows")
    if stats.odd is not None and stats.kind in ("number", "tensor"):
        raise DataError(f"target {name!r} holds {stats.odd}: leave such rows out")
    if stats.kind == "tensor":
        if stats.missing:
            _missing_tensors(name, stats)
        return _column(name, "value", stats, target=True, shape=list(stats.shape), type=stats.dtype)
    is_time = _is_time(stats) and name not in settings.categories
    if stats.kind not in ("number", "boolean", "text") or is_time:
        raise DataError(f"target {name!r} holds neither numbers nor classes", "--target names another column")
    if name in settings.numbers and stats.kind == "text":
        raise DataError(f"target {name!r} of --numbers holds {stats.odd!r}, which is no number")
    if is_number(stats) and not _is_class(settings, name, stats):
        if stats.low == stats.high:
            raise DataError(f"target {name!r} is {stats.low} in all rows: there is nothing to learn")
        return _column(name, "value", stats, target=True, type=number_type(stats))
    if stats.distinct is not None and len(stats.distinct) < 2:
        raise DataError(f"target {name!r} has one class only, and there must be two to tell apart")
    if stats.kind == "text" and stats.present >= _FEW and stats.values > _SHARE * stats.present:
        raise DataError(
            f"target {name!r} has a value of its own in nearly every row, such as {stats.odd!r}: it holds no classes",
            "--target names another column",
        )
    whole = is_number(stats) and stats.kind != "boolean"
    return _column(name, "class", stats, target=True, whole=whole)


def _is_class(settings: "TablePreprocessor", name: str, stats: ColumnStats) -> bool:
    """Whether a target of numbers holds classes: booleans, two numbers, or whole numbers from 0 or 1 on, but few."""
    if stats.kind == "boolean":
        return name not in settings.numbers
    if name in settings.numbers or not stats.integer or stats.distinct is None:
        return False
    count = len(stats.distinct)
    gapless = stats.low in (0.0, 1.0) and stats.high == stats.low + count - 1
    return 1 < count <= _CLASSES and (count == 2 or gapless) and stats.present > count


def number_type(stats: ColumnStats) -> str:
    """Return the narrowest Arrow type that holds the numbers of a column, with NaN for missing ones.

    Numbers that float32 would round by more than a millionth of their deviation are float64.
    """
    if stats.low is None or stats.high is None:
        return "double"  # times
    low, high = stats.low, stats.high
    most = max(abs(low), abs(high))
    if stats.integer and not stats.missing:
        for bits in (8, 16, 32):
            if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1):
                return f"int{bits}"
    if stats.integer:
        return "float" if most <= 1 << 24 else "double"
    return "double" if most * 2.0**-24 > 1e-6 * max(stats.deviation, 1e-300) or most > 1e38 else "float"


def _column(
    name: str,
    kind: Kind,
    stats: ColumnStats,
    *,
    target: bool = False,
    shape: Sequence[int] = (),
    values: int = 0,
    type: str = "",
    whole: bool = False,
) -> Column:
    narrowed = {"double": "float", "bool": "uint8"}.get(type, type) if shape else type
    return Column(
        name=name,
        target=target,
        kind=kind,
        type=narrowed,
        shape=list(shape),
        values=values,
        missing=stats.missing,
        whole=whole,
    )


def describe_roles(columns: Sequence[Column], left_out: Sequence[LeftOut]) -> list[str]:
    """Return the roles as lines for the user.

    Args:
        columns: columns that are used.
        left_out: columns that are not used.
    """
    lines: list[str] = []
    for column in columns:
        if not column["target"]:
            continue
        missing = f", {column['missing']:,} rows have none and do not count" if column["missing"] else ""
        if column["kind"] == "class":
            what = f"one of {column['values']:,} classes"
            option = f"--numbers {shlex.quote(column['name'])} predicts a number" if column["whole"] else ""
        else:
            what = f"a tensor of shape {tuple(column['shape'])}" if column["shape"] else "a number"
            option = "" if column["shape"] else f"--categories {shlex.quote(column['name'])} predicts classes"
        lines.append(Message(f"predicts {column['name']}, {what}{missing}", option))
    inputs = [column for column in columns if not column["target"]]
    for kind, noun, option in (
        ("number", "numbers", "--categories NAME says otherwise"),
        ("category", "categories", "--numbers NAME says otherwise"),
        ("tensor", "tensors", ""),
        ("sequence", "lists of ids", "--numbers NAME says otherwise, where all are of one length"),
    ):
        names = [_described(column) for column in inputs if column["kind"] == kind]
        if names:
            lines.append(Message(f"{noun}: {join_names(names, 12)}", option))
    lines += [Message(f"leaves out {column['name']}: {column['why']}", column["option"]) for column in left_out]
    return lines


def _described(column: Column) -> str:
    details = []
    if column["kind"] == "category":
        details.append(f"{column['values']:,} values")
    if column["shape"]:
        details.append("x".join(map(str, column["shape"])))
    if column["missing"]:
        details.append(f"{column['missing']:,} missing")
    return f"{column['name']} ({', '.join(details)})" if details else column["name"]
