"""The layer of negative sampling: its loss by hand, what it draws, and that it is saved and loaded."""

import keras
import numpy as np
import pytest

from raysq import layers as quick
from raysq.layers.word_sampling import ALWAYS, alias_table, evenly_drawn

FEATURES, DIMENSION, BLOCK = 12, 5, 6


def softplus(value):
    return np.logaddexp(0.0, value)


def layer_of(architecture, window, shrink, chances, seed=0):
    layer = quick.WordSampling(architecture, FEATURES, window, BLOCK, negatives=3, shared=4, shrink=shrink)
    layer.build([(None, BLOCK + 2 * window), (None, None, DIMENSION)])
    layer.vectors.assign(np.random.RandomState(seed).normal(size=(FEATURES, DIMENSION)))
    layer.set_distribution(chances)
    return layer


def by_hand(layer, ids, table, drawn):
    """The sum over pairs of -log sigmoid(v.c) - K * mean of log sigmoid(-v.n), in loops."""
    vectors, window = np.asarray(layer.vectors), layer.window
    losses = []
    for row, own in zip(ids, drawn, strict=True):
        loss = 0.0
        for place in range(window, window + BLOCK):
            around = []
            for side in (-1, 1):
                for distance in range(1, window + 1):
                    other = row[place + side * distance]
                    if not row[place] or not other:
                        break
                    around.append((other, (window + 1 - distance) / window if layer.shrink else 1.0))
            if not around:
                continue
            if layer.architecture == "cbow":
                total = sum(weight for _, weight in around)
                hidden = sum(weight / total * table[other] for other, weight in around)
                pairs = [(row[place], 1.0)]
            else:
                hidden, pairs = table[row[place]], around
            refused = np.mean([softplus(hidden @ vectors[one]) for one in own])
            loss += sum(weight * (softplus(-hidden @ vectors[c]) + layer.negatives * refused) for c, weight in pairs)
        losses.append(loss)
    return np.array(losses)


@pytest.mark.parametrize("architecture", ["cbow", "skipgram"])
@pytest.mark.parametrize(("window", "shrink"), [(1, False), (3, True), (8, True)])
def test_the_loss_by_hand(architecture, window, shrink):
    random = np.random.RandomState(window)
    chances = np.append(0, random.random_sample(FEATURES - 1))
    layer = layer_of(architecture, window, shrink, chances)
    ids = np.where(random.random_sample((7, BLOCK + 2 * window)) < 0.2, 0, random.randint(1, FEATURES, (7, 1)))
    ids = np.where(ids > 0, random.randint(1, FEATURES, ids.shape), 0).astype(np.int32)
    table = random.normal(size=(FEATURES, DIMENSION)).astype(np.float32)
    seen = table[ids if architecture == "cbow" else ids[:, window:-window]]
    found = np.asarray(layer([ids, seen]))
    assert found.shape == (7, 1)
    probes = np.asarray(layer.probes)
    np.testing.assert_allclose(found[:, 0], by_hand(layer, ids, table, [probes] * 7), rtol=2e-5)
    drawn = random.randint(1, FEATURES, (7, 4))
    layer._draw = lambda batch: keras.ops.convert_to_tensor(drawn)
    found = np.asarray(layer([ids, seen], training=True))
    np.testing.assert_allclose(found[:, 0], by_hand(layer, ids, table, drawn), rtol=2e-5)


def test_words_are_drawn_by_their_chance():
    random = np.random.RandomState(3)
    chances = np.append(7.0, random.random_sample(200) ** 4)  # what stands at id 0 is never looked at
    threshold, alias = alias_table(chances)
    stays = threshold / ALWAYS
    share = np.bincount(alias, weights=1 - stays, minlength=201) + stays
    np.testing.assert_allclose(share[1:] / 200, chances[1:] / chances[1:].sum(), atol=1e-7)
    assert alias[1:].min() >= 1
    assert threshold.dtype == alias.dtype == np.int32, "a worker group averages what is float and does not train"
    layer = quick.WordSampling("skipgram", 201, 1, 2, shared=1000)
    layer.build([(None, 4), (None, 2, 3)])
    layer.set_distribution(chances)
    drawn = np.bincount(np.asarray(layer._draw(200)).reshape(-1), minlength=201)
    assert drawn[0] == 0
    expected = chances[1:] / chances[1:].sum() * drawn.sum()
    assert (np.abs(drawn[1:] - expected) <= 5 * np.sqrt(expected) + 5).all()
    even = np.bincount(evenly_drawn(chances, 10_000), minlength=201)
    assert even[0] == 0 and (np.abs(even[1:] - expected / drawn.sum() * 10_000) <= 1).all()


def test_a_saved_model_gives_the_same(tmp_path):
    random = np.random.RandomState(5)
    ids = keras.Input((BLOCK + 4,), dtype="int32")
    table = keras.layers.Embedding(FEATURES, DIMENSION)
    layer = quick.WordSampling("cbow", FEATURES, 2, BLOCK)
    model = keras.Model(ids, layer([ids, table(ids)]))
    layer.set_distribution(np.arange(FEATURES))
    layer.vectors.assign(random.normal(size=(FEATURES, DIMENSION)))
    model.save(tmp_path / "model.keras")
    x = random.randint(0, FEATURES, (9, BLOCK + 4)).astype(np.int32)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    with pytest.raises(ValueError, match="architecture must be one of cbow, skipgram"):
        quick.WordSampling("glove", FEATURES, 2, BLOCK)
