"""BLEU of a split: what a model's metrics cannot tell, since they know the words before each."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.translation.batches import corpus
from raysq.problems.translation.bleu import bleu
from raysq.problems.translation.settings import TranslationSettings
from raysq.problems.translation.translate import Translation, Translator

SAMPLED = 1000  # sentences of a split at most that are translated


def scores(
    dataset: Dataset, facts: Mapping[str, Any], settings: TranslationSettings, split: str, model: Any
) -> dict[str, float]:
    """`bleu` of a split's translations, with a beam of 1; of 1,000 evenly spaced pairs where it has more.

    Args:
        dataset: prepared pairs.
        facts: the run's facts.
        settings: the run's settings of pairs.
        split: "train", "val" or "test".
        model: the Keras model.
    """
    rows = chosen(dataset, settings, split)
    if not len(rows):
        return {}
    found = translated(dataset, facts, settings, model, rows)
    return {"bleu": bleu_of(facts, [one.text for one in found], texts_of(dataset, "target", rows))}


def chosen(dataset: Dataset, settings: TranslationSettings, split: str, most: int = SAMPLED) -> np.ndarray:
    """Rows of the pairs of a split that are translated."""
    rows: np.ndarray = getattr(corpus(dataset, settings).split, split)
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)]


def translated(
    dataset: Dataset,
    facts: Mapping[str, Any],
    settings: TranslationSettings,
    model: Any,
    rows: np.ndarray,
    progress: Callable[[int], None] | None = None,
) -> list[Translation]:
    """Translations of the source sentences of some rows, with a beam of 1."""
    found = corpus(dataset, settings)
    made = Translator(facts, settings, model, (found.source.words, found.target.words))
    return made.translate(texts_of(dataset, "source", rows), beam=1, progress=progress)


def bleu_of(facts: Mapping[str, Any], translations: list[str], references: list[str]) -> float:
    """BLEU as a run's sentences need it."""
    reading = facts["reading"]
    return bleu(translations, references, level=reading["target_level"], lower=reading["lower"])


def texts_of(dataset: Dataset, column: str, rows: np.ndarray) -> list[str]:
    """The values of a column of text in some rows."""
    shards, size = dataset.arrow(column), dataset.manifest.shard_rows
    return [shards[row // size][row % size].as_py() or "" for row in np.asarray(rows).tolist()]
