"""Optimizers and defaults of the presets against the formulas of Keras 1.0.2 and 2.1.5."""

import keras
import numpy as np
import pytest

import raysq
from raysq.errors import UsageError
from raysq.training.compilation import make_optimizer
from raysq.training.presets import PRESETS, preset_defaults, with_preset
from raysq.training.run_config import resolve_config
from raysq.training.settings import TrainSettings

STEPS = 4


def rmsprop(g, s, t, rate, epsilon, inside):
    s["a"] = 0.9 * s.get("a", 0) + 0.1 * g * g
    return rate * g / (np.sqrt(s["a"] + epsilon) if inside else np.sqrt(s["a"]) + epsilon)


def adagrad(g, s, t, rate, epsilon, inside):
    s["a"] = s.get("a", 0) + g * g
    return rate * g / (np.sqrt(s["a"] + epsilon) if inside else np.sqrt(s["a"]) + epsilon)


def adadelta(g, s, t, rate, epsilon, inside):
    s["a"] = 0.95 * s.get("a", 0) + 0.05 * g * g
    update = g * np.sqrt(s.get("d", 0) + epsilon) / np.sqrt(s["a"] + epsilon)
    s["d"] = 0.95 * s.get("d", 0) + 0.05 * update**2
    return rate * update


def adam(g, s, t, rate, epsilon, inside):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    return rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * s["m"] / (np.sqrt(s["v"]) + epsilon)


def adamax(g, s, t, rate, epsilon, inside):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["u"] = np.maximum(0.999 * s.get("u", 0), np.abs(g))
    return rate / (1 - 0.9**t) * s["m"] / (s["u"] + epsilon)


def nadam(g, s, t, rate, epsilon, inside):
    now, following = (0.9 * (1 - 0.5 * 0.96 ** (step * 0.004)) for step in (t, t + 1))
    s["product"] = s.get("product", 1) * now
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    mean = (1 - now) * g / (1 - s["product"]) + following * s["m"] / (1 - s["product"] * following)
    return rate * mean / (np.sqrt(s["v"] / (1 - 0.999**t)) + epsilon)


def sgd(g, s, t, rate, epsilon, inside):
    return rate * g


# Learning rate and epsilon of Keras 1.0.2 (None: it has no such optimizer) and of Keras 2.1.5.
OPTIMIZERS = {
    rmsprop: ((0.001, 1e-6), (0.001, 1e-7)),
    adagrad: ((0.01, 1e-6), (0.01, 1e-7)),
    adadelta: ((1.0, 1e-6), (1.0, 1e-7)),
    adam: ((0.001, 1e-8), (0.001, 1e-7)),
    adamax: ((0.002, 1e-8), (0.002, 1e-7)),
    nadam: (None, (0.002, 1e-7)),
    sgd: ((0.01, None), (0.01, None)),
}
CASES = [
    (name, formula, *values)
    for formula, both in OPTIMIZERS.items()
    for name, values in zip(("keras1", "keras2"), both, strict=True)
    if values
]


@pytest.mark.parametrize(("preset", "formula", "rate", "epsilon"), CASES)
def test_optimizers_follow_their_formulas(preset, formula, rate, epsilon):
    defaults = PRESETS[preset].optimizer_defaults(formula.__name__)
    assert defaults == {"learning_rate": rate, "epsilon": epsilon}
    settings = TrainSettings(optimizer=formula.__name__, preset=preset, **defaults)
    optimizer = make_optimizer(settings, total_steps=10)
    # Gradients near epsilon show where it is added.
    gradients = np.array([1e-7, -3e-7, 1e-4, -0.5, 2.0, 0.0])
    weights = np.zeros(6)
    variable = keras.Variable(weights.astype("float32"))
    optimizer.build([variable])
    state: dict = {}
    for step in range(1, STEPS + 1):
        gradient = gradients * step
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
        weights -= formula(gradient, state, step, rate, epsilon, preset == "keras1")
    np.testing.assert_allclose(variable.numpy(), weights, rtol=1e-4, atol=1e-12)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is type(optimizer)


