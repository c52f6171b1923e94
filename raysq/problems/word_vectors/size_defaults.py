"""Settings of negative sampling that follow from how much text there is."""

from collections.abc import Mapping
from typing import Any

from raysq.data.dataset import Dataset

_LONG = 1_000_000  # words from which on a small share of them is enough to validate on
_SHORT = 100_000  # words up to which all occurrences are needed
_TINY = 10_000  # words up to which rare words are needed too
_PLACES = 32  # of a block
_STEPS = 200  # of a pass, about, as far as the batches allow
_BATCHES = (16, 512)  # blocks
_SEEN = 50_000_000  # words that training passes over, about
_PASSES = (5, 20)


def size_defaults(dataset: Dataset, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Batch, passes, learning rate, the least count of a word, subsampling, and the share to validate on.

    A short text needs small batches to have steps to learn in, more passes, and its frequent words, which are most of
    what it says; a very short one its rare words too. A word of the text is one example of CBOW and as many of
    skip-gram as there are words around it, so that CBOW and short texts are learned by heart at a rate that suits
    skip-gram on a long one.

    Args:
        dataset: prepared texts.
        settings: those that are known, `architecture` among them.
    """
    words = max(1, int(dataset.ragged("tokens").offsets[-1]))
    batch = 1 << max(0, (words // (_PLACES * _STEPS)).bit_length() - 1)  # the power of two below
    return {
        "batch_size": min(max(batch, _BATCHES[0]), _BATCHES[1]),
        "epochs": min(max(round(_SEEN / words), _PASSES[0]), _PASSES[1]),
        "learning_rate": 0.03 if words > _LONG and settings.get("architecture") != "cbow" else 0.01,
        "min_count": 5 if words > _TINY else 1,
        "subsample": 1e-3 if words > _SHORT else 0.0,
        "val": 0.02 if words > _LONG else 0.05,
    }
