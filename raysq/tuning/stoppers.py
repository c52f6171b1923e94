"""Conditions under which trials or the whole search stop, as Ray Tune takes them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from raysq.config import nearest_name
from raysq.errors import UsageError
from raysq.training.goal import Goal
from raysq.tuning.describe import describe_object
from raysq.tuning.read_domains import source_of


def check_stop(stop: Any, goal: Goal) -> None:
    """Check a stopping condition before a search begins.

    Args:
        stop: mapping from a report's number to the value at or above which a trial stops, a function of a trial's id
            and a report, a `ray.tune.Stopper`, or None.
        goal: goal of the search.

    Raises:
        UsageError: it is none of these, or it could never stop a trial rightly.
    """
    if stop is None:
        return
    if isinstance(stop, Mapping):
        for name, value in stop.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise UsageError(f"--stop {name}: the value must be a number, received {value!r}")
            if name == goal.metric and goal.mode == "min":
                raise UsageError(
                    f"--stop {name}={value:g} would stop trials that are at or above it, and lower is better: give a "
                    f"function, lambda trial, result: result[{name!r}] <= {value:g}"
                )
        return
    if not callable(stop):
        raise UsageError(
            "stop must be a dict, a function of a trial's id and a result, or a ray.tune.Stopper, received "
            f"{type(stop).__name__}"
        )


def parse_stop(pairs: Iterable[str]) -> dict[str, float] | None:
    """Parse conditions such as `val_accuracy=0.9`; None without any.

    Raises:
        UsageError: a value is not a number.
    """
    stop = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise UsageError(f"--stop is written NAME=VALUE, such as val_accuracy=0.9, received {pair!r}")
        try:
            stop[name.strip()] = float(text)
        except ValueError:
            raise UsageError(f"--stop {name}: the value must be a number, received {text!r}") from None
    return stop or None


def describe_stop(stop: Any) -> Any:
    """Return a stopping condition in a form for JSON."""
    if stop is None or isinstance(stop, Mapping):
        return None if stop is None else dict(stop)
    return source_of(stop) if _is_function(stop) else describe_object(stop)


def make_condition(stop: Any) -> tuple[Callable[[str, dict[str, Any]], bool], Callable[[], bool]]:
    """Return two functions: whether a trial stops after a report, and whether the whole search stops."""
    if stop is None:
        return lambda trial, result: False, lambda: False
    if not isinstance(stop, Mapping):
        return stop, getattr(stop, "stop_all", lambda: False)

    def is_reached(trial: str, result: dict[str, Any]) -> bool:
        for name in stop:
            if name not in result:
                numbers = [key for key, number in result.items() if isinstance(number, (int, float))]
                raise UsageError(f"--stop {name}: no run records it: {nearest_name(name, numbers)}")
        return any(result[name] >= value for name, value in stop.items())

    return is_reached, lambda: False


def _is_function(stop: Any) -> bool:
    return not hasattr(stop, "stop_all")
