"""Vocabulary of a text classification run: map words and n-grams to ids."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DamagedError
from raysq.problems.text_classification import ngrams
from raysq.problems.text_classification.settings import UNKNOWN, TextClassificationSettings
from raysq.storage.assets import damaged_asset, read_asset
from raysq.text.escapes import Escapes

FILE = "vocabulary.txt"

_ESCAPES = Escapes((("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), (" ", "\\s")))


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words, n-grams and their ids.

    Attributes:
        words: string array of all words; the code of a word is its index.
        terms: int64 of shape (terms, ngrams), the codes of each word or n-gram that has an id, in order of rank; -1
            after the last word. Empty if ids are hashes.
        settings: batch-time settings of the run, which decide how ids are assigned.
    """

    words: pa.Array
    terms: np.ndarray
    settings: TextClassificationSettings

    @property
    def features(self) -> int:
        """Number of ids, padding and special tokens included; every id is below it."""
        return self.settings.hashing or self.settings.first + len(self.terms)

    @cached_property
    def singles(self) -> np.ndarray:
        """The id of each word by its code, int32 of shape (words + 1,), 0 for words without an id.

        The last element is the id of unknown words, so that code -1 selects it.
        """
        if self.settings.hashing:
            return np.append(_hashes(self.words, self.settings.hashing), 0).astype(np.int32)
        found = np.full(len(self.words) + 1, UNKNOWN if self.settings.marked else 0, np.int32)
        single = (self.terms[:, 1:] < 0).all(1)
        found[self.terms[single, 0]] = self._ids[single]
        return found

    @property
    def _ids(self) -> np.ndarray:
        return np.arange(self.settings.first, self.features, dtype=np.int32)

    @cached_property
    def _tree(self) -> ngrams.Tree:
        return ngrams.Tree(self.terms, self._ids, len(self.words))

    def ids(self, words: pa.Array) -> np.ndarray:
        """Return the id of each word, int32; 0 for words that are left out.

        Args:
            words: string array.
        """
        if self.settings.hashing:
            return _hashes(words, self.settings.hashing).astype(np.int32)
        return self.singles[self.codes(words)]

    def codes(self, words: pa.Array) -> np.ndarray:
        """Return the code of each word, int32; -1 for words outside of the vocabulary.

        Args:
            words: string array.
        """
        return pc.index_in(words.cast(self.words.type), self.words).fill_null(-1).to_numpy().astype(np.int32)

    def longer(self, codes: np.ndarray, offsets: np.ndarray) -> Iterator[np.ndarray]:
        """Yield, for each length from 2 on, the id of the n-gram that begins at each token.

        Args:
            codes: int32 of shape (tokens,), -1 for an unknown word.
            offsets: int64 of shape (documents + 1,), where the tokens of each document begin.

        Yields:
            int32 of shape (tokens - length + 1,), 0 for no n-gram.
        """
        if not self.settings.hashing:
            yield from self._tree.ids(codes, offsets)
            return
        for state, found in ngrams.runs(codes, offsets, len(self.words), self.settings.ngrams):
            parts = [self.words.take(pa.array(part)) for part in found.terms.T]
            joined = pc.binary_join_element_wise(*parts, pa.scalar(" ", self.words.type))
            yield np.append(_hashes(joined, self.settings.hashing), 0).astype(np.int32)[state]

    def lines(self) -> Iterator[str]:
        """Yield each term in order of rank as a line of `vocabulary.txt`, its escaped words separated by spaces."""
        used = np.unique(self.terms[self.terms >= 0])
        escaped = dict(
            zip(used.tolist(), map(_ESCAPES.escape, self.words.take(pa.array(used)).to_pylist()), strict=True)
        )
        for term in self.terms.tolist():
            yield " ".join(escaped[code] for code in term if code >= 0)

    def term(self, number: int) -> str:
        """Return the text of an id: its words, "<start>", "<unknown>", or "" for padding and hashes."""
        rank = number - self.settings.first
        if not self.settings.hashing and 0 <= rank < len(self.terms):
            return " ".join(self.words[code].as_py() for code in self.terms[rank].tolist() if code >= 0)
        return {1: "<start>", UNKNOWN: "<unknown>"}.get(number, "") if self.settings.marked else ""

    @classmethod
    def read(cls, folder: Path, settings: TextClassificationSettings, facts: Mapping[str, Any]) -> "Vocabulary":
        """Read the vocabulary of a run from its assets.

        Args:
            folder: folder of the assets.
            settings: batch-time settings of the run.
            facts: metadata of the run.

        Raises:
            DamagedError: the file is missing or belongs to another run.
        """
        try:
            lines = read_asset(Path(folder), FILE).decode("utf-8").split("\n")[:-1]
            if len(lines) != facts["words"]:
                raise ValueError(f"it has {len(lines):,} words, its run was trained with {facts['words']:,}")
            places: dict[str, int] = {}
            terms = np.full((len(lines), settings.ngrams), -1, np.int64)
            for rank, line in enumerate(lines):
                for number, word in enumerate(line.split(" ")):
                    terms[rank, number] = places.setdefault(word, len(places))
            return cls(pa.array([_ESCAPES.unescape(word) for word in places], pa.large_string()), terms, settings)
        except (ValueError, LookupError, RuntimeError) as error:
            if isinstance(error, DamagedError):
                raise
            raise damaged_asset(Path(folder), FILE, error) from None


