"""What predictions need beside a run's facts: the words of its ids, written with its model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.data.dataset import Dataset
from raysq.problems.language_modeling.batches import sentences
from raysq.problems.language_modeling.settings import FIRST, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import FILE, Vocabulary


def write(dataset: Dataset, settings: LanguageModelingSettings) -> dict[str, bytes]:
    """The files of a run's assets: `vocabulary.txt`, which `Vocabulary.read` reads."""
    return {FILE: sentences(dataset, settings).vocabulary.content()}


def words(facts: Mapping[str, Any], settings: LanguageModelingSettings, assets: Path) -> list[str]:
    """The word of each id, "" for padding and marks.

    Raises:
        DataError: the vocabulary is not there, or is not that of the run.
    """
    return [""] * FIRST + Vocabulary.read(assets, facts).words.to_pylist()
