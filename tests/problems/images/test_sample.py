"""The built-in sample: the same everywhere, marked synthetic, and worth learning."""

import hashlib

import numpy as np
import pytest

import raysq
from raysq.errors import UsageError
from raysq.problems.images.sample import CLASSES, sample, shapes


def test_it_is_the_same_file_every_time(tmp_path):
    first, second = (sample(tmp_path / name, "300") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert sample(tmp_path / "a", "300") == first
    with np.load(first) as file:  # allow_pickle is off
        assert file["x_train"].shape == (240, 28, 28) and file["x_test"].shape == (60, 28, 28)
        assert set(file["y_train"]) == set(CLASSES)
    pixels, labels = shapes(300)
    assert np.array_equal(shapes(1200)[0][:300], pixels) and np.array_equal(shapes(1200)[1][:300], labels)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == hashlib.sha256(shapes(300)[0].tobytes()).hexdigest()
    for wrong in ("7", "x", "-5", "999999999"):
        with pytest.raises(UsageError, match="number of images"):
            sample(tmp_path, wrong)


def test_a_model_learns_it():
    data = raysq.prepare("images", "sample:1000", quiet=True)
    assert data.synthetic
    run = raysq.train("images", data=data.directory, settings={"epochs": 3, "units": 64, "learning_rate": 0.003})
    metrics = run.result()["metrics"]
    assert metrics["test_accuracy"] > 0.5 and metrics["val_accuracy"] > 0.5, "one in five by chance"
    base = raysq.train("images", data=data.directory, model="baseline").result()["metrics"]
    assert base["test_accuracy"] < 0.35
