"""CIFAR-10: small photographs of ten classes (Krizhevsky 2009)."""

from raysq.tasks.published import Published
from raysq.tasks.spaces import IMAGES
from raysq.tasks.task import Source, Task

TASK = Task(
    name="cifar10",
    problem="images",
    title="CIFAR-10: photographs of 32 x 32 pixels of ten classes, 50,000 to train on and 10,000 to test on",
    source=Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        about="Alex Krizhevsky, University of Toronto, 2009: CIFAR-10, python version",
        rows=60_000,
    ),
    settings={
        "val": "0.2",
        "epochs": 10,
        "steps_per_epoch": None,
        "batch_size": 64,
        "optimizer": "adam",
    },
    published=(Published("cnn", "val_accuracy", 0.611, "tutorial on CIFAR-10 with Keras 1.0.2"),),
    search_model="cnn",
    search={**IMAGES, "blocks": [1, 2, 3], "padding": ["same"], "units": [128, 256, 512]},
)
