"""Columns that float32 would damage: measured chunk by chunk, decided from all rows."""

from collections.abc import Mapping, Sequence

import numpy as np

TOLERATED = 1e-6  # largest rounding error, as a share of a column's range
_STEP = 1e-2  # largest rounding error, as a share of the usual step from one row to the next
_SAMPLED = 1024  # rows at which the usual step is measured
_DIGITS = 7  # significant digits to preserve in float32

Rounding = dict[str, float]


def rounding(values: np.ndarray, sentinels: Sequence[float] = ()) -> Rounding | None:
    """Measure the rounding error of a column in float32.

    Args:
        values: values in float64, NaN where a cell is missing.
        sentinels: numbers that stand for missing values; they do not widen the range.

    Returns:
        JSON-ready: `loss`, the largest rounding error (infinite for values that overflow float32), `low` and `high`,
        and `step`, the median distance of neighboring rows that differ. None if nothing is lost.
    """
    present = values[~np.isnan(values)] if np.isnan(values.min(initial=0.0)) else values
    with np.errstate(over="ignore"):
        error = present.astype(np.float32) - present
    loss = float(np.abs(error, out=error).max(initial=0.0))
    if not loss:
        return None
    for sentinel in sentinels:
        if (present == sentinel).any():
            present = present[present != sentinel]
    if not len(present):
        return None
    low, high = float(present.min()), float(present.max())
    rows = np.unique(np.linspace(0, max(len(values) - 2, 0), _SAMPLED).astype(np.int64))
    steps = np.abs(values[rows] - values[np.minimum(rows + 1, len(values) - 1)])
    steps = steps[steps > 0]
    return {"loss": loss, "low": low, "high": high, "step": float(np.median(steps)) if len(steps) else 0.0}


def wide_columns(measured: Sequence[Mapping[str, Rounding]]) -> tuple[str, ...]:
    """Return the columns that must be stored as float64.

    A column is stored as float32 if rounding stays below a millionth of its range and below a hundredth of its usual
    step. The range alone is not enough for a meter that restarts from 0. For a constant column, float32 must preserve
    all digits.

    Args:
        measured: results of `rounding` by column, for each part of the rows, in order.
    """
    totals: dict[str, Rounding] = {}
    stepped: set[str] = set()
    for part in measured:
        for name, part_rounding in part.items():
            if part_rounding["step"] and part_rounding["loss"] > _STEP * part_rounding["step"]:
                stepped.add(name)
            total = totals.setdefault(name, dict(part_rounding))
            total["loss"] = max(total["loss"], part_rounding["loss"])
            total["low"], total["high"] = (
                min(total["low"], part_rounding["low"]),
                max(total["high"], part_rounding["high"]),
            )
    return tuple(name for name, total in totals.items() if name in stepped or _is_damaged(total))


def _is_damaged(total: Rounding) -> bool:
    if total["low"] == total["high"]:
        with np.errstate(over="ignore"):
            return float(f"{np.float32(total['low']):.{_DIGITS}g}") != total["low"]
    return total["loss"] > TOLERATED * (total["high"] - total["low"])
