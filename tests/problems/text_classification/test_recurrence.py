"""The recurrent builders against the book's forward pass in NumPy (listing 6.21), and its gated kin, step by step."""

import numpy as np
import pytest

from raysq.problems.specs import InputSpec
from raysq.problems.text_classification import models

STEPS, FEATURES, UNITS = 7, 30, 5


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def simple_rnn(sequence: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    state = np.zeros(UNITS)
    for x in sequence:
        state = np.tanh(x @ kernel + state @ recurrent + bias)
    return state


def lstm(sequence: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    state, carry = np.zeros(UNITS), np.zeros(UNITS)
    for x in sequence:
        i, f, g, o = np.split(x @ kernel + state @ recurrent + bias, 4)
        carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
        state = sigmoid(o) * np.tanh(carry)
    return state


def gru(sequence: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    state = np.zeros(UNITS)
    for x in sequence:
        xz, xr, xh = np.split(x @ kernel + bias[0], 3)
        hz, hr, hh = np.split(state @ recurrent + bias[1], 3)
        z = sigmoid(xz + hz)
        candidate = np.tanh(xh + sigmoid(xr + hr) * hh)
        state = z * state + (1 - z) * candidate
    return state


FORWARD = {"simple_rnn": simple_rnn, "lstm": lstm, "gru": gru}


@pytest.mark.parametrize("name", FORWARD)
def test_the_builders_compute_what_the_book_does_in_numpy(name):
    inputs = InputSpec((STEPS,), 1, extra={"features": FEATURES, "classes": ("a", "b"), "vectorization": "sequence"})
    model = getattr(models, name)(inputs, embedding=3, units=UNITS)
    source = np.random.RandomState(0)
    for variable in model.weights:  # biases too: they begin with zeros, which would hide a wrong place
        variable.assign(source.normal(0, 0.5, variable.shape))
    vectors, kernel, recurrent, bias, out, out_bias = (np.asarray(one, np.float64) for one in model.get_weights())
    x = source.randint(0, FEATURES, (4, STEPS))
    x[0, :4] = 0  # padding in front, which our layers do once for all rows
    x[1] = x[2, :1]
    states = np.stack([FORWARD[name](vectors[row], kernel, recurrent, bias) for row in x])
    np.testing.assert_allclose(np.asarray(model(x)), sigmoid(states @ out + out_bias), rtol=1e-4, atol=1e-6)
