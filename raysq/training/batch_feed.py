"""Batches of a split, gathered in the graph from arrays on the device or on the host from memory-mapped files."""

from typing import Any

import numpy as np
import tensorflow as tf

from raysq.data.columns import take_rows
from raysq.problems.specs import BatchSource


class BatchFeed:
    """Build batches from example indices.

    Args:
        examples: batch source of one split.
        placed: arrays of the batch source on the device, or None to gather batches on the host.
    """

    def __init__(self, examples: BatchSource, placed: dict[str, tf.Tensor] | None):
        self.examples = examples
        self.placed = placed

    def batch(self, rows: np.ndarray) -> Any:
        """Return the graph's input for example indices of shape (steps, batch).

        These are the indices where arrays are on the device, else the gathered arrays of shape (steps, batch, ...).
        """
        if self.placed is not None:
            return rows
        parts = self.examples.gather(rows.reshape(-1), self.examples.mapped(), take_rows)
        return tuple(part.reshape(*rows.shape, *part.shape[1:]) for part in parts)

    def gather(self, batch: Any) -> tuple[Any, Any, Any]:
        """Return x, y and the mask of observed outputs of one step, in the graph.

        The mask is None where all outputs are observed. `batch` is one step of the result of the method `batch`.
        """
        parts = batch if self.placed is None else self.examples.gather(batch, self.placed, tf.gather)
        x, y, observed = parts if len(parts) == 3 else (*parts, None)
        return x, y, observed
