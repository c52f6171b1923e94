"""Assets of a run: its words and their counts, for use without the data set."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from raysq.data.dataset import Dataset
from raysq.errors import DamagedError
from raysq.problems.word_vectors.settings import WordVectorsSettings
from raysq.problems.word_vectors.stream import streams
from raysq.storage.assets import damaged_asset, read_asset
from raysq.storage.json_files import check_schema

FILE = "words.json"


def write(dataset: Dataset, settings: WordVectorsSettings) -> dict[str, bytes]:
    """Return the files of a run's assets: `words.json` with the `words` and `counts` of the ids from 1 on."""
    found = streams(dataset, settings)
    values = {"words": found.words[1:], "counts": found.counts[1:].tolist()}
    return {FILE: json.dumps(values, ensure_ascii=False).encode()}


def words(facts: Mapping[str, Any], settings: WordVectorsSettings, assets: Path) -> list[str]:
    """Read the word of each id from a run's assets; "" for id 0.

    Args:
        facts: the run's metadata.
        settings: unused.
        assets: folder with the assets.

    Raises:
        DamagedError: if the file is missing, damaged or not the run's own.
    """
    try:
        found = json.loads(read_asset(Path(assets), FILE))
        check_schema(found, _Words)
        if len(found["words"]) != facts["words"]:
            raise ValueError(f"it has {len(found['words']):,} words, its run was trained with {facts['words']:,}")
    except (ValueError, RecursionError) as error:
        if isinstance(error, DamagedError):
            raise
        raise damaged_asset(Path(assets), FILE, error) from None
    return ["", *found["words"]]


class _Words(TypedDict):
    words: list[str]
