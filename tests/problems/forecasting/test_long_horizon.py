"""Models of long-horizon forecasts: their formulas, the order of their outputs, and files of them."""

import numpy as np
import pytest

from raysq import backend
from raysq.errors import UsageError
from raysq.problems.specs import InputSpec

STEPS, FEATURES, ROWS = 36, 4, 6
NAMES = ["linear", "nlinear", "dlinear", "rlinear", "tsmixer", "patchtst", "nhits"]
SMALL = {
    "tsmixer": {"units": 8},
    "patchtst": {"units": 8, "hidden_units": 16, "layers": 1},
    "nhits": {"units": 8, "pools": (4, 1), "knots": (3, 1)},
}


def spec(targets=(2, 0), rows=ROWS, quantiles=1, reverse=False, steps=STEPS):
    extra = {"reversed": reverse, "future": (), "latest": [steps - 1] * rows, "seasonal": None}
    return InputSpec((steps, FEATURES), rows * len(targets) * quantiles, targets=targets, extra=extra)


def build(name, inputs, **changes):
    backend.load()
    import importlib

    import keras

    keras.utils.set_random_seed(3)
    module = importlib.import_module(f"raysq.problems.forecasting.long_horizon.{name}")
    return getattr(module, name)(inputs, **(SMALL.get(name, {}) | changes))


def windows(count=3, steps=STEPS):
    return np.random.RandomState(0).normal(size=(count, steps, FEATURES)).astype(np.float32) + 5


def test_linear_models_are_their_formulas():
    x, (first, second) = windows(), (2, 0)
    past = x[:, :, [first, second]].transpose(0, 2, 1)

    def mapped(values, weights):
        return values @ weights[0] + weights[1]

    model = build("linear", spec())
    expected = mapped(past, model.get_weights())
    np.testing.assert_allclose(model(x), expected.transpose(0, 2, 1).reshape(3, -1), rtol=1e-4, atol=1e-4)
    assert model.count_params() == STEPS * ROWS + ROWS
    model = build("nlinear", spec())
    latest = past[:, :, -1:]
    expected = mapped(past - latest, model.get_weights()) + latest
    np.testing.assert_allclose(model(x), expected.transpose(0, 2, 1).reshape(3, -1), rtol=1e-4, atol=1e-4)
    model = build("rlinear", spec())
    mean, deviation = past.mean(2, keepdims=True), np.sqrt(past.var(2, keepdims=True) + 1e-5)
    expected = mapped((past - mean) / deviation, model.get_weights()) * deviation + mean
    np.testing.assert_allclose(model(x), expected.transpose(0, 2, 1).reshape(3, -1), rtol=1e-4, atol=1e-4)
    model = build("dlinear", spec(), kernel_size=4)
    padded = np.pad(past, ((0, 0), (0, 0), (1, 2)), mode="edge")
    trend = np.stack([padded[:, :, at : at + 4].mean(2) for at in range(STEPS)], 2)
    weights = model.get_weights()
    expected = mapped(trend, weights[:2]) + mapped(past - trend, weights[2:])
    np.testing.assert_allclose(model(x), expected.transpose(0, 2, 1).reshape(3, -1), rtol=1e-4, atol=1e-4)


def test_maps_per_channel_begin_with_the_scale_of_common_ones():
    common, own = (build("linear", spec(), per_channel=each) for each in (False, True))
    assert own.count_params() == 2 * common.count_params()
    bound = 1 / np.sqrt(STEPS)
    for model in (common, own):
        assert 0.9 * bound < np.abs(model.get_weights()[0]).max() <= bound


@pytest.mark.parametrize("name", NAMES)
def test_models_are_the_same_for_all_targets_and_in_the_order_of_the_outputs(name, tmp_path):
    import keras

    x = windows()
    model = build(name, spec())
    out = np.array(model(x)).reshape(3, ROWS, 2)
    turned = build(name, spec(reverse=True))
    turned.set_weights(model.get_weights())
    np.testing.assert_allclose(np.array(turned(x[:, ::-1])).reshape(3, ROWS, 2), out, rtol=1e-4, atol=1e-4)
    if name != "tsmixer":  # which mixes the features
        other = build(name, spec(targets=(0, 1, 2)))
        other.set_weights(model.get_weights())
        np.testing.assert_allclose(np.array(other(x)).reshape(3, ROWS, 3)[:, :, [2, 0]], out, rtol=1e-4, atol=1e-4)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "model.keras")(x), model(x), rtol=1e-5)


@pytest.mark.parametrize("name", ["nlinear", "rlinear", "tsmixer", "patchtst"])
def test_a_shifted_window_has_a_shifted_forecast(name):
    """Normalization is reversible: by the latest value or by the window's mean."""
    model, x = build(name, spec()), windows()
    np.testing.assert_allclose(model(x + 40), np.array(model(x)) + 40, atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, ROWS])
def test_quantiles_of_an_output_are_next_to_each_other(name, rows):
    model = build(name, spec(targets=(1,), rows=rows, quantiles=3))
    assert model.output_shape == (None, 3 * rows)
    if name == "nlinear":
        for weight in model.weights:
            weight.assign(np.zeros(weight.shape))
        out = np.array(model(windows())).reshape(3, rows, 3)
        np.testing.assert_allclose(out, np.broadcast_to(windows()[:, -1:, 1:2], out.shape))


@pytest.mark.parametrize("name", NAMES)
def test_targets_without_a_past_are_refused(name):
    with pytest.raises(UsageError, match="forecasts targets from their own past"):
        build(name, InputSpec((STEPS, 2), 6, extra=spec().extra))


def test_settings_that_fit_no_window_are_refused():
    with pytest.raises(UsageError, match="a window of 8 steps is shorter than a patch of 16"):
        build("patchtst", spec(steps=8))
    with pytest.raises(UsageError, match=r"heads \(3\) must divide units \(8\)"):
        build("patchtst", spec(), heads=3)
    with pytest.raises(UsageError, match="a number from 1 on for each block, received 4,1 and 3"):
        build("nhits", spec(), knots=(3,))
    with pytest.raises(UsageError, match=r"too short for setting pools \(40\)"):
        build("nhits", spec(), pools=(40, 1))


def test_interpolation_is_that_of_images():
    backend.load()
    from raysq.layers import LinearInterpolation

    np.testing.assert_allclose(LinearInterpolation(4)(np.array([[0.0, 1.0]])), [[0, 0.25, 0.75, 1]])
    knots = np.random.RandomState(1).normal(size=(2, 3, 5)).astype(np.float32)
    places = np.clip((np.arange(13) + 0.5) * 5 / 13 - 0.5, 0, 4)
    expected = [[np.interp(places, range(5), row) for row in rows] for rows in knots]
    np.testing.assert_allclose(LinearInterpolation(13)(knots), expected, atol=1e-6)
    assert np.array_equal(LinearInterpolation(5)(knots), knots)


@pytest.mark.parametrize("name", ["nhits", "patchtst"])
def test_onnx_has_their_operations(name, tmp_path):
    pytest.importorskip("tf2onnx", reason="ONNX is optional")
    pytest.importorskip("onnxruntime", reason="ONNX is optional")
    model, x = build(name, spec()), windows()
    from raysq.inference.formats.onnx_file import write_prepared
    from raysq.layers.portable import to_keras

    expected = np.array(model(x))
    portable = to_keras(model)
    portable(x)
    np.testing.assert_allclose(write_prepared(portable, tmp_path / "model.onnx")(x)[0], expected, atol=1e-4)
