#!/usr/bin/env python
"""Time of a short two-worker run from command to end: raysq with one and two workers, and a plain script of Ray Train.

Each is a fresh process, in turn, that trains a dense model on windows of the sample data for 4 epochs of 150 steps of
128 examples, with one TensorFlow thread a worker. raysq evaluates after every epoch and exports the model at the end.
The plain script uses `ray.train.tensorflow.TensorflowTrainer` and `tf_keras`, since Keras 3's `fit` does not run under
its strategy; it reads the csv with pandas and evaluates after every epoch. The last part is a second and third
two-worker run in the process of the first.

    pip install tf_keras && python benchmarks/group_startup.py --rounds 3
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

TRAIN = ("-m", "raysq", "train", "jena", "--model", "dense", "--threads", "1", "--fresh", "--json")
SETTINGS = {"epochs": 4, "steps_per_epoch": 150, "batch_size": 128}
AGAIN = """
import sys, time, raysq
settings = {settings}
for number in range(3):
    started = time.time()
    raysq.train("jena", model="dense", workers=2, threads=1, settings=settings, seed=number, fresh=True)
    print(time.time() - started, file=sys.__stdout__, flush=True)
"""
PLAIN = """
import os, sys
def train(config):
    import numpy as np, pandas as pd, tensorflow as tf, tf_keras
    tf.config.threading.set_intra_op_parallelism_threads(1)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    values = pd.read_csv(config["csv"]).iloc[:, 1:].to_numpy("float32")
    half = len(values) // 2
    values = (values - values[:half].mean(0)) / values[:half].std(0)
    def windows(rows):
        data = tf_keras.utils.timeseries_dataset_from_array(
            rows[:-144], rows[720 + 144 :, 1], sequence_length=120, sampling_rate=6, batch_size=128, shuffle=True)
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        return data.repeat().with_options(options)
    with strategy.scope():
        model = tf_keras.Sequential([tf_keras.layers.Flatten(input_shape=(120, values.shape[1])),
            tf_keras.layers.Dense(32, activation="relu"), tf_keras.layers.Dense(1)])
        model.compile("rmsprop", "mae")
    model.fit(windows(values[:half]), steps_per_epoch=150, epochs=4, verbose=0,
        validation_data=windows(values[half:]), validation_steps=50)
from ray.train import RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer
TensorflowTrainer(train, train_loop_config={"csv": sys.argv[1]}, scaling_config=ScalingConfig(num_workers=2),
    run_config=RunConfig(storage_path=sys.argv[2])).fit()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=["one", "two", "plain", "again"], help="parts to measure")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "group_startup.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "RAYSQ_HOME": home, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(
            [sys.executable, "-m", "raysq", "prepare", "jena", "--source", "sample:365d"],
            env=environment,
            check=True,
            capture_output=True,
        )
        source = str(next(Path(home).rglob("*.csv")))
        settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
        parts = {
            "one": [*TRAIN, *settings],
            "two": [*TRAIN, *settings, "--workers", "2"],
            "plain": ["-c", PLAIN, source, home],
            "again": ["-c", AGAIN.format(settings=SETTINGS)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in (*(options.only or parts), "second", "third")}
        for _ in range(options.rounds):
            for name in options.only or parts:
                started = time.time()
                done = subprocess.run(
                    [sys.executable, *parts[name]], env=environment, capture_output=True, text=True, timeout=600
                )
                seconds[name].append(time.time() - started)
                if done.returncode:
                    sys.exit(f"{name} failed: {done.stderr[-3000:]}")
                if name == "again":
                    _, second, third = map(float, done.stdout.splitlines()[-3:])
                    seconds["second"].append(second)
                    seconds["third"].append(third)
                print(f"{name} {seconds[name][-1]:.1f} s", flush=True)
            medians = {name: statistics.median(values) for name, values in seconds.items() if values}
            print("medians: " + ", ".join(f"{name} {value:.1f} s" for name, value in medians.items()), flush=True)
            facts = {"settings": SETTINGS, "cores": os.cpu_count()}
            results = {"facts": facts, "seconds": seconds, "medians": medians}
            options.output.parent.mkdir(exist_ok=True)
            options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
