"""Which columns float32 would damage: measured piece by piece, decided from all rows."""

from collections.abc import Mapping, Sequence

import numpy as np

TOLERATED = 1e-6  # rounding, as a share of a column's spread
_STEP = 1e-2  # rounding, as a share of a usual step from one row to the next
_SAMPLED = 1024  # steps that tell what is usual
_DIGITS = 7  # significant digits that every float32 gives back

Rounding = dict[str, float]


def rounding(values: np.ndarray, sentinels: Sequence[float] = ()) -> Rounding | None:
    """Measure what float32 would change in the values of a column.

    Args:
        values: float64, NaN where a cell is missing.
        sentinels: numbers that are no values; they do not widen the spread.

    Returns:
        JSON-ready: `loss`, the largest rounding error (infinite for what float32 cannot hold), `low` and `high`, and
        `step`, the median distance of neighboring rows that differ. None where nothing is lost.
    """
    known = values[~np.isnan(values)] if np.isnan(values.min(initial=0.0)) else values
    with np.errstate(over="ignore"):
        error = known.astype(np.float32) - known
    loss = float(np.abs(error, out=error).max(initial=0.0))
    if not loss:
        return None
    for sentinel in sentinels:
        if (known == sentinel).any():
            known = known[known != sentinel]
    if not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    places = np.unique(np.linspace(0, max(len(values) - 2, 0), _SAMPLED).astype(np.int64))
    steps = np.abs(values[places] - values[np.minimum(places + 1, len(values) - 1)])
    steps = steps[steps > 0]
    return {"loss": loss, "low": low, "high": high, "step": float(np.median(steps)) if len(steps) else 0.0}


def wide_columns(measured: Sequence[Mapping[str, Rounding]]) -> tuple[str, ...]:
    """Name the columns that float64 has to hold.

    A column is kept as float32 where rounding stays below a millionth of its spread and below a hundredth of its
    usual steps: the spread alone says little where a meter starts anew from 0. Of a constant, float32 is to give all
    digits back.

    Args:
        measured: for each part of the rows, in order, what `rounding` found by column.
    """
    found: dict[str, Rounding] = {}
    stepped: set[str] = set()
    for part in measured:
        for name, one in part.items():
            if one["step"] and one["loss"] > _STEP * one["step"]:
                stepped.add(name)
            total = found.setdefault(name, dict(one))
            total["loss"] = max(total["loss"], one["loss"])
            total["low"], total["high"] = min(total["low"], one["low"]), max(total["high"], one["high"])
    return tuple(name for name, total in found.items() if name in stepped or _is_damaged(total))


def _is_damaged(total: Rounding) -> bool:
    if total["low"] == total["high"]:
        with np.errstate(over="ignore"):
            return float(f"{np.float32(total['low']):.{_DIGITS}g}") != total["low"]
    return total["loss"] > TOLERATED * (total["high"] - total["low"])
