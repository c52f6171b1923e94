"""Loss, accuracy, the dictionary, attention: recomputed by hand."""

from collections import defaultdict

import numpy as np
import pytest

from raysq.problems.translation.dictionary import fit_dictionary


def pack(rows):
    begins = np.concatenate([[0], np.cumsum([len(row) for row in rows])]) + 1
    return np.concatenate([[0], *rows]).astype(np.int32), begins


def plain_model_1(pairs, iterations):
    """IBM Model 1 as it is written down, with dictionaries; word 0 is the empty one."""
    share = defaultdict(lambda: 1.0)
    for _ in range(iterations):
        counts, totals = defaultdict(float), defaultdict(float)
        for source, target in pairs:
            for word in target:
                whole = sum(share[one, word] for one in (0, *source))
                for one in (0, *source):
                    counts[one, word] += share[one, word] / whole
                    totals[one] += share[one, word] / whole
        share = defaultdict(float, {key: value / totals[key[0]] for key, value in counts.items()})
    return share, totals


def test_dictionary_is_that_of_ibm_model_1():
    random = np.random.RandomState(0)
    pairs = []
    for _ in range(120):
        source = random.randint(4, 12, random.randint(0, 6)).tolist()
        # 5 makes two words.
        target = [word + 1 for word in source for _ in range(1 + (word == 5))]
        random.shuffle(target)
        pairs.append((source, target))
    found = fit_dictionary(*pack([s for s, _ in pairs]), *pack([t for _, t in pairs]), 12, 13, iterations=4)
    share, totals = plain_model_1(pairs, 4)
    for word in range(4, 12):
        if not found.best[word]:
            assert totals[word] / sum(source.count(word) for source, _ in pairs) < 0.3
            continue
        best = max(range(4, 13), key=lambda other: share[word, other])
        assert found.best[word] == best and found.share[word] == pytest.approx(share[word, best], rel=1e-5)
    assert found.best[5:].tolist() == list(range(6, 13)), "what the pairs were made by"
    assert not fit_dictionary(*pack([[4, 5], [4, 6], [4, 7]] * 9), *pack([[6], [7], [8]] * 9), 12, 13).best[4]
    assert found.translate([5, 7]) == [6, 8]
    counts = np.bincount([word for _, target in pairs for word in target], minlength=13)
    counts[3] = 120
    np.testing.assert_allclose(found.unigrams, counts / counts.sum(), rtol=1e-6)


def test_word_by_word_gives_probabilities():
    from raysq.layers import WordByWord

    layer = WordByWord(8, 7, 4, ending=0.25)
    layer.build((None, 3))
    layer.best.assign(np.array([0, 0, 0, 0, 5, 6, 0, 4], np.int32))
    layer.share.assign(np.array([0, 0, 0, 0, 0.5, 0.75, 0, 1], np.float32))
    unigrams = np.array([0, 0.1, 0, 0.2, 0.3, 0.3, 0.1], np.float32)
    layer.unigrams.assign(unigrams)
    got = np.exp(np.asarray(layer(np.array([[0, 6, 5], [4, 6, 7]], np.int32))))
    np.testing.assert_allclose(got.sum(-1), 1, atol=1e-5)

    def chosen(word, share):
        return share * np.eye(7)[word] + (1 - share) * unigrams

    end = chosen(3, 0.25)
    wanted = [[chosen(6, 0.75), end, end, end], [chosen(5, 0.5), chosen(4, 1.0), end, end]]
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_loss_and_accuracy_leave_padding_out():
    from raysq.problems.translation.metrics import WordAccuracy, word_loss

    random = np.random.RandomState(0)
    logits = random.standard_normal((6, 4, 9)).astype(np.float32)
    y = random.randint(1, 9, (6, 4)).astype(np.int32)
    y[2, 1:], y[4, 3:] = 0, 0
    weights = np.array([1, 1, 1, 0, 1, 2], np.float32)
    there = (y > 0).astype(np.float64)
    each = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(logits, y[..., None], -1)[..., 0]
    np.testing.assert_allclose(word_loss(2.5)(y, logits), (each * there).sum(1) / 2.5, rtol=1e-5)
    metric = WordAccuracy()
    metric.update_state(y[:2], logits[:2], sample_weight=weights[:2])
    metric.update_state(y[2:], logits[2:], sample_weight=weights[2:])
    right = (logits.argmax(-1) == y) * there * weights[:, None]
    assert float(metric.result()) == pytest.approx(right.sum() / (there * weights[:, None]).sum())
    metric.reset_state()
    assert float(metric.result()) == 0


def test_attention_is_that_of_keras():
    import keras

    from raysq.layers import DotAttention, attention_weights

    random = np.random.RandomState(0)
    queries, values = (random.standard_normal((3, n, 5)).astype(np.float32) for n in (4, 6))
    seen = np.array([[0, 0, 1, 1, 1, 1], [1] * 6, [0, 0, 0, 0, 0, 1]], bool)
    ours = DotAttention()(queries, values, seen[:, None])
    theirs = keras.layers.Attention()([queries, values], mask=[None, seen])
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    weights = np.asarray(attention_weights(queries, values, seen[:, None]))
    assert np.allclose(weights.sum(-1), 1) and (weights[~np.repeat(seen[:, None], 4, 1)] == 0).all()


@pytest.mark.parametrize(("name", "sequences"), [("GRU", True), ("LSTM", False)])
def test_quick_layers_begin_with_given_states(name, sequences):
    import keras
    import tensorflow as tf

    from raysq import layers

    random = np.random.RandomState(0)
    x = tf.constant(random.standard_normal((4, 7, 3)), tf.float32)
    states = [tf.constant(random.standard_normal((4, 5)), tf.float32) for _ in range(1 + (name == "LSTM"))]
    given = states[0] if len(states) == 1 else states
    both = []
    for module in (keras.layers, layers):
        layer = getattr(module, name)(5, return_sequences=sequences)
        layer(x, initial_state=given)
        layer.set_weights([np.random.RandomState(n).standard_normal(w.shape) for n, w in enumerate(layer.weights)])
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            output = layer(x, initial_state=given)
            total = tf.reduce_sum(tf.sin(3 * output))
        both.append([output, *tape.gradient(total, [x, *states, *(v.value for v in layer.trainable_variables)])])
    for ours, theirs in zip(*both, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(theirs), tf.convert_to_tensor(ours), atol=2e-5)
