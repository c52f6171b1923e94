"""Batches: what a model sees of a pair, the same in the graph, in NumPy and from disk."""

import numpy as np
import pytest
from problems.translation.pairs_corpus import prepared, sentences, write_aligned, write_tabbed

from raysq.errors import DataError, UsageError
from raysq.problems.translation.batches import corpus
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


def expected(pair, found, settings):
    """x and y of a pair, by hand."""
    width, positions = found.lengths
    ids = []
    for side, text in zip((found.source, found.target), pair, strict=True):
        known = {side.words.word(number): number for number in range(4, side.words.count)}
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
    {"form": "next"},
    {"form": "next", "max_target": 2, "reversed": True},
]


@pytest.mark.parametrize("chosen", CASES, ids=str)
def test_gather_is_the_same_by_hand_in_numpy_in_the_graph_and_from_disk(dataset, chosen):
    import tensorflow as tf

    settings = TranslationSettings(**TranslationSettings.resolve(chosen, dataset))
    found = corpus(dataset, settings)
    for name, examples in settings.open(dataset).items():
        wanted_x, wanted_y = [], []
        for row in examples.rows.tolist():
            x, y = expected(text_of(dataset, row), found, settings)
            if settings.form == "all":
                wanted_x.append(x)
                wanted_y.append(y)
            else:
                for place in range(sum(word > 0 for word in y)):
                    width = found.lengths[0]
                    wanted_x.append([*x[: width + place + 1], *[0] * (len(x) - width - place - 1)])
                    wanted_y.append([y[place]])
        assert len(examples) == len(wanted_x), name
        indices = np.random.RandomState(0).permutation(len(examples))
        x, y = examples.gather(indices, examples.arrays(), take)
        assert x.dtype == y.dtype == np.int32
        assert np.array_equal(x, np.array(wanted_x)[indices]) and np.array_equal(y, np.array(wanted_y)[indices])
        for other in (
            examples.gather(indices, examples.mapped(), take),
            examples.gather(
                tf.constant(indices), {key: tf.constant(one) for key, one in examples.arrays().items()}, tf.gather
            ),
        ):
            for ours, theirs in zip((x, y), other, strict=True):
                assert np.array_equal(ours, np.asarray(theirs)) and np.asarray(theirs).dtype == np.int32
        arrays = examples.arrays().values()
        assert examples.nbytes >= sum(array.nbytes for array in arrays) * 0.99
        assert examples.batch_bytes == x[0].nbytes + y[0].nbytes


def test_lengths_are_those_of_the_train_part(dataset):
    assert TranslationSettings.resolve({}, dataset) == {"max_source": 6, "max_target": 6}
    inputs = TranslationSettings(**TranslationSettings.resolve({}, dataset)).inputs(dataset)
    assert inputs.shape == (13,) and inputs.outputs == 7
    assert inputs.extra["source_words"] == 4 + 12


def test_words_that_only_validate_have_no_id(tmp_path):
    made = [(f"only{number} a", f"einzig{number} b") for number in range(40)]
    dataset = prepared(write_tabbed(tmp_path / "in.txt", made), tmp_path / "out", test=0.2)
    settings = TranslationSettings(val="0.25")
    found = corpus(dataset, settings)
    trained = {word for row in found.split.train for word in text_of(dataset, row)[0].split()}
    assert {found.source.words.word(n) for n in range(4, found.source.words.count)} == trained
    examples = settings.open(dataset)["val"]
    x, _ = examples.gather(np.arange(len(examples)), examples.arrays(), take)
    assert (x[:, found.lengths[0] - 2] == 1).all()
    assert found.source.unknown == 0
    assert TranslationSettings(val="0.25", train_pairs=5).open(dataset)["train"].rows.size == 5
    with pytest.raises(DataError, match="is more than the"):
        TranslationSettings(train_pairs=1000).open(dataset)
    with pytest.raises(DataError, match="leaves no pair to train on"):
        TranslationSettings(val="500").open(dataset)


def test_settings_out_of_range_are_refused(dataset):
    for wrong in ({"max_source": 0}, {"target_words": 4}, {"train_pairs": 0}, {"val": "much"}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            TranslationSettings(**wrong)
