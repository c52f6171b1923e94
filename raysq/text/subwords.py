"""Subwords: words split into frequent parts, by byte-pair encoding (Sennrich et al. 2016).

The parts of a word are learned from the counts of the training words, and depend on nothing else. The first part of a
word begins with a mark, so that parts can be joined to words again.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError, MissingPackageError, UsageError

VOCAB_SIZE = 8000  # default
_MARK = "\u2581"  # before the first subword of each word; a word with the mark inside is unknown
_UNKNOWN = _MARK * 2
_MOST = 50_000_000  # words that are learned from; with more, counts are scaled down
_TOGETHER = 1000  # occurrences of a word passed at a time


@dataclass(frozen=True, eq=False)
class Subwords:
    """Subwords of a language.

    Attributes:
        tokenizer: contents of the `tokenizer.json` of Hugging Face's `tokenizers`.
    """

    tokenizer: str

    @classmethod
    def fit(cls, words: pa.Array, counts: np.ndarray, size: int, name: str) -> "Subwords":
        """Learn subwords. The same counts give the same subwords, whatever their order.

        Args:
            words: distinct words.
            counts: number of occurrences of each word in the training texts. Words without any have no part in it.
            size: maximum number of subwords.
            name: what the words are, for errors.

        Raises:
            DataError: there are more characters than subwords.
            MissingPackageError: `tokenizers` is not installed.
        """
        tokenizers = import_tokenizers()
        rows = np.flatnonzero(counts)
        listed = zip(words.take(pa.array(rows)).to_pylist(), counts[rows].tolist(), strict=True)
        counted = {word: count for word, count in listed if _MARK not in word}
        characters = len({_MARK, *"".join(counted)})
        if characters > size:
            raise DataError(
                f"the {name} to train on has {characters:,} different characters, and each is a subword: vocab_size "
                f"must be at least as large, received {size:,}"
            )
        share = min(1.0, _MOST / max(1, sum(counted.values())))
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=_UNKNOWN, fuse_unk=True))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split("\n", "removed")
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=size + 1, min_frequency=2, special_tokens=[_UNKNOWN], show_progress=False
        )
        tokenizer.train_from_iterator(_lines(counted, share), trainer)
        return cls(tokenizer.to_str())

    @cached_property
    def _model(self) -> Any:
        return import_tokenizers().Tokenizer.from_str(self.tokenizer).model

    @cached_property
    def pieces(self) -> pa.Array:
        """The subwords, by number."""
        vocabulary = import_tokenizers().Tokenizer.from_str(self.tokenizer).get_vocab()
        return pa.array(sorted(vocabulary, key=vocabulary.__getitem__)[1:], pa.large_string())

    def split(self, words: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Split words into subwords.

        Returns:
            The numbers of all subwords, int32, -1 for characters that were not learned from, and the offset of each
            word, int64 of shape `(words + 1,)`.
        """
        numbers: list[int] = []
        offsets = np.zeros(len(words) + 1, np.int64)
        for row, word in enumerate(words.to_pylist()):
            numbers += [-1] if _MARK in word else [token.id - 1 for token in self._model.tokenize(_MARK + word)]
            offsets[row + 1] = len(numbers)
        return np.array(numbers, np.int32), offsets

    def split_texts(
        self, codes: np.ndarray, offsets: np.ndarray, words: pa.Array
    ) -> tuple[np.ndarray, np.ndarray, pa.Array]:
        """Turn the result of `raysq.text.tokenizer.tokenize` into one of subwords.

        The last of the distinct subwords stands for unknown ones, whose code is -1.
        """
        codes, offsets = expand(codes, offsets, *self.split(words))
        return codes, offsets, pa.concat_arrays([self.pieces, pa.array([_UNKNOWN], pa.large_string())])


def check_vocab_size(size: int | None, *levels: str) -> None:
    """Raise UsageError for a vocabulary size that is out of range, or of texts that are not split into subwords."""
    if size is None:
        return
    if size < 1:
        raise UsageError(f"setting vocab_size must be at least 1, received {size}")
    if "subword" not in levels:
        raise UsageError(
            f"setting vocab_size is for level=subword, received {size}: give the level too, or leave it out (settings "
            "of training limit words)"
        )


def begins_word(piece: str) -> bool:
    """Return whether a subword is the first of its word."""
    return piece.startswith(_MARK)


def join(pieces: Sequence[str]) -> list[str]:
    """Join subwords to words."""
    words: list[str] = []
    for piece in pieces:
        if begins_word(piece) or not words:
            words.append(piece.removeprefix(_MARK))
        else:
            words[-1] += piece
    return [word for word in words if word]


def expand(
    codes: np.ndarray, offsets: np.ndarray, parts: np.ndarray, part_offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Replace each code of lists by its parts.

    Args:
        codes: codes of all lists.
        offsets: offset of each list in the codes, and the end of the last one.
        parts: parts of all codes.
        part_offsets: offset of each code's parts, and the end of the last one.

    Returns:
        The parts of all lists, and the offset of each list in them, int64.
    """
    begins, sizes = part_offsets[codes], np.diff(part_offsets)[codes]
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rows = np.arange(ends[-1]) + np.repeat(begins - ends[:-1], sizes)
    return parts[rows], ends[offsets]


def import_tokenizers() -> Any:
    """Import `tokenizers`.

    Raises:
        MissingPackageError: it is not installed.
    """
    # Its own threads would make it warn at each fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError:
        raise MissingPackageError(
            "subwords are learned by the package tokenizers, which is not installed: pip install 'raysq[subword]'"
        ) from None
    return tokenizers


def _lines(words: Mapping[str, int], share: float) -> Iterator[str]:
    """Yield each word as often as it occurs, or a share of it, a line each."""
    for word, occurrences in words.items():
        line, count = f"{_MARK}{word}\n", math.ceil(occurrences * share)
        for begin in range(0, count, _TOGETHER):
            yield line * min(_TOGETHER, count - begin)
