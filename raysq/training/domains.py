"""Domains of searched settings: lists of choices, ranges as Ray Tune names them, grids, and functions of the others.

A domain is a list of choices or a tuple: (range, low, high), (range, low, high, step) for the ranges that begin with q,
("grid_search", choices), or ("sample_from", source of the function).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.display.numbers import short

# Ranges exclude `high` where they are of whole numbers without a step, and include it otherwise, as Ray Tune's do.
RANGES = (
    "uniform",
    "quniform",
    "loguniform",
    "qloguniform",
    "randint",
    "qrandint",
    "lograndint",
    "qlograndint",
)
GRID = "grid_search"
FUNCTION = "sample_from"
Domain = list[Any] | tuple[Any, ...]


def from_json(domain: Sequence[Any]) -> Domain:
    """Return a domain as it was before it was written to `experiment.json`."""
    first = domain[0] if domain else None
    if isinstance(first, str):
        numbers = all(isinstance(value, (int, float)) for value in domain[1:])
        if first in RANGES and numbers and len(domain) == (4 if is_stepped(domain) else 3) and _is_ordered(domain):
            return tuple(domain)
        if len(domain) == 2 and ((first == GRID and isinstance(domain[1], list)) or first == FUNCTION):
            return tuple(domain)
    return list(domain)


def _is_ordered(domain: Sequence[Any]) -> bool:
    """Return whether a range of numbers has any, in a file that may have been changed."""
    name, low, high = domain[:3]
    step = domain[3] if is_stepped(domain) else 1
    return bool(all(map(math.isfinite, domain[1:])) and (low > 0 or "log" not in name) and low < high and step > 0)


def is_range(domain: Sequence[Any]) -> bool:
    """Return whether a domain is a range of numbers."""
    return isinstance(domain, tuple) and domain[0] in RANGES


def is_function(domain: Sequence[Any]) -> bool:
    """Return whether a domain is a function of the other settings."""
    return isinstance(domain, tuple) and domain[0] == FUNCTION


def is_grid(domain: Sequence[Any]) -> bool:
    """Return whether each choice of a domain is to be combined with each of the other grids."""
    return isinstance(domain, tuple) and domain[0] == GRID


def is_stepped(domain: Sequence[Any]) -> bool:
    """Return whether a range has a step."""
    return str(domain[0]).startswith("q")


def is_log(domain: Sequence[Any]) -> bool:
    """Return whether a domain is a range on a log scale."""
    return is_range(domain) and "log" in domain[0]


def is_whole(domain: Sequence[Any]) -> bool:
    """Return whether a domain is a range of whole numbers."""
    return is_range(domain) and domain[0].endswith("randint")


def choices(domain: Sequence[Any]) -> list[Any] | None:
    """Return the choices of a list or grid; None for a range or a function."""
    if isinstance(domain, tuple):
        return list(domain[1]) if is_grid(domain) else None
    return list(domain)


def bounds(domain: Sequence[Any]) -> tuple[Any, Any]:
    """Return the lowest and the highest value of a range."""
    name, low, high = domain[:3]
    if is_stepped(domain):
        values = _steps(domain)
        return values[0], values[-1]
    return (low, high - 1) if name.endswith("randint") else (low, high)


def _steps(domain: Sequence[Any]) -> list[Any]:
    """Return the multiples of its step that lie in a range."""
    name, low, high, step = domain
    first, last = math.ceil(round(low / step, 9)), math.floor(round(high / step, 9))
    values = [number * step for number in range(first, last + 1)]
    return [int(value) for value in values] if name.endswith("randint") else [float(f"{value:.9g}") for value in values]


def count(domain: Sequence[Any]) -> float:
    """Return the number of values; infinite for a continuous range or a function."""
    listed = choices(domain)
    if listed is not None:
        return len(listed)
    if not is_range(domain):
        return math.inf
    if is_stepped(domain):
        return len(_steps(domain))
    return domain[2] - domain[1] if is_whole(domain) else math.inf


def values(domain: Sequence[Any]) -> list[Any]:
    """Return all values of a finite domain."""
    listed = choices(domain)
    if listed is not None:
        return listed
    return _steps(domain) if is_stepped(domain) else list(range(domain[1], domain[2]))


def contains(domain: Sequence[Any], value: Any) -> bool:
    """Return whether a value lies in a domain; True for a function."""
    listed = choices(domain)
    if listed is not None:
        return bool(value in listed)
    if is_function(domain):
        return True
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if is_stepped(domain):
        return any(math.isclose(value, step, rel_tol=1e-6, abs_tol=1e-12) for step in _steps(domain))
    low, high = bounds(domain)
    return bool(low <= value <= high and (not is_whole(domain) or value == int(value)))


def draw(domain: Sequence[Any], random: np.random.RandomState) -> Any:
    """Draw a value of a list, grid or range."""
    listed = choices(domain)
    if listed is not None:
        return listed[random.randint(len(listed))]
    name, low, high = domain[:3]
    if name == "randint":
        return int(random.randint(low, high))
    if is_log(domain):
        value = math.exp(random.uniform(math.log(low), math.log(high)))
    elif is_stepped(domain):
        steps = _steps(domain)
        return steps[random.randint(len(steps))]
    else:
        value = random.uniform(low, high)
    if is_stepped(domain):
        return min(_steps(domain), key=lambda step: abs(step - value))
    return min(int(value), high - 1) if is_whole(domain) else rounded(domain, value)


def rounded(domain: Sequence[Any], value: Any) -> Any:
    """Round a float of a range to four significant digits, so that the displayed value is the trained one."""
    if not is_range(domain):
        return value
    if is_whole(domain):
        return int(value)
    if is_stepped(domain):
        return min(_steps(domain), key=lambda step: abs(step - value))
    return min(max(float(f"{value:.4g}"), domain[1]), domain[2])


def describe(domain: Sequence[Any]) -> str:
    """Return a domain as text, such as "0.0001 to 0.01 on a log scale"."""
    listed = choices(domain)
    if listed is not None:
        text = ", ".join(shown(choice) for choice in listed)
        return f"each of {text}" if is_grid(domain) else text
    if is_function(domain):
        return f"a function of the others: {short(domain[1])}"
    low, high = bounds(domain)
    text = f"{shown(low)} to {shown(high)}"
    if is_whole(domain):
        text = f"whole numbers from {text}"
    if is_stepped(domain):
        text += f" in steps of {shown(domain[3])}"
    return text + (" on a log scale" if is_log(domain) else "")


def shown(value: Any) -> str:
    """Return a value of a setting as text."""
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value) or "(empty)"
