"""The stream of ids: what is kept of the texts, in which split, and how far a window reaches."""

import itertools

import numpy as np
import pytest
from problems.word_vectors.written import texts, write

from raysq.errors import DataError
from raysq.problems.splits import SPLITS
from raysq.problems.word_vectors import stream as stream_module
from raysq.problems.word_vectors.problem import WordVectors
from raysq.problems.word_vectors.settings import WordVectorsSettings
from raysq.problems.word_vectors.stream import (
    Streams,
    cut_passages,
    distance_weights,
    keep_probabilities,
    reach,
    split_passages,
    total_weight,
)


def parted(stream: np.ndarray) -> list[list[int]]:
    """The ids of each passage of a stream."""
    assert not len(stream) or stream[-1] == 0
    return [
        [int(one) for one in part]
        for part in np.split(stream, np.flatnonzero(stream == 0) + 1)
        for part in [part[:-1]]
        if len(part)
    ]


def test_each_split_holds_its_passages_and_nothing_else(tmp_path):
    made = texts()
    found = Streams(
        write(tmp_path / "made", made, parts=[int(n % 7 == 0) for n in range(len(made))]), WordVectorsSettings(val=0.2)
    )
    offsets = found.passages.offsets
    every = [word for text in made for word in text]
    pieces = [every[begin:end] for begin, end in itertools.pairwise(offsets)]
    assert sum(map(len, pieces)) == len(every)
    for number, name in enumerate(SPLITS):
        wanted = [
            [w for w in piece if w in found.words]
            for piece, split in zip(pieces, found.split, strict=True)
            if split == number
        ]
        assert [[found.words[one] for one in part] for part in parted(found.ids[name])] == [
            piece for piece in wanted if piece
        ]
    train = [word for piece, split in zip(pieces, found.split, strict=True) if split == 0 for word in piece]
    assert found.counts[0] == 0 and found.counts[1:].tolist() == [train.count(word) for word in found.words[1:]]
    assert (np.diff(found.counts[1:]) <= 0).all() and found.counts[-1] >= 1
    tested = sum(len(text) for number, text in enumerate(made) if number % 7 == 0)
    assert sum(len(p) for p, s in zip(pieces, found.split, strict=True) if s == 2) == tested


def test_how_words_are_read_in_blocks_changes_nothing(tmp_path, monkeypatch):
    dataset = write(tmp_path / "made", texts(), shard_rows=7)
    settings = WordVectorsSettings(subsample=0.05, min_count=3, val=0.2)
    whole = Streams(dataset, settings)
    monkeypatch.setattr(stream_module, "_BLOCK", 50)
    parts = Streams(dataset, settings)
    assert whole.words == parts.words
    for name in SPLITS:
        np.testing.assert_array_equal(whole.ids[name], parts.ids[name])


def test_rare_words_are_left_out_before_windows_are_made(tmp_path):
    made = [["a", "rare", "b", "a", "b"]] * 1 + [["a", "b", "b", "a"] for _ in range(30)] + [["b", "a"] * 9]
    found = Streams(write(tmp_path / "made", made), WordVectorsSettings(min_count=2, val=0.3))
    assert set(found.words) == {"", "a", "b"}
    few = Streams(write(tmp_path / "few", texts()), WordVectorsSettings(max_features=6))
    assert len(few.words) == 6


def test_subsampling_keeps_the_share_of_word2vec(tmp_path):
    """Probabilities as gensim computes them, and about that share of the occurrences."""
    made = texts(2000)
    dataset = write(tmp_path / "made", made, shard_rows=2000)
    settings = WordVectorsSettings(subsample=0.02, val=0.1)
    found, plain = Streams(dataset, settings), Streams(dataset, WordVectorsSettings(val=0.1))
    total = plain.counts.sum()
    for count, chance in zip(found.counts[1:], keep_probabilities(found.counts[1:], 0.02), strict=True):
        assert chance == pytest.approx(min(1, (np.sqrt(count / (0.02 * total)) + 1) * (0.02 * total) / count))
    kept = np.bincount(found.ids["train"], minlength=len(found.counts))[1:]
    there = np.bincount(plain.ids["train"], minlength=len(found.counts))[1:]
    chances = keep_probabilities(found.counts[1:], 0.02)
    deviation = np.sqrt(np.maximum(there * chances * (1 - chances), 1e-9))
    assert (np.abs(kept - there * chances) <= 4 * deviation + 1e-6).all()
    assert chances[0] < 0.5 and chances[-1] == 1
    again = Streams(dataset, settings)
    np.testing.assert_array_equal(again.ids["train"], found.ids["train"])


