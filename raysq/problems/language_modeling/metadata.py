"""Metadata of a language modeling run."""

from dataclasses import dataclass
from typing import Self, TypedDict

from raysq.problems.base import Metadata
from raysq.problems.language_modeling.batches import Positions, Sentences
from raysq.problems.splits import has_own_validation


class SplitSizes(TypedDict):
    """A number for each split."""

    train: int
    val: int
    test: int


class SplitShares(TypedDict):
    """A share for each split."""

    train: float
    val: float
    test: float


@dataclass(frozen=True, kw_only=True)
class LanguageModelingMetadata(Metadata):
    """Metadata of a language modeling run. A sentence is a unit of the preprocessor.

    Attributes:
        features: number of ids, padding and special tokens included.
        words: number of words in the vocabulary.
        sentences: number of sentences of each split.
        targets: number of positions to predict of each split: words and ends of sentences.
        unknown: share of each split's words that are not in the vocabulary.
        longer: share of the training sentences with more than `maxlen` ids.
        own_validation: number of sentences in the source's own validation part.
    """

    features: int
    words: int
    sentences: SplitSizes
    targets: SplitSizes
    unknown: SplitShares
    longer: float
    own_validation: int

    @classmethod
    def of(cls, sentences: Sentences) -> Self:
        """Return the metadata of encoded sentences.

        Raises:
            DataError: the vocabulary is empty.
        """
        split, unknown = sentences.split, sentences.unknown
        train, val, test = (Positions(sentences, name).targets for name in ("train", "val", "test"))
        lengths = sentences.tokens.lengths[split.train] + 1  # with the start token, as in the model input
        return cls(
            preprocessor=sentences.dataset.manifest.preparation["settings"],
            features=sentences.vocabulary.features,
            words=len(sentences.vocabulary.words),
            sentences=SplitSizes(train=len(split.train), val=len(split.val), test=len(split.test)),
            targets=SplitSizes(train=train, val=val, test=test),
            unknown=SplitShares(train=unknown("train"), val=unknown("val"), test=unknown("test")),
            longer=float((lengths > sentences.settings.maxlen).mean()),
            own_validation=has_own_validation(sentences.dataset),
        )
