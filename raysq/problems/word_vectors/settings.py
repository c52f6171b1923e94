"""Which words are seen together, and how: the batch-time settings of word vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.base import InputSpec

if TYPE_CHECKING:
    from raysq.problems.word_vectors.batches import Blocks, Windows


@dataclass(frozen=True)
class WordVectorsSettings:
    """What a model sees of the words. All of it is applied at batch time: changing it prepares nothing again.

    The words of all texts are one stream of ids, 0 between texts. Words outside the vocabulary are left out of it
    before windows are made, as gensim does, and so are those that subsampling drops.

    Attributes:
        architecture: "cbow" predicts a word from those around it, "skipgram" those around it from the word.
        form: "windows" makes an example of every word (cbow) or pair of words (skipgram): x are the ids that are seen,
            y is the id to predict, for models that give a probability for every word. "blocks" makes an example of
            `block` words in a row, with all their pairs, for models that sample: see `raysq.layers.WordSampling`.
        window: words on either side.
        shrink: of blocks: weigh a pair at distance d by (window + 1 - d) / window. That is how often word2vec, which
            draws the window's size for every word, would see it.
        min_count: words that the training texts have fewer times are left out.
        max_features: ids at most, 0 among them; the most frequent words are kept.
        subsample: drop occurrences of words that make up a larger share of the text, with word2vec's probability
            (`sample` of gensim); 0 keeps all. The same ones are dropped in every pass.
        negatives: of blocks: words drawn for each pair.
        shared: of blocks: the words are drawn for a whole block, so many, and weighted so that they count like
            `negatives` for each pair.
        power: of blocks: they are drawn with the counts to this power.
        block: words in a row.
        val: share of the text to validate on. Texts are drawn by their checksum, equal ones together; long ones are
            cut into passages.
    """

    architecture: Literal["cbow", "skipgram"] = "skipgram"
    form: Literal["windows", "blocks"] = "windows"
    window: int = 2
    shrink: bool = False
    min_count: int = 1
    max_features: int = 100_000
    subsample: float = 0.0
    negatives: int = 5
    shared: int = 32
    power: float = 0.75
    block: int = 32
    val: float = 0.05

    def __post_init__(self) -> None:
        for name, least in (
            ("window", 1),
            ("min_count", 1),
            ("max_features", 3),
            ("negatives", 1),
            ("shared", 1),
            ("block", 1),
        ):
            if getattr(self, name) < least:
                raise UsageError(f"setting {name} must be at least {least}, received {getattr(self, name)}")
        if not 0 < self.val < 1:
            raise UsageError(f"setting val must be a share between 0 and 1 such as 0.05, received {self.val}")
        if not 0 <= self.subsample < 1:
            raise UsageError(
                f"setting subsample must be a share such as 0.001, 0 to drop nothing; received {self.subsample}"
            )
        if not 0 <= self.power <= 1:
            raise UsageError(f"setting power must be from 0 to 1, received {self.power}")
        if self.shrink and self.form == "windows":
            raise UsageError("setting shrink=true is for form=blocks (model negative_sampling): set shrink=false")

    @property
    def knowing_more(self) -> str:
        """What to do where too few words are left, for messages."""
        ways = ["set a lower min_count"] if self.min_count > 1 else []
        ways += ["set subsample=0"] if self.subsample else []
        return ", or ".join([*ways, "give more text"])

    @property
    def width(self) -> int:
        """Ids of a block with the words around it."""
        return self.block + 2 * self.window

    @classmethod
    def resolve(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The settings: nothing follows from the data."""
        return dict(values)

    def open(self, dataset: Dataset) -> "dict[str, Windows] | dict[str, Blocks]":
        """The examples of each split of a data set.

        Raises:
            DataError: too few words.
        """
        from raysq.problems.word_vectors.batches import open_splits

        return open_splits(dataset, self)

    def inputs(self, dataset: Dataset) -> InputSpec:
        """What a model builder is told.

        x has the shape `(2 * window,)` of cbow windows, `(1,)` of skip-gram windows, `(block + 2 * window,)` of
        blocks. `extra` has "features" (number of ids, 0 among them), "counts" (of each id in the training texts, int64
        of shape `(features,)`, 0 for id 0) and "settings" (these).
        """
        from raysq.problems.word_vectors.stream import streams

        found = streams(dataset, self)
        features = len(found.counts)
        if self.form == "blocks":
            shape, outputs = (self.width,), 1
        else:
            shape, outputs = ((2 * self.window if self.architecture == "cbow" else 1,), features)
        return InputSpec(
            shape=shape, outputs=outputs, extra={"features": features, "counts": found.counts, "settings": self}
        )
