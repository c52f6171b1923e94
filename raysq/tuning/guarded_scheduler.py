"""A scheduler of Ray Tune, as trials of raysq need it."""

from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule, TrialScheduler

from raysq.config import nearest_name
from raysq.errors import UsageError
from raysq.training.goal import Goal
from raysq.tuning.space import seeded


class GuardedScheduler(TrialScheduler):
    """Scheduler that leaves all decisions to another one, which sees reports of epochs only.

    Args:
        scheduler: the other scheduler. Where it has no metric and mode, it takes those of the goal.
        goal: goal of the search.
        seed: seed of the search, for a population that is compared at the same epochs.

    Raises:
        UsageError: the scheduler has only one of metric and mode.
    """

    def __init__(self, scheduler: TrialScheduler, goal: Goal, seed: int = 0):
        self._own, self._seed = scheduler, seed
        metric, mode = getattr(scheduler, "_metric", None), getattr(scheduler, "_mode", None)
        if (metric is None) != (mode is None):
            raise UsageError(
                f"scheduler {type(scheduler).__name__} has only one of metric and mode: give it both or none"
            )
        if metric is None:
            scheduler.set_search_properties(goal.metric, goal.mode)
        self._needs = [metric or goal.metric, getattr(scheduler, "_time_attr", None)]

    def inform(self, ended_trials: Mapping[str, list[dict[str, Any]]]) -> None:
        """Inform the scheduler of trials of earlier sessions, if it compares a trial with all others."""
        if not isinstance(self._own, (AsyncHyperBandScheduler, MedianStoppingRule)):
            return
        for trial_id, records in ended_trials.items():
            trial = EndedTrial(trial_id)
            self._own.on_trial_add(_NoTrials(), trial)
            for record in records:
                self.on_trial_result(
                    _NoTrials(), trial, {**record, "score": 0.0, "training_iteration": record["epoch"]}
                )

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Do nothing; the properties are set when the scheduler is made."""
        return True

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return the decision on a trial; it continues after a report of no epoch.

        Raises:
            UsageError: runs do not record what the scheduler compares.
        """
        if "score" not in result:
            return str(TrialScheduler.CONTINUE)
        for name in self._needs:
            if name is not None and name not in result and name != "time_total_s":
                numbers = [key for key, value in result.items() if isinstance(value, (int, float))]
                raise UsageError(
                    f"scheduler {type(self._own).__name__}: no run records {name}: {nearest_name(name, numbers)}"
                )
        if not getattr(self._own, "_synch", False):
            return str(self._own.on_trial_result(controller, trial, result))
        with seeded(self._seed, result["epoch"]):  # it draws from Python's global generator
            return str(self._own.on_trial_result(controller, trial, result))

    def on_trial_complete(self, controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Pass on the end of a trial that has trained."""
        if "score" in result:
            self._own.on_trial_complete(controller, trial, result)
        else:
            self._own.on_trial_remove(controller, trial)

    def on_trial_add(self, controller: Any, trial: Any) -> None:
        """Pass on a new trial."""
        self._own.on_trial_add(_WithoutSearch(controller), trial)

    def on_trial_error(self, controller: Any, trial: Any) -> None:
        """Pass on the error of a trial."""
        self._own.on_trial_error(controller, trial)

    def on_trial_remove(self, controller: Any, trial: Any) -> None:
        """Pass on the removal of a trial."""
        self._own.on_trial_remove(controller, trial)

    def choose_trial_to_run(self, controller: Any) -> Any:
        """Return the trial that runs next."""
        return self._own.choose_trial_to_run(controller)

    def debug_string(self) -> str:
        """Return the state of the scheduler as text."""
        return str(self._own.debug_string())

    def __getstate__(self) -> dict[str, Any]:
        return {}


class EndedTrial:
    """Stand-in for a Ray Tune trial with the attributes that schedulers read."""

    def __init__(self, trial_id: str):
        self.trial_id = trial_id


class _NoTrials:
    """Stand-in for a controller of Ray Tune that has no trials."""

    def get_trials(self) -> list[Any]:
        return []

    get_live_trials = get_trials


class _WithoutSearch:
    """Controller of Ray Tune whose search algorithm is hidden.

    Population based training refuses any search algorithm, and raysq's only hands out the trials.
    """

    search_alg = None

    def __init__(self, controller: Any):
        self._controller = controller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._controller, name)
