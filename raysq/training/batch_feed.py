"""Batches of a split, gathered in the graph from arrays on the device or on the host from memory-mapped files."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from raysq.data.columns import take_rows
from raysq.problems.specs import BatchSource


class Batch(NamedTuple):
    """Tensors of one step.

    Attributes:
        x: inputs, one tensor or a dict by name.
        y: targets, one tensor or a dict by name.
        observed: mask of observed outputs, of the structure of y. None where all are observed. A dict lacks outputs
            without a mask.
        sample_weight: factors of the losses of each example, by output. The key "" holds the weights of the examples,
            which apply to outputs without an entry. None where all are 1.
    """

    x: Any
    y: Any
    observed: Any = None
    sample_weight: dict[str, Any] | None = None

    def output(self, name: str) -> "Batch":
        """Return the batch with y and mask of one output; `name` is "" for the only one."""
        if not name:
            return self
        return self._replace(y=self.y[name], observed=(self.observed or {}).get(name))

    def loss_weight(self, name: str) -> Any:
        """Return the factor of the loss of each example for an output, or None."""
        weights = self.sample_weight or {}
        return weights.get(name, weights.get(""))


class BatchFeed:
    """Build batches from example indices.

    Args:
        examples: batch source of one split.
        placed: arrays of the batch source on the device, or None to gather batches on the host.
    """

    def __init__(self, examples: BatchSource, placed: dict[str, tf.Tensor] | None):
        self.examples = examples
        self.placed = placed
        self._weights = sample_weights(examples)
        if placed is not None:
            self._weights = {name: tf.constant(weights) for name, weights in self._weights.items()}

    def batch(self, rows: np.ndarray) -> Any:
        """Return the graph's input for example indices of shape (steps, batch).

        These are the indices where arrays are on the device, else the gathered arrays of shape (steps, batch, ...).
        """
        if self.placed is not None:
            return rows
        parts = self._parts(self.examples.gather(rows.reshape(-1), self.examples.mapped(), take_rows))
        if self._weights:
            parts["sample_weight"] = {name: weights[rows.reshape(-1)] for name, weights in self._weights.items()}
        return tf.nest.map_structure(lambda part: part.reshape(*rows.shape, *part.shape[1:]), parts)

    def gather(self, batch: Any) -> Batch:
        """Return the tensors of one step, in the graph; `batch` is one step of the result of the method `batch`."""
        if self.placed is None:
            return Batch(**batch)
        parts = self._parts(self.examples.gather(batch, self.placed, tf.gather))
        if self._weights:
            parts["sample_weight"] = {name: tf.gather(weights, batch) for name, weights in self._weights.items()}
        return Batch(**parts)

    @staticmethod
    def _parts(gathered: tuple[Any, ...]) -> dict[str, Any]:
        """Return the parts of a batch by field of `Batch`, without masks that are None."""
        x, y, observed = gathered if len(gathered) == 3 else (*gathered, None)
        if isinstance(observed, Mapping):
            observed = {name: mask for name, mask in observed.items() if mask is not None}
        empty = observed is None or (isinstance(observed, dict) and not observed)
        return {"x": x, "y": y, **({} if empty else {"observed": observed})}


def sample_weights(examples: BatchSource) -> dict[str, np.ndarray]:
    """Return factors of the losses of each example, as `Batch.sample_weight`; empty where all are 1.

    The mean loss of an output over its observed values is a mean over all examples, each weighted by its share of
    observed values over the mean share of the split.
    """
    weights = getattr(examples, "weights", None)
    factors = {} if weights is None else {"": np.asarray(weights, np.float32)}
    shares = getattr(examples, "shares", None)
    for name, share in shares.items() if isinstance(shares, Mapping) else ():
        share = np.asarray(share, np.float64)
        factor = share / max(share.mean(), np.finfo(np.float32).tiny) if len(share) else share
        factors[name] = (factor if weights is None else factor * weights).astype(np.float32)
    return factors


def input_signature(feed: BatchFeed, arguments: tuple[Any, ...], shapes: Any) -> Any:
    """Return the specs of a compiled function's arguments for any number of steps.

    Args:
        feed: batch feed of the split.
        arguments: arguments, of which the first is a result of `BatchFeed.batch` or one of its steps.
        shapes: shape of the model's input, or a dict by name; None where the model has none.
    """
    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec((None, *np.shape(array)[1:]) if np.ndim(array) else (), array.dtype), arguments
    )
    if feed.placed is None:
        batch, *others = signature
        signature = ({**batch, "x": _any_width(batch["x"], shapes)}, *others)
    return signature


def _any_width(specs: Any, shapes: Any) -> Any:
    """Return the specs of x for batches in which x is as wide as the longest example.

    Args:
        specs: specs of x, one or a dict by name.
        shapes: shape of the model's input, or a dict by name; None where the model has none.
    """
    if isinstance(specs, dict):
        by_name = shapes if isinstance(shapes, dict) else {}
        return {name: _any_width(spec, by_name.get(name)) for name, spec in specs.items()}
    shape = tuple(shapes or (None,))[1:]
    if None not in shape:
        return specs
    return tf.TensorSpec((*specs.shape[: specs.shape.rank - len(shape)], *shape), specs.dtype)
