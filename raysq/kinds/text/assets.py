"""What predictions need beside a run's facts: the words of its ids, written with its model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.kinds.text.examples import sentences
from raysq.kinds.text.settings import FIRST, LanguageSettings
from raysq.kinds.text.vocabulary import FILE, Vocabulary
from raysq.shards import Dataset


def write(dataset: Dataset, settings: LanguageSettings) -> dict[str, bytes]:
    """The files of a run's assets: `vocabulary.txt`, which `Vocabulary.read` reads."""
    return {FILE: sentences(dataset, settings).vocabulary.content()}


def words(facts: Mapping[str, Any], settings: LanguageSettings, assets: Path) -> list[str]:
    """The word of each id, "" for padding and marks.

    Raises:
        DataError: the vocabulary is not there, or is not that of the run.
    """
    return [""] * FIRST + Vocabulary.read(assets, facts).words.to_pylist()
