"""Batch-time settings of word vectors."""

from dataclasses import dataclass
from typing import Annotated, Literal

from raysq.config import Range, check_ranges
from raysq.errors import UsageError
from raysq.problems.setting_types import Count, Rate


@dataclass(frozen=True)
class WordVectorsSettings:
    """How texts become examples.

    All settings are applied at batch time: changing them does not require preparing the data again.

    The words of all texts form one stream of ids, with 0 between texts. Words outside the vocabulary and words dropped
    by subsampling are removed before windows are made, as in gensim.

    Attributes:
        architecture: "cbow" predicts a word from its context, "skipgram" predicts the context from the word.
        examples: "windows" makes an example of each word (cbow) or pair of words (skipgram). x are the input ids and y
            is the id to predict, for models that predict a probability for every word. "blocks" makes an example of
            `block` consecutive words with all their pairs, for models that sample; see `raysq.layers.WordSampling`.
        window: number of context words on either side.
        shrink: for blocks: weigh a pair at distance d by (window + 1 - d) / window. This is the frequency of the pair
            in word2vec, which draws the window size for every word.
        min_count: minimum number of occurrences in the training texts; rarer words are left out.
        max_features: maximum number of ids, 0 included; the most frequent words are kept.
        subsample: drop occurrences of words above this share of the text, with word2vec's probability (gensim's
            `sample`); 0 keeps all. The same occurrences are dropped in every epoch.
        negatives: for blocks: number of negative samples per pair.
        shared: for blocks: number of negative samples drawn for a whole block. They are weighted to count as
            `negatives` for each pair.
        power: for blocks: exponent of the word counts in the distribution of negative samples.
        block: number of consecutive words of a block.
        val: share of the text to validate on. Texts are drawn by their checksum, equal ones together. Long texts are
            cut into passages.
    """

    architecture: Literal["cbow", "skipgram"] = "skipgram"
    examples: Literal["windows", "blocks"] = "windows"
    window: Count = 2
    shrink: bool = False
    min_count: Count = 1
    max_features: Annotated[int, Range(least=3)] = 100_000
    subsample: Rate = 0.0
    negatives: Count = 5
    shared: Count = 32
    power: Annotated[float, Range(least=0, most=1)] = 0.75
    block: Count = 32
    val: Annotated[float, Range(above=0, below=1)] = 0.05

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.shrink and self.examples == "windows":
            raise UsageError("setting shrink=true is for examples=blocks (model negative_sampling): set shrink=false")

    @property
    def more_words_hint(self) -> str:
        """Remedy where too few words are left, for errors."""
        ways = ["set a lower min_count"] if self.min_count > 1 else []
        ways += ["set subsample=0"] if self.subsample else []
        return ", or ".join([*ways, "give more text"])

    @property
    def width(self) -> int:
        """Number of ids of a block with its context."""
        return self.block + 2 * self.window
