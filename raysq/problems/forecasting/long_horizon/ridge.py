"""Ridge regression in closed form."""

from typing import Annotated

import keras
from keras import ops

from raysq.config import Range
from raysq.problems.forecasting.long_horizon import channels
from raysq.problems.specs import InputSpec


def ridge(inputs: InputSpec, *, alpha: Annotated[float, Range(above=0)] = 1.0) -> keras.Model:
    """Build a ridge regression of the differences from a target's latest value, solved in closed form.

    It sees the past of the target, at most the latest 1,024 steps, and the latest value of each input that is no
    target. Its weights are the same for all targets. There is nothing to train. Quantiles all equal the one value.

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        alpha: penalty of the squared weights.

    Raises:
        UsageError: the targets are not among the features.
    """
    x, past = channels.inputs_and_past(inputs, alone=False)
    solution = inputs.extra["ridge"](alpha)
    past = past[:, :, -len(solution.past) :]
    latest = past[:, :, -1:]
    rows = channels.horizons(inputs)
    over_time = keras.layers.Dense(rows, trainable=False, name="over_time")
    values = channels.plus(latest, over_time(past - latest))
    over_time.set_weights([solution.past, solution.bias])
    others = [number for number in range(inputs.shape[1]) if number not in inputs.targets]
    if others:
        beside = keras.layers.Dense(rows, use_bias=False, trainable=False, name="others")
        at_end = ops.take(channels.in_time_order(inputs, x)[:, -1], others, axis=1)
        values = values + ops.expand_dims(beside(at_end), 1)
        beside.set_weights([solution.others])
    copies = channels.values_per_channel(inputs) // rows
    values = ops.repeat(values, copies, axis=2) if copies > 1 else values
    return keras.Model(x, channels.outputs(inputs, values), name="ridge")
