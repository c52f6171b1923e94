"""Keras callbacks as bytes, for workers and trials in other processes."""

import copy
from collections.abc import Sequence
from typing import Any

from raysq.errors import UsageError
from raysq.training.user_code import describe


def pickle_callbacks(callbacks: Sequence[Any]) -> bytes:
    """Return callbacks as bytes for `load_callbacks`; empty where there are none.

    Classes and functions of a script or notebook are pickled by value, those of modules by reference. The model that a
    callback was used with before is left out.

    Raises:
        UsageError: a callback cannot be pickled.
    """
    from ray import cloudpickle

    unused = []
    for callback in callbacks:
        callback = copy.copy(callback)
        callback._model = None  # `set_model(None)` would write files for some classes
        try:
            cloudpickle.dumps(callback)
        except Exception as error:  # whatever an attribute raises
            raise UsageError(
                f"callback {type(callback).__name__} cannot be sent to workers: {describe(error)}; create what cannot "
                "be pickled in on_train_begin"
            ) from error
        unused.append(callback)
    return cloudpickle.dumps(unused) if unused else b""


def load_callbacks(pickled: bytes) -> list[Any]:
    """Return the callbacks of `pickle_callbacks`, new objects at every call.

    Call `DriverContext.enter` first, which finds the modules of the driver.
    """
    if not pickled:
        return []
    from ray import cloudpickle

    callbacks: list[Any] = cloudpickle.loads(pickled)
    return callbacks
