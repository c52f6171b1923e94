"""Batch-time settings of translation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems import splits
from raysq.problems.base import InputSpec
from raysq.problems.translation.vocabulary import FIRST

if TYPE_CHECKING:
    from raysq.problems.translation.batches import Pairs

_LONGEST = {"word": 40, "char": 120}  # upper limits of the default sentence lengths


@dataclass(frozen=True)
class TranslationSettings:
    """How sentence pairs become examples.

    All settings are applied at batch time: changing them does not require preparing the data again.

    x holds `max_source` ids of the source sentence, padded with 0 in front, and then `max_target` + 1 ids of the target
    sentence known so far ("teacher forcing"). These are 2 ("gos"), the target's words and padding. y holds the
    words that follow (the target's words and 3, "eos"), or only the next word.

    Attributes:
        form: "all" makes an example of each pair, with the next word at every position as y. "next" makes an example of
            each target word (the tutorial's form), with that word as y.
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

    form: Literal["all", "next"] = "all"
    max_source: int | None = None
    max_target: int | None = None
    source_words: int = 10_000
    target_words: int = 10_000
    reversed: bool = False
    val: str = "0.1"
    train_pairs: int | None = None

    def __post_init__(self) -> None:
        least = {
            "max_source": 1,
            "max_target": 1,
            "source_words": FIRST + 1,
            "target_words": FIRST + 1,
            "train_pairs": 1,
        }
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise UsageError(f"setting {name} must be at least {smallest}, received {value}")
        splits.split_amount(self.val, "pair")

    @classmethod
    def resolve(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Return the settings with missing lengths taken from the data set, and with `val` as text.

        Args:
            values: settings as the user gives them.
            dataset: prepared sentence pairs.
        """
        resolved = splits.with_val_text(values)
        report = dataset.manifest.report
        for side, name in enumerate(("max_source", "max_target")):
            if resolved.get(name) in (None, "none", "None", ""):
                resolved[name] = max(1, min(report["longest"][side], _LONGEST[report["levels"][side]]))
        return resolved

    def lengths(self, dataset: Dataset) -> tuple[int, int]:
        """Return the number of ids of a source sentence, and of positions of a target sentence with its end token."""
        resolved = self.resolve({"max_source": self.max_source, "max_target": self.max_target}, dataset)
        return resolved["max_source"], resolved["max_target"] + 1

    def open(self, dataset: Dataset) -> "dict[str, Pairs]":
        """Return the batch source of each split.

        Raises:
            DataError: if a split cannot be formed.
        """
        from raysq.problems.translation.batches import Pairs, corpus

        found = corpus(dataset, self)
        return {name: Pairs(found, name) for name in splits.SPLITS}

    def inputs(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        x has the shape `(max_source + positions,)`: ids of the source, then of the target so far. Predictions must be
        logits of shape `(batch, outputs, target_words)`. `extra` holds "source_words" and "target_words" (numbers of
        ids), "max_source", "positions", "form", "reversed", and "dictionary", a function that returns the
        `raysq.problems.translation.dictionary.Dictionary` of the training pairs.
        """
        from raysq.problems.translation.batches import corpus

        found = corpus(dataset, self)
        source, positions = found.lengths
        outputs = positions if self.form == "all" else 1
        return InputSpec(
            shape=(source + positions,),
            outputs=outputs,
            output_shape=(outputs, found.target.words.count),
            extra={
                "source_words": found.source.words.count,
                "target_words": found.target.words.count,
                "max_source": source,
                "positions": positions,
                "form": self.form,
                "reversed": self.reversed,
                "dictionary": lambda: found.dictionary,
            },
        )
