"""The shortest window that convolutions take is the one that their error names."""

import re

import pytest

from raysq import backend
from raysq.errors import UsageError
from raysq.problems.specs import InputSpec


@pytest.mark.parametrize(("kernel_size", "pool"), [(5, 3), (3, 2), (2, 4)])
@pytest.mark.parametrize("name", ["conv1d", "conv1d_gru"])
def test_the_shortest_window_of_convolutions_is_named(name, kernel_size, pool):
    backend.load()
    from raysq.problems.forecasting import models

    def build(steps):
        return getattr(models, name)(InputSpec((steps, 2), 1), filters=2, kernel_size=kernel_size, pool=pool)

    with pytest.raises(UsageError, match="too short for convolutions") as refused:
        build(1)
    needed = int(re.search(r"need (\d+)", str(refused.value))[1])
    with pytest.raises(UsageError, match=f"they need {needed}"):
        build(needed - 1)
    assert build(needed).output_shape == (None, 1)


def test_convolutions_may_be_dilated_and_averaged():
    backend.load()
    from raysq.problems.forecasting import models

    def build(steps, **settings):
        return models.conv1d(InputSpec((steps, 2), 1), filters=2, kernel_size=3, pool=2, dilation=4, **settings)

    with pytest.raises(UsageError, match="they need 60"):
        build(59)
    model = build(60, pooling="average")
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == [
        "Conv1D",
        "AveragePooling1D",
        "Conv1D",
        "AveragePooling1D",
        "Conv1D",
        "GlobalAveragePooling1D",
        "Dense",
    ]
    assert model.layers[4].output.shape[1] == 1, "a shorter window is refused, and this one is just enough"
    assert model.count_params() == build(60).count_params()


def test_recurrent_layers_may_have_dense_ones_above_and_both_directions():
    backend.load()
    from raysq.problems.forecasting import models

    inputs = InputSpec((6, 2), 1)
    model = models.rnn(inputs, units=4, layers=2, bidirectional=True, dense_layers=2, dense_units=3)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Bidirectional", "Bidirectional", "Dense", "Dense", "Dense"]
    assert [layer.output.shape[-1] for layer in model.layers] == [8, 8, 3, 3, 1]
    assert models.gru(inputs, units=4, dense_layers=1, dense_units=3).layers[-2].activation.__name__ == "relu"
