"""Batch sources of word vectors: words with their context, gathered from a stream of ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raysq.problems.word_vectors.settings import WordVectorsSettings
from raysq.problems.word_vectors.stream import Streams, reach


@dataclass(frozen=True)
class ContextWindows:
    """Batch source with an example for every word that has a context (cbow), or for every pair of words (skip-gram).

    Attributes:
        streams: the streams of all splits.
        name: name of the split.
    """

    streams: Streams
    name: str

    @property
    def settings(self) -> WordVectorsSettings:
        """Settings of the run."""
        return self.streams.settings

    @cached_property
    def _reach(self) -> tuple[np.ndarray, np.ndarray]:
        return reach(self.streams.ids[self.name], self.settings.window)

    @cached_property
    def _count(self) -> int:
        before, after = self._reach
        context = before + after
        return int(np.count_nonzero(context) if self.settings.architecture == "cbow" else context.sum())

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of `arrays`."""
        return 4 * (len(self.streams.ids[self.name]) + 2 * self.settings.window) + 8 * len(self)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that `gather` reads.

        Returns:
            "stream", the split's stream with a window of 0 at both ends, and "target", the position of each example's
            word to predict. For skip-gram also "input", the position of the input word. For cbow also "inside", a mask
            of the window for each number of words before and after, and "reach", the row of "inside" of each example.
        """
        return self._arrays

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        window = self.settings.window
        before, after = self._reach
        (positions,) = np.nonzero(before + after)
        stream = np.pad(self.streams.ids[self.name], window)
        if self.settings.architecture == "cbow":
            rows = before[positions] * (window + 1) + after[positions]
            return {
                "stream": stream,
                "target": (positions + window).astype(np.int32),
                "reach": rows.astype(np.int32),
                "inside": _inside(window),
            }
        counts = (before + after)[positions]
        center = np.repeat(positions, counts)
        number = np.arange(len(center)) - np.repeat(np.cumsum(counts) - counts, counts)
        shift = number - before[center]
        shift += shift >= 0  # not the word itself
        pairs = {"target": center + shift + window, "input": center + window}
        return {"stream": stream, **{name: array.astype(np.int32) for name, array in pairs.items()}}

    def mapped(self) -> dict[str, Any]:
        """Return the same arrays: streams depend on the vocabulary and exist only in memory."""
        return dict(self.arrays())

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Build a batch.

        Args:
            indices: indices of n examples, an int vector (NumPy or TensorFlow).
            arrays: the result of `arrays`, or device copies of it.
            take: function that gathers along the first axis.

        Returns:
            x, int32. For cbow it has the shape `(n, 2 * window)`: the ids before and after the word, 0 for positions
            outside the passage. For skip-gram it has the shape `(n, 1)`. y, int32 of shape `(n, 1)`: the id to predict.
        """
        positions = take(arrays["target"], indices)
        y = take(arrays["stream"], positions)[:, None]
        if "input" in arrays:
            return take(arrays["stream"], take(arrays["input"], indices))[:, None], y
        shifts = _shifts(self.settings.window)
        x = take(arrays["stream"], positions[:, None] + shifts)
        # Positions beyond the end of the passage belong to another text.
        return x * take(arrays["inside"], take(arrays["reach"], indices)), y


def _shifts(window: int) -> np.ndarray:
    """Return the offsets of a window's words from its center."""
    return np.array([*range(-window, 0), *range(1, window + 1)], np.int32)


def _inside(window: int) -> np.ndarray:
    """Return a mask of the window for each number of words before and after.

    The result is int32 of shape `((window + 1) ** 2, 2 * window)`, 1 for positions within the passage.
    """
    before, after = np.divmod(np.arange((window + 1) ** 2)[:, None], window + 1)
    shifts = _shifts(window)
    return ((shifts >= -before) & (shifts <= after)).astype(np.int32)


@dataclass(frozen=True)
class Blocks:
    """Batch source with an example for every `block` words of a split's stream, with all pairs of these and their
    context.

    Attributes:
        streams: the streams of all splits.
        name: name of the split.
    """

    streams: Streams
    name: str

    @property
    def settings(self) -> WordVectorsSettings:
        """Settings of the run."""
        return self.streams.settings

    def __len__(self) -> int:
        return -(-len(self.streams.ids[self.name]) // self.settings.block)

    @property
    def nbytes(self) -> int:
        """Bytes of `arrays`."""
        return 4 * (len(self) * self.settings.block + 2 * self.settings.window + 1)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that `gather` reads.

        Returns:
            "stream", the split's stream with a window of 0 in front and zeros up to the end of the last block's window,
            and "share" of shape `(1,)`, the number of examples divided by the total weight of their pairs.
        """
        return self._arrays

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        stream = self.streams.ids[self.name]
        window = self.settings.window
        padded = np.zeros(len(self) * self.settings.block + 2 * window, np.int32)
        padded[window : window + len(stream)] = stream
        share = len(self) / max(self.streams.total_weight(self.name), 1e-9)
        return {"stream": padded, "share": np.array([share], np.float32)}

    def mapped(self) -> dict[str, Any]:
        """Return the same arrays: streams depend on the vocabulary and exist only in memory."""
        return dict(self.arrays())

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Build a batch.

        Args:
            indices: indices of n blocks, an int vector (NumPy or TensorFlow).
            arrays: the result of `arrays`, or device copies of it.
            take: function that gathers along the first axis.

        Returns:
            x, int32 of shape `(n, block + 2 * window)`: ids, 0 at the end of a passage. y, float32 of shape `(n, 1)`:
            the scale of the block's summed loss, with which the mean over all blocks is the mean over all pairs.
        """
        steps = np.arange(self.settings.width)
        x = take(arrays["stream"], indices[:, None] * self.settings.block + steps)
        return x, take(arrays["share"], indices * 0)[:, None]
