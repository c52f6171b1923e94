"""Loss, gradients and predictions of a model as functions of a batch, which the trainer compiles."""

import math
from typing import Any

import keras
import tensorflow as tf

from raysq.training.compilation import Compilation
from raysq.training.observed import per_example
from raysq.training.own_compilation import batch_loss

Tensor = Any  # TensorFlow has no types


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
        self, x: Tensor, y: Tensor, observed: Tensor, weights: Tensor, total: Tensor, seeds: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """Return losses, predictions and gradients of one replica's part of a batch.

        Args:
            x: inputs.
            y: targets.
            observed: mask of observed outputs, or None.
            weights: weights of the examples, 0 for padding, of shape (batch,).
            total: sum of the weights over all replicas.
            seeds: seed of each random generator.

        Returns:
            The loss of each example, the predictions, the gradients of the trainable variables, and the new values of
            `moving_variables`.
        """
        trainable = [tf.convert_to_tensor(v.value) for v in self.model.trainable_variables]
        others = [tf.convert_to_tensor(v.value) for v in self.model.non_trainable_variables]
        for number, generator in enumerate(self._generators):
            others[generator] = tf.cast(seeds[number], others[generator].dtype)
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            prediction, others, penalties, loss = self._stateless(trainable, others, x, y)
            if loss is None:
                losses = self._per_example(y, prediction, observed)
                loss = tf.reduce_sum(losses * weights) / total
                if penalties:
                    # Every replica adds the same penalty and gradients are summed over replicas, so divide it.
                    loss += tf.add_n([tf.cast(penalty, loss.dtype) for penalty in penalties]) / self.replicas
            else:
                losses = tf.fill(tf.shape(weights), loss)
            loss = self.compilation.optimizer.scale_loss(loss)
        gradients = tape.gradient(loss, trainable, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        generators = set(self._generators)
        moving = [value for number, value in enumerate(others) if number not in generators and value.dtype.is_floating]
        return losses, prediction, gradients, moving

    def predictions(self, x: Tensor, y: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each example and the predictions, without dropout."""
        prediction = self.model(x, training=False)
        if self.compilation.loss is None:
            loss = tf.cast(batch_loss(self.model, x, y, prediction, training=False), tf.float32)
            return tf.fill(tf.shape(prediction)[:1], loss), prediction
        return self._per_example(y, prediction, observed), prediction

    def _stateless(self, trainable: list[Tensor], others: list[Tensor], x: Tensor, y: Tensor) -> tuple[Any, ...]:
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
            prediction = model(x, training=True)
            penalties = model.losses
            if self.compilation.loss is None:
                loss = tf.cast(batch_loss(model, x, y, prediction, training=True), tf.float32)
        return prediction, [scope.get_current_value(v) for v in model.non_trainable_variables], penalties, loss

    def _per_example(self, y: Tensor, prediction: Tensor, observed: Tensor) -> Tensor:
        """Return the loss of each example, of shape (batch,); unreduced, so that padding can have weight 0."""
        assert self.compilation.loss is not None
        return per_example(self.compilation.loss, y, prediction, observed)
