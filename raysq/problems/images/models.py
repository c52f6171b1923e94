"""Image models: the dense and convolutional networks of the tutorials, and an autoencoder.

Every builder takes an `InputSpec` (x is float32 from 0 to 1, of shape (height, width, channels)) and keyword settings,
and returns an uncompiled Keras model. Classifiers end in a softmax with output `(batch, classes)`. Autoencoders return
images of the shape of x.
"""

from typing import Annotated, Any, Literal

import keras

from raysq.config import Range
from raysq.errors import UsageError
from raysq.layers import Constant, LayerVersion, convolution_arguments
from raysq.problems.setting_types import Count, OptionalCount, Rate
from raysq.problems.specs import InputSpec

Flip = Literal["none", "horizontal", "vertical", "both"]


def baseline(inputs: InputSpec) -> keras.Model:
    """Predict the class priors or the mean of the training images for every input. There is nothing to train."""
    x = keras.Input(inputs.shape)
    if inputs.extra["target"] == "image":
        mean = Constant(inputs.extra["mean"]().reshape(-1).tolist())(x)
        return keras.Model(x, keras.layers.Reshape(inputs.shape)(mean), name="baseline")
    return keras.Model(x, Constant([float(share) for share in inputs.extra["priors"]])(x), name="baseline")


def mlp(
    inputs: InputSpec,
    *,
    units: Count = 128,
    layers: Count = 1,
    dropout: Rate = 0.2,
    flip: Flip = "none",
    shift: Rate = 0.0,
) -> keras.Model:
    """Build dense layers over the flattened pixels, with dropout after each.

    Args:
        inputs: input spec of images with target "label".
        units: units of each layer.
        layers: number of hidden layers.
        dropout: share of the units to drop in training.
        flip: directions in which training images are flipped at random.
        shift: largest random shift of training images, as a share of their sides.

    Raises:
        UsageError: a setting is out of range, or the target is "image".
    """
    x = keras.Input(inputs.shape)
    hidden = keras.layers.Flatten()(_augmented(x, flip, shift))
    for number in range(1, layers + 1):
        hidden = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(hidden)
        hidden = _dropout(hidden, dropout)
    return keras.Model(x, _classes(inputs)(hidden), name="mlp")


