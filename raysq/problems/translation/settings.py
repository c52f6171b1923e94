"""Batch-time settings of translation."""

from dataclasses import dataclass
from typing import Annotated, Literal

from raysq.config import Range, check_ranges
from raysq.errors import UsageError
from raysq.problems.setting_types import OptionalCount
from raysq.problems.splits import split_amount
from raysq.problems.translation.vocabulary import FIRST


@dataclass(frozen=True)
class TranslationSettings:
    """How sentence pairs become examples.

    All settings are applied at batch time: changing them does not require preparing the data again.

    x holds `max_source` ids of the source sentence, padded with 0 in front, and then `max_target` + 1 ids of the target
    sentence known so far ("teacher forcing"). These are 2 ("gos"), the target's words and padding. y holds the
    words that follow (the target's words and 3, "eos"), or only the next word.

    Attributes:
        examples: "pairs" makes an example of each pair, with the next word at every position as y. "words" makes an
            example of each target word (the tutorial's form), with that word as y.
        max_source: maximum length of a source sentence; longer ones are truncated at the end. None takes the length of
            the longest sentence of the train part, at most 40 words or 120 characters.
        max_target: the same for target sentences. A truncated sentence has no 3 ("eos") at its end.
        source_words: maximum number of source ids, padding and special tokens included.
        target_words: the same for target ids.
        reversed: reverse the order of the source words (Sutskever et al. 2014).
        val: share of the train part to validate on, or a number of pairs. It applies where the files specify no
            validation part.
        train_pairs: number of pairs to train on; None for all.
    """

    examples: Literal["pairs", "words"] = "pairs"
    max_source: OptionalCount = None
    max_target: OptionalCount = None
    source_words: Annotated[int, Range(least=FIRST + 1)] = 10_000
    target_words: Annotated[int, Range(least=FIRST + 1)] = 10_000
    reversed: bool = False
    val: str = "0.1"
    train_pairs: OptionalCount = None

    def __post_init__(self) -> None:
        check_ranges(self)
        split_amount(self.val, "pair")

    @property
    def lengths(self) -> tuple[int, int]:
        """Number of ids of a source sentence, and of positions of a target sentence with its end token.

        Raises:
            UsageError: the settings are not resolved.
        """
        if self.max_source is None or self.max_target is None:
            raise UsageError("settings max_source and max_target must be whole numbers in a run, received none")
        return self.max_source, self.max_target + 1
