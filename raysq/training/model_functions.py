"""Loss, gradients and predictions of a model as functions of a batch, which the trainer compiles."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from raysq.problems.model_outputs import match_outputs
from raysq.training.batch_feed import Batch
from raysq.training.batch_losses import batch_loss, call_with_penalties, current_values
from raysq.training.compilation import Compilation
from raysq.training.masks import masked_values, masks_of
from raysq.training.observed import per_example
from raysq.training.outputs import pick

Tensor = Any  # TensorFlow has no types


class Forward(NamedTuple):
    """Result of a forward pass over one replica's part of a batch.

    Attributes:
        losses: losses of each example by name of their metric.
        prediction: predictions in the structure of the targets.
        masks: masks of the predictions by output, where a user's model gives them one.
    """

    losses: dict[str, Tensor]
    prediction: Any
    masks: dict[str, Tensor]


class ModelFunctions:
    """Functions of a batch, to be traced into a graph.

    Random generators are seeded from (seed, step, replica) at every step, so their own state is never used.

    Args:
        model: a built Keras model.
        compilation: its loss and optimizer.
        replicas: number of replicas over all workers.
    """

    def __init__(self, model: keras.Model, compilation: Compilation, replicas: int):
        self.model, self.compilation, self.replicas = model, compilation, replicas
        self._generators = [
            number for number, v in enumerate(model.non_trainable_variables) if "seed_generator_state" in v.path
        ]

    @property
    def generators(self) -> int:
        """Number of random generators of the model."""
        return len(self._generators)

    def moving_variables(self) -> list[Any]:
        """Return float variables that change without a gradient; integer variables are tables, and generators apart."""
        generators = set(self._generators)
        others = self.model.non_trainable_variables
        return [v for number, v in enumerate(others) if number not in generators and "float" in str(v.dtype)]

    def summed_bytes(self) -> int:
        """Return the bytes that a step sums over the replicas: gradients and moving variables."""
        variables = [*self.model.trainable_variables, *self.moving_variables()]
        return sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in variables)

    def gradients(
        self, batch: Batch, weights: Tensor, total: Tensor, seeds: Tensor, factors: Mapping[str, Tensor]
    ) -> tuple[Forward, list[Tensor], list[Tensor]]:
        """Return losses, predictions and gradients of one replica's part of a batch.

        Args:
            batch: inputs, targets, and what they weigh.
            weights: how much each example counts, 0 for padding, of shape (batch,).
            total: sum of `weights` over all replicas.
            seeds: seed of each random generator.
            factors: number of examples by that of counted values, over all replicas, of each output with a masked loss.

        Returns:
            Losses and predictions, the gradients of the trainable variables, and the new values of `moving_variables`.
        """
        trainable, others = self._values(seeds)
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            prediction, others, penalties, loss = self._stateless(trainable, others, batch)
            if loss is None:
                losses = self._losses(batch, prediction, factors)
                loss = tf.reduce_sum(losses["loss"] * weights) / total
                if penalties:
                    penalty = _sum_penalties(penalties)
                    # Every replica adds the same penalty and gradients are summed over replicas, so divide it.
                    loss += penalty / self.replicas
                    if self.compilation.penalized:
                        losses["loss"] += penalty
            else:
                losses = {"loss": tf.fill(tf.shape(weights), loss)}
                if self.replicas > 1:  # the mean of the parts; see `raysq.training.batch_losses`
                    loss /= self.replicas
            loss = self.compilation.optimizer.scale_loss(loss)
        gradients = tape.gradient(loss, trainable, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        generators = set(self._generators)
        moving = [value for number, value in enumerate(others) if number not in generators and value.dtype.is_floating]
        return Forward(losses, prediction, self._masks(prediction)), gradients, moving

    def counts(self, batch: Batch, weights: Tensor, seeds: Tensor | None = None) -> list[Tensor]:
        """Return the number of examples and, for each output with a masked loss, of values that count.

        A graph computes no more of the model than its masks.

        Args:
            batch, weights: see `gradients`.
            seeds: seed of each random generator in training, None in evaluation.
        """
        if seeds is None:
            prediction = match_outputs(call_with_penalties(self.model, batch.x)[0], batch.y, self.model)
        else:
            prediction = self._stateless(*self._values(seeds), batch)[0]
        counts = [tf.reduce_sum(weights)]
        for output in self.compilation.masked_losses:
            function = self.compilation.losses[output].function  # type: ignore[index]
            _, counted = masked_values(function, batch.output(output).y, pick(prediction, output))
            counts.append(tf.reduce_sum(counted * weights[:, None]))
        return counts

    def factors(self, counts: list[Tensor]) -> dict[str, Tensor]:
        """Return by output with a masked loss the number of examples by that of counted values.

        Args:
            counts: sums of `counts` over all replicas.
        """
        examples, *counted = counts
        masked = zip(self.compilation.masked_losses, counted, strict=True)
        return {output: tf.math.divide_no_nan(examples, n) for output, n in masked}

    def predictions(self, batch: Batch, factors: Mapping[str, Tensor]) -> Forward:
        """Return losses and predictions without dropout; see `gradients`."""
        model = self.model
        if self.compilation.losses is None:
            # One scope for both: `compute_loss` reads the penalties of this call and the values of penalized weights.
            with keras.StatelessScope(state_mapping=current_values(model), collect_losses=True):
                raw = model(batch.x, training=False)
                loss = tf.cast(batch_loss(model, batch, raw, training=False), tf.float32)
            losses = {"loss": tf.fill(tf.shape(tf.nest.flatten(raw)[0])[:1], loss)}
            prediction = match_outputs(raw, batch.y, model)
            return Forward(losses, prediction, self._masks(prediction))
        raw, penalties = self._call(batch.x)
        prediction = match_outputs(raw, batch.y, model)
        losses = self._losses(batch, prediction, factors)
        if penalties:
            losses["loss"] += _sum_penalties(penalties)
        return Forward(losses, prediction, self._masks(prediction))

    def _masks(self, prediction: Any) -> dict[str, Tensor]:
        return masks_of(prediction) if self.compilation.masked else {}

    def _values(self, seeds: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the values of trainable and of other variables, with seeded random generators."""
        trainable = [tf.convert_to_tensor(v.value) for v in self.model.trainable_variables]
        others = [tf.convert_to_tensor(v.value) for v in self.model.non_trainable_variables]
        for number, generator in enumerate(self._generators):
            others[generator] = tf.cast(seeds[number], others[generator].dtype)
        return trainable, others

    def _call(self, x: Any) -> tuple[Any, list[Tensor]]:
        """Return the predictions without dropout, and the penalties that count in an epoch's record."""
        if self.compilation.penalized:
            return call_with_penalties(self.model, x)
        return self.model(x, training=False), []

    def _stateless(self, trainable: list[Tensor], others: list[Tensor], batch: Batch) -> tuple[Any, ...]:
        """Call the model with given values of its variables.

        `Model.stateless_call` bypasses `__call__`, so dropout in a subclassed model would not see `training=True`.

        Returns:
            The predictions, the new values of non-trainable variables, the penalties, and the loss if the model's
            `compute_loss` computes it, else None. That loss includes the penalties. It is computed here since
            `compute_loss` may read any variable.
        """
        model, loss = self.model, None
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        mapping = list(zip(variables, [*trainable, *others], strict=True))
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            raw = model(batch.x, training=True)
            penalties = model.losses
            if self.compilation.losses is None:
                loss = tf.cast(batch_loss(model, batch, raw, training=True), tf.float32)
        prediction = match_outputs(raw, batch.y, model)
        return prediction, [scope.get_current_value(v) for v in model.non_trainable_variables], penalties, loss

    def _losses(self, batch: Batch, prediction: Tensor, masked: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of each example, of shape (batch,), by name of their metric.

        They are unreduced, so that padding can have weight 0. "loss" is the sum over outputs.
        """
        assert self.compilation.losses is not None
        losses: dict[str, Tensor] = {}
        terms = []
        for output, loss in self.compilation.losses.items():
            of_output, predicted = batch.output(output), pick(prediction, output)
            if loss.masked:
                values, counted = masked_values(loss.function, of_output.y, predicted)
                values = tf.reduce_sum(values * counted, 1) * masked[output]
            else:
                values = per_example(loss.function, of_output.y, predicted, of_output.observed)
            factors = batch.loss_weight(output)  # AutoGraph has no assignments in expressions
            if factors is not None:
                values *= factors
            if output in self.compilation.loss_names:
                losses[self.compilation.loss_names[output]] = values
            terms.append(values if loss.weight is None else values * loss.weight)
        if not terms:  # only penalties are trained
            return {"loss": tf.zeros(tf.shape(tf.nest.flatten(prediction)[0])[:1])}
        return {"loss": terms[0] if len(terms) == 1 else tf.add_n(terms), **losses}


def _sum_penalties(penalties: list[Tensor]) -> Tensor:
    """Return the float32 sum of penalties, which may have any shape."""
    sums = [tf.cast(penalty, tf.float32) for penalty in penalties]
    return tf.add_n([tf.reduce_sum(value) if value.shape.rank != 0 else value for value in sums])
