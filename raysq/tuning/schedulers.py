"""Schedulers of a search: names, and Ray Tune's own objects."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from raysq.config import nearest_name
from raysq.errors import UsageError
from raysq.training.goal import Goal
from raysq.tuning.describe import describe_object

SCHEDULERS = ("asha", "hyperband", "median", "pbt", "none")
_REFUSED = {
    "ResourceChangingScheduler": "the resources of a trial do not change: give its base scheduler",
    "HyperBandForBOHB": "it works with its own searcher alone: give HyperBandScheduler, or 'asha'",
}


def check_scheduler(scheduler: Any) -> None:
    """Check a scheduler before a search begins.

    Args:
        scheduler: name, or an object of Ray Tune.

    Raises:
        UsageError: the name is unknown, or the object cannot be used.
    """
    if isinstance(scheduler, str):
        if scheduler not in SCHEDULERS:
            raise UsageError(f"unknown --scheduler {scheduler!r}: {nearest_name(scheduler, SCHEDULERS)}")
        return
    from ray.tune.schedulers import TrialScheduler

    name = type(scheduler).__name__
    if not isinstance(scheduler, TrialScheduler):
        raise UsageError(
            f"scheduler must be one of {', '.join(SCHEDULERS)} or a ray.tune.schedulers.TrialScheduler, received {name}"
        )
    for each in type(scheduler).__mro__:
        if each.__name__ in _REFUSED:
            raise UsageError(f"scheduler {name} cannot be used: {_REFUSED[each.__name__]}")


def describe_scheduler(scheduler: Any) -> str:
    """Return a scheduler as text: its name, or its class and settings."""
    return scheduler if isinstance(scheduler, str) else describe_object(scheduler)


def is_informed(scheduler: Any) -> bool:
    """Return whether a scheduler is informed of the trials of earlier sessions, or needs no information."""
    if isinstance(scheduler, str):
        return scheduler != "pbt"
    from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule

    return isinstance(scheduler, (AsyncHyperBandScheduler, MedianStoppingRule)) or type(scheduler) is FIFOScheduler


def is_population(scheduler: Any) -> bool:
    """Return whether trials of a scheduler copy each other's checkpoints."""
    if isinstance(scheduler, str):
        return scheduler == "pbt"
    from ray.tune.schedulers import PopulationBasedTraining

    return isinstance(scheduler, PopulationBasedTraining)


def scheduler_factory(
    scheduler: Any,
    epochs: int,
    goal: Goal,
    seed: int,
    ended_trials: Callable[[], Mapping[str, list[dict[str, Any]]]],
    make_population: Callable[[], Any],
) -> Callable[[], Any]:
    """Return a function that makes the scheduler for a run of Ray Tune, or None to train all trials to their end.

    Args:
        scheduler: name, or an object of Ray Tune, which is copied.
        epochs: maximum number of epochs of a trial.
        goal: goal of the search.
        seed: seed of the search.
        ended_trials: function that returns the epoch records of trials that have ended, by name. The schedulers that
            stop a trial by its rank are informed of them.
        make_population: function that makes the scheduler "pbt".
    """
    if scheduler == "none" or (isinstance(scheduler, str) and epochs < 2):
        return lambda: None

    def make() -> Any:
        from raysq.tuning import ray_tune
        from raysq.tuning.guarded_scheduler import GuardedScheduler

        if scheduler in ("asha", "hyperband"):
            return ray_tune.make_asha(3 if scheduler == "hyperband" else 1, epochs, goal, ended_trials())
        if scheduler == "median":
            own = ray_tune.make_median(epochs, goal)
        else:
            own = make_population() if scheduler == "pbt" else copy.deepcopy(scheduler)
        guarded = GuardedScheduler(own, goal, seed)
        guarded.inform(ended_trials())
        return guarded

    return make
