#!/usr/bin/env python
"""Time from command to the first finished training step: raysq in this process against a plain Keras script.

Both are fresh processes, in turn: raysq on a prepared data set, Keras reading the csv with pandas, normalizing,
building GRU(32) and fitting one step. The clock starts with the process and stops in it, after the first step.

    python benchmarks/startup.py --pairs 5
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RAYSQ = """
import sys, time
from raysq.training.backends import process
def first_step(state, loss, steps):
    print(time.time(), file=sys.__stdout__, flush=True)  # --json sends other lines to standard error
    import os; os._exit(0)
callbacks = process.TrainingCallbacks
process.TrainingCallbacks = lambda step, epoch, **others: callbacks(first_step, epoch, **others)
from raysq.cli import main
main(["train", "jena", "--model", "gru", "--json"])
"""
KERAS = """
import sys, time
import keras, numpy as np, pandas as pd
frame = pd.read_csv(sys.argv[1]).iloc[:, 1:]
values = frame.to_numpy("float32")
train = values[: len(values) // 2]
values = (values - train.mean(0)) / train.std(0)
train = values[: len(values) // 2]
data = keras.utils.timeseries_dataset_from_array(
    train[:-144], train[720 + 144 :, 1], sequence_length=120, sampling_rate=6, batch_size=128, shuffle=True)
model = keras.Sequential([keras.Input((120, 14)), keras.layers.GRU(32), keras.layers.Dense(1)])
model.compile("rmsprop", "mae")
model.fit(data, steps_per_epoch=1, epochs=1, verbose=0)
print(time.time(), flush=True)
import os; os._exit(0)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="sample:365d", help="sample:LENGTH or a plain csv in Jena's layout")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "startup.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "RAYSQ_HOME": home, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(
            [sys.executable, "-m", "raysq", "prepare", "jena", "--source", options.source],
            env=environment,
            check=True,
        )
        sources = list(Path(home).rglob("*.csv")) if options.source.startswith("sample") else [Path(options.source)]
        seconds: dict[str, list[float]] = {"raysq": [], "keras": []}
        for number in range(options.pairs + 1):
            for name, code, arguments in (("raysq", RAYSQ, []), ("keras", KERAS, [str(sources[0])])):
                started = time.time()
                command = [sys.executable, "-c", code, *arguments]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
                if done.returncode:
                    sys.exit(f"{name} failed: {done.stderr[-2000:]}")
                if number:  # the first pair warms the file caches
                    seconds[name].append(float(done.stdout.splitlines()[-1]) - started)
                    print(f"{name} {seconds[name][-1]:.2f} s", flush=True)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["raysq"] / medians["keras"]
    print(f"medians: raysq {medians['raysq']:.2f} s, Keras {medians['keras']:.2f} s, ratio {ratio:.2f}")
    options.output.parent.mkdir(exist_ok=True)
    facts = {"source": options.source, "cores": os.cpu_count()}
    results = {"facts": facts, "seconds": seconds, "medians": medians, "ratio": ratio}
    options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
