"""Built-in synthetic images: an npz file of drawn shapes, for first steps without data."""

import zipfile
from pathlib import Path

import numpy as np

from raysq.problems.sample_size import sample_length
from raysq.storage.atomic import atomic_write

VERSION = 1  # raised when the same length would give other images
DEFAULT = "3000"
SIDE = 28
CLASSES = ("bar", "cross", "ring", "square", "wave")

_FEWEST, _MOST = 100, 200_000
_TESTED = 5  # every fifth image is in the test part
_BLOCK = 1000


def sample(directory: Path, spec: str = "") -> Path:
    """Write synthetic images, unless the file exists. The same length gives the same images everywhere.

    Args:
        directory: folder of the file.
        spec: number of images, such as "2000"; 3,000 if empty.

    Returns:
        Path of an npz file with `x_train`, `y_train`, `x_test` and `y_test`. The test part is a fifth of the images.
        x is uint8 of shape (n, 28, 28), and y holds the name of each shape.

    Raises:
        UsageError: `spec` is no number of images.
        SourceError: the directory cannot be written.
    """
    count = sample_length(spec, DEFAULT, "images", _FEWEST, _MOST)
    path = Path(directory) / f"sample-{count}-v{VERSION}.npz"
    if path.exists():
        return path
    pixels, labels = shapes(count)
    names = np.array(CLASSES)[labels]
    tests = np.arange(count) % _TESTED == _TESTED - 1
    arrays = {
        "x_train": pixels[~tests],
        "y_train": names[~tests],
        "x_test": pixels[tests],
        "y_test": names[tests],
    }
    with atomic_write(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            # `np.savez` writes the current time into the file, so that its bytes would differ.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as file:
                np.lib.format.write_array(file, array, (1, 0), allow_pickle=False)
    return path


def shapes(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw synthetic images.

    Each image has one shape of random size, place, thickness and rotation on a background of noise. Some shapes are
    partly hidden. The first images are the same for any count.

    Args:
        count: number of images.
        seed: seed of the random numbers.

    Returns:
        Pixels, uint8 of shape (count, 28, 28), and class indices, int64 of shape (count,).
    """
    pixels = np.empty((count, SIDE, SIDE), np.uint8)
    labels = np.empty(count, np.int64)
    for begin in range(0, count, _BLOCK):
        random = np.random.RandomState([seed, begin // _BLOCK])
        block, classes = _block(random, _BLOCK)
        end = min(count, begin + _BLOCK)
        pixels[begin:end], labels[begin:end] = block[: end - begin], classes[: end - begin]
    return pixels, labels


def _block(random: np.random.RandomState, count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = random.randint(len(CLASSES), size=count)

    def uniform(low: float, high: float) -> np.ndarray:
        return random.uniform(low, high, (count, 1, 1))

    turn, radius, thick = uniform(0, np.pi), uniform(6, 10), uniform(1.0, 2.2)
    down, across = np.mgrid[:SIDE, :SIDE]
    y, x = down - uniform(11, 16), across - uniform(11, 16)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    inside = np.maximum(abs(u), abs(v)) - radius  # negative inside a square with this half side
    far = [
        np.maximum(abs(v), abs(u) - radius),
        np.maximum(np.minimum(abs(u), abs(v)), inside),
        abs(np.hypot(u, v) - radius),
        abs(inside + 0.2 * radius),
        np.maximum(abs(v - 3 * np.sin(u * 0.8)), abs(u) - radius),
    ]
    distance = np.choose(labels[:, None, None], far)
    drawn = np.clip(thick - distance + 0.5, 0, 1) * uniform(0.5, 1)
    hidden = (down < uniform(-14, 14)) & (uniform(0, 1) < 0.3)
    drawn = np.where(hidden, drawn * 0.3, drawn)
    noise = random.normal(0, 0.12, (count, SIDE, SIDE))
    return np.clip(255 * (drawn + noise + 0.05), 0, 255).astype(np.uint8), labels
