"""Words equal those of Keras's classic Tokenizer, whatever the texts hold, and so does the vocabulary."""

import itertools
import random
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from raysq.errors import DataError, UsageError
from raysq.text import tokenizer
from raysq.text.tokenizer import FILTERS, Tokens, _stays, tokenize
from raysq.text.vocabulary import UNSEEN, Vocabulary, tally

# Letters whose lower case depends on their neighbors or has another length, accents apart, spaces that do not part.
ALPHABET = "aB c.D'!\t\nÉéİ\u03a3\u03c3\u03c2ßẞ«»\u0301\u212a\u0338<>= 日本𝕏\u00a0\x00\x0b\x85"


def words_of(texts: list[str] | pa.Array, form: Tokens) -> list[list[str]]:
    array = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())
    codes, offsets, words = tokenize(array, form)
    assert (codes.dtype, offsets.dtype, words.type) == (np.int32, np.int64, pa.large_string())
    assert len(offsets) == len(array) + 1
    terms = words.to_pylist()
    assert list(dict.fromkeys(terms[code] for code in codes)) == terms  # all of them, each once, as they first appear
    return [[terms[code] for code in codes[begin:end]] for begin, end in itertools.pairwise(offsets)]


def some_texts(seed: int, count: int) -> list[str]:
    source = random.Random(seed)
    return ["".join(source.choice(ALPHABET) for _ in range(source.randint(0, 9))) for _ in range(count)]


@pytest.mark.parametrize("level", ["word", "char"])
@pytest.mark.parametrize("short", [1 << 30, 0])
def test_texts_in_parts_have_the_same_words(monkeypatch, level, short):
    monkeypatch.setattr(tokenizer, "_SHORT", short)
    texts = some_texts(3, 400)
    whole = pa.array(texts, pa.large_string())
    begins = [0, 0, 1, 17, 17, 200, 400]
    parts = pa.chunked_array([whole[begin:end] for begin, end in itertools.pairwise(begins)], pa.large_string())
    form = Tokens(level=level)
    for joined, parted in zip(tokenize(whole, form), tokenize(parts, form), strict=True):
        assert joined.tolist() == parted.tolist()
    codes, offsets, words = tokenize(pa.chunked_array([], pa.large_string()), form)
    assert (len(codes), offsets.tolist(), words.to_pylist()) == (0, [0], [])


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize(
    ("filters", "split"), [(FILTERS, " "), ("", " "), ("«»k!", " "), ("i.", " "), (FILTERS, "a"), (FILTERS, ".")]
)
def test_words_are_those_of_keras(filters, split, lower):
    from keras.src.legacy.preprocessing.text import text_to_word_sequence

    form = Tokens(filters=filters, split=split, lower=lower, normalize="none")
    for seed in range(300):
        texts = some_texts(seed, seed % 8)
        assert words_of(texts, form) == [text_to_word_sequence(text, filters, lower, split) for text in texts]


@pytest.mark.parametrize("lower", [True, False])
def test_characters_are_those_of_the_text(lower):
    for seed in range(300):
        texts = some_texts(seed, seed % 8)
        expected = [list(text.lower() if lower else text) for text in texts]
        assert words_of(texts, Tokens(level="char", lower=lower, normalize="none")) == expected
    assert words_of(["Ab!", ""], Tokens(level="char")) == [["a", "b", "!"], []]


def test_a_part_of_an_array_nulls_and_nothing():
    array = pa.array(["not this", "One two", None, "", "two  TWO.", "nor this"], pa.large_string())
    expected = [["one", "two"], [], [], ["two", "two"]]
    assert words_of(array[1:5], Tokens()) == expected
    assert words_of(pa.array(array[1:5].to_pylist(), pa.string()), Tokens()) == expected
    assert words_of([], Tokens()) == []
    assert words_of(["", "..."], Tokens()) == [[], []]
    # Neighboring texts do not grow together.
    assert words_of(["ab", "cd", "", "ef"], Tokens()) == [["ab"], ["cd"], [], ["ef"]]


def test_accents_written_apart_are_composed_first():
    assert words_of(["Cafe\u0301 CAFÉ"], Tokens()) == [["café", "café"]]
    assert words_of(["Cafe\u0301 CAFÉ"], Tokens(normalize="none")) == [["cafe\u0301", "café"]]


