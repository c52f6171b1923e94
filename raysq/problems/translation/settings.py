"""What a model sees of a pair of sentences: the batch-time settings of translation."""

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

_LONGEST = {"word": 40, "char": 120}  # of what a sentence's length is where nobody says it


@dataclass(frozen=True)
class TranslationSettings:
    """What a model sees of a pair. All of it is applied at batch time: changing it prepares nothing again.

    x is the source sentence, filled up with 0 in front to `max_source` ids, and behind it the target sentence as it is
    known so far ("teacher forcing"): 2 ("gos"), its words, and 0 up to `max_target` + 1 ids. y are the words that
    follow: the target's words and 3 ("eos"), or the one next word.

    Attributes:
        form: "all" has an example for each pair, and y is the next word at every position; "next" has one for each word
            of the targets (the tutorial's form), and y is that word.
        max_source: words of a source sentence; what is longer is cut at its end. The longest of the train part, 40 at
            most (of characters 120), when none.
        max_target: the same of target sentences; one that is cut has no 3 at its end.
        source_words: ids of source words in all, padding and marks among them. Fewer where there are fewer words.
        target_words: the same of target words.
        reversed: source sentences last word first (Sutskever et al. 2014).
        val: share of the train part to validate on where the files did not say which pairs do; or a number of pairs.
        train_pairs: train on so many pairs only; none for all.
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
        """The settings, lengths that were not said as the data set has them, and `val` also as a number.

        Args:
            values: settings as a person may give them.
            dataset: prepared pairs.
        """
        resolved = splits.with_val_text(values)
        report = dataset.manifest.report
        for side, name in enumerate(("max_source", "max_target")):
            if resolved.get(name) in (None, "none", "None", ""):
                resolved[name] = max(1, min(report["longest"][side], _LONGEST[report["levels"][side]]))
        return resolved

    def lengths(self, dataset: Dataset) -> tuple[int, int]:
        """Ids of a source sentence, and positions of a target sentence with its end mark."""
        resolved = self.resolve({"max_source": self.max_source, "max_target": self.max_target}, dataset)
        return resolved["max_source"], resolved["max_target"] + 1

    def open(self, dataset: Dataset) -> "dict[str, Pairs]":
        """The examples of each split of a data set.

        Raises:
            DataError: a split does not fit.
        """
        from raysq.problems.translation.batches import Pairs, corpus

        found = corpus(dataset, self)
        return {name: Pairs(found, name) for name in splits.SPLITS}

    def inputs(self, dataset: Dataset) -> InputSpec:
        """What a model builder is told.

        x has the shape `(max_source + positions,)`, ids of the source and of the target so far; the prediction must be
        `(batch, outputs, target_words)`, not normalized (logits). `extra` has "source_words" and "target_words"
        (numbers of ids), "max_source", "positions", "form", "reversed", and a function "dictionary" that gives the
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
