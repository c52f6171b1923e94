"""Assets of a run: the vocabulary file that predictions need beside the metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.data.dataset import Dataset
from raysq.problems.language_modeling.batches import sentences
from raysq.problems.language_modeling.settings import FIRST, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import FILE, Vocabulary


def write(dataset: Dataset, settings: LanguageModelingSettings) -> dict[str, bytes]:
    """Return the contents of a run's asset files by file name: `vocabulary.txt`, which `Vocabulary.read` reads."""
    return {FILE: sentences(dataset, settings).vocabulary.content()}


def words(facts: Mapping[str, Any], settings: LanguageModelingSettings, assets: Path) -> list[str]:
    """Return the word of each id, "" for padding and special tokens.

    Args:
        facts: metadata of the run.
        settings: batch-time settings of the run.
        assets: folder of the run's assets.

    Raises:
        DamagedError: the vocabulary file is missing or belongs to another run.
    """
    return [""] * FIRST + Vocabulary.read(assets, facts).words.to_pylist()
