"""Batches: what a model sees of a pair, the same in the graph, in NumPy and from disk."""

import numpy as np
import pytest
from problems.translation.pairs_corpus import prepared, sentences, write_aligned, write_tabbed

from raysq.errors import DataError, UsageError
from raysq.problems.translation.problem import Translation
from raysq.problems.translation.settings import TranslationSettings


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    made = sentences(150)
    write_aligned(folder / "in", "train", [*made[:110], ("w1", "t1"), ("w2 w3", "once t4")])
    write_aligned(folder / "in", "dev", made[110:130])
    write_aligned(folder / "in", "test", [*made[130:], ("w1 odd w2", "t1 odder t2")])
    return prepared(folder / "in", folder / "out", shard_rows=40)


def take(array, rows):
    return array.take(rows)


def expected(pair, corpus):
    """x and y of a pair, by hand."""
    settings = corpus.settings
    width, positions = settings.lengths
    ids = []
    for side, text in zip((corpus.source, corpus.target), pair, strict=True):
        known = {side.vocabulary.word(number): number for number in range(4, side.vocabulary.size)}
        ids.append([known.get(word, 1) for word in text.split()])
    source, target = ids
    source = source[:width][::-1] if settings.reversed else source[:width]
    following = ([*target, 3])[:positions]
    known = ([2, *target])[: len(following)]
    x = [0] * (width - len(source)) + source + known + [0] * (positions - len(known))
    return x, following + [0] * (positions - len(following))


def text_of(dataset, row):
    size = dataset.manifest.shard_rows
    return tuple(dataset.arrow(side)[row // size][row % size].as_py() for side in ("source", "target"))


CASES = [
    {},
    {"reversed": True},
    {"max_source": 3, "max_target": 2},
    {"source_words": 8, "target_words": 7},
    {"examples": "words"},
    {"examples": "words", "max_target": 2, "reversed": True},
]


@pytest.mark.parametrize("values", CASES, ids=str)
def test_gather_is_the_same_by_hand_in_numpy_in_the_graph_and_from_disk(dataset, values):
    import tensorflow as tf

    problem = Translation.from_dataset(dataset, values)
    corpus = problem.corpus(dataset)
    for name, source in problem.splits(dataset).items():
        wanted_x, wanted_y = [], []
        for row in source.rows.tolist():
            x, y = expected(text_of(dataset, row), corpus)
            if problem.settings.examples == "pairs":
                wanted_x.append(x)
                wanted_y.append(y)
            else:
                for position in range(sum(word > 0 for word in y)):
                    end = problem.settings.max_source + position + 1
                    wanted_x.append([*x[:end], *[0] * (len(x) - end)])
                    wanted_y.append([y[position]])
        assert len(source) == len(wanted_x), name
        indices = np.random.RandomState(0).permutation(len(source))
        x, y = source.gather(indices, source.arrays(), take)
        assert x.dtype == y.dtype == np.int32
        assert np.array_equal(x, np.array(wanted_x)[indices]) and np.array_equal(y, np.array(wanted_y)[indices])
        tensors = {key: tf.constant(array) for key, array in source.arrays().items()}
        for batch in (
            source.gather(indices, source.mapped(), take),
            source.gather(tf.constant(indices), tensors, tf.gather),
        ):
            for array, other in zip((x, y), batch, strict=True):
                assert np.array_equal(array, np.asarray(other)) and np.asarray(other).dtype == np.int32
        assert source.nbytes >= sum(array.nbytes for array in source.arrays().values()) * 0.99


def test_lengths_are_those_of_the_train_part(dataset):
    assert Translation.resolve_settings({}, dataset) == {"max_source": 6, "max_target": 6}
    inputs = Translation.from_dataset(dataset, {}).input_spec(dataset)
    assert inputs.shape == (13,) and inputs.outputs == 7
    assert inputs.extra["source_words"] == 4 + 12


def test_words_that_only_validate_have_no_id(tmp_path):
    pairs = [(f"only{number} a", f"einzig{number} b") for number in range(40)]
    dataset = prepared(write_tabbed(tmp_path / "in.txt", pairs), tmp_path / "out", test=0.2)
    problem = Translation.from_dataset(dataset, {"val": 0.25})
    corpus = problem.corpus(dataset)
    trained = {word for row in corpus.split.train for word in text_of(dataset, row)[0].split()}
    words = corpus.source.vocabulary
    assert {words.word(number) for number in range(4, words.size)} == trained
    source = problem.splits(dataset)["val"]
    x, _ = source.gather(np.arange(len(source)), source.arrays(), take)
    assert (x[:, problem.settings.max_source - 2] == 1).all()
    assert corpus.source.unknown == 0
    few = Translation.from_dataset(dataset, {"val": "0.25", "train_pairs": 5})
    assert few.splits(dataset)["train"].rows.size == 5
    with pytest.raises(DataError, match="is more than the"):
        Translation.from_dataset(dataset, {"train_pairs": 1000})
    with pytest.raises(DataError, match="leaves no pair to train on"):
        Translation.from_dataset(dataset, {"val": "500"})


def test_the_data_are_encoded_once_for_the_same_settings(dataset):
    problem = Translation.from_dataset(dataset, {})
    corpus = problem.corpus(dataset)
    assert Translation.from_dataset(dataset, {}).corpus(dataset) is corpus
    assert all(source.corpus is corpus for source in problem.splits(dataset).values())
    assert Translation.from_dataset(dataset, {"reversed": True}).corpus(dataset) is not corpus


def test_settings_out_of_range_are_refused():
    for wrong in ({"max_source": 0}, {"target_words": 4}, {"train_pairs": 0}, {"val": "much"}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            TranslationSettings(**wrong)
    with pytest.raises(UsageError, match="max_source and max_target must be whole numbers"):
        _ = TranslationSettings().lengths