def test_separator_is_one_ascii_character():
    for split in ("", "  ", "«"):
        with pytest.raises(UsageError, match="split must be one ASCII character"):
            Tokens(split=split)


def counted(documents: list[list[int]], mask: list[bool], size: int) -> tuple[list[int], list[int]]:
    codes = np.array([code for document in documents for code in document], np.int32)
    offsets = np.cumsum([0, *map(len, documents)])
    return tuple(array.tolist() for array in tally(codes, offsets, size, np.array(mask, bool)))


def test_tally_counts_the_counted_documents():
    documents = [[0, 1, 0], [2, 1], [], [3, 2, 2, 4]]
    counts, first = counted(documents, [False, True, True, True], 5)
    assert counts == [0, 2 - 1, 3, 1, 1]
    assert first[0] == UNSEEN
    assert np.argsort(first).tolist() == [2, 1, 3, 4, 0]  # as they appear
    assert counted(documents, [True] * 4, 5) == ([2, 2, 3, 1, 1], [0, 1, 2, 3, 4])
    assert counted([], [], 0) == ([], [])
    assert counted([[]], [True], 0) == ([], [])


@pytest.mark.parametrize("held", [1, 40, 1 << 18])
def test_vocabulary_of_pieces_is_that_of_the_whole(monkeypatch, held):
    monkeypatch.setattr("raysq.text.vocabulary._BUFFERED", held)
    source = np.random.RandomState(0)
    words = [f"w{number}" for number in range(60)]
    parts = [source.randint(0, 60, (source.randint(0, 9), 7)) for _ in range(12)]
    masks = [source.rand(len(part)) < 0.6 for part in parts]
    counts: Counter[str] = Counter()
    for part, mask in zip(parts, masks, strict=True):
        for row in part[mask]:
            counts.update(words[code] for code in row)
    merged, distinct, places = Vocabulary(), {}, {}
    for number, (part, mask) in enumerate(zip(parts, masks, strict=True)):
        text = pa.array([" ".join(words[code] for code in row) for row in part], pa.large_string())
        codes, offsets, terms = tokenize(text, Tokens())
        distinct[str(number)] = terms.to_pylist()
        places |= merged.add(str(number), terms, *tally(codes, offsets, len(terms), mask))
    assert bool(places) == (held < 1 << 18)
    places |= merged.new_positions()
    table, rows = merged.sorted()
    # A Counter keeps the order of first appearance, and most_common is stable.
    assert table.column("word").to_pylist() == [word for word, _ in counts.most_common()]
    assert table.column("count").to_pylist() == [count for _, count in counts.most_common()]
    listed = table.column("word").to_pylist()
    assert places.keys() == distinct.keys()
    for name, position in places.items():
        for word, row in zip(distinct[name], rows[position].tolist(), strict=True):
            assert (listed[row] == word) if row >= 0 else (word not in counts)


def test_vocabulary_of_ranks_keeps_their_order():
    merged = Vocabulary()
    merged.add("a", pa.array([4, 2], pa.int32()), np.array([1, 9]), np.array([3, 0]))
    places = merged.new_positions()
    table, rows = merged.ranked(None)
    assert rows[places["a"]].tolist() == [3, 1]
    assert table.to_pydict() == {"word": ["#1", "#2", "#3", "#4"], "count": [0, 9, 0, 1]}
    assert merged.ranked(list("abcde"))[0].column("word").to_pylist() == list("abcde")
    with pytest.raises(DataError, match="word index has 2 words, the documents have ranks up to 4"):
        merged.ranked(["a", "b"])


def test_characters_that_stay_do_so_beside_any_other():
    stays = _stays(True, True, "\u00a1")
    kept = [chr(point) for point in np.flatnonzero(stays)]
    assert {"\u00e9", "\u2019", "\u03c3", "\u3042", "\u6f22", "\uac01"} <= set(kept) and "\u00a1" not in kept
    assert all(character.lower() == character for character in kept)
    assert unicodedata.normalize("NFC", "".join(kept)) == "".join(kept)
    # What composes with a character before it, everywhere in Unicode.
    for point in range(0x110000):
        apart = unicodedata.normalize("NFD", chr(point))
        if len(apart) > 1:
            assert not any(ord(part) < len(stays) and stays[ord(part)] for part in apart[1:])
