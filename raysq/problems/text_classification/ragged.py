"""Rows of different lengths, packed one after the other, and the gather that pads those of a batch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysq.problems.text_classification.settings import TextClassificationSettings


@dataclass(frozen=True, eq=False)
class Packed:
    """Ids of documents.

    Attributes:
        ids: int32 of shape (1 + ids,). The first is 0, for padding.
        offsets: int64 of shape (documents + 1,), where the ids of each document begin; from 1 on.
        counts: int32, how often the document has each id, 0 for padding; None where that is not asked for.
    """

    ids: np.ndarray
    offsets: np.ndarray
    counts: np.ndarray | None = None

    @classmethod
    def of(cls, ids: np.ndarray, lengths: np.ndarray, counts: np.ndarray | None = None) -> "Packed":
        """Packs ids without padding, given how many each document has."""
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) + 1
        return cls(_behind_zero([ids]), offsets, None if counts is None else _behind_zero([counts]))

    @classmethod
    def joined(cls, parts: Iterable["Packed"]) -> "Packed":
        """The documents of several, one after the other."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        counts = [part.counts[1:] for part in parts if part.counts is not None]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) + 1
        return cls(_behind_zero([part.ids[1:] for part in parts]), offsets, _behind_zero(counts) if counts else None)

    def arrays(self) -> dict[str, np.ndarray]:
        """What `padded` reads."""
        counts = {} if self.counts is None else {"counts": self.counts}
        return {"ids": self.ids, "starts": self.offsets[:-1].copy(), "ends": self.offsets[1:].copy(), **counts}

    def x(self, settings: TextClassificationSettings) -> np.ndarray:
        """x of all documents, in memory."""
        take = lambda array, at: array.take(at)  # noqa: E731
        return padded(np.arange(len(self.offsets) - 1), self.arrays(), take, settings)


def padded(
    rows: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any], settings: TextClassificationSettings
) -> Any:
    """x of the given documents.

    Args:
        rows: int vector of n documents, NumPy or TensorFlow.
        arrays: what `Packed.arrays` gave, or device copies of it.
        take: gathers rows of an array.
        settings: how long a sequence is, and where it is padded.

    Returns:
        int32 of shape (n, maxlen); of bags (n, width), or (n, 2, width) with counts, as wide as the widest of them.
    """
    starts, ends = take(arrays["starts"], rows)[:, None], take(arrays["ends"], rows)[:, None]
    ops: Any = np if isinstance(starts, np.ndarray) else _keras_operations()
    if settings.bag:
        places = starts + ops.arange(ops.max(ends - starts, initial=1))
    elif settings.padding == "pre":
        places = ends - settings.maxlen + np.arange(settings.maxlen)
    else:
        places = starts + np.arange(settings.maxlen)
    places = ops.where((places >= starts) & (places < ends), places, 0)
    x = take(arrays["ids"], places)
    return ops.stack([x, take(arrays["counts"], places)], 1) if settings.counted else x


def _keras_operations() -> Any:
    from keras import ops

    return ops


def _behind_zero(parts: list[np.ndarray]) -> np.ndarray:
    """The parts as one int32 array that begins with a 0."""
    out = np.zeros(1 + sum(map(len, parts)), np.int32)
    if parts:
        np.concatenate(parts, out=out[1:], casting="same_kind")
    return out
