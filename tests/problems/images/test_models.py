"""The image models: built as the tutorials have them, refused where they do not fit, exported, and trained."""

import keras
import numpy as np
import pytest
from problems.images.made import SMALL, make_dataset, write_npz

from raysq import layers
from raysq.errors import UsageError
from raysq.problems.images import models
from raysq.problems.images.problem import Images as PROBLEM
from raysq.problems.specs import InputSpec
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

BUILDERS = {name: getattr(models, model.build.partition(":")[2]) for name, model in PROBLEM.models.items()}


def input_spec(shape=(28, 28, 1), target="label", outputs=10):
    extra = {
        "classes": [str(number) for number in range(outputs)],
        "target": target,
        "loss": "mse" if target == "image" else "crossentropy",
        "priors": (np.arange(1, outputs + 1) / np.arange(1, outputs + 1).sum()).tolist(),
        "mean": lambda: np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape),
    }
    return InputSpec(shape=shape, outputs=outputs, extra=extra)


def test_sizes_are_those_of_the_tutorials():
    assert models.mlp(input_spec()).count_params() == (784 + 1) * 128 + 129 * 10
    conv = (9 + 1) * 10 + (90 + 1) * 10
    assert models.cnn(input_spec()).count_params() == conv + (12 * 12 * 10 + 1) * 128 + 129 * 10
    conv = (27 + 1) * 10 + (90 + 1) * 10
    assert models.cnn(input_spec((32, 32, 3))).count_params() == conv + (14 * 14 * 10 + 1) * 512 + 513 * 10
    own = models.autoencoder(input_spec(target="image"))
    assert own.count_params() == 785 * 144 + 145 * 784 and own.output_shape == (None, 28, 28, 1)
    listing = models.autoencoder(input_spec(target="image"), activation="linear", output_activation="linear")
    assert [listing.get_layer(name).activation.__name__ for name in ("code", "pixels")] == ["linear", "linear"]
    layer_types = [type(layer).__name__ for layer in models.cnn(input_spec()).layers]
    assert layer_types == ["InputLayer", "Conv2D", "Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dense"]


@pytest.mark.parametrize("name", BUILDERS)
def test_an_export_gives_the_same(tmp_path, name):
    for target in ("label", "image") if name == "baseline" else ("image",) if name == "autoencoder" else ("label",):
        inputs = input_spec((12, 10, 3), target, outputs=4)
        keras.utils.set_random_seed(0)
        model = BUILDERS[name](inputs)
        layers.to_keras(model).save(tmp_path / "x.keras")
        x = np.random.RandomState(0).uniform(size=(3, 12, 10, 3)).astype(np.float32)
        given = model.predict_on_batch(x)
        loaded = keras.models.load_model(tmp_path / "x.keras")
        assert np.array_equal(loaded.predict_on_batch(x), given)
        assert not [layer for layer in loaded.layers if type(layer).__module__.startswith("raysq")]
        if target == "label":
            np.testing.assert_allclose(given.sum(1), 1, rtol=1e-5)
        else:
            assert given.shape == x.shape
        if name == "baseline":
            wanted = inputs.extra["priors"] if target == "label" else inputs.extra["mean"]()
            np.testing.assert_allclose(given, np.stack([wanted] * 3), rtol=1e-6)


def test_what_does_not_fit_is_refused():
    for target, name in (("image", "mlp"), ("image", "cnn"), ("label", "autoencoder")):
        with pytest.raises(UsageError, match="set target="):
            BUILDERS[name](input_spec(target=target))
    with pytest.raises(UsageError, match="too small for 8 convolutions"):
        models.cnn(input_spec(), blocks=4)
    deep = models.cnn(input_spec(), blocks=4, padding="same", units=8, normalize=True, dropout=0.1)
    assert deep.get_layer("conv_4_1").filters == 80 and deep.output_shape == (None, 10)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return make_dataset(write_npz(folder / "x.npz"), folder / "data", shard_rows=100)


def trained(folder, dataset, model, **settings):
    config = resolve_config(
        "images", model, dataset, 0, {**SMALL, "optimizer": "adam", "learning_rate": 0.005, **settings}
    )
    run = Run.create(config, name=f"{model}-{len(list(folder.iterdir()))}", folder=folder)
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks())
    return run


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_classes_are_learned(tmp_path, dataset, model):
    metrics = trained(tmp_path, dataset, model, epochs=10, units=16).result()["metrics"]
    assert metrics["test_accuracy"] > 0.6, "one in three by chance"


def test_images_are_given_again(tmp_path, dataset):
    metrics = trained(tmp_path, dataset, "autoencoder", epochs=25, code=16).result()["metrics"]
    images = PROBLEM.from_dataset(dataset, {"target": "image", "val": "0.25"}).splits(dataset)["test"]
    x, _ = images.gather(np.arange(60), images.mapped(), lambda array, at: array.take(at))
    base = float(((x - images.data.mean()) ** 2).mean())
    assert metrics["test_mse"] < 0.8 * base and metrics["test_mse"] == pytest.approx(metrics["test_loss"], rel=1e-5)


def test_random_changes_of_images_repeat_their_numbers(tmp_path, dataset):
    """Turned over, moved, dropped and normalized while training alone, and the same every time."""
    varied = {"flip": "both", "shift": 0.1, "dropout": 0.1, "normalize": True, "units": 8, "convolutions": 1}
    runs = [trained(tmp_path, dataset, "cnn", epochs=1, **varied) for _ in range(2)]
    first, second = ([record["loss"], record["val_loss"]] for run in runs for record in run.metrics())
    assert first == second
    x = np.random.RandomState(0).uniform(size=(4, 8, 8, 1)).astype(np.float32)
    model = models.mlp(input_spec((8, 8, 1)), dropout=0.0, flip="horizontal")
    assert not np.array_equal(model(x, training=True), model(x, training=False))
    assert np.array_equal(model(x, training=False), model(x, training=False))
