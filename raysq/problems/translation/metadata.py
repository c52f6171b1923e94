"""Metadata of a translation run."""

from dataclasses import dataclass
from typing import Self

from raysq.data.dataset import Dataset
from raysq.problems.base import Metadata
from raysq.problems.splits import has_own_validation
from raysq.problems.translation.corpus import ParallelCorpus


@dataclass(frozen=True, kw_only=True)
class TranslationMetadata(Metadata):
    """Figures of the training pairs.

    Attributes:
        source_words: number of source ids, padding and special tokens included.
        target_words: number of target ids.
        source_unknown: share of the source words that have no id.
        target_unknown: share of the target words that have no id.
        source_truncated: share of the source sentences that are longer than the model's maximum.
        target_truncated: share of the target sentences that are longer.
        mean_target_length: mean number of target words of a pair, end token included.
        own_validation: number of pairs in the source's own validation part.
    """

    source_words: int
    target_words: int
    source_unknown: float
    target_unknown: float
    source_truncated: float
    target_truncated: float
    mean_target_length: float
    own_validation: int

    @classmethod
    def of(cls, dataset: Dataset, corpus: ParallelCorpus) -> Self:
        """Return the metadata of a data set and its encoded pairs."""
        source, target, rows = corpus.source, corpus.target, corpus.split.train
        width, positions = corpus.settings.lengths
        return cls(
            preprocessor=dataset.manifest.preparation["settings"],
            source_words=source.vocabulary.size,
            target_words=target.vocabulary.size,
            source_unknown=source.unknown,
            target_unknown=target.unknown,
            source_truncated=float((source.tokens.lengths[rows] > width).mean()),
            target_truncated=float((target.tokens.lengths[rows] > positions - 1).mean()),
            mean_target_length=float(corpus.target_lengths(rows).mean()),
            own_validation=has_own_validation(dataset),
        )
