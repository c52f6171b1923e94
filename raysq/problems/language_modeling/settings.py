"""What a model sees of a text: the batch-time settings of language models."""

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
_SEEN = {"word": 40, "char": 120}  # ids that a model sees at most, where nobody says


@dataclass(frozen=True)
class LanguageModelingSettings:
    """What a model sees of a text. All of it is applied at batch time: changing it prepares nothing again.

    A sentence (or what the unit is) of n words has n + 1 positions to predict: each word from a start mark and the
    words before it, and the end mark from all of them.

    Attributes:
        max_features: ids in all, padding and the three marks (start, unknown word, end) among them; fewer where the
            training sentences have fewer words.
        min_count: a word that the training sentences have fewer times is unknown there as elsewhere, so that models
            learn how likely an unknown word is.
        maxlen: ids that a model sees at most, the start mark among them; longer beginnings lose their first words. 40
            of words, 120 of characters when left out.
        positions: "last" has an example for each position, all words before it padded in front, and the model predicts
            the one that follows; "every" has an example for each sentence (for each `maxlen` of a longer one), and the
            model predicts all positions at once, from the words before each.
        val: share of the sentences to validate on, of those that are not of the test part; or a number of them.
        pick: which ones: "hash" by a checksum of the text (equal sentences stay together), or the "first" or "last"
            rows; then sentences to train on that equal one of them are left out.
        train_samples: train on so many sentences only; none for all.
    """

    max_features: int = 20_000
    min_count: int = 2
    maxlen: int = _SEEN["word"]
    positions: Literal["last", "every"] = "last"
    val: str = "0.1"
    pick: Literal["hash", "first", "last"] = "hash"
    train_samples: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("max_features", FIRST + 1), ("min_count", 1), ("maxlen", 1), ("train_samples", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"setting {name} must be at least {least}, received {value}")
        splits.split_amount(self.val, "sentence")

    @property
    def every(self) -> bool:
        """Whether a model predicts all positions of its input at once."""
        return self.positions == "every"

    @classmethod
    def resolve(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The settings, `val` also where it was given as a number, and `maxlen` for words or characters.

        Args:
            values: settings as a person may give them.
            dataset: prepared texts.
        """
        resolved = splits.with_val_text(values)
        resolved.setdefault("maxlen", _SEEN[dataset.manifest.report["level"]])
        return resolved

    def open(self, dataset: Dataset) -> "dict[str, Positions]":
        """The positions of each split of a data set.

        Raises:
            DataError: a split does not fit.
        """
        from raysq.problems.language_modeling.batches import Positions, sentences

        found = sentences(dataset, self)
        return {name: Positions(found, name) for name in splits.SPLITS}

    def inputs(self, dataset: Dataset) -> InputSpec:
        """What a model builder is told.

        `extra` has "features" (number of ids), "positions", "maxlen", and a function: "bigrams" gives the
        `raysq.problems.language_modeling.bigrams.Bigrams` of the training sentences.
        """
        from raysq.problems.language_modeling.batches import sentences

        found = sentences(dataset, self)
        features = found.vocabulary.features
        return InputSpec(
            shape=(self.maxlen,),
            outputs=features,
            output_shape=(self.maxlen, features) if self.every else (features,),
            extra={
                "features": features,
                "positions": self.positions,
                "maxlen": self.maxlen,
                "bigrams": found.bigrams,
            },
        )
