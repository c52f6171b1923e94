"""Vocabulary of one language, as a model uses it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DamagedError, DataError
from raysq.storage.assets import damaged_asset, read_asset
from raysq.storage.json_files import check_schema

PADDING, UNKNOWN, BEGIN, END, FIRST = 0, 1, 2, 3, 4  # BEGIN is the tutorial's "gos", END its "eos"
MARKS = ("", "<unknown>", "<gos>", "<eos>")
FILE = "words.json"


@dataclass(frozen=True, eq=False)
class Words:
    """Words and their ids. Ids 0 to 3 are padding, unknown word, start and end of a sentence; words have ids from 4 on.

    Attributes:
        terms: the words in order of rank.
    """

    terms: pa.Array

    @property
    def count(self) -> int:
        """Number of ids, padding and special tokens included. All ids are below it."""
        return FIRST + len(self.terms)

    def ids(self, words: pa.Array) -> np.ndarray:
        """Return the id of each word, int32; 1 for unknown words."""
        found = pc.index_in(words.cast(pa.large_string()), self.terms).to_numpy(zero_copy_only=False)
        return np.where(np.isnan(found), UNKNOWN, found + FIRST).astype(np.int32)

    def word(self, number: int) -> str:
        """Return the word of an id, or the text of a special token."""
        return self._listed[number - FIRST] if number >= FIRST else MARKS[number]

    @cached_property
    def _listed(self) -> list[str]:
        listed: list[str] = self.terms.to_pylist()
        return listed


def ranked(words: pa.Array, counts: np.ndarray, most: int) -> tuple[Words, np.ndarray]:
    """Select the most frequent words and assign ids.

    Args:
        words: words of the prepared vocabulary; the code of a word is its index.
        counts: number of occurrences of each word in the training sentences, int64.
        most: maximum number of ids.

    Returns:
        The selected words, and the id of each code, int32 of shape `(words + 1,)`. The last entry stands for code -1,
        the unknown word.
    """
    order = np.argsort(-counts, kind="stable")[: min(most - FIRST, int(np.count_nonzero(counts)))]
    codes = np.full(len(counts) + 1, UNKNOWN, np.int32)
    codes[order] = np.arange(FIRST, FIRST + len(order), dtype=np.int32)
    return Words(words.take(pa.array(order))), codes


def write(source: Words, target: Words) -> dict[str, bytes]:
    """Return the asset file with the words of both languages in order of rank."""
    both = {"source": source.terms.to_pylist(), "target": target.terms.to_pylist()}
    return {FILE: json.dumps(both, ensure_ascii=False, indent=0).encode()}


def read(folder: Path | None, facts: Mapping[str, Any]) -> tuple[Words, Words]:
    """Read the words of both languages from a run's assets.

    Args:
        folder: folder with the assets, or None.
        facts: the run's metadata.

    Raises:
        DataError: if the file is missing, damaged or not the run's own.
    """
    if folder is None:
        raise DataError("a sentence's words are looked up in the run's assets: translate with `raysq.load(run)`")
    try:
        both = json.loads(read_asset(Path(folder), FILE))
        check_schema(both, _Words)
        source, target = (Words(pa.array(both[side], pa.large_string())) for side in ("source", "target"))
        if [source.count, target.count] != list(facts["ids"]):
            raise ValueError("it has other words than its run was trained with")
    except (ValueError, RecursionError, pa.ArrowException) as error:
        if isinstance(error, DamagedError):
            raise
        raise damaged_asset(Path(folder), FILE, error) from None
    return source, target


class _Words(TypedDict):
    source: list[str]
    target: list[str]
