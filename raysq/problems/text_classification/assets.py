"""Assets of a run: the vocabulary file that predictions need beside the metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.data.dataset import Dataset
from raysq.problems.text_classification.batches import documents
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.problems.text_classification.vocabulary import FILE, Vocabulary


def write(dataset: Dataset, settings: TextClassificationSettings) -> dict[str, bytes]:
    """Return the contents of a run's asset files by file name.

    `Vocabulary.read` reads them.

    Args:
        dataset: prepared documents.
        settings: batch-time settings of the run.

    Returns:
        `vocabulary.txt` with one line per term in order of rank. The words of an n-gram are separated by a space.
        Backslashes, line breaks and spaces inside a word are escaped. The file is empty if ids are hashes.
    """
    lines = documents(dataset, settings).vocabulary.lines()
    return {FILE: "".join(f"{line}\n" for line in lines).encode()}


def words(facts: Mapping[str, Any], settings: TextClassificationSettings, assets: Path) -> list[str]:
    """Return the word of each id.

    Args:
        facts: metadata of the run.
        settings: batch-time settings of the run.
        assets: folder of the run's assets.

    Returns:
        A list of `features` strings, "" for padding, special tokens and hashes; an empty list for bags of words.

    Raises:
        DamagedError: the vocabulary file is missing or belongs to another run.
    """
    if settings.bag:
        return []
    vocabulary = Vocabulary.read(assets, settings, facts)
    return [vocabulary.term(number) if number >= settings.first else "" for number in range(vocabulary.features)]
