"""Accuracy and squared error of each example, of shape `(batch,)`, as functions for Keras's losses and metrics."""

from typing import Any


def binary_accuracy(y: Any, prediction: Any) -> Any:
    """Return 1 for each example whose more likely of two classes is the true class, else 0.

    Args:
        y: class 0 or 1, shape (batch, 1).
        prediction: probability of class 1, shape (batch, 1).
    """
    from keras import ops

    return ops.cast(ops.equal(prediction[:, 0] > 0.5, y[:, 0] > 0), "float32")


def accuracy(y: Any, prediction: Any) -> Any:
    """Return 1 for each example whose most likely class is the true class, else 0.

    Args:
        y: class index, shape (batch, 1).
        prediction: probabilities, shape (batch, classes).
    """
    from keras import ops

    predicted = ops.argmax(prediction, axis=-1)
    return ops.cast(ops.equal(predicted, ops.cast(y[:, 0], predicted.dtype)), "float32")


def label_f1(y: Any, prediction: Any) -> Any:
    """Return the F1 of the labels of each example with a threshold of 0.5; 1 where it has none and none is predicted.

    Args:
        y: 1 for each label of the example, else 0, shape (batch, labels).
        prediction: probabilities, shape (batch, labels).
    """
    from keras import ops

    truth, predicted = ops.cast(y, "float32"), ops.cast(prediction > 0.5, "float32")
    both = ops.sum(truth, -1) + ops.sum(predicted, -1)
    return ops.where(both > 0, 2 * ops.sum(truth * predicted, -1) / ops.maximum(both, 1.0), 1.0)


def exact_labels(y: Any, prediction: Any) -> Any:
    """Return 1 for each example whose labels are all right with a threshold of 0.5, else 0; see `label_f1`."""
    from keras import ops

    return ops.cast(ops.all(ops.equal(ops.cast(y, "bool"), prediction > 0.5), -1), "float32")


def image_error(y: Any, prediction: Any) -> Any:
    """Return the mean squared error of the pixels of each image.

    Args:
        y: images, shape (batch, height, width, channels).
        prediction: predicted images of the same shape.
    """
    from keras import ops

    return ops.mean(ops.square(prediction - ops.cast(y, prediction.dtype)), axis=(1, 2, 3))


def squared_error(y: Any, prediction: Any) -> Any:
    """Return the mean squared error between predicted probabilities and one-hot labels.

    Args:
        y: class index, shape (batch, 1).
        prediction: probabilities, shape (batch, classes).
    """
    from keras import ops

    wanted = ops.one_hot(y[:, 0], prediction.shape[-1], dtype=prediction.dtype)
    return ops.mean(ops.square(prediction - wanted), axis=-1)
