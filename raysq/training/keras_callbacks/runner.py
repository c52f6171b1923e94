"""Keras callbacks of a run, called on the chief as `Model.fit` calls them; what they decide reaches all workers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from raysq.errors import RaysqError, TrainingError
from raysq.training.checkpoint import CallbackStates
from raysq.training.keras_callbacks.identity import BATCH_HOOKS, is_keras, overrides
from raysq.training.keras_callbacks.seen_model import ModelCopy, SeenModel, TrainedModel, shared_variables
from raysq.training.keras_callbacks.state import continue_csv, continue_history, restore_states, save_states
from raysq.training.state import TrainState
from raysq.training.trainer import Trainer
from raysq.training.user_code import describe, line_of

_NOT_EXTRA = ("epoch", "step", "seconds", "learning_rate", "best")  # names of a record that are raysq's


class CallbackRunner:
    """Callbacks of a run, which every worker creates and calls at the same moments.

    Args:
        callbacks: Keras callbacks. Without any, all methods do nothing.
        trainer: trainer of the run.
        build: function that builds the model once more, for a copy on the chief of several replicas.
        model: name of the model, for messages.
        chief: whether this worker calls the callbacks.

    Attributes:
        is_stopping: whether a callback has set `model.stop_training`.
        call_steps: number of steps of a call where callbacks act on batches; None where calls may be of any length.
    """

    def __init__(
        self,
        callbacks: Sequence[Any],
        trainer: Trainer,
        build: Callable[[], keras.Model] | None = None,
        model: str = "model",
        *,
        chief: bool = True,
    ):
        self._callbacks = callbacks
        self._trainer = trainer
        self._name = model
        self._begun: int | None = None
        self.is_stopping = False
        hooks = [name for name in vars(keras.callbacks.Callback) if name.startswith("on_")]
        self._hooks = {hook for hook in hooks if any(overrides(callback, hook) for callback in callbacks)}
        self._on_batches = any(_acts_on_batches(callback) for callback in callbacks)
        own = trainer.model.steps_per_execution if trainer.compilation.own_optimizer else 1
        fixed = any(_acts_on_batches(each) and not is_keras(each, "TerminateOnNaN") for each in callbacks)
        self.call_steps: int | None = (trainer.settings.steps_per_execution or own) if fixed else None
        self._seen: SeenModel | None = None
        self._list: Any = None
        self._last = _LastLogs()
        if callbacks and chief:
            copied = trainer.replicas > 1 or tf.distribute.has_strategy()
            self._seen = ModelCopy(trainer, build or (lambda: trainer.model)) if copied else TrainedModel(trainer)
            self._list = self._guarded("set_model", self._make_list, 0)

    def _make_list(self) -> Any:
        assert self._seen is not None
        params = {"verbose": 1, "epochs": self._trainer.settings.epochs, "steps": self._trainer.steps_per_epoch}
        created = keras.callbacks.CallbackList([*self._callbacks], add_history=True, model=self._seen.model, **params)
        created.callbacks.append(self._last)
        return created

    # ---- moments of training

    def begin(self, state: TrainState, records: Sequence[Mapping[str, Any]]) -> None:
        """Call `on_train_begin`, and `on_epoch_begin` where the run continues in the middle of an epoch.

        What they change on a run that continues is undone by `restore` and by the trainer's.

        Args:
            state: state that training continues from.
            records: records of its finished epochs.
        """
        if self._seen is not None:
            self._seen.model.stop_training = False
            for callback in self._callbacks:
                if is_keras(callback, "CSVLogger") and state.step:
                    continue_csv(callback, state.epoch)
        self._call("on_train_begin", state)
        if self._seen is not None and records:
            continue_history(self._seen.model.history, records)
        if state.step > state.epoch * self._trainer.steps_per_epoch and not state.stopped:
            self.on_epoch_begin(state)

    def restore(self, saved: CallbackStates) -> list[str]:
        """Put the states of callbacks back, after `begin`, and return messages about those that start anew."""
        if self._seen is None:
            return []
        self._seen.forget()
        return restore_states(self._callbacks, saved)

    def states(self) -> CallbackStates:
        """Return the states of callbacks for a checkpoint."""
        return CallbackStates() if self._list is None else save_states(self._callbacks)

    def on_epoch_begin(self, state: TrainState) -> None:
        """Call `on_epoch_begin`, once for each epoch."""
        if self._begun != state.epoch:
            self._begun = state.epoch
            self._call("on_epoch_begin", state, state.epoch)

    def on_train_batch_begin(self, state: TrainState) -> None:
        """Call `on_train_batch_begin` before a call of compiled steps."""
        if self._on_batches:
            self._call("on_train_batch_begin", state, self._batch(state))

    def on_train_batch_end(self, state: TrainState) -> None:
        """Call `on_train_batch_end` after a call of compiled steps, with the means of the epoch so far."""
        if self._on_batches:
            logs = self._trainer.train_metrics()  # on every worker: metrics are summed over them
            self._call("on_train_batch_end", state, self._batch(state) - 1, logs)

    def evaluate(self, state: TrainState) -> dict[str, float]:
        """Evaluate the validation split between `on_test_begin` and `on_test_end`."""
        self._call("on_test_begin", state)
        logs = self._trainer.evaluate("val")
        self._call("on_test_end", state, {name.removeprefix("val_"): value for name, value in logs.items()})
        return logs

    def on_epoch_end(self, state: TrainState, logs: Mapping[str, float]) -> dict[str, float]:
        """Call `on_epoch_end` of the epoch that has ended.

        Args:
            state: state after the epoch.
            logs: losses and metrics by name, as in the epoch's record.

        Returns:
            Values that callbacks added to the logs. Other workers than the chief return none.
        """
        if self._seen is not None:
            self._seen.forget()  # the schedule may have changed the learning rate since the last step
        self._call("on_epoch_end", state, state.epoch - 1, dict(logs))
        if self._list is None:
            return {}
        self._check_monitored()
        return {
            name: float(value)
            for name, value in self._last.logs.items()
            if name not in logs and name not in _NOT_EXTRA and isinstance(value, (int, float, np.number))
        }

    def on_train_end(self, state: TrainState) -> bool:
        """Call `on_train_end`, and return whether it changed the model's weights, as `EarlyStopping` may."""
        if "on_train_end" not in self._hooks:
            return False
        weights = [np.array(tf.convert_to_tensor(variable.value)) for variable in self._trainer.model.weights]
        self._call("on_train_end", state, self._last.logs or None)
        after = [np.asarray(tf.convert_to_tensor(variable.value)) for variable in self._trainer.model.weights]
        return not all(np.array_equal(*pair, equal_nan=True) for pair in zip(weights, after, strict=True))

    def close(self) -> None:
        """Release the copy of the model."""
        if self._seen is not None:
            self._seen.close()

    # ---- calls and decisions

    def _batch(self, state: TrainState) -> int:
        return state.step - state.epoch * self._trainer.steps_per_epoch

    def _call(self, hook: str, state: TrainState, *arguments: Any) -> None:
        """Call a hook on the chief, and let all workers know what it decided."""
        if self._list is not None:
            self._guarded(hook, lambda: getattr(self._list, hook)(*arguments), state.step)
        used = self._hooks & set(BATCH_HOOKS) if "batch" in hook else {hook} & self._hooks
        if used:
            self._share()

    def _guarded(self, hook: str, function: Callable[[], Any], step: int) -> Any:
        """Call a function of callbacks; their errors become one line.

        Raises:
            TrainingError: a callback raised an error.
        """
        assert self._seen is not None
        try:
            return self._seen.call(function, step)
        except RaysqError:
            raise
        except (Exception, SystemExit) as error:
            line = line_of(error, self._name)
            raise TrainingError(
                f"callback {self._raised(error)} fails in {hook}: {describe(error)}{f' ({line})' if line else ''}; "
                "--debug shows the traceback"
            ) from error

    def _raised(self, error: BaseException) -> str:
        """Return the name of the callback that an error came from."""
        trace, name = error.__traceback__, "list"
        while trace is not None:
            owners = [trace.tb_frame.f_locals.get(local) for local in ("self", "callback")]  # of Keras's list, too
            name = next((type(each).__name__ for each in self._callbacks if any(each is it for it in owners)), name)
            trace = trace.tb_next
        return name

    def _share(self) -> None:
        """Give all workers the stop and the variables that callbacks have set on the chief."""
        trainer = self._trainer
        stops = self._seen is not None and bool(self._seen.model.stop_training)
        if trainer.replicas == 1 and not tf.distribute.has_strategy():
            self.is_stopping = stops
            return
        changes = {} if self._seen is None else self._seen.changes()
        variables = shared_variables(trainer.model, trainer.optimizer)
        flags = np.array([stops, *(number in changes for number in range(len(variables)))], np.float64)
        flags = trainer.broadcast_array(flags)
        self.is_stopping = bool(flags[0])
        for number in np.flatnonzero(flags[1:]):
            variable = variables[number]
            value = changes.get(int(number), np.zeros(variable.shape))
            shared = trainer.broadcast_array(np.asarray(value, np.float64))
            variable.assign(tf.cast(shared, variable.dtype))

    def _check_monitored(self) -> None:
        """Raise an error where a callback monitors what no epoch has; Keras would only warn, where nobody may look."""
        for callback in self._callbacks:
            kinds = (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau)
            best = isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_best_only
            if (best or isinstance(callback, kinds)) and callback.monitor not in self._last.logs:
                raise TrainingError(
                    f"callback {type(callback).__name__} monitors {callback.monitor!r}, which an epoch does not have: "
                    f"give one of {', '.join(self._last.logs)}"
                )


class _LastLogs(keras.callbacks.Callback):
    """Last callback of the list, which keeps the logs as the others have left them."""

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.logs = dict(logs or {})


def _acts_on_batches(callback: Any) -> bool:
    """Return whether a callback must be called at batches."""
    if is_keras(callback, "TensorBoard"):
        return bool(callback.update_freq != "epoch" or callback.write_steps_per_second or callback._should_trace)
    if is_keras(callback, "ModelCheckpoint"):
        return bool(callback.save_freq != "epoch")
    return any(overrides(callback, hook) for hook in BATCH_HOOKS)
