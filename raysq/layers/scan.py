"""Recurrent layers as a forward and a backward loop, compiled by XLA, with hand-written gradients.

Automatic differentiation of a loop stores every intermediate value of every step, and accumulates the gradients of the
weights inside the loop. This implementation stores only the values that the gradient needs. Both matrices of a cell
are merged into one product with `[x, h]`. Both save most of the time on a CPU.

Rows that begin with the same steps, such as padding in front, share the computation of these steps. Rows are sorted by
the length of this prefix. The loop starts with the few rows with the shortest prefix. The last of them is still in its
prefix, and its state is that of all waiting rows. The arithmetic of each row is that of a plain loop.

XLA runs a loop in one thread. If the loop is not part of a larger XLA program, rows are split into groups with one
loop each, and TensorFlow runs these in parallel.
"""

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import tensorflow as tf

# TensorFlow has no public API for slices at a dynamic position. JAX's jax2tf uses this module as well.
from tensorflow.compiler.tf2xla.python import xla

# There is no public API to find out whether the traced function becomes part of an XLA program.
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from raysq.distributed.cluster import cores

# Number of loop widths. Each needs a compiled loop of its own, with diminishing savings.
PARTS = 6
_ROWS = 32  # minimum rows of a group


class Cell(Protocol):
    """Arithmetic of one step. The first axis of all tensors is the rows; u is the number of units."""

    states: int  # number of states, of which h is the first

    def __hash__(self) -> int: ...

    def saved_widths(self, units: int) -> tuple[int, ...]:
        """Return the widths of the values that `step` stores for `backward`."""
        ...

    def merge(self, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
        """Return one matrix `(features + u, k)` and one bias `(k,)` for `[x, h]`."""
        ...

    def split(self, matrix: Any, bias: Any, features: int) -> tuple[Any, Any, Any]:
        """Return the gradients of kernel, recurrent kernel and bias from those of the merged matrix and bias."""
        ...

    def step(self, pre: Any, states: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return the next states and the values to store, from `pre = [x, h] @ matrix + bias`."""
        ...

    def backward(self, gradients: tuple[Any, ...], saved: Sequence[Any], h: Any) -> tuple[Any, tuple[Any, ...]]:
        """Return the gradient of `pre`, and the gradients of the states that do not pass through it (None for zero)."""
        ...


def scan(
    cell: Cell, x: Any, starts: Any, weights: tuple[Any, ...], *, sequences: bool, initial: tuple[Any, ...] = ()
) -> Any:
    """Run a cell over all steps.

    Args:
        x: float32 `(batch, steps, features)`.
        starts: int32 `(batch,)` or None. Number of steps at the front of each row that are the same in all rows with at
            least as many. The gradient of these steps is assigned to a single row. It is correct for the shared source
            of these steps, such as the vector of the padding.
        weights: kernel, recurrent kernel and bias, as in Keras.
        sequences: whether to return the outputs of all steps.
        initial: states before the first step, each `(batch, units)`; zeros when empty. Not supported with `starts`.

    Returns:
        `(batch, steps, units)` with `sequences`, else `(batch, units)`.
    """
    batch = x.shape[0]
    groups = 1 if batch is None else _groups(batch)
    size = 0 if batch is None else batch // groups
    widths: tuple[Any, ...] = (size or None,)
    if size < 2 * PARTS:  # too few rows for several widths
        starts = None
    if starts is not None:
        widths = tuple(size * (part + 1) // PARTS for part in range(PARTS))
    forward, backward = _compiled(cell, widths, sequences)

    def run(x: Any, *given: Any) -> Any:
        weights = [tf.stop_gradient(tensor) for tensor in given[:3]]
        rows = tf.split(tf.stop_gradient(x), groups)
        first = [tf.split(tf.stop_gradient(tensor), groups) for tensor in given[3:]]
        fronts = [] if starts is None else tf.split(starts, groups)
        outputs, saved = [], []
        for group in range(groups):
            order = ends = None
            if starts is not None:
                order = tf.argsort(fronts[group], stable=True)
                # Each loop but the last ends where the first waiting row begins its own steps.
                ends = tf.gather(tf.gather(fronts[group], order), [width - 1 for width in widths[:-1]])
            output, stored = forward(rows[group], *weights, order, ends, tuple(tensor[group] for tensor in first))
            outputs.append(output)
            saved.append((*stored, rows[group], *weights, order, ends))

        def gradients(gradient: Any) -> Any:
            parts = [backward(part, *tensors) for part, tensors in zip(tf.split(gradient, groups), saved, strict=True)]
            inputs, *others = zip(*parts, strict=True)
            states = others[3 : 3 + len(first)]
            return [tf.concat(inputs, 0), *map(tf.add_n, others[:3]), *(tf.concat(tensors, 0) for tensors in states)]

        return tf.concat(outputs, 0), gradients

    return tf.custom_gradient(run)(x, *weights, *initial)


def _groups(batch: int) -> int:
    """Return the number of groups of equal size to run in parallel, since XLA runs a loop in one thread.

    Inside a larger XLA program, groups would run sequentially, so there is one group.
    """
    if GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        return 1
    threading = tf.config.threading
    threads = (threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
    most = min([count or cores() for count in threads] + [batch // _ROWS])
    return next((count for count in range(most, 1, -1) if batch % count == 0), 1)


@functools.cache
def _compiled(cell: Cell, widths: tuple[Any, ...], sequences: bool) -> tuple[Any, ...]:
    """Return the forward and backward loops. They are always compiled by XLA, since they are slow otherwise."""

    def forward(x: Any, kernel: Any, recurrent: Any, bias: Any, order: Any, ends: Any, initial: Any) -> Any:
        return _forward(cell, widths, sequences, x, cell.merge(kernel, recurrent, bias), order, ends, initial)

    def backward(gradient: Any, *rest: Any) -> Any:
        *saved, x, kernel, recurrent, bias, order, ends = rest
        matrix, _ = cell.merge(kernel, recurrent, bias)
        return _backward(cell, widths, sequences, gradient, saved, x.shape[-1], matrix, order, ends)

    return tuple(tf.function(loop, jit_compile=True, autograph=False) for loop in (forward, backward))


def _forward(
    cell: Cell, widths: tuple[Any, ...], sequences: bool, x: Any, merged: Any, order: Any, ends: Any, initial: Any
) -> Any:
    matrix, bias = merged
    if order is not None:
        x = tf.gather(x, order)
    x = tf.transpose(x, (1, 0, 2))
    steps, batch = tf.unstack(tf.shape(x)[:2])
    features = x.shape[-1]
    units = matrix.shape[0] - features
    first = widths[0] if ends is not None else batch
    states = tuple(initial) or tuple(tf.zeros((first, units)) for _ in range(cell.states))
    sizes = (features + units, *cell.saved_widths(units), *([units] if sequences else []))
    buffers: Any = tuple(tf.zeros((steps, batch, size)) for size in sizes)
    time = tf.constant(0)
    for number, width in enumerate(widths):
        width = width or batch
        if number:
            waiting = width - widths[number - 1]
            states = tuple(tf.concat([state, tf.repeat(state[-1:], waiting, 0)], 0) for state in states)

        def body(time: Any, states: Any, buffers: Any, width: Any = width) -> Any:
            both = tf.concat([_take(x, time, width), states[0]], 1)
            states, stored = cell.step(tf.matmul(both, matrix) + bias, states)
            values = (both, *stored, *([states[0]] if sequences else []))
            return time + 1, states, tuple(_put(*pair, time) for pair in zip(buffers, values, strict=True))

        end = steps if number == len(widths) - 1 else ends[number]
        time, states, buffers = tf.while_loop(lambda time, *_, end=end: time < end, body, (time, states, buffers))
    output = states[0]
    if sequences:
        *buffers, output = buffers
        if ends is not None:
            # Waiting rows have the state of the last running row.
            running = _running(widths, ends, steps)
            at = tf.minimum(tf.range(batch)[None], running[:, None] - 1)
            output = tf.gather(output, at, axis=1, batch_dims=1)
        output = tf.transpose(output, (1, 0, 2))
    if order is not None:
        output = tf.gather(output, tf.argsort(order))
    return output, tuple(buffers)


def _running(widths: tuple[Any, ...], ends: Any, steps: Any) -> Any:
    """Return the number of running rows in each step, shape (steps,)."""
    over = tf.cast(tf.range(steps)[:, None] >= ends[None], tf.int32)
    return tf.gather(tf.constant(widths), tf.reduce_sum(over, 1))


def _backward(
    cell: Cell,
    widths: tuple[Any, ...],
    sequences: bool,
    gradient: Any,
    buffers: Any,
    features: int,
    matrix: Any,
    order: Any,
    ends: Any,
) -> Any:
    units = matrix.shape[0] - features
    sizes = (features + units, *cell.saved_widths(units))
    buffers = [tf.ensure_shape(buffer, (None, widths[-1], size)) for buffer, size in zip(buffers, sizes, strict=True)]
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
            # Rows that waited pass their gradient to the row whose state they copied.
            gradients = tuple(
                tf.concat([buffer[: width - 1], tf.reduce_sum(buffer[width - 1 :], 0, keepdims=True)], 0)
                for buffer in gradients
            )

        def body(time: Any, gradients: Any, inputs: Any, sums: Any, width: Any = width) -> Any:
            both, *stored = (_take(buffer, time, width) for buffer in buffers)
            if outside is not None:
                gradients = (gradients[0] + _take(outside, time, width), *gradients[1:])
            pre, direct = cell.backward(gradients, stored, both[:, features:])
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


def _take(buffer: Any, time: Any, width: Any) -> Any:
    """Return the first `width` rows of one step."""
    size = buffer.shape[-1]
    return tf.ensure_shape(
        xla.dynamic_slice(buffer, tf.stack([time, 0, 0]), tf.stack([1, width, size]))[0],
        (width if isinstance(width, int) else None, size),
    )


def _put(buffer: Any, value: Any, time: Any) -> Any:
    """Return the buffer with the first rows of one step replaced. XLA does this in place."""
    return xla.dynamic_update_slice(buffer, value[None], tf.stack([time, 0, 0]))
