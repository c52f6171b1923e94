"""Compiled training and evaluation: many steps in one `tf.function` call, under any distribution strategy.

`Model.fit` is not used, since it fails under MultiWorkerMirroredStrategy (keras issue 20585). Of Keras 3, only public
APIs are used.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from raysq.errors import TrainingError
from raysq.problems.specs import BatchSource, Objective
from raysq.training.batch_feed import Batch, BatchFeed, input_signature
from raysq.training.call_log import CallLog
from raysq.training.compilation import (
    has_keras_loop,
    has_max_pooling,
    make_metrics,
    make_optimizer,
    read_results,
    take_results,
)
from raysq.training.metric_updates import metric_updates
from raysq.training.model_functions import Forward, ModelFunctions, Tensor
from raysq.training.observed import unobserved_marked
from raysq.training.own_compilation import compilation_of
from raysq.training.replica_batches import ReplicaBatches, ReplicaInfo, check_not_empty
from raysq.training.replica_sums import ReplicaSums, assign_all, copy_from_chief, leave_sums_to_trainer, values_of_chief
from raysq.training.saved_variables import assign_saved, keyed_variables
from raysq.training.settings import TrainSettings
from raysq.training.user_code import is_own

# Number of trainable parameters from which XLA also speeds up the optimizer.
LARGE_MODEL = 1 << 20


class Trainer:
    """A model with its loss, optimizer and metrics, and the compiled functions that train and evaluate it.

    Create it inside `strategy.scope()`, like the model.

    Args:
        model: a Keras model. Several inputs or outputs are matched with the data by name. If it is compiled, its loss,
            optimizer and metrics are used, else those of `objective` and `settings`. A `compute_loss` of its class is
            used too.
        splits: batch sources by split; at least "train" and "val".
        settings: training settings.
        seed: seed of the order and of dropout.
        objective: loss and metrics.
        xla: whether XLA is faster for this model on a CPU; see `raysq.problems.specs.ModelSpec`.
        name: name of the model, for messages. Defaults to "model".

    Raises:
        UsageError: raysq cannot train with the loss, optimizer or metrics of the user's model.
    """

    def __init__(
        self,
        model: keras.Model,
        splits: Mapping[str, BatchSource],
        settings: TrainSettings,
        seed: int,
        objective: Objective,
        xla: bool | Literal["keras_loop"],
        name: str = "model",
    ):
        self.model = model
        self.calls = CallLog()
        self.splits = splits
        self.settings = settings
        self.seed = seed
        self.strategy = tf.distribute.get_strategy()
        self.replicas = self.strategy.num_replicas_in_sync
        resolver = self.strategy.cluster_resolver
        self.rank = resolver.task_id or 0 if resolver else 0
        # The default strategy lists no devices.
        self.local_replicas = len(self.strategy.extended.worker_devices) if tf.distribute.has_strategy() else 1
        on_gpu = bool(tf.config.list_logical_devices("GPU"))
        # On a GPU, cuDNN's recurrent layers are faster than XLA's loop.
        faster = (has_keras_loop(model) if xla == "keras_loop" else xla) and not on_gpu
        faster = faster and not (settings.deterministic and has_max_pooling(model))
        self.xla = {"auto": faster, "true": True, "false": False}[settings.xla]

        replica_info = self._replica_info("/GPU:0" if on_gpu else "/CPU:0")
        self._parts = replica_info.replicas
        if is_own(name) and self.replicas > self.local_replicas:
            copy_from_chief(self.strategy, model.variables)
        self.compilation = compilation_of(model, name, objective, settings, self.total_steps, splits, self._parts)
        self.optimizer = self.compilation.optimizer
        self.optimizer.build(model.trainable_variables)
        self.sums = ReplicaSums(self.replicas, self.local_replicas, on_gpu)
        if self.replicas > 1:
            leave_sums_to_trainer(self.optimizer)
        self.metrics = {mode: make_metrics(self.compilation) for mode in ("train", "eval")}
        self.model_functions = ModelFunctions(model, self.compilation, self._parts)
        generators = self.model_functions.generators
        self.batches = ReplicaBatches(splits, replica_info, settings.batch_size, seed, generators)
        self._functions: dict[tuple[str, str, int], Any] = {}
        self.gradients = tf.function(self.model_functions.gradients, jit_compile=self.xla)
        self._predictions = tf.function(self.model_functions.predictions, jit_compile=self.xla)
        self._counts = tf.function(self.model_functions.counts, jit_compile=self.xla)
        from_chief = partial(values_of_chief, self.strategy)
        self._broadcast = tf.function(from_chief, input_signature=[tf.TensorSpec((), tf.float32)])
        self._broadcast_array = tf.function(from_chief)  # traced for each shape
        # An optimizer passes over its variables a dozen times, XLA once: three times faster beyond the CPU caches.
        # Mirrored variables are updated outside of XLA. An optimizer of the user's may not compile.
        fused = not on_gpu and not tf.distribute.has_strategy() and settings.xla != "false"
        fused = fused and not self.compilation.own_optimizer and settings.precision == "float32"
        large = sum(int(np.prod(v.shape)) for v in model.trainable_variables) >= LARGE_MODEL
        self._apply = tf.function(self._apply_gradients, jit_compile=True) if fused and large else self._apply_gradients

    def _replica_info(self, device: str) -> ReplicaInfo:
        return ReplicaInfo(self.replicas, self.rank * self.local_replicas, self.local_replicas, device)

    def reset(self, model: keras.Model, settings: TrainSettings, seed: int) -> None:
        """Reset this trainer for another run of the same graph; the results equal those of a new trainer.

        Only for one replica. Traced and compiled functions are kept. So `settings` may differ from the present ones
        only where they are not part of the graph; see `raysq.training.compiled_cache`.

        Args:
            model: model newly built by the same builder with the same settings, after the seeds were set.
            settings: training settings of the other run.
            seed: seed of the other run.
        """
        self.settings, self.seed = settings, seed
        self.batches.reset(settings.batch_size, seed)
        own = self.compilation.own_optimizer
        optimizer = model.optimizer if own else make_optimizer(settings, self.total_steps)
        optimizer.build(model.trainable_variables)
        for present, fresh in ((self.model, model), (self.optimizer, optimizer)):
            for variable, value in zip(present.variables, fresh.variables, strict=True):
                variable.assign(tf.convert_to_tensor(value.value))
        for metrics in self.metrics.values():
            for metric in metrics.values():
                metric.reset_state()

    # ---- sizes

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps of an epoch: the setting, or one pass over the training examples."""
        return self.settings.steps_per_epoch or -(-len(self.splits["train"]) // self.settings.batch_size)

    @property
    def total_steps(self) -> int:
        """Number of steps of all epochs."""
        return self.steps_per_epoch * self.settings.epochs

    # ---- training

    def train(self, first_step: int, steps: int) -> float:
        """Run the global steps `[first_step, first_step + steps)` in one compiled call.

        Args:
            first_step: first global step, counted from 0.
            steps: number of steps.

        Returns:
            The mean loss over this worker's examples of these steps.
        """
        batches = self.batches.train(first_step, steps)
        with self.calls.call("train"):
            return float(self.call(self._train_steps, "train", batches))

    def _train_steps(self, feed: BatchFeed, batch: Tensor, weights: Tensor, totals: Tensor, seeds: Tensor) -> Tensor:
        steps = tf.shape(weights)[0]
        loss = tf.constant(0.0)
        for step in tf.range(steps):
            arguments = (tf.nest.map_structure(lambda part, at=step: part[at], batch), weights[step], totals[step])
            results = self.strategy.run(self._train_step, args=(feed, *arguments, seeds[step]))
            loss += tf.add_n(list(self.strategy.experimental_local_results(results)))
        weight = tf.maximum(tf.reduce_sum(weights), 1e-9)
        return loss / weight

    def local_rows(self, batch: Tensor, weights: Tensor) -> tuple[Any, Tensor, Tensor]:
        """Return the local replica index, and its rows of this worker's part of the batch."""
        if self.local_replicas == 1:
            return 0, batch, weights
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group - self.rank * self.local_replicas
        part = tf.shape(weights)[0] // self.local_replicas
        rows = slice(replica * part, (replica + 1) * part)
        return replica, tf.nest.map_structure(lambda array: array[rows], batch), weights[rows]

    def _train_step(self, feed: BatchFeed, batch: Tensor, weights: Tensor, total: Tensor, seeds: Tensor) -> Tensor:
        replica, batch, weights = self.local_rows(batch, weights)
        gathered = feed.gather(batch)
        factors = self.loss_factors(gathered, weights, seeds[replica])
        forward, gradients, moving = self.gradients(gathered, weights, total, seeds[replica], factors)
        sums = self.sums([*gradients, *moving])
        gradients, moving = sums[: len(gradients)], sums[len(gradients) :]
        self._update(gradients, moving)
        self._update_metrics("train", gathered, forward, weights)
        return tf.reduce_sum(forward.losses["loss"] * weights)

    def loss_factors(self, batch: Batch, weights: Tensor, seeds: Tensor | None = None) -> dict[str, Tensor]:
        """Return by output with a masked loss the number of examples by that of counted values, over all replicas.

        Args:
            batch, weights, seeds: see `ModelFunctions.counts`; of one replica.
        """
        if not self.compilation.masked_losses:
            return {}
        return self.model_functions.factors(self.sums(self._counts(batch, weights, seeds)))

    def _update(self, gradients: list[Tensor], moving: list[Tensor]) -> None:
        """Update the model with sums over all parts of a batch."""
        if self.settings.clipnorm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.settings.clipnorm * self._loss_scale())
        self._apply(gradients)
        if moving:
            # Moving statistics of batch normalization are averaged, so that they are equal on every rank.
            moving = [value / self._parts for value in moving]
            variables = [variable.value for variable in self.model_functions.moving_variables()]
            tf.distribute.get_replica_context().merge_call(assign_all, (variables, moving))

    def _apply_gradients(self, gradients: list[Tensor]) -> None:
        self.optimizer.apply(gradients, self.model.trainable_variables)

    def _loss_scale(self) -> Any:
        scale = getattr(self.optimizer, "dynamic_scale", None)
        return self.optimizer.loss_scale_factor or 1.0 if scale is None else tf.convert_to_tensor(scale)

    def take_train_metrics(self) -> dict[str, float]:
        """Return the metrics of all training steps since the last call, over all workers, and reset them."""
        return take_results(self.metrics["train"], "")

    def train_metrics(self) -> dict[str, float]:
        """Return the metrics of all training steps since they were last taken, over all workers.

        Every worker must call it at the same step, since metrics are summed over workers.
        """
        return read_results(self.metrics["train"], "")

    # ---- evaluation

    def evaluate(self, split: str) -> dict[str, float]:
        """Compute exact metrics over all observed outputs of all examples of a split.

        Args:
            split: name of the split.

        Returns:
            Metrics by name: `SPLIT_loss`, `SPLIT_mae`, ...

        Raises:
            DataError: the split has no examples.
        """
        check_not_empty(split, self.splits)
        for metric in self.metrics["eval"].values():
            metric.reset_state()
        padded = not self.compilation.whole_batches
        with self.calls.call(split):
            for batch, weights in self.batches.evaluation(split, self.settings.eval_batch_size, padded=padded):
                self.call(self._eval_steps, split, (batch, weights))
            return take_results(self.metrics["eval"], f"{split}_")

    def predict(self, split: str) -> tuple[Any, Any]:
        """Predict all examples of a split, in order. Only for one replica.

        Args:
            split: name of the split.

        Returns:
            y and the predictions, each an array with one row per example, or a dict of them by output. In a dict, y is
            NaN or -1 where it was not observed.

        Raises:
            DataError: the split has no examples.
        """
        check_not_empty(split, self.splits)
        batches = []
        for batch, count in self.batches.single(split, self.settings.eval_batch_size):
            pair = self.call(self._predict_step, split, (batch,))
            batches.append(tf.nest.map_structure(lambda part, count=count: np.asarray(part)[:count], pair))
        targets, predictions = tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)
        return targets, predictions

    def _predict_step(self, feed: BatchFeed, batch: Tensor) -> tuple[Tensor, Tensor]:
        gathered = feed.gather(batch)
        y, observed = gathered.y, gathered.observed
        if isinstance(observed, dict):
            y = {name: unobserved_marked(part, observed.get(name)) for name, part in y.items()}
        weights = tf.ones(tf.shape(tf.nest.flatten(y)[0])[:1])
        return y, self._predictions(gathered, self.loss_factors(gathered, weights)).prediction

    def _eval_steps(self, feed: BatchFeed, batch: Tensor, weights: Tensor) -> None:
        for step in tf.range(tf.shape(weights)[0]):
            arguments = (tf.nest.map_structure(lambda part, at=step: part[at], batch), weights[step])
            self.strategy.run(self._eval_step, args=(feed, *arguments))

    def _eval_step(self, feed: BatchFeed, batch: Tensor, weights: Tensor) -> None:
        _, batch, weights = self.local_rows(batch, weights)
        gathered = feed.gather(batch)
        forward = self._predictions(gathered, self.loss_factors(gathered, weights))
        self._update_metrics("eval", gathered, forward, weights)

    def _update_metrics(self, mode: str, batch: Batch, forward: Forward, weights: Tensor) -> None:
        for metric, arguments in metric_updates(self.metrics[mode], self.compilation, batch, forward, weights):
            metric.update_state(*arguments)

    def call(self, body: Callable[..., Any], split: str, arguments: tuple[Any, ...]) -> Any:
        """Call the body as a `tf.function`, traced once for any number of steps.

        Collectives are numbered when they are traced. Workers that trace a different number of times would wait for
        each other forever.
        """
        # Batches without padding have two lengths; they occur with one replica only.
        key = (body.__name__, split, np.shape(arguments[1])[-1] if len(arguments) > 1 else 0)
        if key not in self._functions:
            feed = self.batches.feeds[split]
            signature = input_signature(feed, arguments, getattr(self.model, "input_shape", None))
            self._functions[key] = tf.function(lambda *args: body(feed, *args), input_signature=signature)
        try:
            return self._functions[key](*arguments)
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError) as error:
            if not self.xla or "tf2xla" not in str(error):
                raise
            raise TrainingError(
                f"XLA cannot compile this model ({str(error).splitlines()[0]}): --set xla=false"
            ) from None

    def barrier(self) -> None:
        """Wait until every worker has called this method."""
        self.broadcast(0)

    def broadcast(self, value: int) -> int:
        """Return the chief's value, after every worker has called this method.

        Args:
            value: whole number of at most 24 bits; only the chief's counts.
        """
        return int(self._broadcast(tf.constant(value, tf.float32))) if self.replicas > 1 else value

    def broadcast_array(self, values: np.ndarray) -> np.ndarray:
        """Return the chief's values, after every worker has called this method.

        Args:
            values: float64 array of one shape on all workers; only the chief's counts.
        """
        return np.asarray(self._broadcast_array(tf.constant(values))) if self.replicas > 1 else values

    # ---- learning rate

    def scale_rate(self, scale: float) -> None:
        """Set the learning rate to `scale` times its initial value.

        This has no effect with other schedules than "plateau", or with the optimizer of the user's model.

        Args:
            scale: factor on the learning rate.
        """
        if self.settings.schedule == "plateau" and not self.compilation.own_optimizer:
            self.optimizer.learning_rate = self.settings.learning_rate * scale

    def learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        rate = self.optimizer.learning_rate
        return float(tf.convert_to_tensor(getattr(rate, "value", rate)))

    # ---- checkpoints

    def _variables(self) -> dict[str, Any]:
        metrics = [variable for metric in self.metrics["train"].values() for variable in metric.variables]
        return keyed_variables(model=self.model.variables, optimizer=self.optimizer.variables, metrics=metrics)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the values of all variables by name.

        Every worker must call it at the same step, since metrics are summed over workers.
        """
        return {name: np.asarray(tf.convert_to_tensor(v.value)) for name, v in self._variables().items()}

    def merge_metrics(self, values: Mapping[str, np.ndarray]) -> None:
        """Give the workers' metrics the state that `restore` would give them, so that both go on to the same bits."""
        if self.replicas > 1:
            for name, variable in self._variables().items():
                if name.startswith("metrics/"):
                    variable.assign(values[name])

    def restore(self, values: Mapping[str, np.ndarray]) -> None:
        """Assign the values of all variables, as returned by `snapshot`.

        Raises:
            DataError: names or shapes differ from those of this model.
        """
        assign_saved(self._variables(), values)
