"""Ragged arrays: rows of different lengths stored one after the other, and padded when a batch is gathered."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysq.problems.text_classification.settings import TextClassificationSettings


@dataclass(frozen=True, eq=False)
class RaggedIds:
    """Ids of documents, stored one after the other.

    Attributes:
        ids: int32 of shape (1 + ids,). The first element is 0, the padding.
        offsets: int64 of shape (documents + 1,), where the ids of each document begin; the first is 1.
        counts: int32 of shape (1 + ids,), occurrences of each id in its document, 0 for padding; None for inputs
            without counts.
    """

    ids: np.ndarray
    offsets: np.ndarray
    counts: np.ndarray | None = None

    @classmethod
    def of(cls, ids: np.ndarray, lengths: np.ndarray, counts: np.ndarray | None = None) -> "RaggedIds":
        """Pack ids without padding.

        Args:
            ids: ids of all documents, one document after the other.
            lengths: number of ids of each document.
            counts: occurrences of each id, of the shape of `ids`; None for none.
        """
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) + 1
        return cls(_behind_zero([ids]), offsets, None if counts is None else _behind_zero([counts]))

    @classmethod
    def joined(cls, parts: Iterable["RaggedIds"]) -> "RaggedIds":
        """Concatenate the documents of several parts."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        counts = [part.counts[1:] for part in parts if part.counts is not None]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) + 1
        return cls(_behind_zero([part.ids[1:] for part in parts]), offsets, _behind_zero(counts) if counts else None)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that `padded` reads: `ids`, `starts`, `ends`, and `counts` if there are counts."""
        counts = {} if self.counts is None else {"counts": self.counts}
        return {"ids": self.ids, "starts": self.offsets[:-1].copy(), "ends": self.offsets[1:].copy(), **counts}

    def x(self, settings: TextClassificationSettings) -> np.ndarray:
        """Return the model inputs of all documents."""
        x: np.ndarray = padded(np.arange(len(self.offsets) - 1), self.arrays(), np.take, settings)
        return x


def padded(
    rows: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any], settings: TextClassificationSettings
) -> Any:
    """Gather and pad the model inputs of the given documents.

    Args:
        rows: int vector of n document indices (NumPy or TensorFlow).
        arrays: result of `RaggedIds.arrays`, or device copies of it.
        take: `take(array, rows)` gathers along the first axis.
        settings: batch-time settings; they give the length of a sequence and the side of its padding.

    Returns:
        int32 of shape (n, maxlen) for sequences; (n, width) for bags, or (n, 2, width) for bags with counts. The width
        is that of the widest bag.
    """
    starts, ends = take(arrays["starts"], rows)[:, None], take(arrays["ends"], rows)[:, None]
    ops: Any = np if isinstance(starts, np.ndarray) else _keras_operations()
    if settings.bag:
        positions = starts + ops.arange(ops.max(ends - starts, initial=1))
    elif settings.padding == "pre":
        positions = ends - settings.maxlen + np.arange(settings.maxlen)
    else:
        positions = starts + np.arange(settings.maxlen)
    positions = ops.where((positions >= starts) & (positions < ends), positions, 0)
    x = take(arrays["ids"], positions)
    return ops.stack([x, take(arrays["counts"], positions)], 1) if settings.has_counts else x


def _keras_operations() -> Any:
    from keras import ops

    return ops


def _behind_zero(parts: list[np.ndarray]) -> np.ndarray:
    """Concatenate the parts to one int32 array after a leading 0."""
    out = np.zeros(1 + sum(map(len, parts)), np.int32)
    if parts:
        np.concatenate(parts, out=out[1:], casting="same_kind")
    return out
