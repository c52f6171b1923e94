"""Positions of sentences: what a model sees, and what it is to say, against a plain loop."""

import numpy as np
import pytest
import tensorflow as tf

from raysq.errors import UsageError
from raysq.problems.language_modeling.batches import Positions, Sentences
from raysq.problems.language_modeling.problem import LanguageModeling
from raysq.problems.language_modeling.settings import END, FIRST, START, UNKNOWN, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import LanguageVocabulary
from raysq.problems.splits import SPLITS
from raysq.storage.assets import write_assets

from .corpus import bind, prepared, spoken


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("made"), test=0.4)


def plainly(dataset, settings, name):
    """x and the ids that follow of all examples of a split, by a loop over words."""
    found = Sentences(dataset, settings)
    terms = {word: number for number, word in enumerate(found.vocabulary.terms)}
    xs, ys = [], []
    for row in getattr(found.split, name).tolist():
        ids = [START, *(terms.get(word, UNKNOWN) for word in spoken(dataset)[row]), END]
        if len(ids) == 2:
            continue
        if settings.sequence_targets:
            for low in range(0, len(ids) - 1, settings.maxlen):
                x, y = ids[:-1][low : low + settings.maxlen], ids[1:][low : low + settings.maxlen]
                xs.append(x + [0] * (settings.maxlen - len(x)))
                ys.append(y + [0] * (settings.maxlen - len(y)))
        else:
            for place in range(1, len(ids)):
                x = ids[max(0, place - settings.maxlen) : place]
                xs.append([0] * (settings.maxlen - len(x)) + x)
                ys.append([ids[place]])
    return np.array(xs), np.array(ys)


@pytest.mark.parametrize("sequence_targets", [False, True])
@pytest.mark.parametrize("maxlen", [1, 4, 30])
@pytest.mark.parametrize(
    "more", [{}, {"min_count": 1}, {"max_features": FIRST + 3}, {"val_selection": "last", "val": "3"}]
)
def test_batches_are_those_of_a_plain_loop(dataset, sequence_targets, maxlen, more):
    settings = LanguageModelingSettings(
        **{"maxlen": maxlen, "sequence_targets": sequence_targets, "val": "0.2", **more}
    )
    for name, examples in bind(dataset, settings).splits(dataset).items():
        x, y = plainly(dataset, settings, name)
        assert len(examples) == len(x) > 0
        order = np.random.RandomState(0).permutation(len(x))
        for arrays in (examples.arrays(), examples.mapped()):
            mine, theirs = examples.gather(order, arrays, lambda array, at: array.take(at))
            np.testing.assert_array_equal(mine, x[order])
            assert mine.dtype == np.int32
            if settings.sequence_targets:
                np.testing.assert_array_equal(theirs[..., 0], y[order])
                np.testing.assert_allclose(theirs[..., 1], (y[order] > 0) * len(x) / (y > 0).sum(), rtol=1e-6)
            else:
                np.testing.assert_array_equal(theirs, y[order])
        placed = {key: tf.constant(array) for key, array in examples.arrays().items()}
        in_graph = tf.function(lambda at, one=examples, where=placed: one.gather(at, where, tf.gather))
        for graph, host in zip(in_graph(tf.constant(order)), (mine, theirs), strict=True):
            np.testing.assert_array_equal(graph, host)
            assert graph.dtype == host.dtype


def test_all_splits_share_one_array_of_ids(dataset):
    splits = bind(dataset).splits(dataset)
    assert len({id(one.arrays()["ids"]) for one in splits.values()}) == 1
    assert sum(one.targets for one in splits.values()) == sum(len(words) + 1 for words in spoken(dataset) if words)


def test_rare_words_are_unknown_in_training_too(dataset):
    found = Sentences(dataset, LanguageModelingSettings(min_count=3))
    rows = spoken(dataset)
    words = [word for row in found.split.train.tolist() for word in rows[row]]
    assert set(found.vocabulary.terms[FIRST:]) == {word for word in words if words.count(word) >= 3}
    assert found.unknown("train") == pytest.approx(np.mean([words.count(word) < 3 for word in words]))
    assert [words.count(word) for word in found.vocabulary.terms[FIRST:]] == sorted(
        (words.count(word) for word in found.vocabulary.terms[FIRST:]), reverse=True
    )


def test_a_vocabulary_comes_back_from_its_file(tmp_path):
    import pyarrow as pa

    kept = LanguageVocabulary(pa.array(["a", "\n", "\\n", "\r", "\u2028", " "], pa.large_string()))
    write_assets(tmp_path / "assets", kept.files())
    assert LanguageVocabulary.read(tmp_path / "assets", 6, split=False).terms == kept.terms


def test_maxlen_follows_the_level_where_nobody_says(tmp_path, dataset):
    assert LanguageModeling.resolve_settings({}, dataset)["maxlen"] == 40
    chars = prepared(tmp_path, level="char")
    assert LanguageModeling.resolve_settings({}, chars)["maxlen"] == 120
    assert LanguageModeling.resolve_settings({"maxlen": 9, "val": 3}, chars) == {"maxlen": 9, "val": "3"}


@pytest.mark.parametrize(
    "wrong", [{"maxlen": 0}, {"max_features": 4}, {"min_count": 0}, {"val": "1.5"}, {"train_samples": 0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        LanguageModelingSettings(**wrong)


def test_train_samples_train_on_fewer(dataset):
    assert len(Positions(Sentences(dataset, LanguageModelingSettings(train_samples=3)), "train").rows) == 3
    assert set(SPLITS) == set(bind(dataset).splits(dataset))
