"""Image models: the tutorials' dense and convolutional networks, and an autoencoder.

Every builder takes `InputSpec` (x float32 of shape (height, width, channels), from 0 to 1) and keyword settings, and
returns an uncompiled Keras model: of classes with a softmax, output `(batch, classes)`; an autoencoder gives images of
the shape of x.
"""

from typing import Any, Literal

import keras

from raysq import layers as quick
from raysq.errors import UsageError
from raysq.problems.base import InputSpec

Flip = Literal["none", "horizontal", "vertical", "both"]


def baseline(inputs: InputSpec) -> keras.Model:
    """The share of each class, or the mean image, of the training images, whatever is seen. Nothing to train."""
    x = keras.Input(inputs.shape)
    if inputs.extra["target"] == "image":
        mean = quick.Constant(inputs.extra["mean"]().reshape(-1).tolist())(x)
        return keras.Model(x, keras.layers.Reshape(inputs.shape)(mean), name="baseline")
    return keras.Model(x, quick.Constant([float(share) for share in inputs.extra["priors"]])(x), name="baseline")


def mlp(
    inputs: InputSpec,
    *,
    units: int = 128,
    layers: int = 1,
    dropout: float = 0.2,
    flip: Flip = "none",
    shift: float = 0.0,
) -> keras.Model:
    """Dense layers over all pixels in a row, with dropout after each.

    Args:
        inputs: of images with classes.
        units: of each layer.
        layers: how many.
        dropout: share of the units that are left out while training.
        flip: turns training images over, at random.
        shift: moves training images by up to this share of their sides, at random.
    """
    _at_least(1, units=units, layers=layers)
    x = keras.Input(inputs.shape)
    seen = keras.layers.Flatten()(_varied(x, flip, shift))
    for number in range(1, layers + 1):
        seen = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(seen)
        seen = _dropped(seen, dropout)
    return keras.Model(x, _classes(inputs)(seen), name="mlp")


def cnn(
    inputs: InputSpec,
    *,
    filters: int = 10,
    kernel_size: int = 3,
    convolutions: int = 2,
    blocks: int = 1,
    pool: int = 2,
    padding: Literal["valid", "same"] = "valid",
    units: int | None = None,
    dropout: float = 0.0,
    normalize: bool = False,
    flip: Flip = "none",
    shift: float = 0.0,
) -> keras.Model:
    """Blocks of convolutions, each with max pooling at its end, then a dense layer.

    Args:
        inputs: of images with classes.
        filters: of the convolutions of the first block; each further block has twice as many.
        kernel_size: side of a convolution's window.
        convolutions: of a block.
        blocks: how many.
        pool: side of the windows of which the maximum is kept; 1 for none.
        padding: whether a convolution keeps the image's size ("same") or shrinks it.
        units: of the dense layer; none for 128 of gray images, and 512 of colored ones, as in the tutorials.
        dropout: share of the values that are left out while training, before the dense layer and after it.
        normalize: batch normalization after each convolution.
        flip: turns training images over, at random.
        shift: moves training images by up to this share of their sides, at random.
    """
    units = units if units is not None else 128 if inputs.shape[2] == 1 else 512
    _at_least(
        1, filters=filters, kernel_size=kernel_size, convolutions=convolutions, blocks=blocks, pool=pool, units=units
    )
    _fits(inputs, kernel_size, convolutions, blocks, pool, padding)
    x = keras.Input(inputs.shape)
    seen = _varied(x, flip, shift)
    for block in range(1, blocks + 1):
        for number in range(1, convolutions + 1):
            name = f"conv_{block}_{number}"
            width = filters * 2 ** (block - 1)
            seen = keras.layers.Conv2D(width, kernel_size, padding=padding, activation="relu", name=name)(seen)
            if normalize:
                seen = keras.layers.BatchNormalization(name=f"normal_{block}_{number}")(seen)
        if pool > 1:
            seen = keras.layers.MaxPooling2D(pool, name=f"pool_{block}")(seen)
    seen = _dropped(keras.layers.Flatten()(seen), dropout)
    seen = _dropped(keras.layers.Dense(units, activation="relu", name="dense")(seen), dropout)
    return keras.Model(x, _classes(inputs)(seen), name="cnn")


def autoencoder(
    inputs: InputSpec,
    *,
    code: int = 144,
    units: int = 0,
    activation: Literal["relu", "tanh", "sigmoid", "linear"] = "relu",
) -> keras.Model:
    """All pixels into a few numbers, and these into all pixels again.

    Args:
        inputs: of images that are their own target.
        code: how many numbers.
        units: of a dense layer before the code and one after it; 0 for none.
        activation: of the code.
    """
    if inputs.extra["target"] != "image":
        raise UsageError("this model gives images: set target=image")
    _at_least(1, code=code)
    _at_least(0, units=units)
    pixels = inputs.shape[0] * inputs.shape[1] * inputs.shape[2]
    x = keras.Input(inputs.shape)
    seen = keras.layers.Flatten()(x)
    if units:
        seen = keras.layers.Dense(units, activation="relu", name="encoder")(seen)
    seen = keras.layers.Dense(code, activation=activation, name="code")(seen)
    if units:
        seen = keras.layers.Dense(units, activation="relu", name="decoder")(seen)
    seen = keras.layers.Dense(pixels, activation="sigmoid", dtype="float32", name="pixels")(seen)
    return keras.Model(x, keras.layers.Reshape(inputs.shape, dtype="float32")(seen), name="autoencoder")


def _classes(inputs: InputSpec) -> keras.layers.Layer:
    """The output of a model of classes."""
    if inputs.extra["target"] != "label":
        raise UsageError("this model names classes: set target=label")
    # float32 whatever the precision of the others: the loss takes logarithms of it.
    return keras.layers.Dense(inputs.outputs, activation="softmax", dtype="float32", name="classes")


def _varied(seen: Any, flip: Flip, shift: float) -> Any:
    """The images turned over and moved at random, while training."""
    if not 0 <= shift < 1:
        raise UsageError(f"setting shift must be at least 0 and below 1, received {shift}")
    if flip != "none":
        seen = keras.layers.RandomFlip({"both": "horizontal_and_vertical"}.get(flip, flip))(seen)
    if shift:
        seen = keras.layers.RandomTranslation(shift, shift, fill_mode="nearest")(seen)
    return seen


def _dropped(seen: Any, rate: float) -> Any:
    if not 0 <= rate < 1:
        raise UsageError(f"setting dropout must be at least 0 and below 1, received {rate}")
    return keras.layers.Dropout(rate)(seen) if rate else seen


def _fits(inputs: InputSpec, kernel_size: int, convolutions: int, blocks: int, pool: int, padding: str) -> None:
    """Refuses images that are too small for a model's convolutions and pooling."""
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


def _at_least(least: int, **values: int) -> None:
    for name, value in values.items():
        if value < least:
            raise UsageError(f"setting {name} must be at least {least}, received {value}")
