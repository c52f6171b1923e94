"""Training loop: a generator over a plain state that yields one record per epoch."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from raysq.errors import TrainingError
from raysq.training.state import TrainState
from raysq.training.trainer import Trainer

# Target duration of a call of compiled steps: short enough for Ctrl-C and the progress bar.
_CALL_SECONDS = 0.5
_MOST_STEPS = 256
# Workers of a group must make the same calls. A collective in a loop is identified by its iteration within the call,
# so workers with calls of different lengths would wait for each other forever.
_GROUP_STEPS = 16


def fit(
    program: Trainer,
    state: TrainState,
    on_chunk: Callable[[TrainState, float], None] = lambda state, loss: None,
) -> Iterator[dict[str, Any]]:
    """Train from `state` to the end of the last epoch, or until early stopping.

    Args:
        program: trainer of the model.
        state: state to continue from; changed in place. A record is yielded after the state has moved past its epoch,
            so a checkpoint saved then continues with the next epoch.
        on_chunk: called after every call of compiled steps with the state and the mean loss over this worker's
            examples of the call. `program` and `state` are consistent there, so the function may save them, or raise.

    Yields:
        A record per epoch: `epoch`, `step`, `seconds`, `learning_rate`, losses and metrics, and `best`. Names of
        validation metrics have the prefix `val_`. `best` is True where `val_loss` is the lowest so far.

    Raises:
        TrainingError: the loss is not finite.
    """
    settings = program.settings
    trainable = bool(program.model.trainable_variables)
    chunk = 1 if program.replicas == 1 else _GROUP_STEPS
    program.scale_rate(state.rate_scale)
    while state.epoch < settings.epochs and not state.stopped:
        end = (state.epoch + 1) * program.steps_per_epoch if trainable else state.step
        while state.step < end:
            started = time.perf_counter()
            steps = min(chunk, end - state.step)
            if settings.checkpoint_steps:
                steps = min(steps, settings.checkpoint_steps - state.step % settings.checkpoint_steps)
            loss = program.train(state.step, steps)
            state.step += steps
            spent = time.perf_counter() - started
            state.seconds += spent
            if program.replicas == 1:
                # The number of steps in a call does not change the results.
                if steps == chunk:
                    chunk = max(1, min(_MOST_STEPS, 2 * chunk, int(steps * _CALL_SECONDS / spent)))
                # In a group all workers must see the same loss to end together, so the check follows the epoch.
                _check_finite(loss, state, program)
            on_chunk(state, loss)
        started = time.perf_counter()
        logs = program.take_train_metrics() if trainable else {}
        if trainable:
            _check_finite(logs["loss"], state, program)
        logs |= program.evaluate("val")
        state.seconds += time.perf_counter() - started
        state.epoch += 1
        rate = program.learning_rate()
        best = _judge(state, logs["val_loss"], program)
        if not trainable:
            state.stopped = True
        yield {
            "epoch": state.epoch,
            "step": state.step,
            "seconds": round(state.seconds, 3),
            "learning_rate": rate,
            **logs,
            "best": best,
        }


def _judge(state: TrainState, value: float, program: Trainer) -> bool:
    """Update early stopping and the plateau schedule; return whether this epoch is the best so far."""
    settings = program.settings
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
        program.scale_rate(state.rate_scale)
    return better


def _check_finite(loss: float, state: TrainState, program: Trainer) -> None:
    if not math.isfinite(loss):
        whose = "the learning rate of its optimizer" if program.compilation.own_optimizer else "learning_rate"
        rate = program.learning_rate()
        raise TrainingError(f"the loss is {loss} at step {state.step:,}: lower {whose} (now {rate:g}) or set clipnorm")
