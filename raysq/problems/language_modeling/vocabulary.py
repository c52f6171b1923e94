"""The vocabulary of a run: which words have an id, and what an id stands for."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DamagedError
from raysq.problems.language_modeling.settings import FIRST, UNKNOWN
from raysq.storage.assets import damaged_asset, read_asset

FILE = "vocabulary.txt"
MARKS = ("", "<start>", "<unknown>", "<end>")

_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"))
_UNESCAPED = {"\\": "\\", "n": "\n", "r": "\r"}


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words and their ids.

    Attributes:
        words: string array of the words that have an id, the most frequent first; the first has `FIRST`.
    """

    words: pa.Array

    @property
    def features(self) -> int:
        """Number of ids, padding and marks among them: every id is below it."""
        return FIRST + len(self.words)

    @cached_property
    def terms(self) -> list[str]:
        """What each id stands for: a word, or a mark such as "<end>"."""
        return [*MARKS, *self.words.to_pylist()]

    def ids(self, words: pa.Array) -> np.ndarray:
        """The id of each of the words, int32; that of unknown words where it has none."""
        places = pc.index_in(words.cast(self.words.type), self.words).fill_null(UNKNOWN - FIRST)
        return places.to_numpy().astype(np.int32) + np.int32(FIRST)

    def content(self) -> bytes:
        """The words, a line each, backslash and line breaks escaped; `read` takes it."""
        lines = []
        for word in self.words.to_pylist():
            for char, short in _ESCAPES:
                word = word.replace(char, short)
            lines.append(f"{word}\n")
        return "".join(lines).encode()

    @classmethod
    def read(cls, folder: Path, facts: Mapping[str, Any]) -> "Vocabulary":
        """The vocabulary of a run, from its assets.

        Args:
            folder: of the assets.
            facts: of the run.

        Raises:
            DamagedError: the file is not there, or is not that of the run.
        """
        try:
            lines = read_asset(Path(folder), FILE).decode("utf-8").split("\n")[:-1]
            if len(lines) != facts["words"]:
                raise ValueError(f"it has {len(lines):,} words, its run was trained with {facts['words']:,}")
            return cls(pa.array([_unescaped(line) for line in lines], pa.large_string()))
        except (ValueError, KeyError, RuntimeError) as error:
            if isinstance(error, DamagedError):
                raise
            raise damaged_asset(Path(folder), FILE, error) from None


def _unescaped(word: str) -> str:
    if "\\" not in word:
        return word
    chars = iter(word)
    return "".join(_UNESCAPED[next(chars)] if char == "\\" else char for char in chars)
