"""Numbers of seconds in variables of the environment."""

import math
import os
from collections.abc import Callable

from raysq.errors import UsageError


def environment_seconds(name: str, default: float, is_allowed: Callable[[float], bool], allowed: str = "") -> float:
    """Return the number of seconds in a variable of the environment.

    Args:
        name: name of the variable.
        default: value where the variable is empty or not set.
        is_allowed: whether a number may be given.
        allowed: text about the numbers that may be given, to follow "a number of seconds".

    Raises:
        UsageError: the value is no such number.
    """
    value = os.environ.get(name, "")
    try:
        seconds = float(value or default)
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds) or not is_allowed(seconds):
        raise UsageError(f"{name} must be a number of seconds{allowed}, received {value!r}")
    return seconds
