"""Metadata of a translation run."""

from dataclasses import dataclass

from raysq.problems.base import Metadata


@dataclass(frozen=True, kw_only=True)
class TranslationMetadata(Metadata):
    """Figures of the training pairs. Those of both languages are given as source and target.

    Attributes:
        vocabulary_sizes: number of ids, padding and special tokens included.
        unknown: share of the words that have no id.
        truncated: share of the sentences that are longer than the model's maximum.
        target_words: mean number of target words of a pair, end token included.
        own_validation: number of pairs in the source's own validation part.
    """

    vocabulary_sizes: tuple[int, int]
    unknown: tuple[float, float]
    truncated: tuple[float, float]
    target_words: float
    own_validation: int
