"""Batches of a split: gathered in the graph from arrays on the device, or on the host from the map on disk."""

from typing import Any

import numpy as np
import tensorflow as tf

from raysq.problems.base import BatchSource


class BatchFeed:
    """Turns example numbers into batches.

    Args:
        examples: of one split.
        placed: their arrays on the device, or None to gather on the host.
    """

    def __init__(self, examples: BatchSource, placed: dict[str, tf.Tensor] | None):
        self.examples = examples
        self.placed = placed

    def batch(self, rows: np.ndarray) -> Any:
        """What goes into the graph for example numbers of shape (steps, batch)."""
        if self.placed is not None:
            return rows
        parts = self.examples.gather(rows.reshape(-1), self.examples.mapped(), lambda array, at: array.take(at))
        return tuple(part.reshape(*rows.shape, *part.shape[1:]) for part in parts)

    def gather(self, batch: Any) -> tuple[Any, Any, Any]:
        """x, y and the mask of observed outputs, None where all are, of one step, in the graph."""
        parts = batch if self.placed is None else self.examples.gather(batch, self.placed, tf.gather)
        x, y, observed = parts if len(parts) == 3 else (*parts, None)
        return x, y, observed
