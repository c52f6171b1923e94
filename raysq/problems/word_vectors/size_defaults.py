"""Default settings of negative sampling by the size of the text."""

from collections.abc import Mapping
from typing import Any

from raysq.data.dataset import Dataset

_LONG = 1_000_000  # words above which a small share is enough to validate on
_SHORT = 100_000  # words up to which no occurrence is dropped
_TINY = 10_000  # words up to which rare words are kept
_PLACES = 32  # words of a block
_STEPS = 200  # approximate number of steps of an epoch, within the limits of the batch size
_BATCHES = (16, 512)  # minimum and maximum batch size, in blocks
_SEEN = 50_000_000  # approximate number of words of all epochs
_PASSES = (5, 20)  # minimum and maximum number of epochs


def size_defaults(dataset: Dataset, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return default settings by the number of words.

    A short text needs small batches for enough steps, more epochs, and no subsampling, because frequent words make up
    most of it. A very short text needs its rare words too. CBOW makes one example of a word, and skip-gram as many as
    there are words in the window. CBOW and short texts would therefore overfit at the learning rate of skip-gram on
    long texts.

    Args:
        dataset: prepared texts.
        settings: the settings known so far, `architecture` among them.

    Returns:
        `batch_size`, `epochs`, `learning_rate`, `min_count`, `subsample` and `val`.
    """
    words = max(1, int(dataset.ragged("tokens").offsets[-1]))
    batch = 1 << max(0, (words // (_PLACES * _STEPS)).bit_length() - 1)  # the largest power of two that is not greater
    return {
        "batch_size": min(max(batch, _BATCHES[0]), _BATCHES[1]),
        "epochs": min(max(round(_SEEN / words), _PASSES[0]), _PASSES[1]),
        "learning_rate": 0.03 if words > _LONG and settings.get("architecture") != "cbow" else 0.01,
        "min_count": 5 if words > _TINY else 1,
        "subsample": 1e-3 if words > _SHORT else 0.0,
        "val": 0.02 if words > _LONG else 0.05,
    }
