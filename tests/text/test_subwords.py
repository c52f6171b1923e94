"""Subwords: learned from counts, whatever their order, and joined to the words they came from."""

import sys

import numpy as np
import pyarrow as pa
import pytest

from raysq.errors import DataError, MissingPackageError
from raysq.text.subwords import Subwords, expand, join

WORDS = ["lower", "lowest", "newer", "newest", "wider", "widest", "\u732b", "na\u00efve", "rare"]
COUNTS = np.array([50, 20, 60, 30, 30, 10, 5, 4, 0])


def pieces_of(subwords, word):
    codes, offsets = subwords.split(pa.array([word]))
    assert offsets.tolist() == [0, len(codes)]
    return [subwords.pieces[code].as_py() if code >= 0 else None for code in codes.tolist()]


def test_frequent_parts_become_subwords_and_join_again():
    subwords = Subwords.fit(pa.array(WORDS), COUNTS, 40, "source")
    assert len(subwords.pieces) <= 40
    assert pieces_of(subwords, "newer") == ["\u2581newer"] and len(pieces_of(subwords, "newst")) > 1
    for word in ("slowest", "widerer", "wer"):
        assert "".join(pieces_of(subwords, word)) == f"\u2581{word}", "of known characters, also an unseen word"
    assert join(["\u2581new", "er", *pieces_of(subwords, "lowest")]) == ["newer", "lowest"]
    assert pieces_of(subwords, "\u72ac")[1:] == [None] and pieces_of(subwords, "lo\u2581w") == [None]
    assert not any("a" in piece and "r" in piece for piece in subwords.pieces.to_pylist()), "rare does not count"
    assert join(["er", "\u2581", "\u2581new"]) == ["er", "new"] and join([]) == []


def test_the_order_of_the_words_and_the_object_do_not_matter():
    first = Subwords.fit(pa.array(WORDS), COUNTS, 30, "source")
    order = np.arange(len(WORDS))[::-1]
    again = Subwords.fit(pa.array([WORDS[row] for row in order]), COUNTS[order], 30, "source")
    assert first.tokenizer == again.tokenizer
    read = Subwords(first.tokenizer)
    assert read.pieces == first.pieces
    assert [part.tolist() for part in read.split(pa.array(WORDS))] == [
        part.tolist() for part in first.split(pa.array(WORDS))
    ]


def test_lists_of_words_become_lists_of_parts():
    codes, offsets = expand(np.array([1, 0, 1]), np.array([0, 2, 2, 3]), np.array([7, 8, 9]), np.array([0, 1, 3]))
    assert codes.tolist() == [8, 9, 7, 8, 9] and offsets.tolist() == [0, 3, 3, 5]


def test_what_cannot_be_learned_is_one_clear_line(monkeypatch):
    with pytest.raises(DataError, match=r"the target to train on has 15 .* vocab_size must be at least .* received 9"):
        Subwords.fit(pa.array(WORDS[:8]), COUNTS[:8], 9, "target")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'raysq\[subword\]'"):
        Subwords.fit(pa.array(WORDS), COUNTS, 40, "source")
