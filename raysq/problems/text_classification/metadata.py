"""Metadata of a text classification run."""

from dataclasses import dataclass
from typing import Self, TypedDict

import numpy as np

from raysq.problems.base import Metadata
from raysq.problems.classes import single_classes
from raysq.problems.splits import has_own_validation
from raysq.problems.text_classification.batches import EncodedDocuments


class VectorFile(TypedDict):
    """The file of word vectors that a data set was prepared with."""

    name: str
    dimension: int


@dataclass(frozen=True, kw_only=True)
class TextClassificationMetadata(Metadata):
    """Metadata of a text classification run.

    Attributes:
        classes: names of the classes.
        priors: share of each class among the training documents.
        single_classes: name of the class by split, for splits with a single class.
        own_validation: number of documents in the source's own validation part.
        features: number of ids, padding and special tokens included.
        words: number of words and n-grams in the vocabulary.
        unknown: share of the training documents' words that are not in the vocabulary.
        longer: share of the training documents with more than `maxlen` ids.
        shared_hashes: number of words of the training documents that share their hash with another one.
        unhashed: share of all words that only test documents have, and that a hashing run leaves out.
        vectors: file of word vectors, or None.
        several: whether a document may have several of the classes, or none.
    """

    classes: list[str]
    priors: list[float]
    single_classes: dict[str, str]
    own_validation: int
    features: int
    words: int
    unknown: float
    longer: float
    shared_hashes: int
    unhashed: float
    vectors: VectorFile | None
    several: bool = False

    @classmethod
    def of(cls, documents: EncodedDocuments) -> Self:
        """Return the metadata of encoded documents.

        Raises:
            DataError: the training documents have no words.
        """
        dataset, settings, split = documents.dataset, documents.settings, documents.split
        vocabulary, counts = documents.vocabulary, documents.counts
        ids = vocabulary.singles[:-1]
        lengths = documents.tokens.lengths[split.train] + int(settings.uses_special_tokens)
        shared_hashes, unhashed = 0, 0.0
        if settings.hashing:
            hashes = ids[counts > 0]
            shared_hashes = int((np.bincount(hashes)[hashes] > 1).sum())
            left_out = sum(int((codes < 0).sum()) for _, _, codes, _ in documents.tokens.blocks())
            unhashed = left_out / int(documents.tokens.lengths.sum())
        report = dataset.manifest.report
        vectors = report.get("vectors")
        return cls(
            preprocessor=dataset.manifest.preparation["settings"],
            classes=report["classes"],
            priors=documents.priors,
            single_classes=(
                {} if documents.sets is not None else single_classes(documents.labels, split, report["classes"])
            ),
            own_validation=has_own_validation(dataset),
            features=vocabulary.features,
            words=len(vocabulary.terms),
            unknown=1 - int(counts[ids >= settings.first].sum()) / int(counts.sum()),
            longer=float((lengths > settings.maxlen).mean()),
            shared_hashes=shared_hashes,
            unhashed=unhashed,
            vectors=vectors and VectorFile(name=vectors["name"], dimension=vectors["dimension"]),
            several=documents.sets is not None,
        )
