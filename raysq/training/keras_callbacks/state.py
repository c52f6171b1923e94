"""State of callbacks in a checkpoint: values ready for JSON, and arrays beside them. No pickle."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raysq.errors import TrainingError
from raysq.storage.atomic import write_text
from raysq.training.checkpoint import CallbackStates
from raysq.training.keras_callbacks.identity import is_keras, states_of

# Classes of Keras without a state of their own.
_STATELESS = (
    *("LambdaCallback", "LearningRateScheduler", "TerminateOnNaN", "CSVLogger", "History", "ProgbarLogger"),
    *("TensorBoard", "RemoteMonitor"),
)


def save_states(callbacks: Sequence[Any]) -> CallbackStates:
    """Return the states of callbacks.

    Raises:
        TrainingError: a user's `get_state` does not return a dictionary ready for JSON.
    """
    states: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for key, callback in _keyed(callbacks):
        if hasattr(callback, "get_state") and hasattr(callback, "set_state"):
            states[key] = _user_state(callback)
        elif names := states_of(callback):
            states[key] = {name: _plain(getattr(callback, name, None)) for name in names if name != "best_weights"}
            weights = getattr(callback, "best_weights", None)
            if weights is not None:
                states[key]["weights"] = len(weights)
                arrays |= {f"{key}/{number}": np.asarray(value) for number, value in enumerate(weights)}
    return CallbackStates(states, arrays)


def restore_states(callbacks: Sequence[Any], saved: CallbackStates) -> list[str]:
    """Put states back; `on_train_begin` of Keras's classes has reset them.

    Args:
        callbacks: the callbacks.
        saved: their states; see `save_states`.

    Returns:
        A message that names the callbacks that start anew, if there are any.
    """
    anew = []
    for key, callback in _keyed(callbacks):
        state = saved.values.get(key)
        if hasattr(callback, "get_state") and hasattr(callback, "set_state"):
            if state is None:
                anew.append((key, "the checkpoint has none of its state"))
            else:
                callback.set_state(state)
        elif states_of(callback):
            if state is None:
                anew.append((key, "the checkpoint has none of its state"))
            else:
                values = dict(state)
                count = values.pop("weights", None)
                if count is not None:
                    callback.best_weights = [saved.arrays[f"{key}/{number}"] for number in range(count)]
                for name, value in values.items():
                    setattr(callback, name, value)
        elif not is_keras(callback, *_STATELESS):
            anew.append((key, "it has no get_state and set_state"))
    return [f"callback {key.partition('/')[0]} starts anew: {reason}" for key, reason in anew]


def continue_csv(callback: Any, epoch: int) -> None:
    """Let a `CSVLogger` continue the file of an interrupted run, without rows of epochs that are trained again.

    Args:
        callback: the callback, before its `on_train_begin`, which would empty the file.
        epoch: number of finished epochs of the checkpoint.
    """
    path = Path(callback.filename)
    if callback.append or not path.is_file():
        return
    callback.append = True
    with open(path, newline="") as file:
        rows = list(csv.reader(file, delimiter=callback.sep))
    kept = io.StringIO(newline="")
    writer = csv.writer(kept, delimiter=callback.sep)
    writer.writerows(row for row in rows[:1])
    writer.writerows(row for row in rows[1:] if row and row[0].isdecimal() and int(row[0]) < epoch)
    write_text(path, kept.getvalue())


def continue_history(callback: Any, records: Sequence[Mapping[str, Any]]) -> None:
    """Give a `History` the epochs that were trained before."""
    skipped = ("epoch", "step", "seconds", "learning_rate", "best")
    callback.epoch = [record["epoch"] - 1 for record in records]
    callback.history = {}
    for record in records:
        for name, value in record.items():
            if name not in skipped and isinstance(value, float):
                callback.history.setdefault(name, []).append(value)


def _keyed(callbacks: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield callbacks by class and number among those of the class, since those that only write may come and go."""
    counts: dict[str, int] = {}
    for callback in callbacks:
        name = type(callback).__name__
        counts[name] = counts.get(name, -1) + 1
        yield f"{name}/{counts[name]}", callback


def _user_state(callback: Any) -> Any:
    state = callback.get_state()
    try:
        if isinstance(state, dict) and json.loads(json.dumps(state)) == state:
            return state
    except (TypeError, ValueError):
        pass
    raise TrainingError(
        f"get_state of callback {type(callback).__name__} must return a dict ready for JSON, received {state!r:.120}"
    )


def _plain(value: Any) -> Any:
    """Return a number of NumPy or Keras as one of Python."""
    return value if value is None or isinstance(value, (bool, int, float)) else np.asarray(value).item()