def test_equal_texts_are_on_one_side_and_one_long_text_is_divided():
    keys = np.array([5, 9, 5, 7, 9, 3] * 20, np.uint32)
    lengths = np.full(len(keys), 10)
    found = cut_passages(np.concatenate([[0], np.cumsum(lengths)]), keys, np.zeros(len(keys), np.int8))
    split = split_passages(found, 0.3, "made")
    for key in np.unique(keys):
        assert len(set(split[keys == key].tolist())) == 1
    assert 0 < (split == 1).sum() < len(keys)
    long = cut_passages(np.array([0, 100_000]), np.array([1], np.uint32), np.array([0], np.int8))
    assert np.diff(long.offsets).max() == 1000
    split = split_passages(long, 0.05, "made")
    assert (split == 1).sum() == 5
    short = cut_passages(np.array([0, 100]), np.array([1], np.uint32), np.array([0], np.int8))
    assert np.diff(short.offsets).tolist() == [20] * 5


def test_a_validation_part_of_ones_own_is_kept():
    part = np.array([0, 1, 2, 0, 2, 0], np.int8)
    found = cut_passages(np.arange(7) * 3, np.arange(6, dtype=np.uint32), part)
    assert split_passages(found, 0.5, "made").tolist() == [0, 2, 1, 0, 1, 0]
    alone = cut_passages(np.arange(3) * 3, np.arange(2, dtype=np.uint32), np.array([1, 2], np.int8))
    with pytest.raises(DataError, match="the train part of data set made has no words"):
        split_passages(alone, 0.5, "made")


def test_too_little_text_is_told(tmp_path):
    with pytest.raises(DataError, match="too few passages with words.*: 1, and 2 are needed"):
        Streams(write(tmp_path / "one", [["a", "b", "c"]]), WordVectorsSettings())
    with pytest.raises(DataError, match="nothing to train on.*equal text"):
        Streams(write(tmp_path / "same", [["a", "b"]] * 9), WordVectorsSettings())
    with pytest.raises(DataError, match="occur 50 times or more: 1, .*; set a lower min_count, or give more text"):
        WordVectors.from_dataset(write(tmp_path / "rare", texts(10)), {"min_count": 50})
    with pytest.raises(DataError, match="no two known words beside each other: set subsample=0, or give more text"):
        dataset = write(tmp_path / "alone", [[f"w{n % 7}"] for n in range(40)])
        WordVectors.from_dataset(dataset, {"subsample": 0.5}).splits(dataset)


@pytest.mark.parametrize("window", [1, 2, 5])
def test_reach_and_mass_by_hand(window):
    random = np.random.RandomState(window)
    stream = np.where(random.random_sample(200) < 0.2, 0, random.randint(1, 9, 200)).astype(np.int32)
    stream[-1] = 0
    before, after = reach(stream, window)
    pairs = {"cbow": 0.0, "skipgram": 0.0}
    shrunk = 0.0
    for place, own in enumerate(stream):
        left = right = 0
        while own and left < window and place - left - 1 >= 0 and stream[place - left - 1]:
            left += 1
        while own and right < window and place + right + 1 < len(stream) and stream[place + right + 1]:
            right += 1
        assert (before[place], after[place]) == (left, right)
        pairs["cbow"] += bool(left + right)
        pairs["skipgram"] += left + right
        shrunk += sum((window + 1 - d) / window for side in (left, right) for d in range(1, side + 1))
    for architecture, wanted in pairs.items():
        assert total_weight(stream, WordVectorsSettings(architecture=architecture, window=window)) == wanted
    settings = WordVectorsSettings(window=window, examples="blocks", shrink=True)
    assert total_weight(stream, settings) == pytest.approx(shrunk)
    assert distance_weights(settings)[0] == 1 and distance_weights(settings)[-1] == pytest.approx(1 / window)
