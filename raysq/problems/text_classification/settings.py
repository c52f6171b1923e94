"""What a model sees of a document: the batch-time settings of text classification."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems import splits
from raysq.problems.base import InputSpec

if TYPE_CHECKING:
    from raysq.problems.text_classification.batches import Texts

START, UNKNOWN, OFFSET = 1, 2, 3  # as in keras.datasets.imdb; 0 is padding everywhere


@dataclass(frozen=True)
class TextClassificationSettings:
    """What a model sees of a document. All of it is applied at batch time: changing it prepares nothing again.

    A sequence is the document's ids, cut and padded to `maxlen`; a bag is its distinct ids, each with its count where
    it matters, of the whole document.

    Attributes:
        max_features: ids in all, the marks and padding among them, as Keras's num_words: id < max_features. Fewer
            where the vocabulary has fewer words.
        maxlen: ids of a sequence.
        truncation: which end of a document that is longer is cut off.
        padding: at which end one that is shorter is filled up with 0.
        reversed: last word first; before cutting and padding, as in listing 6.42.
        marks: ids as in `keras.datasets.imdb` (1 start, 2 unknown word, words from 4 on); false for those of Keras's
            `Tokenizer` (words from 1 on, no start, unknown words left out before cutting).
        vectorization: "sequence", or a bag: "multi_hot" (which ids), "count", "freq" (share of the document) or
            "tfidf" (as Keras's `Tokenizer`).
        ngrams: bags of all runs of 1 to so many words.
        hashing: ids of the hashing trick (listing 6.4), md5 of the word as Keras's `hashing_trick`; then neither
            max_features nor marks are used, and words that the data set's vocabulary lacks are left out. 0 for a
            vocabulary.
        vocabulary: "train" ranks words by their count in the training documents alone, "prepared" takes the ranks of
            the prepared vocabulary, such as a published word index.
        val: share of the documents to validate on, of those that are not of the test part; or a number of them.
        pick: which ones: "hash" by a checksum of the text (equal texts stay together), or the "first" or "last" rows.
        train_samples: train on so many documents only; none for all.
        loss: "crossentropy", or "mse" for an exercise.
    """

    max_features: int = 10_000
    maxlen: int = 500
    truncation: Literal["pre", "post"] = "pre"
    padding: Literal["pre", "post"] = "pre"
    reversed: bool = False
    marks: bool = True
    vectorization: Literal["sequence", "multi_hot", "count", "freq", "tfidf"] = "sequence"
    ngrams: int = 1
    hashing: int = 0
    vocabulary: Literal["train", "prepared"] = "train"
    val: str = "0.2"
    pick: Literal["hash", "first", "last"] = "hash"
    train_samples: int | None = None
    loss: Literal["crossentropy", "mse"] = "crossentropy"

    def __post_init__(self) -> None:
        least = self.first + 1
        for name, smallest in (("max_features", least), ("maxlen", 1), ("ngrams", 1), ("train_samples", 1)):
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise UsageError(f"setting {name} must be at least {smallest}, received {value}")
        if self.hashing and not 2 <= self.hashing <= 2**31 - 1:
            raise UsageError(
                f"setting hashing must be 0 (a vocabulary) or 2 to 2147483647 ids, received {self.hashing}"
            )
        if self.ngrams > 1 and not self.bag:
            raise UsageError(
                f"setting ngrams={self.ngrams} is for bags: set vectorization to multi_hot, count, freq or tfidf"
            )
        if self.ngrams > 1 and self.vocabulary == "prepared" and not self.hashing:
            raise UsageError(
                f"setting vocabulary=prepared has ranks of single words, and ngrams is {self.ngrams}: set "
                "vocabulary=train"
            )
        splits.split_amount(self.val)

    @property
    def bag(self) -> bool:
        """Whether x is a bag."""
        return self.vectorization != "sequence"

    @property
    def idle(self) -> tuple[str, ...]:
        """The settings that decide nothing, and need not be searched."""
        return ("maxlen", "truncation", "padding", "reversed") if self.bag else ()

    @property
    def counted(self) -> bool:
        """Whether x holds a bag's counts beside its ids."""
        return self.vectorization in ("count", "freq", "tfidf")

    @property
    def marked(self) -> bool:
        """Whether documents have a start mark, and unknown words an id."""
        return self.marks and not self.hashing

    @property
    def first(self) -> int:
        """The id of the first word."""
        return OFFSET + 1 if self.marked else 1

    @classmethod
    def resolve(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The settings, `val` also where it was given as a number.

        Args:
            values: settings as a person may give them.
            dataset: prepared texts.
        """
        return splits.with_val_text(values)

    def open(self, dataset: Dataset) -> "dict[str, Texts]":
        """The documents of each split of a data set.

        Raises:
            DataError: a split does not fit.
        """
        from raysq.problems.text_classification.batches import Texts, documents

        found = documents(dataset, self)
        return {name: Texts(found, name) for name in splits.SPLITS}

    def inputs(self, dataset: Dataset) -> InputSpec:
        """What a model builder is told.

        `extra` has "features" (number of ids), "classes" (names), "priors" (share of each class in the training
        documents), "vectorization", "loss", "maxlen", and two functions: "idf" gives float32 of shape `(features,)`,
        "vectors" float32 of shape `(features, dimension)`, or None where the data set has no word vectors.
        """
        from raysq.problems.text_classification.batches import documents

        found = documents(dataset, self)
        classes = dataset.manifest.report["classes"]
        shape: tuple[Any, ...] = ((2, None) if self.counted else (None,)) if self.bag else (self.maxlen,)
        return InputSpec(
            shape=shape,
            outputs=1 if len(classes) == 2 else len(classes),
            extra={
                "features": found.vocabulary.features,
                "classes": tuple(classes),
                "priors": found.priors,
                "idf": found.idf,
                "vectors": found.vectors,
                "vectorization": self.vectorization,
                "loss": self.loss,
                "maxlen": self.maxlen,
            },
        )
