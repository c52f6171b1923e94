"""What the scripts of this folder share: their data, and their command line."""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

VARIABLE = "RAYSQ_EXAMPLES_DATA"  # names a folder with public data, such as mnist/mnist.npz


def real(name: str) -> Path | None:
    """Return a file of public data, or None where it is not at hand, which is said."""
    folder = os.environ.get(VARIABLE)
    path = Path(folder, name) if folder else None
    if path is not None and path.exists():
        return path
    print(f"synthetic data: {VARIABLE} names no folder with {name}")
    return None


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures of digits, 14 by 14 points between 0 and 1, and their classes: MNIST, or made up."""
    if path := real("mnist/mnist.npz"):
        with np.load(path) as arrays:
            return arrays["x_train"][:count, ::2, ::2, None].astype("float32") / 255, arrays["y_train"][:count]
    random = np.random.default_rng(0)
    shapes = random.random((10, 7, 7)).round().repeat(2, 1).repeat(2, 2)
    labels = random.integers(0, 10, count)
    pictures = 0.7 * shapes[labels] + 0.3 * random.random((count, 14, 14))
    return pictures[..., None].astype("float32"), labels.astype("uint8")


def parts(count: int, train: int) -> np.ndarray:
    """Return the part of each row: the first ones train, the others validate."""
    return np.array(["train"] * train + ["val"] * (count - train))


def rows(x: Mapping[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Return some rows of arrays by name."""
    return {name: values[chosen] for name, values in x.items()}


def by_epoch(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the records of a run's epochs in the form of `History.history`."""
    return {name: [record[name] for record in records] for name in records[0]}


def main(fit: Callable[[], dict[str, Any]], on_raysq: Callable[[int], dict[str, Any]]) -> None:
    """Train as the command line says, and print the figures of each epoch as JSON."""
    parser = argparse.ArgumentParser(description="Train by Model.fit, or with --workers by raysq.")
    parser.add_argument("--workers", type=int, metavar="N", help="Train by raysq with this number of workers.")
    workers = parser.parse_args().workers
    figures = fit() if workers is None else on_raysq(workers)
    print(json.dumps({name: [float(value) for value in values] for name, values in figures.items()}))
