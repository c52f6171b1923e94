"""Word by word, a model gives what it gives where it reads all that it sees anew."""

import keras
import numpy as np
import pytest

import raysq
from raysq import layers
from raysq.problems.language_modeling import generate, models
from raysq.problems.language_modeling.decoding import StepwiseDecoder, supports_steps
from raysq.problems.language_modeling.prefixes import following, windows
from raysq.problems.language_modeling.settings import LanguageModelingSettings

from .corpus import bind, prepared

WIDTH = 6
EVERY = LanguageModelingSettings(maxlen=WIDTH, sequence_targets=True)


def chain(*recurrent):
    words = keras.Input((WIDTH,), dtype="int32")
    seen = keras.layers.Embedding(20, 5)(words)
    for layer in recurrent:
        seen = layer(seen)
    return keras.Model(words, keras.layers.Dense(20, activation="softmax")(seen))


def made(folder):
    dataset = prepared(folder)
    inputs = bind(dataset, EVERY).input_spec(dataset)
    return layers.to_keras(models.lstm(inputs, embedding=5, units=7, layers=2, dropout=0.4))


@pytest.mark.parametrize("name", ["lstm", "gru and simple"])
def test_states_that_are_carried_on_change_nothing(tmp_path, name):
    keras.utils.set_random_seed(0)
    several = keras.layers.GRU(7, return_sequences=True), keras.layers.SimpleRNN(4, return_sequences=True)
    model = made(tmp_path) if name == "lstm" else chain(*several)
    assert supports_steps(model, EVERY)
    stepwise = StepwiseDecoder(model, WIDTH)
    texts = np.random.RandomState(0).randint(4, 17, (3, 17)).astype(np.int32)
    begun = 3  # words of the prompt
    seen, *states = stepwise.begin(windows(list(texts[:, :begun]), EVERY))
    for place in range(begun, texts.shape[1] + 1):
        left = windows(list(texts[:, :place]), EVERY)
        wanted = following(lambda x: model(x, training=False), left, EVERY)
        np.testing.assert_allclose(stepwise.predict(seen), wanted, rtol=1e-5, atol=1e-7)
        if place < texts.shape[1]:
            left = windows(list(texts[:, : place + 1]), EVERY)
            seen, *states = stepwise.read(left[:, -1], WIDTH + place - begun, (left > 0).sum(1, dtype=np.int32), states)


def test_other_models_read_anew(tmp_path):
    backwards = keras.layers.LSTM(4, return_sequences=True, go_backwards=True)
    both = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))
    both_at_once = keras.layers.Conv1D(4, 3, padding="causal")
    half = keras.layers.LSTM(4, return_sequences=True, dtype="mixed_bfloat16")
    for layer in (backwards, both, both_at_once, half):
        assert not supports_steps(chain(layer), EVERY)
    assert not supports_steps(made(tmp_path), LanguageModelingSettings(maxlen=WIDTH))


def test_the_same_texts_are_written(runs, monkeypatch):
    """Also where sentences are longer than what the model sees."""
    asked = [{"words": 60, "samples": 3, "temperature": 2.0}, {"words": 30, "temperature": 0.0}]
    prompts = ["The queen", "The king met " * 9]

    def texts():
        predictor = raysq.load(runs["every"])
        return [predictor.generate(prompt, **chosen)["samples"] for prompt in prompts for chosen in asked]

    quick = texts()
    monkeypatch.setattr(generate, "supports_steps", lambda model, settings: False)
    assert quick == texts()