def test_an_optimizer_that_came_later_is_refused():
    with pytest.raises(UsageError, match="keras1 has no optimizer nadam, which came after Keras 1.0: set optimizer to"):
        TrainSettings(preset="keras1", optimizer="nadam")
    with pytest.raises(UsageError, match="keras2 has no optimizer adamw"):
        TrainSettings(preset="keras2", optimizer="adamw")


@pytest.fixture(scope="module")
def reviews(module_home):
    return raysq.prepare("imdb", source="sample:60")


@pytest.fixture(scope="module")
def module_home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYSQ_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def settings_of(reviews, model="lstm", preset=None, **settings):
    return resolve_config("imdb", model, reviews, 0, with_preset(settings, preset)).by_name()


def test_a_preset_changes_defaults_and_settings_win(reviews):
    plain = settings_of(reviews)
    old = settings_of(reviews, preset="keras2")
    changed = {name: (plain[name], old[name]) for name in plain if plain[name] != old[name]}
    assert changed == {"preset": ("keras3", "keras2"), "epsilon": (None, 1e-7), "layer_version": ("keras3", "keras2")}
    mixed = settings_of(reviews, preset="keras2", layer_version="keras3", epsilon=1e-8)
    assert (mixed["layer_version"], mixed["epsilon"], mixed["preset"]) == ("keras3", 1e-8, "keras2")


def test_the_rate_of_a_model_holds_for_its_own_optimizer(reviews):
    assert settings_of(reviews, "conv1d", "keras2")["learning_rate"] == 1e-4  # the listing's
    assert settings_of(reviews, "conv1d", "keras2", optimizer="adadelta")["learning_rate"] == 1.0
    assert settings_of(reviews, "conv1d", "keras2", optimizer="adadelta", learning_rate=0.5)["learning_rate"] == 0.5
    assert settings_of(reviews, "conv1d", optimizer="adadelta")["learning_rate"] == 1e-4  # as without presets


def test_the_id_is_the_one_of_before_without_a_preset(reviews):
    plain = resolve_config("imdb", "lstm", reviews, 0, {})
    before = plain.settings
    settings = {
        part: {name: value for name, value in before[part].items() if name not in ("preset", "layer_version")}
        for part in before
    }
    assert type(plain)(**{**vars(plain), "settings": settings, "trusted": True}).id == plain.id
    assert resolve_config("imdb", "lstm", reviews, 0, {"preset": "keras2"}).id != plain.id


def test_names_are_checked(reviews):
    with pytest.raises(UsageError, match="keras2 has no optimizer adamw"):
        settings_of(reviews, preset="keras2", optimizer="adamw")
    with pytest.raises(UsageError, match="keras1 has no optimizer nadam"):  # also where no data are prepared
        preset_defaults([{"preset": "keras1"}, {"optimizer": "nadam"}], "rmsprop")
    with pytest.raises(UsageError, match="there is no preset 'kears2': did you mean keras2"):
        with_preset({}, "kears2")
    with pytest.raises(UsageError, match="the preset is keras2, and the setting preset is keras1: leave one out"):
        with_preset({"training": {"preset": "keras1"}}, "keras2")


def test_a_run_with_a_preset_is_recorded_evaluated_and_exported(module_home):
    images = raysq.prepare("images", source="sample:100")
    small = {"filters": 2, "units": 4, "optimizer": "rmsprop", "epochs": 1}
    run = raysq.train("images", model="cnn", data=images, preset="keras2", settings=small)
    config = run.config
    assert config.settings["training"]["preset"] == config.settings["model"]["layer_version"] == "keras2"
    assert resolve_config("images", "cnn", images, 0, config.overrides()) == config
    assert raysq.evaluate(run)["cnn"]["val_loss"] == pytest.approx(run.result()["metrics"]["val_loss"], rel=1e-5)
    exported = keras.saving.load_model(raysq.export(run)["output"])
    assert exported.count_params() == run.result()["parameters"]
