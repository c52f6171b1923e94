"""Where Ray Tune calls us: the searcher that hands out a session's trials, and the callback that hears of them.

Ray Tune writes both to disk now and then, to restore them; what a search has reached is in its own folder, so they are
written empty. They are importable classes for that reason: those inside a function would take all they see with them.
"""

from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.search import Searcher

from raysq.distributed.memory import is_out_of_memory
from raysq.tuning.memory import LOST, OUT_OF_MEMORY
from raysq.tuning.session import Session


class Trials(Searcher):
    """Hands out the trials of a session."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session

    def suggest(self, trial_id: str) -> Any:
        """The next trial."""
        found = self._session.begin()
        if found is None:
            return None
        if found == "finished":
            return Searcher.FINISHED
        # One value: Ray Tune would look into a mapping for searches of its own.
        return {"trial": [found.name, found.seed, dict(found.every)]}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Told by the callback."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Never restored."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Events(Callback):
    """Tells a session what happens to its trials."""

    def __init__(self, session: Session):
        self._session = session

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A process works on it."""
        self._session.board.begin(_name(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch."""
        if "score" in result:
            self._session.epoch(_name(trial), result["epoch"], result["score"], result.get("memory", 0))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It came to its end, or the scheduler ended it."""
        self._session.end(_name(trial), None)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Its process was lost, and Ray Tune starts it again."""
        if self._session.lose(_name(trial), is_out_of_memory(_last_error(trial))) <= 1:
            trial.max_failures = 0  # the next loss goes to `on_trial_error`

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Its process was lost, and Ray Tune does not start it again: told not to, or since it was just begun."""
        ran_out = is_out_of_memory(_last_error(trial))
        if self._session.lose(_name(trial), ran_out):
            self._session.again(_name(trial))
        else:
            self._session.end(_name(trial), OUT_OF_MEMORY if ran_out else LOST)

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _name(trial: Any) -> str:
    return str(trial.config["trial"][0])


def _last_error(trial: Any) -> str:
    """What Ray Tune wrote of the last failure; its own getters look where it is copied to later."""
    path = trial.error_file
    text = Path(path).read_text(errors="replace") if path and Path(path).exists() else ""
    return text.rpartition("Failure # ")[2]
