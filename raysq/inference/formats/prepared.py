"""Check of an exported model of prepared inputs: what it computes when it is read back."""

from collections.abc import Callable
from typing import Any

import numpy as np

from raysq.errors import DataError
from raysq.inference.formats.model_call import flat_outputs

_TOLERANCE = 1e-4


def check(loaded: Callable[[Any], Any], x: Any, wanted: list[np.ndarray], form: str) -> None:
    """Raise DataError if the model that was read back computes something else.

    Args:
        loaded: the model that was read back.
        x: prepared inputs.
        wanted: outputs of the run's model for them.
        form: format, for the error.
    """
    try:
        predictions = flat_outputs(loaded(x))
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"the model in form {form!r} does not run when it is read back ({reason})") from None
    same = len(predictions) == len(wanted) and all(
        found.shape == right.shape and np.allclose(found, right, rtol=_TOLERANCE, atol=_TOLERANCE)
        for found, right in zip(predictions, wanted, strict=True)
    )
    if not same:
        raise DataError(f"the model in form {form!r} computes something else when it is read back; nothing is kept")