def ranked(settings: TextClassificationSettings, counts: np.ndarray) -> np.ndarray:
    """Return the terms of a vocabulary of single words, in order of rank.

    Args:
        settings: batch-time settings; they give the size of the vocabulary and the source of the ranks.
        counts: occurrences of each prepared vocabulary word in the training documents.

    Returns:
        int64, as for `Vocabulary.terms`; empty if ids are hashes.
    """
    room = settings.max_features - settings.first
    if settings.hashing:
        return np.empty((0, settings.ngrams), np.int64)
    if settings.vocabulary == "prepared":
        return np.arange(min(room, len(counts)), dtype=np.int64)[:, None]
    order = np.argsort(-counts, kind="stable")[: min(room, int((counts > 0).sum()))]
    return order.astype(np.int64)[:, None]


def ranked_runs(
    settings: TextClassificationSettings, counts: np.ndarray, codes: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Return the terms of a vocabulary of words and n-grams, ranked together.

    Terms are ranked by count, ties by first appearance.

    Args:
        settings: batch-time settings; they give the size of the vocabulary and the longest n-gram.
        counts: occurrences of each prepared vocabulary word in the training documents.
        codes: codes of the training documents, as for `ngrams.runs`.
        offsets: where the tokens of each training document begin, as for `ngrams.runs`.

    Returns:
        int64, as for `Vocabulary.terms`.
    """
    (present,) = np.nonzero(counts)
    places = np.empty(len(counts), np.int64)
    known = np.nonzero(codes >= 0)[0]
    places[codes[known[::-1]]] = known[::-1]
    found = [ngrams.Counts(counts[present], places[present], present[:, None])]
    found += [one for _, one in ngrams.runs(codes, offsets, len(counts), settings.ngrams)]
    every = np.concatenate([one.counts for one in found])
    firsts = np.concatenate([one.firsts for one in found])
    lengths = np.repeat([one.terms.shape[1] for one in found], [len(one.counts) for one in found])
    room = min(settings.max_features - settings.first, len(every))
    least = np.partition(every, len(every) - room)[len(every) - room] if room else 0
    (likely,) = np.nonzero(every >= least)
    chosen = likely[np.lexsort((lengths[likely], firsts[likely], -every[likely]))][:room]
    terms = np.full((room, settings.ngrams), -1, np.int64)
    base = 0
    for one in found:
        mine = (chosen >= base) & (chosen < base + len(one.counts))
        terms[mine, : one.terms.shape[1]] = one.terms[chosen[mine] - base]
        base += len(one.counts)
    return terms


def _hashes(words: pa.Array, dimension: int) -> np.ndarray:
    """Return the ids of Keras's `hashing_trick(hash_function="md5")`, int64 from 1 to dimension - 1."""
    binary = words.cast(pa.large_binary()).to_pylist()
    digests = b"".join(hashlib.md5(word, usedforsecurity=False).digest() for word in binary)
    halves = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)
    # The 128-bit digest modulo a 31-bit number, computed from 64-bit halves to avoid overflow.
    by = np.uint64(dimension - 1)
    high = halves[:, 0] % by * np.uint64(2**64 % (dimension - 1)) % by
    return ((high + halves[:, 1] % by) % by).astype(np.int64) + 1
