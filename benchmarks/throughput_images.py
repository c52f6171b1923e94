#!/usr/bin/env python
"""Training rate of raysq and of Keras 3 `fit` as in the tutorials: same model, batch and digits.

mlp: a dense layer of 128 with dropout 0.2; cnn: two convolutions of 10, max pooling, a dense layer of 128. Batches of
64; Keras gets the float32 arrays in memory.

Each side has a process of its own, since determinism is a switch of the whole process: raysq's default, not Keras's.
They are asked in turn; each measurement takes a few seconds after a warm-up that is not counted.

    python benchmarks/throughput_images.py --source mnist.npz --pairs 5
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from pairs import measure, report

# Steps of raysq and of Keras in a measurement.
MODELS = {"mlp": (2500, 1000), "cnn": (200, 200)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="sample:60000", help="mnist.npz (default: as many synthetic images)")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "throughput_images.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["RAYSQ_HOME"] = home
        import raysq

        dataset = raysq.prepare("mnist", source=options.source, quiet=True)
        rows = [
            measure(dataset, "mnist", model, keras_side, MODELS[model], options.pairs, "images")
            for model in options.models
        ]
    report(rows, "images", Path(options.source).name, options.output)


def keras_side(config, dataset):
    """A function that trains so many steps of the same model by `fit`, written as in the tutorial."""
    import keras
    from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D

    images = config.make_problem().splits(dataset)["train"]
    x, y = images.gather(np.arange(len(images)), images.arrays(), lambda array, at: array[at])
    if config.model == "mlp":
        layers = [Flatten(), Dense(128, activation="relu"), Dropout(0.2)]
    else:
        layers = [Conv2D(10, 3, activation="relu"), Conv2D(10, 3, activation="relu"), MaxPooling2D(), Flatten()]
        layers.append(Dense(128, activation="relu"))
    model = keras.Sequential([*layers, Dense(int(y.max()) + 1, activation="softmax")])
    train = config.train_settings()
    model.compile(keras.optimizers.Adam(train.learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    whole = len(x) // train.batch_size

    def run(steps: int) -> None:
        for begin in range(0, steps, whole):
            rows = min(whole, steps - begin) * train.batch_size
            model.fit(x[:rows], y[:rows], batch_size=train.batch_size, epochs=1, verbose=0)

    return run


if __name__ == "__main__":
    main()
