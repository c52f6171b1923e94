"""BLEU of a split. A model's metrics are computed given the correct previous words; BLEU scores whole translations."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.translation.batches import corpus
from raysq.problems.translation.bleu import bleu
from raysq.problems.translation.settings import TranslationSettings
from raysq.problems.translation.translate import Translation, Translator

SAMPLED = 1000  # maximum number of sentences of a split to translate


def scores(
    dataset: Dataset, facts: Mapping[str, Any], settings: TranslationSettings, split: str, model: Any
) -> dict[str, float]:
    """Return the `bleu` of a split, translated with a beam of 1.

    Args:
        dataset: prepared sentence pairs.
        facts: the run's metadata.
        settings: the run's settings.
        split: "train", "val" or "test". At most 1,000 of its pairs are translated, evenly spaced.
        model: the Keras model.

    Returns:
        A mapping with `bleu`, empty where the split has no pairs.
    """
    rows = chosen(dataset, settings, split)
    if not len(rows):
        return {}
    found = translated(dataset, facts, settings, model, rows)
    return {"bleu": bleu_of(facts, [one.text for one in found], dataset.texts("target", rows))}


def chosen(dataset: Dataset, settings: TranslationSettings, split: str, most: int = SAMPLED) -> np.ndarray:
    """Return the rows of at most `most` pairs of a split, evenly spaced."""
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
    """Translate the source sentences of some rows with a beam of 1."""
    found = corpus(dataset, settings)
    made = Translator(facts, settings, model, (found.source.words, found.target.words))
    return made.translate(dataset.texts("source", rows), beam=1, progress=progress)


def bleu_of(facts: Mapping[str, Any], translations: list[str], references: list[str]) -> float:
    """Return the BLEU with the level and case of a run."""
    reading = facts["preprocessor"]
    return bleu(translations, references, level=reading["target_level"], lower=reading["lower"])
