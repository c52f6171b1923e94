"""The builders: shapes, portable twins, and what they refuse."""

import numpy as np
import pytest

from raysq import layers
from raysq.errors import UsageError
from raysq.problems.language_modeling import models

from .corpus import bind, prepared


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    dataset = prepared(tmp_path_factory.mktemp("made"))
    return lambda **settings: bind(dataset, maxlen=6, **settings).input_spec(dataset)


@pytest.mark.parametrize("sequence_targets", [False, True])
@pytest.mark.parametrize("stacked", [1, 2])
def test_the_portable_model_has_the_same_weights_and_predictions(told, sequence_targets, stacked):
    inputs = told(sequence_targets=sequence_targets)
    settings = {"embedding": 5, "units": 7, "layers": stacked, "dropout": 0.2}
    model = models.lstm(inputs, **settings)
    portable = layers.to_keras(model)
    assert [one.shape for one in portable.weights] == [one.shape for one in model.weights]
    x = np.random.RandomState(0).randint(0, inputs.outputs, (3, 6)).astype(np.int32)
    found = model(x)
    assert found.shape == ((3, 6, inputs.outputs) if sequence_targets else (3, inputs.outputs))
    np.testing.assert_allclose(np.sum(found, -1), 1, atol=1e-5)
    np.testing.assert_allclose(portable(x), found, atol=1e-5)


def test_the_sizes_are_those_of_the_tutorial(told):
    inputs = told()
    features = inputs.outputs
    size = features * 64 + 4 * (64 * 64 * 2 + 64) + 64 * features + features
    assert models.lstm(inputs).count_params() == size


def test_bigrams_of_whole_sequences_are_refused(told):
    with pytest.raises(UsageError, match="set sequence_targets=false"):
        models.baseline(told(sequence_targets=True))
