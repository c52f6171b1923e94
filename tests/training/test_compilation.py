"""Optimizers as the settings ask for them."""

import keras
import pytest

from raysq.errors import UsageError
from raysq.training.compilation import make_optimizer
from raysq.training.settings import TrainSettings


@pytest.mark.parametrize(("epsilon", "added"), [(None, 1e-7), (1e-14, 1e-14), (1.0, 1.0)])
def test_epsilon_is_what_rmsprop_adds_under_the_root(epsilon, added):
    optimizer = make_optimizer(TrainSettings(learning_rate=0.5, epsilon=epsilon), 1)
    weight, gradient = keras.Variable(0.0), 1e-6
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    assert -float(weight) == pytest.approx(0.5 * gradient / (gradient**2 / 10 + added) ** 0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"epsilon": 0.0}, "above 0 or none, received 0.0"), ({"epsilon": 1e-7, "optimizer": "sgd"}, "leave it out")],
)
def test_an_epsilon_that_cannot_be_is_refused(settings, match):
    with pytest.raises(UsageError, match=match):
        TrainSettings(**settings)
