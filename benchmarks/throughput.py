#!/usr/bin/env python
"""Training rate of raysq and of Keras 3 `fit` on `timeseries_dataset_from_array`: same model, batch and windows.

Each side has a process of its own, since determinism is a switch of the whole process: raysq's default, not Keras's.
They are asked in turn; each measurement takes a few seconds after a warm-up that is not counted.

    python benchmarks/throughput.py --pairs 5
"""

import argparse
import os
import tempfile
from pathlib import Path

from pairs import measure, report

BATCH, LOOKBACK, STEP, DELAY = 128, 720, 6, 144
# Steps of raysq and of Keras in a measurement.
MODELS = {"dense": (6000, 60), "gru_dropout": (120, 30), "gru": (150, 60)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="sample:365d", help="raw data in Jena's layout (default: sample:365d)")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "throughput.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["RAYSQ_HOME"] = home
        import raysq

        dataset = raysq.prepare("jena", source=options.source, quiet=True)
        rows = [
            measure(dataset, "jena", model, keras_side, MODELS[model], options.pairs, "windows")
            for model in options.models
        ]
    report(rows, "windows", options.source, options.output)


def keras_side(config, dataset):
    """A function that trains so many steps of the same model by `fit`."""
    import keras

    windows = config.make_problem().splits(dataset)["train"]
    ((begin, end),) = windows.bounds
    series = windows.arrays()["series"][begin:end]
    target = config.make_problem().input_spec(dataset).targets[0]
    batches = keras.utils.timeseries_dataset_from_array(
        series[:-DELAY],
        series[LOOKBACK + DELAY :, target],
        sequence_length=LOOKBACK // STEP,
        sampling_rate=STEP,
        batch_size=BATCH,
        shuffle=True,
        seed=0,
    ).repeat()
    model = config.build(dataset)
    model.compile("rmsprop", "mae", metrics=["mae"])
    return lambda steps: model.fit(batches, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)


if __name__ == "__main__":
    main()
