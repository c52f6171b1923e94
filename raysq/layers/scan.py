"""Recurrent layers as one forward and one backward loop that XLA compiles, with gradients written by hand.

Automatic differentiation of a loop keeps every intermediate value of every step and adds up the gradients of the
weights through it. Here the forward loop keeps what the gradient needs and no more, and both matrices of a cell are
one product of `[x, h]`. On a CPU that is where the time goes.

Rows that all begin with the same steps (padding in front) need them once only: rows are sorted by the length of
that beginning, and the loop starts with the few rows that begin first, one of which is still in its padding. Its
state is that of all rows that have not begun. The arithmetic of a row is that of the plain loop.

XLA runs a loop in one thread. Where it is no part of a larger program, there is one for each of several groups of
rows, and TensorFlow runs them at the same time.
"""

import functools
from typing import Any, Protocol

import tensorflow as tf

# Slices whose place is known in the loop only have no public name in TensorFlow; JAX's jax2tf uses these as well.
from tensorflow.compiler.tf2xla.python import xla

# Nor has whether what is traced becomes part of a program of XLA.
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from raysq.distributed.cluster import cores

# Widths of the loop. Each is a loop of its own to compile: more of them save less and less.
PARTS = 6
_ROWS = 32  # fewest rows of a group


class Cell(Protocol):
    """The arithmetic of one step. All tensors have rows first; u is the number of units."""

    states: int  # h is the first

    def __hash__(self) -> int: ...

    def kept(self, units: int) -> tuple[int, ...]:
        """Widths of what `step` keeps for `back`."""
        ...

    def merge(self, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
        """One matrix `(features + u, k)` and bias `(k,)` for `[x, h]`."""
        ...

    def split(self, matrix: Any, bias: Any, features: int) -> tuple[Any, Any, Any]:
        """Gradients of kernel, recurrent kernel and bias from those of the merged ones."""
        ...

    def step(self, pre: Any, states: tuple) -> tuple[tuple, tuple]:
        """The next states, and what to keep, from `[x, h] @ matrix + bias`."""
        ...

    def back(self, gradients: tuple, kept: tuple, h: Any) -> tuple[Any, tuple]:
        """The gradient of `pre`, and those of the states as far as they do not come through it (None: not at all)."""
        ...


def scan(cell: Cell, x: Any, starts: Any, weights: tuple, *, sequences: bool, initial: tuple = ()) -> Any:
    """The cell over all steps, from zero states or given ones.

    Args:
        cell: its arithmetic.
        x: float32 `(batch, steps, features)`.
        starts: int32 `(batch,)`: as many steps at the front of a row are the same in all rows that have as many;
            or None. The gradient of these steps is put into one row only, and is right for whatever made them alike
            (the vector of the padding, say).
        weights: kernel, recurrent kernel and bias as Keras has them.
        sequences: whether the outputs of all steps are wanted.
        initial: the states before the first step, each `(batch, units)`; without `starts` only.

    Returns:
        `(batch, steps, units)` where sequences are wanted, else `(batch, units)`.
    """
    batch = x.shape[0]
    groups = 1 if batch is None else _groups(batch)
    size = 0 if batch is None else batch // groups
    widths: tuple = (size or None,)
    if size < 2 * PARTS:  # too few rows to part
        starts = None
    if starts is not None:
        widths = tuple(size * (part + 1) // PARTS for part in range(PARTS))
    forward, backward = _compiled(cell, widths, sequences)

    def run(x, *given):
        weights = [tf.stop_gradient(one) for one in given[:3]]
        rows = tf.split(tf.stop_gradient(x), groups)
        first = [tf.split(tf.stop_gradient(one), groups) for one in given[3:]]
        fronts = [] if starts is None else tf.split(starts, groups)
        outputs, kept = [], []
        for group in range(groups):
            order = ends = None
            if starts is not None:
                order = tf.argsort(fronts[group], stable=True)
                # Rows at the end of every loop but the last: the first row that waits begins then.
                ends = tf.gather(tf.gather(fronts[group], order), [width - 1 for width in widths[:-1]])
            output, found = forward(rows[group], *weights, order, ends, tuple(one[group] for one in first))
            outputs.append(output)
            kept.append((*found, rows[group], *weights, order, ends))

        def gradients(gradient):
            parts = [backward(part, *one) for part, one in zip(tf.split(gradient, groups), kept, strict=True)]
            inputs, *ours = zip(*parts, strict=True)
            states = ours[3 : 3 + len(first)]
            return [tf.concat(inputs, 0), *map(tf.add_n, ours[:3]), *(tf.concat(one, 0) for one in states)]

        return tf.concat(outputs, 0), gradients

    return tf.custom_gradient(run)(x, *weights, *initial)


def _groups(batch: int) -> int:
    """Groups of rows that are worked on at the same time, since XLA's loop has one thread: equal ones, so that one
    program does for all. One where the loop is part of a larger program, which would work on them in turn."""
    if GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        return 1
    threading = tf.config.threading
    threads = (threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
    most = min([one or cores() for one in threads] + [batch // _ROWS])
    return next((count for count in range(most, 1, -1) if batch % count == 0), 1)


@functools.cache
def _compiled(cell: Cell, widths: tuple, sequences: bool) -> tuple:
    """The two loops. Compiled by XLA wherever they are called, since they are slow without."""

    def forward(x, kernel, recurrent, bias, order, ends, initial):
        return _forward(cell, widths, sequences, x, cell.merge(kernel, recurrent, bias), order, ends, initial)

    def backward(gradient, *rest):
        *kept, x, kernel, recurrent, bias, order, ends = rest
        matrix, _ = cell.merge(kernel, recurrent, bias)
        return _backward(cell, widths, sequences, gradient, kept, x.shape[-1], matrix, order, ends)

    return tuple(tf.function(one, jit_compile=True, autograph=False) for one in (forward, backward))


def _forward(cell, widths, sequences, x, merged, order, ends, initial):
    matrix, bias = merged
    if order is not None:
        x = tf.gather(x, order)
    x = tf.transpose(x, (1, 0, 2))
    steps, batch = tf.unstack(tf.shape(x)[:2])
    features = x.shape[-1]
    units = matrix.shape[0] - features
    first = widths[0] if ends is not None else batch
    states = tuple(initial) or tuple(tf.zeros((first, units)) for _ in range(cell.states))
    sizes = (features + units, *cell.kept(units), *([units] if sequences else []))
    buffers: Any = tuple(tf.zeros((steps, batch, size)) for size in sizes)
    time = tf.constant(0)
    for number, width in enumerate(widths):
        width = width or batch
        if number:
            waiting = width - widths[number - 1]
            states = tuple(tf.concat([one, tf.repeat(one[-1:], waiting, 0)], 0) for one in states)

        def body(time, states, buffers, width=width):
            both = tf.concat([_take(x, time, width), states[0]], 1)
            states, kept = cell.step(tf.matmul(both, matrix) + bias, states)
            values = (both, *kept, *([states[0]] if sequences else []))
            return time + 1, states, tuple(_put(*pair, time) for pair in zip(buffers, values, strict=True))

        end = steps if number == len(widths) - 1 else ends[number]
        time, states, buffers = tf.while_loop(lambda time, *_, end=end: time < end, body, (time, states, buffers))
    output = states[0]
    if sequences:
        *buffers, output = buffers
        if ends is not None:
            # What waits has the state of the last row that runs.
            running = _running(widths, ends, steps)
            at = tf.minimum(tf.range(batch)[None], running[:, None] - 1)
            output = tf.gather(output, at, axis=1, batch_dims=1)
        output = tf.transpose(output, (1, 0, 2))
    if order is not None:
        output = tf.gather(output, tf.argsort(order))
    return output, tuple(buffers)


def _running(widths, ends, steps):
    """How many rows run in each step, shape (steps,)."""
    over = tf.cast(tf.range(steps)[:, None] >= ends[None], tf.int32)
    return tf.gather(tf.constant(widths), tf.reduce_sum(over, 1))


def _backward(cell, widths, sequences, gradient, buffers, features, matrix, order, ends):
    units = matrix.shape[0] - features
    sizes = (features + units, *cell.kept(units))
    buffers = [tf.ensure_shape(one, (None, widths[-1], size)) for one, size in zip(buffers, sizes, strict=True)]
    steps, batch = tf.unstack(tf.shape(buffers[0])[:2])
    batch = widths[-1] or batch
    if order is not None:
        gradient = tf.gather(gradient, order)
    outside = None
    if sequences:
        outside = tf.transpose(gradient, (1, 0, 2))
        if ends is not None:
            running = _running(widths, ends, steps)[:, None]
            rows = tf.range(batch)[None]
            waiting = tf.reduce_sum(tf.where((rows >= running)[..., None], outside, 0.0), 1, keepdims=True)
            outside += tf.where((rows == running - 1)[..., None], waiting, 0.0)
        outside = tf.ensure_shape(outside, (None, widths[-1], units))
        gradient = tf.zeros((batch, units))
    gradients = (tf.ensure_shape(gradient, (widths[-1], units)), *[tf.zeros((batch, units))] * (cell.states - 1))
    turned = tf.transpose(matrix)
    sums = (tf.zeros_like(matrix), tf.zeros(matrix.shape[1:]))
    inputs = tf.zeros((steps, batch, features))
    time = steps - 1
    for number in reversed(range(len(widths))):
        width = widths[number] or batch
        if number < len(widths) - 1:
            # The rows that waited have passed their gradient to the one whose state they took.
            gradients = tuple(
                tf.concat([one[: width - 1], tf.reduce_sum(one[width - 1 :], 0, keepdims=True)], 0) for one in gradients
            )

        def body(time, gradients, inputs, sums, width=width):
            both, *kept = (_take(one, time, width) for one in buffers)
            if outside is not None:
                gradients = (gradients[0] + _take(outside, time, width), *gradients[1:])
            pre, direct = cell.back(gradients, kept, both[:, features:])
            through = tf.matmul(pre, turned)
            inputs = _put(inputs, through[:, :features], time)
            h = through[:, features:]
            sums = (sums[0] + tf.matmul(both, pre, transpose_a=True), sums[1] + tf.reduce_sum(pre, 0))
            return time - 1, (h if direct[0] is None else h + direct[0], *direct[1:]), inputs, sums

        begin = ends[number - 1] if number else 0
        time, gradients, inputs, sums = tf.while_loop(
            lambda time, *_, begin=begin: time >= begin, body, (time, gradients, inputs, sums)
        )
    inputs = tf.transpose(inputs, (1, 0, 2))
    if order is not None:
        inputs = tf.gather(inputs, tf.argsort(order))
    return (inputs, *cell.split(*sums, features), *gradients)


def _take(buffer, time, width):
    """The first rows of one step."""
    size = buffer.shape[-1]
    return tf.ensure_shape(
        xla.dynamic_slice(buffer, tf.stack([time, 0, 0]), tf.stack([1, width, size]))[0],
        (width if isinstance(width, int) else None, size),
    )


def _put(buffer, value, time):
    """The buffer with the first rows of one step replaced; XLA does it in place."""
    return xla.dynamic_update_slice(buffer, value[None], tf.stack([time, 0, 0]))
