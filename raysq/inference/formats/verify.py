"""Verification of an exported model: its outputs for raw rows, compared with those of `predict`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from raysq.errors import DataError
from raysq.problems.signature import Signature, TensorInfo

TOLERANCE = 1e-4  # of the usual difference of an output
_RELATIVE = 1e-6  # of the numbers themselves, which may be far from 0


def verify(
    run: Callable[[Mapping[str, Any]], Mapping[str, np.ndarray]],
    inputs: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    signature: Signature,
) -> dict[str, Any]:
    """Compare the outputs of an exported model with those expected.

    Args:
        run: the exported model.
        inputs: raw inputs by name.
        expected: outputs of `predict` for them by name.
        signature: signature of the model.

    Returns:
        `rows`, `difference` (the largest, in the unit of its output) and `output` (its name).

    Raises:
        DataError: the model does not run, or computes something else.
    """
    result = _compare(run, inputs, expected, signature)
    # A row alone: batches of one, which may also be the one whose texts are all empty.
    first = {name: value[:1] for name, value in inputs.items()}
    _compare(run, first, {name: value[:1] for name, value in expected.items()}, signature)
    return result


def _compare(
    run: Callable[[Mapping[str, Any]], Mapping[str, np.ndarray]],
    inputs: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    signature: Signature,
) -> dict[str, Any]:
    try:
        found = run(inputs)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"the exported model does not run ({_first_line(error)}); nothing is kept") from None
    except Exception as error:  # onnxruntime and TensorFlow raise classes of their own
        raise DataError(f"the exported model fails ({_first_line(error)}); nothing is kept") from None
    worst: tuple[float, float, str] = (0.0, 0.0, "")
    for info in signature.outputs:
        right, given = expected[info.name], np.asarray(found[info.name])
        if given.shape != right.shape:
            raise DataError(
                f"output {info.name} of the exported model has shape {given.shape} instead of {right.shape}; nothing "
                "is kept"
            )
        if info.dtype == "string":
            _check_texts(info, given, right, expected)
            continue
        share, difference = _differences(info, given, right)
        worst = max(worst, (share, difference, info.name))
    share, difference, name = worst
    if share > 1:
        raise DataError(
            f"the exported model differs from predict: {name} by {difference:.3g}, the tolerance is "
            f"{difference / share:.3g}; nothing is kept"
        )
    rows = len(next(iter(expected.values())))
    return {"rows": rows, "difference": difference, "output": name}


def _differences(info: TensorInfo, given: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Return the largest difference as a share of the tolerance, and in its own unit."""
    given, right = given.astype(np.float64), right.astype(np.float64)
    odd = ~(np.isfinite(given) & np.isfinite(right))
    if not np.array_equal(given[odd], right[odd], equal_nan=True):
        return float("inf"), float("nan")
    with np.errstate(invalid="ignore"):
        difference = np.where(np.isfinite(right), np.abs(given - right), 0.0)
    if not difference.size:
        return 0.0, 0.0
    allowed = TOLERANCE * abs(info.scale) + _RELATIVE * np.where(np.isfinite(right), np.abs(right), 0.0)
    shares = difference / np.maximum(allowed, np.finfo(np.float64).tiny)
    place = np.unravel_index(int(np.argmax(shares)), shares.shape)
    return float(shares[place]), float(difference[place])


def _check_texts(info: TensorInfo, given: np.ndarray, right: np.ndarray, expected: Mapping[str, np.ndarray]) -> None:
    """Raise DataError for another text, unless the probabilities that it is chosen by are tied."""
    for row in np.flatnonzero(given != right).tolist():
        if info.ties is not None and _is_tie(expected[info.ties][row]):
            continue
        raise DataError(
            f"the exported model differs from predict: {info.name} of row {row} is {given[row]!r} instead of "
            f"{right[row]!r}; nothing is kept"
        )


def _is_tie(shares: Sequence[float]) -> bool:
    second, first = np.sort(np.asarray(shares, np.float64))[-2:]
    return bool(first - second < TOLERANCE)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
