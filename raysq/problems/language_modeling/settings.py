"""Batch-time settings of language modeling."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems import splits
from raysq.problems.base import InputSpec

if TYPE_CHECKING:
    from raysq.problems.language_modeling.batches import Positions

START, UNKNOWN, END, FIRST = 1, 2, 3, 4  # ids; 0 is padding, words begin at FIRST
_SEEN = {"word": 40, "char": 120}  # default maxlen by level


@dataclass(frozen=True)
class LanguageModelingSettings:
    """Batch-time settings of language modeling: how sentences become model inputs, and how they are split.

    The settings apply at batch time, so a data set need not be prepared again when they change. A sentence (or other
    unit) of n words has n + 1 positions to predict: each word, given the start token and the words before it, and the
    end token, given all words.

    Attributes:
        max_features: upper bound of the number of ids, padding and the three special tokens (start, unknown word, end)
            included. Training sentences with fewer words give fewer ids.
        min_count: words with fewer occurrences in the training sentences are unknown, in training too, so that models
            learn the probability of an unknown word.
        maxlen: ids per input, start token included; longer contexts lose their first words. By default 40 for words
            and 120 for characters.
        sequence_targets: True has one example per sentence (per `maxlen` ids of a longer one), and the model predicts
            all positions at once, each from the words before it. False has one example per position: the words before
            it, padded in front, from which the model predicts the next id.
        val: validation share of the sentences outside of the test part, such as "0.1", or a number of sentences.
        val_selection: selection of the validation sentences: "hash" by a checksum of the text, so that equal sentences
            stay together, or the "first" or "last" rows. With "first" and "last", training sentences that equal a
            validation sentence are left out.
        train_samples: number of sentences to train on; None for all.

    Raises:
        UsageError: a setting is out of range.

    Example:
        >>> LanguageModelingSettings(sequence_targets=True, maxlen=60).maxlen
        60
    """

    max_features: int = 20_000
    min_count: int = 2
    maxlen: int = _SEEN["word"]
    sequence_targets: bool = False
    val: str = "0.1"
    val_selection: Literal["hash", "first", "last"] = "hash"
    train_samples: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("max_features", FIRST + 1), ("min_count", 1), ("maxlen", 1), ("train_samples", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"setting {name} must be at least {least}, received {value}")
        splits.split_amount(self.val, "sentence")

    @classmethod
    def resolve(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Convert values the user gave to values of the fields.

        A numeric `val` becomes text, and `maxlen` defaults to the value for words or characters.

        Args:
            values: settings by name, as the user may give them.
            dataset: prepared text.
        """
        resolved = splits.with_val_text(values)
        resolved.setdefault("maxlen", _SEEN[dataset.manifest.report["level"]])
        return resolved

    def open(self, dataset: Dataset) -> "dict[str, Positions]":
        """Return the batch source of each split of a data set.

        Raises:
            DataError: a split does not fit the data set.
        """
        from raysq.problems.language_modeling.batches import Positions, sentences

        found = sentences(dataset, self)
        return {name: Positions(found, name) for name in splits.SPLITS}

    def inputs(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        `extra` has "features" (number of ids), "sequence_targets", "maxlen", and a function "bigrams", which returns
        the `raysq.problems.language_modeling.bigrams.Bigrams` of the training sentences.
        """
        from raysq.problems.language_modeling.batches import sentences

        found = sentences(dataset, self)
        features = found.vocabulary.features
        return InputSpec(
            shape=(self.maxlen,),
            outputs=features,
            output_shape=(self.maxlen, features) if self.sequence_targets else (features,),
            extra={
                "features": features,
                "sequence_targets": self.sequence_targets,
                "maxlen": self.maxlen,
                "bigrams": found.bigrams,
            },
        )
