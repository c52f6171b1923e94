"""Batch-time settings of language modeling."""

from dataclasses import dataclass
from typing import Annotated, Literal

from raysq.config import Range, check_ranges
from raysq.problems.setting_types import Count, OptionalCount
from raysq.problems.splits import split_amount

START, UNKNOWN, END, FIRST = 1, 2, 3, 4  # ids; 0 is padding, words begin at FIRST


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

    max_features: Annotated[int, Range(least=FIRST + 1)] = 20_000
    min_count: Count = 2
    maxlen: Count = 40
    sequence_targets: bool = False
    val: str = "0.1"
    val_selection: Literal["hash", "first", "last"] = "hash"
    train_samples: OptionalCount = None

    def __post_init__(self) -> None:
        check_ranges(self)
        split_amount(self.val, "sentence")
