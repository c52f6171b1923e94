"""MNIST: handwritten digits ("Deep Learning with Python", sections 2.1 and 5.1; TensorFlow's first tutorial)."""

from raysq.tasks.spaces import IMAGES
from raysq.tasks.task import Source, Task

TASK = Task(
    name="mnist",
    problem="images",
    title="MNIST: handwritten digits, 60,000 to train on and 10,000 to test on",
    source=Source(
        url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
        sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        about="LeCun, Cortes, Burges: MNIST, CC BY-SA 3.0; as Keras ships it",
    ),
    settings={
        "val": "0.1",
        "epochs": 5,
        "steps_per_epoch": None,
        "batch_size": 64,
        "optimizer": "adam",
    },
    # Accuracy: mlp on the test split, cnn on the validation split. For autoencoder, the squared error after 19 epochs
    # on 7,000 digits.
    published={"mlp": 0.972, "cnn": 0.9855, "autoencoder": 0.047},
    search_model="cnn",
    search=IMAGES,
)
