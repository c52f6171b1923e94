"""The tutorials' figures on the real images."""

import pytest

import raysq

pytestmark = pytest.mark.slow


def trained(task, data, model, **settings):
    dataset = raysq.prepare(task, str(data), quiet=True)
    return raysq.train(task, data=dataset.directory, model=model, settings=settings).result()["metrics"]


def test_a_dense_network_reads_digits(real):
    assert trained("mnist", real("mnist/mnist.npz"), "mlp")["test_accuracy"] >= 0.972


def test_a_convolutional_network_reads_digits(real):
    assert trained("mnist", real("mnist/mnist.npz"), "cnn")["val_accuracy"] >= 0.9855


def test_an_autoencoder_gives_digits_again(real):
    """With Keras 1's rate of adadelta, and better with adam."""
    data = real("mnist/mnist.npz")
    old = trained("mnist", data, "autoencoder", epochs=19, train_samples=7000, optimizer="adadelta", learning_rate=1.0)
    assert old["val_mse"] <= 0.047
    assert trained("mnist", data, "autoencoder", epochs=19, train_samples=7000)["val_mse"] <= 0.006


def test_a_fifth_of_cifar_10(real):
    """The published 0.611 is of 50,000 images; here are 8,000 to train on and 2,000 to validate."""
    data = real("cifar10/cifar-10-batches-py")
    assert trained("cifar10", data, "cnn")["val_accuracy"] >= 0.5
    better = {"blocks": 2, "padding": "same", "filters": 16, "dropout": 0.4, "flip": "horizontal"}
    assert trained("cifar10", data, "cnn", epochs=15, **better)["val_accuracy"] >= 0.62
