"""What predictions need beside a run's facts: the words of its ids, written with its model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.data.dataset import Dataset
from raysq.problems.text_classification.batches import documents
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.problems.text_classification.vocabulary import FILE, Vocabulary


def write(dataset: Dataset, settings: TextClassificationSettings) -> dict[str, bytes]:
    """The files of a run's assets; `ids.Vocabulary.read` reads them.

    Returns:
        `vocabulary.txt`: a line for each id, in order of rank, of its words, parted by a space; backslash, line breaks
        and spaces inside a word are escaped. It is empty where ids are hashes.
    """
    lines = documents(dataset, settings).vocabulary.lines()
    return {FILE: "".join(f"{line}\n" for line in lines).encode()}


def words(facts: Mapping[str, Any], settings: TextClassificationSettings, assets: Path) -> list[str]:
    """The word of each id of a model that reads words in their order, "" for marks, padding and hashes; none for bags.

    Raises:
        DataError: the vocabulary is not there, or is not that of the run.
    """
    if settings.bag:
        return []
    vocabulary = Vocabulary.read(assets, settings, facts)
    return [vocabulary.term(number) if number >= settings.first else "" for number in range(vocabulary.features)]
