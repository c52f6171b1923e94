"""Layers of older versions of Keras against their formulas in NumPy."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from raysq import layers
from raysq.layers.recurrent import hard_sigmoid
from raysq.layers.versions import convolution_arguments, recurrent_layer

BATCH, STEPS, FEATURES, UNITS = 3, 6, 4, 5
RATES = {"dropout": 0.4, "recurrent_dropout": 0.3}


def gate(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def made(name, version="keras2", **arguments):
    """A layer with large random weights, so that some gates are saturated, and its input."""
    layer = recurrent_layer(getattr(keras.layers, name), version)(UNITS, **arguments)
    layer.build((BATCH, STEPS, FEATURES))
    random = np.random.RandomState(0)
    layer.set_weights(
        [random.normal(size=weight.shape) for weight in layer.get_weights()[:3]] + layer.get_weights()[3:]
    )
    return layer, random.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")


def numpy_lstm(x, weights, input_masks, state_masks):
    kernel, recurrent, bias = (np.split(weight, 4, -1) for weight in weights)
    h = c = np.zeros((BATCH, UNITS))
    for step in range(STEPS):
        i, f, g, o = (
            (x[:, step] * input_masks[n]) @ kernel[n] + (h * state_masks[n]) @ recurrent[n] + bias[n] for n in range(4)
        )
        c = gate(f) * c + gate(i) * np.tanh(g)
        h = gate(o) * np.tanh(c)
    return h


def numpy_gru(x, weights, input_masks, state_masks):
    kernel, recurrent, bias = (np.split(weight, 3, -1) for weight in weights)
    h = np.zeros((BATCH, UNITS))
    for step in range(STEPS):
        inputs = [(x[:, step] * input_masks[n]) @ kernel[n] + bias[n] for n in range(3)]
        z = gate(inputs[0] + (h * state_masks[0]) @ recurrent[0])
        r = gate(inputs[1] + (h * state_masks[1]) @ recurrent[1])
        h = z * h + (1 - z) * np.tanh(inputs[2] + (r * h * state_masks[2]) @ recurrent[2])
    return h


FORMULAS = {"LSTM": (numpy_lstm, 4), "GRU": (numpy_gru, 3)}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("version", ["keras1", "keras2"])
def test_gates_are_those_of_the_formula(name, version):
    formula, gates = FORMULAS[name]
    layer, x = made(name, version)
    ones = np.ones(gates)
    np.testing.assert_allclose(layer(x), formula(x, layer.get_weights()[:3], ones, ones), atol=1e-5)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("rates", [{"dropout": 0.4}, RATES], ids=["inputs", "both"])
def test_each_gate_has_a_mask_of_dropout(name, rates, monkeypatch):
    formula, gates = FORMULAS[name]
    layer, x = made(name, **rates)
    random = np.random.RandomState(1)
    sizes = {0.4: FEATURES, 0.3: UNITS}
    masks = {rate: (random.rand(gates, BATCH, size) < 1 - rate) / (1 - rate) for rate, size in sizes.items()}
    # The masks are drawn once for all steps, as a list with one for each gate.
    assert len(layer.cell._create_dropout_mask(tf.constant(x[:, 0]), 0.4)) == gates
    drawn = {rate: [tf.constant(mask, "float32") for mask in masks[rate]] for rate in masks}
    monkeypatch.setattr(layer.cell, "_create_dropout_mask", lambda inputs, rate: drawn[rate])
    state_masks = masks[0.3] if "recurrent_dropout" in rates else np.ones(gates)
    expected = formula(x, layer.get_weights()[:3], masks[0.4], state_masks)
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-5)
    again = type(layer).from_config(layer.get_config())  # as Bidirectional makes its layers
    assert again.cell.implementation == 1


def test_the_fast_lstm_with_hard_gates_has_the_gradients_of_keras():
    fast, x = made("LSTM", return_sequences=True)
    slow = keras.layers.LSTM(UNITS, recurrent_activation=hard_sigmoid, return_sequences=True)
    slow.build(x.shape)
    slow.set_weights(fast.get_weights())
    assert fast.uses_fast_loop()
    results = []
    for layer in (fast, slow):
        with tf.GradientTape() as tape:
            outputs = layer(tf.constant(x))
            total = tf.reduce_sum(
                outputs * tf.cos(tf.reshape(tf.range(tf.size(outputs), dtype=tf.float32), outputs.shape))
            )
        results.append([outputs, *tape.gradient(total, [weight.value for weight in layer.trainable_variables])])
    for first, second in zip(*results, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_each_gate_of_keras_1_has_weights_of_its_own(name):
    layer = recurrent_layer(getattr(layers, name), "keras1")(64)
    layer.build((BATCH, STEPS, 16))
    kernel, recurrent = layer.get_weights()[:2]
    gates = kernel.shape[1] // 64
    assert gates == {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[name]
    limit = (6 / (16 + 64)) ** 0.5
    blocks = np.split(recurrent, gates, 1)
    for block, part in zip(blocks, np.split(kernel, gates, 1), strict=True):
        np.testing.assert_allclose(block @ block.T, 1.21 * np.eye(64), atol=1e-4)
        assert 0.95 * limit < np.abs(part).max() <= limit
    assert all(np.abs(first - second).max() > 0.1 for first, second in itertools.pairwise(blocks))
    if name == "LSTM":
        np.testing.assert_array_equal(layer.get_weights()[2], np.repeat([0, 1, 0, 0], 64))


def test_weights_of_keras_2_are_drawn_as_those_of_keras_3():
    drawn = []
    for version in ("keras3", "keras2"):
        keras.utils.set_random_seed(3)
        layer = recurrent_layer(layers.LSTM, version)(8)
        layer.build((BATCH, STEPS, 4))
        drawn.append(layer.get_weights())
    for first, second in zip(*drawn, strict=True):
        np.testing.assert_array_equal(first, second)
    assert recurrent_layer(keras.layers.GRU, "keras3") is keras.layers.GRU


@pytest.mark.parametrize(("kernel", "limit"), [((5, 1, 32), 0.05), ((3, 3, 8, 10), (6 / (72 + 10)) ** 0.5)])
def test_convolutions_of_keras_1_have_its_limits(kernel, limit):
    initializer = convolution_arguments("keras1", kernel)["kernel_initializer"]
    weights = np.abs(initializer(kernel))
    assert 0.9 * limit < weights.max() <= limit
    assert convolution_arguments("keras2", kernel) == {}


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_an_export_without_raysq_predicts_alike(name, tmp_path):
    layer, x = made(name, "keras1", dropout=0.2)
    inputs = keras.Input((STEPS, FEATURES))
    model = keras.Model(inputs, layer(inputs))
    portable = layers.to_keras(model)
    portable.save(tmp_path / "model.keras")
    assert "raysq" not in portable.to_json()
    np.testing.assert_allclose(portable(x), model(x), atol=1e-5)
    model.save(tmp_path / "own.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "own.keras")(x), model(x), atol=1e-6)
