"""Assets of a run: its words and their counts, for use without the data set."""

import json
from pathlib import Path
from typing import TypedDict

from raysq.errors import DamagedError, DataError
from raysq.problems.word_vectors.stream import Streams
from raysq.storage.assets import damaged_asset, read_asset
from raysq.storage.json_files import check_schema

FILE = "words.json"


def word_files(streams: Streams) -> dict[str, bytes]:
    """Return the files of a run's assets: `words.json` with the `words` and `counts` of the ids from 1 on."""
    values = {"words": streams.words[1:], "counts": streams.counts[1:].tolist()}
    return {FILE: json.dumps(values, ensure_ascii=False).encode()}


def read_words(folder: Path | None, count: int) -> list[str]:
    """Read the word of each id from a run's assets; "" for id 0.

    Args:
        folder: folder with the assets, or None.
        count: number of words that the run was trained with.

    Raises:
        DataError: the file is missing, damaged or not the run's own.
    """
    if folder is None:
        raise DataError("a text's words are looked up in the run's assets: predict with `raysq.load(run)`")
    try:
        values = json.loads(read_asset(folder, FILE))
        check_schema(values, _WordsOfRun)
        words: list[str] = values["words"]
        if len(words) != count:
            raise ValueError(f"it has {len(words):,} words, its run was trained with {count:,}")
    except (ValueError, RecursionError) as error:
        if isinstance(error, DamagedError):
            raise
        raise damaged_asset(folder, FILE, error) from None
    return ["", *words]


class _WordsOfRun(TypedDict):
    words: list[str]
