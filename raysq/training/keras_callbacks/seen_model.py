"""Model that callbacks see: the trained one in a single process, a copy of it on the chief of several replicas."""

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from raysq.problems.specs import OutputMetric
from raysq.training.compilation import Compilation, make_metrics, make_optimizer
from raysq.training.trainer import Trainer
from raysq.training.validation import sample


class SeenModel(Protocol):
    """Model of callbacks, and the way to call them with it."""

    model: keras.Model

    def call(self, function: Callable[[], Any], step: int) -> Any:
        """Call a function of callbacks after `step` steps, and return its result."""
        ...

    def forget(self) -> None:
        """Take over the trainer's variables before the next call, though no step was made since the last."""
        ...

    def changes(self) -> Mapping[int, np.ndarray]:
        """Return variables that callbacks have changed and the trainer does not have yet, by number."""
        ...

    def close(self) -> None:
        """Release the resources of the copy."""
        ...


class TrainedModel:
    """The trained model itself, where one process with one device trains: what callbacks assign is in effect at once.

    Args:
        trainer: trainer of the model.
    """

    def __init__(self, trainer: Trainer):
        self.model = trainer.model
        _compile(self.model, trainer, trainer.optimizer)

    def call(self, function: Callable[[], Any], step: int) -> Any:
        return function()

    def forget(self) -> None:
        pass

    def changes(self) -> Mapping[int, np.ndarray]:
        return {}

    def close(self) -> None:
        pass


class ModelCopy:
    """Copy of the model with plain variables on the CPU of the chief.

    Callbacks may save it, predict with it and change it, all of which would wait for the other workers with the
    variables of a strategy. They are called in a thread of their own, which is outside of the strategy's scope.

    Args:
        trainer: trainer of the model.
        build: function that builds the model.
    """

    def __init__(self, trainer: Trainer, build: Callable[[], keras.Model]):
        self._trainer, self._step = trainer, -1
        self._thread = ThreadPoolExecutor(1, "callbacks")
        policy = keras.config.dtype_policy()  # of this thread
        self.model, self._optimizer = self._thread.submit(self._build, build, policy).result()
        self._copied: Sequence[np.ndarray] = ()

    def _build(self, build: Callable[[], keras.Model], policy: Any) -> tuple[keras.Model, keras.Optimizer]:
        keras.config.set_dtype_policy(policy)
        states = random.getstate(), np.random.get_state()  # Keras draws the seeds of layers from Python's generator
        try:
            with tf.device("/CPU:0"):
                model = build()
                trainer = self._trainer
                own = trainer.compilation.own_optimizer
                optimizer = model.optimizer if own else make_optimizer(trainer.settings, trainer.total_steps)
                optimizer.build(model.trainable_variables)
                _compile(model, trainer, optimizer)
                return model, optimizer
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])

    def call(self, function: Callable[[], Any], step: int) -> Any:
        if step != self._step:
            variables = shared_variables(self._trainer.model, self._trainer.optimizer)
            self._copied = [np.asarray(tf.convert_to_tensor(variable.value)) for variable in variables]
            self._step = step
            self._thread.submit(self._assign).result()

        def on_cpu() -> Any:
            with tf.device("/CPU:0"):
                return function()

        return self._thread.submit(on_cpu).result()

    def forget(self) -> None:
        self._step = -1

    def _assign(self) -> None:
        for variable, value in zip(shared_variables(self.model, self._optimizer), self._copied, strict=True):
            variable.assign(value)

    def changes(self) -> Mapping[int, np.ndarray]:
        changed = {}
        values = [tf.convert_to_tensor(each.value).numpy() for each in shared_variables(self.model, self._optimizer)]
        for number, (old, new) in enumerate(zip(self._copied, values, strict=True)):
            if not np.array_equal(old, new, equal_nan=True):
                changed[number] = new
        self._copied = values
        return changed

    def close(self) -> None:
        self._thread.shutdown()


def shared_variables(model: keras.Model, optimizer: keras.Optimizer) -> list[Any]:
    """Return the variables that callbacks may change: weights and those of the optimizer, its learning rate included.

    The states of random generators are left out, since the trainer seeds them at every step.
    """
    return [*model.weights, *optimizer.variables]


def _compile(model: keras.Model, trainer: Trainer, optimizer: keras.Optimizer) -> None:
    """Compile a model as the trainer does by itself, and build its metrics, as `Model.fit` does before callbacks begin.

    Callbacks read `model.optimizer`, and find in the metrics whether more is better.
    """
    if not model.compiled:
        losses = trainer.compilation.losses or {}
        functions = {output: loss.function for output, loss in losses.items()}
        weights = {output: loss.weight for output, loss in losses.items() if loss.weight is not None}
        model.compile(
            optimizer=optimizer,
            loss=functions.get("", functions),
            loss_weights=weights or None,
            metrics=_metrics(trainer.compilation),
            auto_scale_loss=False,
        )
    batch = sample(trainer.splits["train"])
    with keras.StatelessScope():  # random generators keep their states
        prediction = model(batch.x, training=False)
    model.compute_metrics(batch.x, batch.y, prediction)
    model.reset_metrics()


def _metrics(compilation: Compilation) -> Any:
    """Return the metrics as `Model.compile` takes them, with their names in logs: a list, or lists by output.

    Metrics of one column are left out, since Keras has none.
    """
    metrics = make_metrics(compilation)
    by_output: dict[str, list[keras.Metric]] = {}
    for name, value in compilation.metrics.items():
        output = value.output if isinstance(value, OutputMetric) else ""
        if isinstance(output, str):
            metrics[name].name = name.removeprefix(f"{output}_")
            by_output.setdefault(output, []).append(metrics[name])
    return by_output.get("", by_output)
