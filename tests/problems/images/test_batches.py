"""Batches of images: in the graph as in NumPy as by hand; splits; metadata and messages."""

import json

import numpy as np
import pytest
from problems.images.made import NAMES, make_dataset, marks, pixels_of, write_npz

from raysq.errors import DataError, UsageError
from raysq.problems.images.problem import Images as PROBLEM
from raysq.problems.images.settings import ImageSettings


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return make_dataset(write_npz(folder / "x.npz"), folder / "data", shard_rows=100)


def open_splits(dataset, **settings):
    return PROBLEM.from_dataset(dataset, settings).splits(dataset)


@pytest.mark.parametrize("target", ["label", "image"])
def test_batches_in_the_graph_are_those_of_numpy(dataset, target):
    import tensorflow as tf

    for name, examples in open_splits(dataset, target=target, val="0.25").items():
        indices = np.random.RandomState(0).permutation(len(examples))[:40]
        x, y = examples.gather(indices, examples.mapped(), lambda array, at: array.take(at))
        placed = {key: tf.constant(array) for key, array in examples.arrays().items()}
        assert placed["pixels"].dtype == tf.uint8, "on the device they take a byte each"
        graph = tf.function(lambda at, source=examples, arrays=placed: source.gather(at, arrays, tf.gather))
        for host, device in zip((x, y), graph(tf.constant(indices)), strict=True):
            assert host.dtype == device.numpy().dtype and np.array_equal(host, device.numpy()), name
        rows = examples.rows[indices]
        assert x.dtype == np.float32 and x.shape == (40, 8, 8, 1)
        np.testing.assert_allclose(x, pixels_of(dataset)[rows] / 255, atol=1e-7)
        assert x.max() <= 1
        wanted = x if target == "image" else dataset.column("label").take(rows)[:, None]
        assert np.array_equal(y, wanted)
        assert examples.nbytes == sum(array.nbytes for array in examples.arrays().values())


def test_splits(dataset):
    splits = open_splits(dataset, val="45")
    assert [len(splits[name]) for name in ("train", "val", "test")] == [135, 45, 60]
    assert set(splits["test"].rows) == set(range(180, 240))
    last = open_splits(dataset, val="0.1", val_selection="last")
    assert last["val"].rows.tolist() == list(range(162, 180))
    few = open_splits(dataset, val="45", train_samples=20)
    assert len(few["train"]) == 20 and np.array_equal(few["val"].rows, splits["val"].rows)
    with pytest.raises(DataError, match="180 images that are not of the test part"):
        open_splits(dataset, val="500")
    for wrong in ({"val": "x"}, {"val": "0"}, {"train_samples": 0}):
        with pytest.raises(UsageError):
            ImageSettings(**wrong)
    assert PROBLEM.resolve_settings({"val": 0.3}, dataset) == {"val": "0.3"}


def test_metadata_messages_and_input_spec(dataset):
    problem = PROBLEM.from_dataset(dataset, {"val": 60})
    values = problem.metadata_values()
    assert json.loads(json.dumps(values)) == values
    assert PROBLEM.from_config({"val": "60"}, values).metadata == problem.metadata
    rows = problem.splits(dataset)["train"].rows
    labels = dataset.column("label").take(rows)
    metadata = problem.metadata
    assert metadata.priors == (np.bincount(labels) / len(rows)).tolist()
    assert metadata.classes == sorted(NAMES) and metadata.shape == [8, 8, 1] and metadata.examples == [120, 60, 60]
    inputs = problem.input_spec(dataset)
    assert inputs.shape == (8, 8, 1) and inputs.outputs == 3
    np.testing.assert_allclose(inputs.extra["mean"](), pixels_of(dataset)[rows].mean(0) / 255, atol=1e-6)
    lines = problem.describe()
    assert any("8 x 8 pixels, gray: 120 to train on, 60 to validate, 60 to test" in line for line in lines)
    assert any("tells 3 classes apart: bar, dash, dot" in line for line in lines)
    assert not any("pixel for pixel" in line for line in lines)
    assert any("gives each image again" in line for line in PROBLEM(ImageSettings(target="image"), metadata).describe())


def test_images_that_stand_in_two_splits_are_told(tmp_path):
    pixels, labels = marks(100)
    test = np.concatenate([pixels[:7], marks(20, seed=1)[0]])
    np.savez(tmp_path / "x.npz", x_train=pixels, y_train=labels, x_test=test, y_test=np.arange(27) % 3)
    dataset = make_dataset(tmp_path / "x.npz", tmp_path / "out")
    problem = PROBLEM.from_dataset(dataset, {"val": 20, "val_selection": "last"})
    assert problem.metadata.shared == {"val": 0, "test": 7}
    assert "7 test images are also among those to train on, pixel for pixel" in problem.describe()


@pytest.mark.parametrize("target", ["label", "image"])
@pytest.mark.parametrize("loss", ["crossentropy", "mse"])
def test_objective(target, loss):
    import keras

    random = np.random.RandomState(0)
    objective = PROBLEM(ImageSettings(target=target, loss=loss), {}).objective()
    if target == "label":
        y = random.randint(0, 3, (50, 1)).astype(np.int32)
        p = random.dirichlet(np.ones(3), 50).astype(np.float32)
        truth = np.eye(3)[y[:, 0]]
        wanted = ((truth - p) ** 2).mean(1) if loss == "mse" else -np.log((truth * p).sum(1))
        metric, measured = "accuracy", p.argmax(1) == y[:, 0]
    else:
        y, p = random.uniform(0.01, 0.99, (2, 50, 4, 5, 1)).astype(np.float32)
        each = (y - p) ** 2 if loss == "mse" else -(y * np.log(p) + (1 - y) * np.log(1 - p))
        wanted, metric, measured = each.mean((1, 2, 3)), "mse", ((y - p) ** 2).mean((1, 2, 3))
    values = np.asarray(keras.losses.get(objective.loss)(y, p))
    np.testing.assert_allclose(values.reshape(50, -1).mean(1), wanted, rtol=1e-4)
    (name,) = objective.metrics
    assert name == metric
    np.testing.assert_allclose(np.asarray(objective.metrics[name](y, p)), measured, rtol=1e-4)


def test_evaluation_details_by_hand(dataset):
    classifier = PROBLEM.from_dataset(dataset, {})
    prediction = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.7, 0.3, 0]])
    label = classifier.evaluation_details(np.array([[0], [1], [1]]), prediction)
    assert label["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 0]] and label["accuracy"] == 2 / 3
    y = np.zeros((3, 2, 2, 1), np.float32)
    p = y + np.array([0.1, 0.2, 0.4], np.float32)[:, None, None, None]
    autoencoder = PROBLEM.from_dataset(dataset, {"target": "image"})
    image = autoencoder.evaluation_details(y, p)
    assert image["examples"] == 3 and image["mse"] == pytest.approx((0.01 + 0.04 + 0.16) / 3)
    assert image["mae"] == pytest.approx(0.7 / 3) and image["quantiles"]["0.5"] == pytest.approx(0.04)
    assert json.loads(json.dumps(image)) == image
    (table,) = autoencoder.evaluation_tables(image, "test")
    assert table.rows[0][0] == 3 and len(classifier.evaluation_tables(label, "test")) == 2
