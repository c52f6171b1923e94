"""Vocabulary of a text classification run: map words and n-grams to ids."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

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
class ClassificationVocabulary:
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
        ids = np.full(len(self.words) + 1, UNKNOWN if self.settings.uses_special_tokens else 0, np.int32)
        single = (self.terms[:, 1:] < 0).all(1)
        ids[self.terms[single, 0]] = self._ids[single]
        return ids

    @property
    def _ids(self) -> np.ndarray:
        return np.arange(self.settings.first, self.features, dtype=np.int32)

    @cached_property
    def _tree(self) -> ngrams.NgramTree:
        return ngrams.NgramTree(self.terms, self._ids, len(self.words))

    def ids(self, words: pa.Array) -> np.ndarray:
        """Return the id of each word, int32; 0 for words that are left out.

        Args:
            words: string array.
        """
        if self.settings.hashing:
            return _hashes(words, self.settings.hashing).astype(np.int32)
        ids: np.ndarray = self.singles[self.codes(words)]
        return ids

    def codes(self, words: pa.Array) -> np.ndarray:
        """Return the code of each word, int32; -1 for words outside of the vocabulary.

        Args:
            words: string array.
        """
        codes: np.ndarray = pc.index_in(words.cast(self.words.type), self.words).fill_null(-1).to_numpy()
        return codes.astype(np.int32)

    @property
    def levels(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Keys and ids of the n-grams of each length from 2 on; see `NgramTree.levels`."""
        return self._tree.levels

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
        for state, counts in ngrams.count_ngrams(codes, offsets, len(self.words), self.settings.ngrams):
            parts = [self.words.take(pa.array(part)) for part in counts.terms.T]
            joined = pc.binary_join_element_wise(*parts, pa.scalar(" ", self.words.type))
            yield np.append(_hashes(joined, self.settings.hashing), 0).astype(np.int32)[state]

    def content(self) -> bytes:
        """Return the contents of `vocabulary.txt`, with one line per term in order of rank.

        The words of an n-gram are separated by a space. Backslashes, line breaks and spaces inside a word are escaped.
        The file is empty if ids are hashes.
        """
        used = np.unique(self.terms[self.terms >= 0])
        escaped = dict(
            zip(used.tolist(), map(_ESCAPES.escape, self.words.take(pa.array(used)).to_pylist()), strict=True)
        )
        lines = (" ".join(escaped[code] for code in term if code >= 0) for term in self.terms.tolist())
        return "".join(f"{line}\n" for line in lines).encode()

    def term(self, number: int) -> str:
        """Return the text of an id: its words, "<start>", "<unknown>", or "" for padding and hashes."""
        rank = number - self.settings.first
        if not self.settings.hashing and 0 <= rank < len(self.terms):
            return " ".join(self.words[code].as_py() for code in self.terms[rank].tolist() if code >= 0)
        return {1: "<start>", UNKNOWN: "<unknown>"}.get(number, "") if self.settings.uses_special_tokens else ""

    def words_of_ids(self) -> list[str]:
        """Return the term of each id, "" for padding, special tokens and hashes."""
        return [self.term(number) if number >= self.settings.first else "" for number in range(self.features)]

    @classmethod
    def read(cls, folder: Path, settings: TextClassificationSettings, words: int) -> "ClassificationVocabulary":
        """Read the vocabulary of a run from its assets.

        Args:
            folder: folder of the assets.
            settings: batch-time settings of the run.
            words: number of terms that the run was trained with.

        Raises:
            DamagedError: the file is missing or belongs to another run.
        """
        try:
            lines = read_asset(Path(folder), FILE).decode("utf-8").split("\n")[:-1]
            if len(lines) != words:
                raise ValueError(f"it has {len(lines):,} words, its run was trained with {words:,}")
            codes: dict[str, int] = {}
            terms = np.full((len(lines), settings.ngrams), -1, np.int64)
            for rank, line in enumerate(lines):
                for number, word in enumerate(line.split(" ")):
                    terms[rank, number] = codes.setdefault(word, len(codes))
            return cls(pa.array([_ESCAPES.unescape(word) for word in codes], pa.large_string()), terms, settings)
        except (ValueError, LookupError, RuntimeError) as error:
            if isinstance(error, DamagedError):
                raise
            raise damaged_asset(Path(folder), FILE, error) from None


def rank_words(settings: TextClassificationSettings, counts: np.ndarray) -> np.ndarray:
    """Return the terms of a vocabulary of single words, in order of rank.

    Args:
        settings: batch-time settings; they give the size of the vocabulary and the source of the ranks.
        counts: occurrences of each prepared vocabulary word in the training documents.

    Returns:
        int64, as for `ClassificationVocabulary.terms`; empty if ids are hashes.
    """
    room = settings.max_features - settings.first
    if settings.hashing:
        return np.empty((0, settings.ngrams), np.int64)
    if settings.vocabulary == "prepared":
        return np.arange(min(room, len(counts)), dtype=np.int64)[:, None]
    order = np.argsort(-counts, kind="stable")[: min(room, int((counts > 0).sum()))]
    return order.astype(np.int64)[:, None]


def rank_ngrams(
    settings: TextClassificationSettings, counts: np.ndarray, codes: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Return the terms of a vocabulary of words and n-grams, ranked together.

    Terms are ranked by count, ties by first appearance.

    Args:
        settings: batch-time settings; they give the size of the vocabulary and the longest n-gram.
        counts: occurrences of each prepared vocabulary word in the training documents.
        codes: codes of the training documents, as for `count_ngrams`.
        offsets: where the tokens of each training document begin, as for `count_ngrams`.

    Returns:
        int64, as for `ClassificationVocabulary.terms`.
    """
    (present,) = np.nonzero(counts)
    firsts = np.empty(len(counts), np.int64)
    known = np.nonzero(codes >= 0)[0]
    firsts[codes[known[::-1]]] = known[::-1]  # NumPy keeps the last assignment: in reverse order, the first token
    by_length = [ngrams.Counts(counts[present], firsts[present], present[:, None])]
    by_length += [longer for _, longer in ngrams.count_ngrams(codes, offsets, len(counts), settings.ngrams)]
    all_counts = np.concatenate([each.counts for each in by_length])
    all_firsts = np.concatenate([each.firsts for each in by_length])
    lengths = np.repeat([each.terms.shape[1] for each in by_length], [len(each.counts) for each in by_length])
    room = min(settings.max_features - settings.first, len(all_counts))
    least = np.partition(all_counts, len(all_counts) - room)[len(all_counts) - room] if room else 0
    (likely,) = np.nonzero(all_counts >= least)
    order = np.lexsort((lengths[likely], all_firsts[likely], -all_counts[likely]))
    chosen = likely[order][:room]
    terms = np.full((room, settings.ngrams), -1, np.int64)
    base = 0
    for each in by_length:
        of_length = (chosen >= base) & (chosen < base + len(each.counts))
        terms[of_length, : each.terms.shape[1]] = each.terms[chosen[of_length] - base]
        base += len(each.counts)
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
