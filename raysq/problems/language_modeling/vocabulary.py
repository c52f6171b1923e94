"""Vocabulary of a language modeling run: map words to ids."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DamagedError
from raysq.problems.language_modeling.settings import FIRST, UNKNOWN
from raysq.storage.assets import damaged_asset, read_asset
from raysq.text.escapes import Escapes
from raysq.text.subwords import Subwords

FILE = "vocabulary.txt"
SUBWORDS = "subwords.json"
SPECIAL_TOKENS = ("", "<start>", "<unknown>", "<end>")

_ESCAPES = Escapes((("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r")))


@dataclass(frozen=True, eq=False)
class LanguageVocabulary:
    """Words and their ids.

    Attributes:
        words: string array of the words that have an id, the most frequent first; the first word has the id `FIRST`.
        subwords: splits words into subwords; None where words or characters have ids.
    """

    words: pa.Array
    subwords: Subwords | None = None

    @property
    def features(self) -> int:
        """Number of ids, padding and special tokens included; every id is below it."""
        return FIRST + len(self.words)

    @cached_property
    def terms(self) -> list[str]:
        """Text of each id: "" for padding, a special token such as "<end>", or a word."""
        return [*SPECIAL_TOKENS, *self.words.to_pylist()]

    def ids(self, words: pa.Array) -> np.ndarray:
        """Return the id of each word, int32; the id of unknown words for words outside of the vocabulary.

        Args:
            words: string array.
        """
        indices = pc.index_in(words.cast(self.words.type), self.words).fill_null(UNKNOWN - FIRST)
        ranks: np.ndarray = indices.to_numpy()
        return ranks.astype(np.int32) + np.int32(FIRST)

    def files(self) -> dict[str, bytes]:
        """Return the asset files: a word a line, with backslashes and line breaks escaped, and what splits words."""
        split = {} if self.subwords is None else {SUBWORDS: self.subwords.tokenizer.encode()}
        return {FILE: self._content(), **split}

    def _content(self) -> bytes:
        return "".join(f"{_ESCAPES.escape(word)}\n" for word in self.words.to_pylist()).encode()

    @classmethod
    def read(cls, folder: Path, words: int, *, split: bool) -> "LanguageVocabulary":
        """Read the vocabulary of a run from its assets.

        Args:
            folder: folder of the assets.
            words: number of words that the run was trained with.
            split: whether they are subwords.

        Raises:
            DamagedError: the file is missing or belongs to another run.
        """
        try:
            lines = read_asset(Path(folder), FILE).decode("utf-8").split("\n")[:-1]
            if len(lines) != words:
                raise ValueError(f"it has {len(lines):,} words, its run was trained with {words:,}")
            subwords = Subwords(read_asset(Path(folder), SUBWORDS).decode()) if split else None
            return cls(pa.array([_ESCAPES.unescape(line) for line in lines], pa.large_string()), subwords)
        except (ValueError, KeyError, RuntimeError) as error:
            if isinstance(error, DamagedError):
                raise
            raise damaged_asset(Path(folder), FILE, error) from None
