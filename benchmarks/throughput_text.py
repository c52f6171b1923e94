#!/usr/bin/env python
"""Training rate of raysq and of Keras 3 `fit` as in the book's listings: same model, batch and reviews.

multihot: Dense 16-16-1 over multi-hot vectors of 10,000 words (listing 3.3), batches of 512; Keras gets the float32
matrix. lstm and conv1d: 500 words a review (listings 6.27 and 6.46), batches of 128.

Each side has a process of its own, since determinism is a switch of the whole process: raysq's default, not Keras's.
They are asked in turn; each measurement takes a few seconds after a warm-up that is not counted.

    python benchmarks/throughput_text.py --source imdb.npz --pairs 5
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from pairs import measure, report

# Steps of raysq and of Keras in a measurement.
MODELS = {"multihot": (800, 78), "lstm": (60, 30), "conv1d": (25, 25)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--source", help="the reviews: imdb.npz, aclImdb_v1.tar.gz (default: random ones of their lengths)"
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "throughput_text.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["RAYSQ_HOME"] = home
        import raysq

        source = options.source or str(write_reviews(Path(home) / "reviews.jsonl"))
        dataset = raysq.prepare("imdb", source=source, quiet=True)
        rows = [
            measure(dataset, "imdb", model, keras_side, MODELS[model], options.pairs, "reviews")
            for model in options.models
        ]
    report(rows, "reviews", Path(options.source).name if options.source else "random reviews", options.output)


def write_reviews(path: Path, count: int = 25_000) -> Path:
    """Random words in texts as long as the reviews are: 235 words in the mean, 175 in the median, 2,500 at most."""
    random = np.random.RandomState(0)
    lengths = np.clip(np.exp(random.normal(5.16, 0.71, count)), 10, 2500).astype(int)
    words = np.minimum(random.zipf(1.2, lengths.sum()), 40_000)
    with open(path, "w") as file:
        for number, part in enumerate(np.split(words, np.cumsum(lengths)[:-1])):
            text = " ".join(f"w{word}" for word in part)
            file.write(json.dumps({"text": text, "label": "np"[number % 2]}) + "\n")
    return path


def keras_side(config, dataset):
    """A function that trains so many steps of the same model by `fit`, written as in the listing."""
    import keras
    from keras.layers import LSTM, Conv1D, Dense, Embedding, GlobalMaxPooling1D, MaxPooling1D

    texts = config.make_problem().splits(dataset)["train"]
    x, y = texts.gather(np.arange(len(texts)), texts.arrays(), lambda array, at: array[at])
    if config.model == "multihot":
        ids, x = x, np.zeros((len(x), 10_000), np.float32)
        for row, some in zip(x, ids, strict=True):
            row[some[some > 0]] = 1
        layers = [Dense(16, activation="relu"), Dense(16, activation="relu"), Dense(1, activation="sigmoid")]
    elif config.model == "lstm":
        layers = [Embedding(10_000, 32), LSTM(32), Dense(1, activation="sigmoid")]
    else:
        convolutions = [Conv1D(32, 7, activation="relu") for _ in range(2)]
        layers = [Embedding(10_000, 128), convolutions[0], MaxPooling1D(5), convolutions[1], GlobalMaxPooling1D()]
        layers.append(Dense(1, activation="sigmoid"))
    model = keras.Sequential(layers)
    train = config.train_settings()
    model.compile(keras.optimizers.RMSprop(train.learning_rate), "binary_crossentropy", metrics=["accuracy"])
    whole = len(x) // train.batch_size

    def run(steps: int) -> None:
        for begin in range(0, steps, whole):
            rows = min(whole, steps - begin) * train.batch_size
            model.fit(x[:rows], y[:rows], batch_size=train.batch_size, epochs=1, verbose=0)

    return run


if __name__ == "__main__":
    main()
