"""Parts of Ray Tune for a session: searcher, callbacks, stopper, and schedulers by name.

Ray Tune regularly pickles the first three to restore them later. The state of a search is kept in its own directory,
so they are pickled without state. Local classes would be pickled with their closures.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule
from ray.tune.search import Searcher

from raysq.distributed.memory import is_out_of_memory
from raysq.training.goal import Goal
from raysq.tuning.guarded_scheduler import EndedTrial
from raysq.tuning.memory import LOST, OUT_OF_MEMORY
from raysq.tuning.session import Session
from raysq.tuning.trial import BY_STOPPER

# Entry of a trial's configuration, beside its searched settings.
TRIAL = "raysq"


class SessionSearcher(Searcher):
    """Ray Tune searcher that supplies the trials of a session."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's configuration, None for none yet, or `Searcher.FINISHED`."""
        trial = self._session.next_trial()
        if trial is None:
            return None
        if trial == "finished":
            return Searcher.FINISHED
        # A list, because Ray Tune would resolve search spaces inside a mapping.
        return {**trial.searched, TRIAL: [trial.name, trial.seed, dict(trial.settings)]}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Do nothing; `SessionCallback` handles the end of a trial."""

    def save(self, checkpoint_path: str) -> None:
        """Create an empty file, since there is no state to save."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing; raysq never restores a searcher."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class SessionCallback(Callback):
    """Ray Tune callback that passes the events of trials to a session."""

    def __init__(self, session: Session):
        self._session = session

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Handle the start of a trial in a process."""
        self._session.table.start(_name(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Handle the report of a finished epoch."""
        if "score" in result:
            searched = {key: value for key, value in trial.config.items() if key != TRIAL}
            epoch, score, memory = result["epoch"], result["score"], result.get("memory", 0)
            self._session.on_epoch_end(_name(trial), epoch, score, memory, searched)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Handle the end of a trial, by itself or by the scheduler."""
        self._session.on_trial_end(_name(trial), None)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Handle the loss of a trial's process that Ray Tune restarts."""
        if self._session.on_process_lost(_name(trial), is_out_of_memory(_last_error(trial))) <= 1:
            trial.max_failures = 0  # the next loss goes to `on_trial_error`

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Handle the loss of a trial's process that Ray Tune does not restart.

        Ray Tune does not restart a trial whose `max_failures` is 0, or one that has just begun.
        """
        ran_out = is_out_of_memory(_last_error(trial))
        if self._session.on_process_lost(_name(trial), ran_out):
            self._session.requeue(_name(trial))
        else:
            self._session.on_trial_end(_name(trial), OUT_OF_MEMORY if ran_out else LOST)

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _forward(name: str) -> Any:
    def hook(self: "UserCallback", *arguments: Any, **keywords: Any) -> Any:
        return getattr(self.own, name)(*arguments, **keywords)

    hook.__doc__ = f"Call `{name}` of the user's callback."
    return hook


class UserCallback(Callback):
    """Ray Tune callback that passes events to one of the user's, and of reports those of epochs."""

    def __init__(self, own: Callback):
        self.own = own

    setup = _forward("setup")
    on_step_begin = _forward("on_step_begin")
    on_step_end = _forward("on_step_end")
    on_trial_start = _forward("on_trial_start")
    on_trial_restore = _forward("on_trial_restore")
    on_trial_save = _forward("on_trial_save")
    on_trial_complete = _forward("on_trial_complete")
    on_trial_recover = _forward("on_trial_recover")
    on_trial_error = _forward("on_trial_error")
    on_checkpoint = _forward("on_checkpoint")
    on_experiment_end = _forward("on_experiment_end")

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Pass on the report of a finished epoch."""
        if "score" in result:
            self.own.on_trial_result(iteration, trials, trial, result, **info)

    def __getstate__(self) -> dict[str, Any]:
        return {}


class SessionStopper(Stopper):
    """Ray Tune stopper with the user's condition, which ends all trials when no node can hold one."""

    def __init__(self, session: Session):
        self._session = session
        self._stop_trial: Callable[[str, dict[str, Any]], bool] = session.condition[0]
        self._stop_all: Callable[[], bool] = session.condition[1]

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return whether the user's condition stops a trial."""
        return "score" in result and bool(self._stop_trial(trial_id, result))

    def stop_all(self) -> bool:
        """Return whether to end all trials at once; those that the user's condition ends save their state first."""
        if self._session.stop_reason is None and self._stop_all():
            self._session.stop(BY_STOPPER)
        return self._session.is_stranded

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _name(trial: Any) -> str:
    return str(trial)


def _last_error(trial: Any) -> str:
    """Return the text of a trial's last failure; Ray Tune's getters read a path that is copied later."""
    path = trial.error_file
    text = Path(path).read_text(errors="replace") if path and Path(path).exists() else ""
    return text.rpartition("Failure # ")[2]


def make_asha(brackets: int, epochs: int, goal: Goal, ended_trials: Mapping[str, list[dict[str, Any]]]) -> Any:
    """Return Ray Tune's scheduler of asynchronous successive halving, informed of earlier trials.

    Args:
        brackets: number of brackets, which differ in patience.
        epochs: maximum number of epochs of a trial, at least 2.
        goal: goal of the search.
        ended_trials: epoch records of trials that have ended, by name.
    """
    asha = ASHAScheduler(
        metric="score",
        mode="min",
        time_attr="epoch",
        # A trial in its last epoch ends by itself and is not stopped.
        max_t=epochs - 1,
        stop_last_trials=False,
        grace_period=_grace(epochs),
        reduction_factor=3,
        brackets=brackets,
    )
    for trial_id, records in ended_trials.items():
        trial = EndedTrial(trial_id)
        asha.on_trial_add(None, trial)
        for number, record in enumerate(records, 1):
            score = goal.score_of(records[:number])
            asha.on_trial_result(None, trial, {"epoch": record["epoch"], "score": score})
    return asha


def make_median(epochs: int, goal: Goal) -> Any:
    """Return Ray Tune's scheduler that stops a trial whose best is worse than the median of the others' means."""
    return MedianStoppingRule(time_attr="epoch", metric=goal.metric, mode=goal.mode, grace_period=_grace(epochs))


def _grace(epochs: int) -> int:
    """Return the epochs that each trial gets; the first epoch alone is not informative."""
    return max(min(2, epochs - 1), epochs // 8)
