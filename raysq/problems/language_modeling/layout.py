"""Layout of sentences packed as ids: where examples lie, and how their batches are gathered."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raysq.problems.language_modeling.settings import END, START, LanguageModelingSettings

ADDED = 2  # special tokens per sentence: start and end


def packed(ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Pack sentences one after the other, each between a start and an end token.

    Args:
        ids: int32 of shape (words,), the words of all sentences.
        offsets: int64 of shape (sentences + 1,), where the words of each sentence begin.

    Returns:
        int32 of shape (words + 2 * sentences,).
    """
    count = len(offsets) - 1
    out = np.empty(len(ids) + ADDED * count, np.int32)
    out[np.arange(len(ids)) + np.repeat(ADDED * np.arange(count) + 1, np.diff(offsets))] = ids
    out[offsets[:-1] + ADDED * np.arange(count)] = START
    out[offsets[1:] + ADDED * np.arange(count) + 1] = END
    return out


def layout(begins: np.ndarray, lengths: np.ndarray, settings: LanguageModelingSettings) -> dict[str, np.ndarray]:
    """Return the arrays with which `gather` locates an example in packed ids, without the ids themselves.

    Args:
        begins: int64 of shape (sentences,), the position of each start token in the packed ids.
        lengths: int64 of shape (sentences,), number of words of each sentence; an empty sentence has no examples.
        settings: batch-time settings; they give the number of examples per sentence.

    Returns:
        int64 arrays `begins` and `ends`, the positions of the start and end tokens; `firsts`, int64 of shape
        (sentences + 1,), the index of the first example of each sentence; and `weight`, float32 of shape (1,), the
        inverse of the mean number of positions per example.
    """
    targets = np.where(lengths > 0, lengths + 1, 0)
    examples = -(-targets // settings.maxlen) if settings.sequence_targets else targets
    firsts = np.concatenate([[0], np.cumsum(examples)]).astype(np.int64)
    mean = targets.sum() / max(int(firsts[-1]), 1)
    return {
        "begins": begins.astype(np.int64),
        "ends": (begins + lengths + 1).astype(np.int64),
        "firsts": firsts,
        "weight": np.full(1, 1 / max(mean, 1e-9), np.float32),
    }


def gather(
    indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any], settings: LanguageModelingSettings
) -> tuple[Any, Any]:
    """Gather the batch of the given examples.

    Args:
        indices: int vector of n example indices (NumPy or TensorFlow).
        arrays: "ids", int32, a 0 followed by the packed sentences, and the result of `layout`; or device copies.
        take: `take(array, rows)` gathers along the first axis.
        settings: batch-time settings; they give the length of x and the positions to predict.

    Returns:
        A tuple `(x, y)`; x is int32 of shape `(n, maxlen)`.

        For `sequence_targets=False`, x is padded with 0 in front, and y is the next id, int32 of shape `(n, 1)`.

        For `sequence_targets=True`, x is padded with 0 at the end, and y is float32 of shape `(n, maxlen, 2)`: the next
        id of each position and its weight. The weight is 0 after the end. With these weights, the mean over all
        examples of the sum over positions equals the mean over positions.
    """
    firsts = arrays["firsts"]
    ops: Any = np if isinstance(firsts, np.ndarray) else _keras_operations()
    number = ops.searchsorted(firsts, indices, side="right") - 1
    begin, end = take(arrays["begins"], number), take(arrays["ends"], number)
    step = indices - take(firsts, number)
    if not settings.sequence_targets:
        target = begin + 1 + step
        positions = target[:, None] - settings.maxlen + np.arange(settings.maxlen)
        positions = ops.where(positions >= begin[:, None], positions, 0)
        return take(arrays["ids"], positions), take(arrays["ids"], target)[:, None]
    low = begin + step * settings.maxlen
    positions = low[:, None] + np.arange(settings.maxlen + 1)
    ids = take(arrays["ids"], ops.where(positions <= end[:, None], positions, 0))
    x = ops.where(positions[:, :-1] < end[:, None], ids[:, :-1], 0)
    y = ops.cast(ids[:, 1:], "float32") if ops is not np else ids[:, 1:].astype(np.float32)
    weight = ops.where(y > 0, arrays["weight"], np.float32(0))
    return x, ops.stack([y, weight], -1)


def _keras_operations() -> Any:
    from keras import ops

    return ops
