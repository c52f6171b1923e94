#!/usr/bin/env python
"""Training rate of raysq and of Keras 3 `fit` on `timeseries_dataset_from_array`: same model, batch and windows.

Each side has a process of its own, since determinism is a switch of the whole process: raysq's default, not Keras's.
They are asked in turn; each measurement takes a few seconds after a warm-up that is not counted.

    python benchmarks/throughput.py --pairs 5
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

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
        rows = [measure(dataset, model, options.pairs) for model in options.models]
    print("\n| model | raysq, windows/s | Keras fit, windows/s | ratio of medians | ratios of the pairs |")
    print("|---|---|---|---|---|")
    for row in rows:
        pairs = ", ".join(f"{ratio:.1f}" for ratio in row["ratios"])
        medians = (statistics.median(row["raysq"]), statistics.median(row["keras"]))
        print(f"| {row['model']} | {medians[0]:,.0f} | {medians[1]:,.0f} | {medians[0] / medians[1]:.1f} | {pairs} |")
    from raysq.training.config import versions

    options.output.parent.mkdir(exist_ok=True)
    facts = {"source": options.source, "cores": os.cpu_count(), "processor": platform.processor(), **versions()}
    options.output.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")


def measure(dataset, model: str, pairs: int) -> dict:
    """Windows a second of both, pair by pair."""
    context = multiprocessing.get_context("spawn")
    sides = {}
    for name, steps in zip(("raysq", "keras"), MODELS[model], strict=True):
        mine, other = context.Pipe()
        process = context.Process(target=serve, args=(other, name, model, str(dataset.directory), steps), daemon=True)
        process.start()
        sides[name] = (mine, process)
    for pipe, _ in sides.values():
        pipe.recv()  # warm
    row: dict = {"model": model, "raysq": [], "keras": []}
    for number in range(pairs):
        for name, (pipe, _) in sides.items():
            pipe.send("measure")
            row[name].append(pipe.recv())
        print(f"{model} pair {number + 1}: raysq {row['raysq'][-1]:,.0f}, Keras {row['keras'][-1]:,.0f} windows/s")
    for pipe, process in sides.values():
        pipe.send("end")
        process.join()
    row["ratios"] = [mine / other for mine, other in zip(row["raysq"], row["keras"], strict=True)]
    return row


def serve(pipe, side: str, model: str, directory: str, steps: int) -> None:
    """A side's process: warms up, then measures whenever it is asked."""
    from raysq.shards import Dataset
    from raysq.training.config import plan

    dataset = Dataset.open(directory)
    run = {"raysq": raysq_side, "keras": keras_side}[side](plan("jena", model, dataset, 0, {}), dataset)
    run(20)
    pipe.send("warm")
    while pipe.recv() == "measure":
        pipe.send(rate(run, steps))


def rate(run, steps: int) -> float:
    started = time.perf_counter()
    run(steps)
    return steps * BATCH / (time.perf_counter() - started)


def raysq_side(config, dataset):
    """A function that trains so many steps as `raysq train` does, in calls of 64."""
    from raysq.training.run import Run
    from raysq.training.worker import configure, open_program

    configure(config.train_settings(), config.seed, gpu=False)
    program = open_program(Run(Path("unused"), config), dataset)
    done = 0

    def run(steps: int) -> None:
        nonlocal done
        end = done + steps
        while done < end:
            count = min(64, end - done)
            program.train(done, count)
            done += count
        program.take_train_metrics()

    return run


def keras_side(config, dataset):
    """A function that trains so many steps of the same model by `fit`."""
    import keras

    windows = config.example_settings().open(dataset)["train"]
    series = windows.arrays()["series"][windows.begin : windows.end]
    target = config.example_settings().inputs(dataset).targets[0]
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
