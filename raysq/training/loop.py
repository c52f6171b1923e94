"""Training loop: a generator over a plain state that yields one record per epoch."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from raysq.errors import TrainingError
from raysq.training.keras_callbacks.runner import CallbackRunner
from raysq.training.scaling import StepCost
from raysq.training.state import TrainState
from raysq.training.step_costs import measure_step_cost
from raysq.training.trainer import Trainer

# Target duration of a call of compiled steps: short enough for Ctrl-C and the progress bar.
_CALL_SECONDS = 0.5
_MAX_STEPS = 256
# Workers of a group must make the same calls. A collective in a loop is identified by its iteration within the call,
# so workers with calls of different lengths would wait for each other forever. They begin with `_GROUP_STEPS`, and
# agree on what the chief says after the second call, since the first one traces and compiles, and then every two
# seconds.
_GROUP_STEPS = 16
_AGREE_SECONDS = 2.0
_MAX_CALLS = 4096
_COST_CALL = 3  # the first call of the agreed length


def fit(
    trainer: Trainer,
    state: TrainState,
    on_train_batch_end: Callable[[TrainState, float], None] = lambda state, loss: None,
    on_step_cost: Callable[[StepCost], None] = lambda cost: None,
    should_pause: Callable[[], bool] = lambda: False,
    on_pause: Callable[[], None] = lambda: None,
    callbacks: CallbackRunner | None = None,
) -> Iterator[dict[str, Any]]:
    """Train from `state` to the end of the last epoch, or until early stopping.

    Args:
        trainer: trainer of the model.
        state: state to continue from; changed in place. A record is yielded after the state has moved past its epoch,
            so a checkpoint saved then continues with the next epoch.
        on_train_batch_end: called after every call of compiled steps with the state and the mean loss over this
            worker's examples of the call. `trainer` and `state` are consistent then, so it may save them, or raise.
        on_step_cost: called once with the measured cost of a step, if `trainer` has several replicas and the steps to
            come take some seconds.
        should_pause: asked every two seconds between calls, or after each call of a single replica. Only the chief's
            answer counts.
        on_pause: called on every worker after the same step, where the chief's `should_pause` has returned True.
        callbacks: Keras callbacks of the run, after `CallbackRunner.begin`. Defaults to none.

    Yields:
        A record per epoch: `epoch`, `step`, `seconds`, `learning_rate`, losses and metrics, values that callbacks added
        to them, and `best`. Names of validation metrics have the prefix `val_`. `best` is True where `val_loss` is the
        lowest so far. An epoch that a callback ends because its loss is not finite has no record.

    Raises:
        TrainingError: the loss is not finite, and no callback ends the run at its last finished epoch.
    """
    settings = trainer.settings
    callbacks = callbacks or CallbackRunner((), trainer)
    trainable = bool(trainer.model.trainable_variables)
    call_steps = callbacks.call_steps or (1 if trainer.replicas == 1 else _GROUP_STEPS)
    calls, agreement = 0, 2
    while state.epoch < settings.epochs and not state.stopped:
        callbacks.on_epoch_begin(state)
        begin = state.epoch * trainer.steps_per_epoch
        end = begin + trainer.steps_per_epoch if trainable else state.step
        while state.step < end:
            callbacks.on_train_batch_begin(state)
            started = time.perf_counter()
            steps = min(call_steps, end - state.step)
            if callbacks.call_steps:
                steps = min(steps, call_steps - (state.step - begin) % call_steps)
            if settings.checkpoint_steps:
                steps = min(steps, settings.checkpoint_steps - state.step % settings.checkpoint_steps)
            loss = trainer.train(state.step, steps)
            state.step += steps
            seconds = time.perf_counter() - started
            state.seconds += seconds
            callbacks.on_train_batch_end(state)
            # The number of steps in a call does not change the results, except by callbacks, for which it is fixed.
            fitting = max(1, min(_MAX_STEPS, int(steps * _CALL_SECONDS / seconds)))
            calls += 1
            pause = False
            if trainer.replicas == 1:
                if steps == call_steps and not callbacks.call_steps:
                    call_steps = min(2 * call_steps, fitting)
                # In a group all workers must see the same loss to end together, so the check follows the epoch.
                if not callbacks.is_stopping:
                    _check_finite(loss, state, trainer)
                pause = should_pause()
            elif calls == agreement:
                # A shorter call, at the end of an epoch, measures what calls cost rather than steps.
                wanted = fitting if steps == call_steps else call_steps
                interval = int(_AGREE_SECONDS / (seconds / steps * (callbacks.call_steps or wanted)))
                agreed, interval, pause = _agree(trainer, min(wanted, _MAX_STEPS), interval, should_pause())
                call_steps = callbacks.call_steps or agreed
                agreement += interval
            if trainer.replicas > 1 and calls == _COST_CALL and not settings.exact:
                cost = measure_step_cost(trainer, seconds / steps, trainer.total_steps - state.step)
                if cost is not None:
                    on_step_cost(cost)
            if callbacks.is_stopping:
                break  # no checkpoint before the state says so
            on_train_batch_end(state, loss)
            if pause:
                on_pause()
        started = time.perf_counter()
        logs = trainer.take_train_metrics() if trainable else {}
        finite = not trainable or math.isfinite(logs["loss"])
        if not finite and not (callbacks.is_stopping and state.best_epoch):
            _check_finite(logs["loss"], state, trainer)
        logs |= callbacks.evaluate(state)
        state.seconds += time.perf_counter() - started
        state.epoch += 1
        rate = trainer.learning_rate()
        best = finite and _update_best(state, logs["val_loss"], trainer)
        extra = callbacks.on_epoch_end(state, logs)
        if callbacks.is_stopping or not trainable:
            state.stopped = True
        if not finite:
            state.epoch -= 1
            return
        yield {
            "epoch": state.epoch,
            "step": state.step,
            "seconds": round(state.seconds, 3),
            "learning_rate": rate,
            **logs,
            **extra,
            "best": best,
        }


def _agree(trainer: Trainer, call_steps: int, interval: int, pause: bool) -> tuple[int, int, bool]:
    """Return the chief's arguments: steps of a call, calls until the next agreement (at least 1), whether to pause."""
    calls = max(1, min(_MAX_CALLS, interval))
    value = trainer.broadcast((calls * 2 + pause) * 2 * _MAX_STEPS + call_steps)  # of 23 bits
    rest, call_steps = divmod(value, 2 * _MAX_STEPS)
    return call_steps, rest // 2, bool(rest % 2)


def _update_best(state: TrainState, value: float, trainer: Trainer) -> bool:
    """Update early stopping and the plateau schedule; return whether this epoch is the best so far."""
    settings = trainer.settings
    better = value < state.best
    if better:
        state.best, state.best_epoch, state.wait, state.plateau_wait = value, state.epoch, 0, 0
    else:
        state.wait += 1
        state.plateau_wait += 1
    if settings.patience and state.wait >= settings.patience:
        state.stopped = True
    if settings.schedule == "plateau" and state.plateau_wait >= settings.plateau_patience:
        state.rate_scale *= 0.5
        state.plateau_wait = 0
        trainer.scale_rate(state.rate_scale)
    return better


def _check_finite(loss: float, state: TrainState, trainer: Trainer) -> None:
    if not math.isfinite(loss):
        name = "the learning rate of its optimizer" if trainer.compilation.own_optimizer else "learning_rate"
        rate = trainer.learning_rate()
        raise TrainingError(f"the loss is {loss} at step {state.step:,}: lower {name} (now {rate:g}) or set clipnorm")
