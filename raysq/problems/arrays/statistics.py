"""Statistics of the columns of a table, from which their roles are inferred. Those of chunks are merged."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.moments import merge as merge_moments
from raysq.data.moments import moments
from raysq.problems.arrays.cells import Kind, is_time, matrix, odd_text, wide

MOST_DISTINCT = 64  # numbers or texts that are listed


@dataclass(frozen=True)
class ColumnStats:
    """Statistics of a column of some rows.

    Attributes:
        kind: kind of the cells; "mixed" where chunks differ.
        rows: number of rows.
        missing: number of missing cells.
        values: number of different texts, summed over chunks.
        characters: length of these texts.
        time: whether all texts are times.
        odd: a text that is no number.
        integer: whether all numbers are whole.
        unique: whether no number of a chunk occurs twice.
        low: lowest number.
        high: highest number.
        moments: count, mean and sum of squared deviations of the numbers.
        distinct: the different numbers or texts in ascending order, if there are few.
        shape: shape of the tensors.
        dtype: Arrow type of the numbers of tensors and lists.
        longest: length of the longest list.
        shortest: length of the shortest list.
    """

    kind: Kind | str
    rows: int
    missing: int = 0
    values: int = 0
    characters: int = 0
    time: bool = True
    odd: str | None = None
    integer: bool = True
    unique: bool = True
    low: float | None = None
    high: float | None = None
    moments: tuple[int, float, float] = (0, 0.0, 0.0)
    distinct: Sequence[Any] | None = ()
    shape: Sequence[int] = ()
    dtype: str = ""
    longest: int = 0
    shortest: int | None = None

    @property
    def present(self) -> int:
        """Number of cells that are not missing."""
        return self.rows - self.missing

    @property
    def deviation(self) -> float:
        """Standard deviation of the numbers."""
        return float(np.sqrt(self.moments[2] / max(self.moments[0], 1)))


def column_stats(kind: Kind, array: pa.Array, shape: Sequence[int] = ()) -> dict[str, Any]:
    """Return the statistics of a converted column as JSON-ready values.

    Args:
        kind: result of `cells.convert`.
        array: result of `cells.convert`.
        shape: shape of the tensors.
    """
    stats: dict[str, Any] = {"kind": kind, "rows": len(array), "missing": array.null_count}
    if kind == "text":
        stats |= _text_stats(array.dictionary)
    elif kind in ("number", "boolean", "time"):
        stats |= _number_stats(wide(array.drop_null()).to_numpy())
    elif kind == "tensor":
        values = matrix(array.drop_null())
        stats |= {**_range(values.reshape(-1)), "shape": list(shape), "dtype": _dtype(array)}
    elif kind == "list":
        lengths = pc.list_value_length(array).drop_null().to_numpy()
        stats |= {**_range(array.flatten().to_numpy(zero_copy_only=False)), "dtype": _dtype(array)}
        stats |= {"longest": int(lengths.max(initial=0)), "shortest": int(lengths.min(initial=1 << 30))}
    return stats


def merged(chunks: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, ColumnStats]:
    """Merge the statistics of all chunks, in order: `{column: statistics}` of each."""
    names = list(chunks[0]) if chunks else []
    totals: dict[str, ColumnStats] = {}
    for name in names:
        total = ColumnStats(**chunks[0][name])
        for chunk in chunks[1:]:
            if name in chunk:  # rows of the source that validates may lack the split column
                total = _merge(total, ColumnStats(**chunk[name]))
        totals[name] = total
    return totals


def _merge(a: ColumnStats, b: ColumnStats) -> ColumnStats:
    if "empty" in (a.kind, b.kind):
        kept, other = (b, a) if a.kind == "empty" else (a, b)
        return dataclasses.replace(kept, rows=a.rows + b.rows, missing=kept.missing + other.missing)
    kind = str(a.kind)
    if a.kind != b.kind or (a.kind == "tensor" and list(a.shape) != list(b.shape)):
        kind = "mixed"
    distinct = None
    if kind != "mixed" and a.distinct is not None and b.distinct is not None:
        union = sorted({*a.distinct, *b.distinct})
        distinct = union if len(union) <= MOST_DISTINCT else None
    return ColumnStats(
        kind=kind,
        rows=a.rows + b.rows,
        missing=a.missing + b.missing,
        values=a.values + b.values,
        characters=a.characters + b.characters,
        time=a.time and b.time,
        odd=a.odd or b.odd,
        integer=a.integer and b.integer,
        unique=a.unique and b.unique,
        low=_best(min, a.low, b.low),
        high=_best(max, a.high, b.high),
        moments=merge_moments(a.moments, b.moments),
        distinct=distinct,
        shape=a.shape,
        dtype=a.dtype if a.dtype == b.dtype else "double",
        longest=max(a.longest, b.longest),
        shortest=_best(min, a.shortest, b.shortest),
    )


def _best(choose: Any, a: Any, b: Any) -> Any:
    return a if b is None else b if a is None else choose(a, b)


def _text_stats(texts: pa.Array) -> dict[str, Any]:
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    stats = {"values": len(texts), "characters": int(lengths.sum()), "time": is_time(texts)}
    distinct = sorted(texts.to_pylist()) if len(texts) <= MOST_DISTINCT else None
    return {**stats, "odd": (odd_text(texts) or "")[:40] or None, "distinct": distinct}


def _number_stats(values: np.ndarray) -> dict[str, Any]:
    distinct = np.unique(values)
    return {
        **_range(values),
        "integer": bool(np.isfinite(values).all() and (values == np.rint(values)).all()),
        "unique": len(distinct) == len(values),
        "distinct": distinct.tolist() if len(distinct) <= MOST_DISTINCT else None,
    }


def _range(values: np.ndarray) -> dict[str, Any]:
    if not len(values):
        return {}
    wide = values.astype(np.float64)
    low, high = float(wide.min()), float(wide.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return {"odd": "an infinite number or NaN"}
    return {"low": low, "high": high, "moments": moments(wide)}


def _dtype(array: pa.Array) -> str:
    kind = array.type
    while pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return str(kind)
