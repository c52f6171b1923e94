"""Batch-time settings of text classification."""

from dataclasses import dataclass
from typing import Annotated, Literal

from raysq.config import Range, check_ranges
from raysq.errors import UsageError
from raysq.problems.class_weights import check_class_weight
from raysq.problems.setting_types import Count, OptionalCount
from raysq.problems.splits import check_sample_seed, split_amount

START, UNKNOWN, OFFSET = 1, 2, 3  # as in keras.datasets.imdb; 0 is always padding


@dataclass(frozen=True)
class TextClassificationSettings:
    """Batch-time settings of text classification: how documents become model inputs, and how they are split.

    The settings apply at batch time, so a data set need not be prepared again when they change. A sequence is the ids
    of a document, truncated and padded to `maxlen`. A bag is the distinct ids of the whole document, with their counts
    if the vectorization needs them.

    Attributes:
        max_features: upper bound of the number of ids, padding and special tokens included, as Keras's `num_words`:
            id < max_features. A smaller vocabulary has fewer ids.
        maxlen: ids per sequence.
        truncation: side on which longer documents are cut: "pre" removes the beginning, "post" the end.
        padding: side on which shorter documents are padded with 0: "pre" in front, "post" at the end.
        reversed: reverse the word order before truncation and padding, as in listing 6.42.
        special_tokens: use the special tokens of `keras.datasets.imdb` (1 start, 2 unknown word, words from 4 on).
            False uses the ids of Keras's `Tokenizer`: words from 1 on, no start token, and unknown words are left out
            before truncation.
        vectorization: "sequence", or a bag: "multi_hot" (presence of ids), "count", "freq" (share of the document) or
            "tfidf" (as Keras's `Tokenizer`).
        ngrams: longest n-gram of a bag, in words; bags contain all n-grams of 1 to `ngrams` words.
        hashing: number of ids of the hashing trick (listing 6.4), with md5 as in Keras's `hashing_trick`; 0 uses a
            vocabulary. With hashing, `max_features` and `special_tokens` do not apply, and words that the data set's
            vocabulary lacks are left out.
        vocabulary: "train" ranks words by their count in the training documents only, "prepared" uses the ranks of
            the prepared vocabulary, such as a published word index.
        val: validation share of the documents outside of the test part, such as "0.2", or a number of documents.
        val_selection: selection of the validation documents: "hash" by a checksum of the text or of the group, so that
            equal texts or groups stay together, "stratified" by the same checksum within each class, or the "first" or
            "last" rows.
        train_samples: number of documents to train on; None for all.
        sample_seed: seed with which these documents are drawn from those that train; None for the first.
        loss: "crossentropy", or "mse" (squared error of the probabilities) for an exercise.
        class_weight: weights of the training documents in the loss by class, such as "no=1,yes=5", or "balanced" for
            the inverse of each class's share. A class that is not named weighs 1, and with None all do.

    Raises:
        UsageError: a setting is out of range or contradicts another setting.

    Example:
        >>> TextClassificationSettings(vectorization="tfidf", ngrams=2).bag
        True
    """

    max_features: Annotated[int, Range(least=2)] = 10_000
    maxlen: Count = 500
    truncation: Literal["pre", "post"] = "pre"
    padding: Literal["pre", "post"] = "pre"
    reversed: bool = False
    special_tokens: bool = True
    vectorization: Literal["sequence", "multi_hot", "count", "freq", "tfidf"] = "sequence"
    ngrams: Count = 1
    hashing: Annotated[int, Range(least=0, most=2**31 - 1)] = 0
    vocabulary: Literal["train", "prepared"] = "train"
    val: str = "0.2"
    val_selection: Literal["hash", "stratified", "first", "last"] = "hash"
    train_samples: OptionalCount = None
    sample_seed: Annotated[int | None, Range(least=0, most=2**32 - 1)] = None
    loss: Literal["crossentropy", "mse"] = "crossentropy"
    class_weight: str | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        check_class_weight(self.class_weight)
        check_sample_seed(self.sample_seed, self.train_samples)
        if self.max_features <= self.first:
            raise UsageError(f"setting max_features must be at least {self.first + 1}, received {self.max_features}")
        if self.hashing == 1:
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
        split_amount(self.val)

    @property
    def bag(self) -> bool:
        """Whether the model input is a bag."""
        return self.vectorization != "sequence"

    @property
    def has_counts(self) -> bool:
        """Whether the model input is a bag with counts."""
        return self.vectorization in ("count", "freq", "tfidf")

    @property
    def uses_special_tokens(self) -> bool:
        """Whether documents have a start token and unknown words an id."""
        return self.special_tokens and not self.hashing

    @property
    def first(self) -> int:
        """Id of the first word."""
        return OFFSET + 1 if self.uses_special_tokens else 1
