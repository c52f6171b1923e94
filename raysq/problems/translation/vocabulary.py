"""Vocabulary of one language, as a model uses it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DamagedError, DataError
from raysq.storage.assets import damaged_asset, read_asset
from raysq.storage.json_files import check_schema
from raysq.text.subwords import Subwords, join

PADDING, UNKNOWN, BEGIN, END, FIRST = 0, 1, 2, 3, 4  # BEGIN is the tutorial's "gos", END its "eos"
SPECIAL_TOKENS = ("", "<unknown>", "<gos>", "<eos>")
FILE = "words.json"


@dataclass(frozen=True, eq=False)
class TranslationVocabulary:
    """Words and their ids. Ids 0 to 3 are padding, unknown word, start and end of a sentence; words have ids from 4 on.

    Attributes:
        words: the words, characters or subwords in order of rank.
        subwords: splits words into subwords; None where words or characters have ids.
    """

    words: pa.Array
    subwords: Subwords | None = None

    @property
    def size(self) -> int:
        """Number of ids, padding and special tokens included. All ids are below it."""
        return FIRST + len(self.words)

    def ids(self, words: pa.Array) -> np.ndarray:
        """Return the id of each word, int32; 1 for unknown words."""
        ranks = pc.index_in(words.cast(pa.large_string()), self.words).to_numpy(zero_copy_only=False)
        return np.where(np.isnan(ranks), UNKNOWN, ranks + FIRST).astype(np.int32)

    def whole_words(self, words: Sequence[str]) -> list[str]:
        """Return words as they are, or subwords joined to words."""
        return list(words) if self.subwords is None else join(words)

    def word(self, number: int) -> str:
        """Return the word of an id, or the text of a special token."""
        return self._listed[number - FIRST] if number >= FIRST else SPECIAL_TOKENS[number]

    @cached_property
    def _listed(self) -> list[str]:
        listed: list[str] = self.words.to_pylist()
        return listed


def rank_words(
    words: pa.Array, counts: np.ndarray, max_size: int, subwords: Subwords | None = None
) -> tuple[TranslationVocabulary, np.ndarray]:
    """Select the most frequent words and assign ids.

    Args:
        words: words of the prepared vocabulary; the code of a word is its index.
        counts: number of occurrences of each word in the training sentences, int64.
        max_size: maximum number of ids.
        subwords: see `TranslationVocabulary`.

    Returns:
        The vocabulary, and the id of each code, int32 of shape `(words + 1,)`. The last entry stands for code -1, the
        unknown word.
    """
    order = np.argsort(-counts, kind="stable")[: min(max_size - FIRST, int(np.count_nonzero(counts)))]
    ids = np.full(len(counts) + 1, UNKNOWN, np.int32)
    ids[order] = np.arange(FIRST, FIRST + len(order), dtype=np.int32)
    return TranslationVocabulary(words.take(pa.array(order)), subwords), ids


def vocabulary_files(source: TranslationVocabulary, target: TranslationVocabulary) -> dict[str, bytes]:
    """Return the asset file with the words of both languages in order of rank, and what splits them."""
    words: dict[str, Any] = {"source": source.words.to_pylist(), "target": target.words.to_pylist()}
    for side, vocabulary in (("source", source), ("target", target)):
        if vocabulary.subwords is not None:
            words[f"{side}_subwords"] = vocabulary.subwords.tokenizer
    return {FILE: json.dumps(words, ensure_ascii=False, indent=0).encode()}


def read_vocabularies(
    folder: Path | None, source_size: int, target_size: int
) -> tuple[TranslationVocabulary, TranslationVocabulary]:
    """Read the words of both languages from a run's assets.

    Args:
        folder: folder with the assets, or None.
        source_size: number of source ids that the run was trained with.
        target_size: the same for target ids.

    Raises:
        DataError: the file is missing, damaged or not the run's own.
    """
    if folder is None:
        raise DataError("a sentence's words are looked up in the run's assets: translate with `raysq.load(run)`")
    try:
        words = json.loads(read_asset(folder, FILE))
        check_schema(words, _WordsOfBothLanguages)
        source, target = (
            TranslationVocabulary(
                pa.array(words[side], pa.large_string()),
                Subwords(words[f"{side}_subwords"]) if f"{side}_subwords" in words else None,
            )
            for side in ("source", "target")
        )
        if (source.size, target.size) != (source_size, target_size):
            raise ValueError("it has other words than its run was trained with")
    except (ValueError, RecursionError, pa.ArrowException) as error:
        if isinstance(error, DamagedError):
            raise
        raise damaged_asset(folder, FILE, error) from None
    return source, target


class _WordsOfBothLanguages(TypedDict):
    source: list[str]
    target: list[str]
    source_subwords: NotRequired[str]
    target_subwords: NotRequired[str]