def cnn(
    inputs: InputSpec,
    *,
    filters: Count = 10,
    kernel_size: Count = 3,
    convolutions: Count = 2,
    blocks: Count = 1,
    pool: Count = 2,
    padding: Literal["valid", "same"] = "valid",
    units: OptionalCount = None,
    dropout: Rate = 0.0,
    normalize: bool = False,
    flip: Flip = "none",
    shift: Rate = 0.0,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build blocks of convolutions that end in max pooling, followed by a dense layer.

    Args:
        inputs: input spec of images with target "label".
        filters: filters of the convolutions in the first block. Each further block has twice as many.
        kernel_size: side of the convolution window in pixels.
        convolutions: convolutions in each block.
        blocks: number of blocks.
        pool: side of the pooling window; 1 for no pooling.
        padding: "same" to keep the size of the image in convolutions, "valid" to shrink it.
        units: units of the dense layer. None for 128 with gray images and 512 with color images, as in the tutorials.
        dropout: share of the values to drop in training, before and after the dense layer.
        normalize: whether batch normalization follows each convolution.
        flip: directions in which training images are flipped at random.
        shift: largest random shift of training images, as a share of their sides.
        layer_version: version of Keras whose initial weights the convolutions have; see `raysq.layers.versions`.

    Raises:
        UsageError: a setting is out of range, the images are too small, or the target is "image".
    """
    units = units if units is not None else 128 if inputs.shape[2] == 1 else 512
    _check_size(inputs, kernel_size, convolutions, blocks, pool, padding)
    x = keras.Input(inputs.shape)
    hidden = _augmented(x, flip, shift)
    for block in range(1, blocks + 1):
        for number in range(1, convolutions + 1):
            name = f"conv_{block}_{number}"
            width = filters * 2 ** (block - 1)
            initial = convolution_arguments(layer_version, (kernel_size, kernel_size, hidden.shape[-1], width))
            conv = {"padding": padding, "activation": "relu", "name": name, **initial}
            hidden = keras.layers.Conv2D(width, kernel_size, **conv)(hidden)
            if normalize:
                hidden = keras.layers.BatchNormalization(name=f"normal_{block}_{number}")(hidden)
        if pool > 1:
            hidden = keras.layers.MaxPooling2D(pool, name=f"pool_{block}")(hidden)
    hidden = _dropout(keras.layers.Flatten()(hidden), dropout)
    hidden = _dropout(keras.layers.Dense(units, activation="relu", name="dense")(hidden), dropout)
    return keras.Model(x, _classes(inputs)(hidden), name="cnn")


def autoencoder(
    inputs: InputSpec,
    *,
    code: Count = 144,
    units: Annotated[int, Range(least=0)] = 0,
    activation: Literal["relu", "tanh", "sigmoid", "linear"] = "relu",
    output_activation: Literal["sigmoid", "linear"] = "sigmoid",
) -> keras.Model:
    """Build an autoencoder that compresses the pixels to a code and reconstructs them from it.

    Args:
        inputs: input spec of images with target "image".
        code: size of the code.
        units: units of one dense layer before and one after the code; 0 for none.
        activation: activation of the code.
        output_activation: activation of the pixels. "linear" is for the loss "mse".

    Raises:
        UsageError: a setting is out of range, or the target is "label".
    """
    if inputs.extra["target"] != "image":
        raise UsageError("this model gives images: set target=image")
    if output_activation == "linear" and inputs.extra["loss"] != "mse":
        raise UsageError("the cross-entropy takes pixels from 0 to 1: set output_activation=sigmoid, or loss=mse")
    pixels = inputs.shape[0] * inputs.shape[1] * inputs.shape[2]
    x = keras.Input(inputs.shape)
    hidden = keras.layers.Flatten()(x)
    if units:
        hidden = keras.layers.Dense(units, activation="relu", name="encoder")(hidden)
    hidden = keras.layers.Dense(code, activation=activation, name="code")(hidden)
    if units:
        hidden = keras.layers.Dense(units, activation="relu", name="decoder")(hidden)
    hidden = keras.layers.Dense(pixels, activation=output_activation, dtype="float32", name="pixels")(hidden)
    return keras.Model(x, keras.layers.Reshape(inputs.shape, dtype="float32")(hidden), name="autoencoder")


def _classes(inputs: InputSpec) -> keras.layers.Layer:
    """Return the softmax output layer of a classifier."""
    if inputs.extra["target"] != "label":
        raise UsageError("this model names classes: set target=label")
    # float32 also in mixed precision: the loss takes the logarithm of the output.
    return keras.layers.Dense(inputs.outputs, activation="softmax", dtype="float32", name="classes")


def _augmented(hidden: Any, flip: Flip, shift: float) -> Any:
    """Flip and shift images at random in training."""
    if flip != "none":
        hidden = keras.layers.RandomFlip({"both": "horizontal_and_vertical"}.get(flip, flip))(hidden)
    if shift:
        hidden = keras.layers.RandomTranslation(shift, shift, fill_mode="nearest")(hidden)
    return hidden


def _dropout(hidden: Any, rate: float) -> Any:
    return keras.layers.Dropout(rate)(hidden) if rate else hidden


def _check_size(inputs: InputSpec, kernel_size: int, convolutions: int, blocks: int, pool: int, padding: str) -> None:
    """Raise UsageError if images are too small for a model's convolutions and pooling."""
    for name, side in zip(("height", "width"), inputs.shape, strict=False):
        left = side
        for _ in range(blocks):
            if padding == "valid":
                left -= convolutions * (kernel_size - 1)
            left //= pool
        if left < 1:
            raise UsageError(
                f"images of {name} {side} are too small for {blocks * convolutions} convolutions of {kernel_size} and "
                f"{blocks} poolings of {pool}: lower blocks or pool, or set padding=same"
            )
