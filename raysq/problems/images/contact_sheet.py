"""Contact sheets: many small pictures combined into one."""

from collections.abc import Sequence

import numpy as np

GAP = 2  # pixels between pictures


def sheet(images: Sequence[np.ndarray], columns: int, gap: int = GAP) -> np.ndarray:
    """Arrange pictures in rows, with transparent gaps.

    Args:
        images: uint8 pictures of one shape, (height, width, 1 or 3).
        columns: pictures in a row.
        gap: pixels between pictures.

    Returns:
        uint8 of shape (height, width, 2 or 4). The last channel is alpha: 0 in gaps and empty cells, else 255.
    """
    height, width, channels = images[0].shape
    columns = min(columns, len(images))
    lines = -(-len(images) // columns)
    canvas = np.zeros((lines * (height + gap) - gap, columns * (width + gap) - gap, channels + 1), np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        canvas[top : top + height, left : left + width, :channels] = image
        canvas[top : top + height, left : left + width, channels] = 255
    return canvas


def channels_sheet(values: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Arrange the output channels of a convolution in rows, as in "Deep Learning with Python" (5.4.1).

    Args:
        values: output of the layer, shape (height, width, channels).
        columns: channels in a row.
        gap: pixels between channels.

    Returns:
        uint8 of shape (height, width): 1 to 255, each channel scaled by its own mean and standard deviation; 0 in gaps
        and empty cells.
    """
    height, width, channels = values.shape
    mean, deviation = values.mean((0, 1)), values.std((0, 1))
    even = (values - mean) / np.where(deviation > 0, deviation, 1.0)
    drawn = np.clip(even * 64 + 128, 1, 255).astype(np.uint8)
    drawn[..., deviation == 0] = 1  # constant channels are dark
    lines = -(-channels // columns)
    canvas = np.zeros((lines * (height + gap) - gap, min(columns, channels) * (width + gap) - gap), np.uint8)
    for channel in range(channels):
        top, left = channel // columns * (height + gap), channel % columns * (width + gap)
        canvas[top : top + height, left : left + width] = drawn[..., channel]
    return canvas


def vector_sheet(values: np.ndarray, highest: float | None = None) -> np.ndarray:
    """Arrange the outputs of a dense layer as the cells of a nearly square picture, row by row.

    Args:
        values: output of the layer, shape (units,).
        highest: value of the brightest cell; the maximum of `values` if None. The darkest is the minimum or 0,
            whichever is less.

    Returns:
        uint8 of shape (rows, columns): 1 to 255, and 0 after the last cell.
    """
    columns = int(np.ceil(np.sqrt(len(values))))
    lines = -(-len(values) // columns)
    low, high = min(0.0, float(values.min())), float(values.max()) if highest is None else highest
    drawn = np.clip((values - low) / max(high - low, 1e-12) * 254 + 1, 1, 255).astype(np.uint8)
    canvas = np.zeros(lines * columns, np.uint8)
    canvas[: len(values)] = drawn
    return canvas.reshape(lines, columns)


def shrunk(images: np.ndarray, most: int) -> np.ndarray:
    """Shrink images by a whole factor, averaging blocks of pixels, until no side exceeds `most` pixels.

    Args:
        images: uint8 of shape (n, height, width, channels).
        most: longest side in pixels.

    Returns:
        uint8 of shape (n, height, width, channels); `images` itself if they are small enough.
    """
    step = -(-max(images.shape[1:3]) // most)
    if step <= 1:
        return images
    count, height, width, channels = images.shape
    height, width = max(1, height // step), max(1, width // step)
    cut = images[:, : height * step, : width * step].astype(np.float32)
    means: np.ndarray = cut.reshape(count, height, step, width, step, channels).mean((2, 4))
    return means.round().astype(np.uint8)
