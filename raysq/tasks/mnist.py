"""MNIST: handwritten digits ("Deep Learning with Python", sections 2.1 and 5.1; TensorFlow's first tutorial)."""

from raysq.tasks.published import Published
from raysq.tasks.spaces import IMAGES
from raysq.tasks.task import Source, Task

_TUTORIAL = "tutorial on MNIST with Keras 1.0.2"
_PROTOCOL = {
    "optimizer": "adadelta",
    "learning_rate": 1.0,
    "batch_size": 256,
    "val": "0.2",
    "val_selection": "last",
}

# Dense(144) and Dense(784) of the autoencoder have no activations.
_LINEAR = {"activation": "linear", "output_activation": "linear"}

TASK = Task(
    name="mnist",
    problem="images",
    title="MNIST: handwritten digits, 60,000 to train on and 10,000 to test on",
    source=Source(
        url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
        sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        about="LeCun, Cortes, Burges: MNIST, CC BY-SA 3.0; as Keras ships it",
        rows=70_000,
    ),
    settings={
        "val": "0.1",
        "epochs": 5,
        "steps_per_epoch": None,
        "batch_size": 64,
        "optimizer": "adam",
    },
    published=(
        Published("mlp", "val_accuracy", 0.9706, _TUTORIAL, "last", _PROTOCOL, preset="keras1"),
        Published("mlp", "test_accuracy", 0.9722, _TUTORIAL, settings=_PROTOCOL, preset="keras1"),
        Published("cnn", "val_accuracy", 0.9855, _TUTORIAL, "last", _PROTOCOL, preset="keras1"),
        Published(
            "autoencoder",
            "loss",
            0.0473,
            _TUTORIAL,
            "last",
            {**_PROTOCOL, **_LINEAR, "epochs": 19, "train_samples": 7000},
            preset="keras1",
        ),
    ),
    search_model="cnn",
    search=IMAGES,
)
