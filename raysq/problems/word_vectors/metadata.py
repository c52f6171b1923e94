"""Metadata of a run of word vectors."""

from dataclasses import dataclass
from typing import Self

from raysq.problems.base import Metadata
from raysq.problems.splits import has_own_validation
from raysq.problems.word_vectors.size_defaults import size_defaults
from raysq.problems.word_vectors.stream import Streams


@dataclass(frozen=True, kw_only=True)
class WordVectorsMetadata(Metadata):
    """Figures of the training texts.

    Attributes:
        words: number of words with a vector.
        features: number of ids, 0 included.
        tokens: number of occurrences of all words.
        unknown: share of the tokens that have no id.
        trained_tokens: number of tokens left after subsampling.
        dropped: share of the known tokens that subsampling removes.
        size_defaults: default settings by the size of the text; empty if the model has none.
        own_validation: number of texts in the source's own validation part.
    """

    words: int
    features: int
    tokens: int
    unknown: float
    trained_tokens: int
    dropped: float
    size_defaults: dict[str, float]
    own_validation: int

    @classmethod
    def of(cls, streams: Streams) -> Self:
        """Return the metadata of id streams."""
        dataset, settings, features = streams.dataset, streams.settings, len(streams.counts)
        tokens, known = int(streams.raw_counts.sum()), int(streams.counts.sum())
        trained = int((streams.ids["train"] > 0).sum())
        return cls(
            preprocessor=dataset.manifest.preparation["settings"],
            words=features - 1,
            features=features,
            tokens=tokens,
            unknown=1 - known / tokens,
            trained_tokens=trained,
            dropped=1 - trained / max(1, known),
            size_defaults=size_defaults(dataset, vars(settings)) if settings.examples == "blocks" else {},
            own_validation=has_own_validation(dataset),
        )
