"""Kneser-Ney bigrams: by hand, as a distribution, and as a layer."""

import keras
import numpy as np
import pytest

from raysq import layers
from raysq.problems.language_modeling import models
from raysq.problems.language_modeling.batches import Sentences
from raysq.problems.language_modeling.bigrams import Bigrams, discounted
from raysq.problems.language_modeling.report import pair_values
from raysq.problems.language_modeling.settings import END, UNKNOWN, LanguageModelingSettings

from .corpus import bind, prepared

# a b | a b | a c | b c, of ids from 4 on
BEFORE = np.array([4, 4, 4, 5])
AFTER = np.array([5, 5, 6, 6])


def table(found: Bigrams) -> np.ndarray:
    """The probability of every id behind every other, `(features, features)`."""
    shares = found.backoff[:, None].astype(np.float64) * found.lower[None]
    rows = np.repeat(np.arange(len(found.begins) - 1), np.diff(found.begins))
    np.add.at(shares, (rows, found.nexts), found.shares)
    return shares


def test_the_formula_by_hand():
    found = Bigrams.of(BEFORE, AFTER, 7)
    # Counts: (4, 5) twice, (4, 6) and (5, 6) once: the discount is 2 / (2 + 2 * 1).
    assert discounted(np.array([2, 1, 1])) == 0.5
    # One word stands before 5, two before 6: the lower order's discount is 1 / (1 + 2 * 1), of 3 pairs.
    rest = (1 / 3) * 2 / 3 / 5  # to each of the ids from UNKNOWN on
    lower = {5: (1 - 1 / 3) / 3 + rest, 6: (2 - 1 / 3) / 3 + rest}
    shares = table(found)
    assert shares[4, 5] == pytest.approx((2 - 0.5) / 3 + 0.5 * 2 / 3 * lower[5], rel=1e-6)
    assert shares[4, 6] == pytest.approx((1 - 0.5) / 3 + 0.5 * 2 / 3 * lower[6], rel=1e-6)
    assert shares[5, 6] == pytest.approx(0.5 + 0.5 * lower[6], rel=1e-6)
    assert shares[6, 5] == pytest.approx(lower[5], rel=1e-6)  # never seen before another


def test_every_row_is_a_distribution_over_what_can_follow(tmp_path):
    found = Sentences(prepared(tmp_path), LanguageModelingSettings()).bigrams()
    shares = table(found)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert (shares[:, :UNKNOWN] == 0).all() and (shares[:, UNKNOWN:] > 0).all()
    before, ids = np.meshgrid(np.arange(len(shares)), np.arange(UNKNOWN, len(shares)))
    np.testing.assert_allclose(np.exp(pair_values(found, before, ids)), shares[before, ids], rtol=1e-5)


def test_only_training_sentences_count(tmp_path):
    dataset = prepared(tmp_path)
    found = Sentences(dataset, LanguageModelingSettings(min_count=1))
    ends = len(found.split.train)
    counts = table(found.bigrams())
    # The discounted counts of what precedes an end add up to the training sentences.
    assert ends < dataset.rows and counts[:, END].max() > 0


def test_the_layer_gives_the_table_and_loads(tmp_path):
    dataset = prepared(tmp_path)
    settings = LanguageModelingSettings(maxlen=1)
    inputs = bind(dataset, settings).input_spec(dataset)
    model = models.baseline(inputs)
    assert not model.trainable_variables
    ids = np.arange(inputs.outputs, dtype=np.int32)[:, None]
    shares = table(inputs.extra["bigrams"]())
    np.testing.assert_allclose(model(ids), shares, rtol=1e-5)
    wide = np.concatenate([ids[::-1], ids], 1)  # only the last step counts
    np.testing.assert_allclose(model(wide), shares, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.layers[-1], layers.BigramTable)
    np.testing.assert_array_equal(loaded(ids), model(ids))
