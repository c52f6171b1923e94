"""Optimizers of Keras 2 whose formulas Keras 3 has changed, read in the sources of Keras 2.1.5."""

from typing import Any

import keras

ops = keras.ops

_DECAY = 0.004  # of Nadam's momentum schedule


@keras.saving.register_keras_serializable(package="raysq")
class RMSprop2(keras.optimizers.RMSprop):
    """RMSprop with epsilon outside the root: `w -= rate * g / (sqrt(a) + epsilon)`."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate, gradient = (ops.cast(value, variable.dtype) for value in (learning_rate, gradient))
        velocity = self._velocities[self._get_variable_index(variable)]
        self.assign(velocity, self.rho * velocity + (1 - self.rho) * ops.square(gradient))
        self.assign_sub(variable, rate * gradient / (ops.sqrt(velocity) + self.epsilon))


@keras.saving.register_keras_serializable(package="raysq")
class Adagrad2(keras.optimizers.Adagrad):
    """Adagrad with epsilon outside the root: `w -= rate * g / (sqrt(a) + epsilon)`."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate, gradient = (ops.cast(value, variable.dtype) for value in (learning_rate, gradient))
        accumulator = self._accumulators[self._get_variable_index(variable)]
        self.assign_add(accumulator, ops.square(gradient))
        self.assign_sub(variable, rate * gradient / (ops.sqrt(accumulator) + self.epsilon))


@keras.saving.register_keras_serializable(package="raysq")
class Nadam2(keras.optimizers.Nadam):
    """Nadam whose momentum approaches beta_1 two hundred and fifty times more slowly than in Keras 3."""

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        self.assign(self._u_product, self._u_product * self._momentum(1, self._u_product.dtype))
        keras.optimizers.Adam._backend_update_step(self, grads, trainable_variables, learning_rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        rate, gradient = (ops.cast(value, dtype) for value in (learning_rate, gradient))
        now, following = self._momentum(1, dtype), self._momentum(2, dtype)
        product = ops.cast(self._u_product, dtype)
        m = self._momentums[self._get_variable_index(variable)]
        v = self._velocities[self._get_variable_index(variable)]
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(gradient))
        step = ops.cast(self.iterations + 1, dtype)
        squares = v / (1 - ops.power(ops.cast(self.beta_2, dtype), step))
        mean = (1 - now) * gradient / (1 - product) + following * m / (1 - product * following)
        self.assign_sub(variable, rate * mean / (ops.sqrt(squares) + self.epsilon))

    def _momentum(self, ahead: int, dtype: Any) -> Any:
        """Return the momentum of the step `ahead` of those that are done."""
        step = ops.cast(self.iterations + ahead, dtype)
        return self.beta_1 * (1 - 0.5 * ops.power(ops.cast(0.96, dtype), step * _DECAY))
