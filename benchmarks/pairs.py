"""Shared by the benchmarks of training rates: raysq and Keras `fit` as processes that measure by turns."""

import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM = 20  # steps before the first measurement

Side = Callable[[Any, Any], Callable[[int], Any]]
"""Function that takes a run's configuration and its data set, and returns a function that trains a number of steps."""


def measure(dataset, task: str, model: str, keras_side: Side, steps: tuple[int, int], pairs: int, unit: str) -> dict:
    """Examples a second of both sides, pair by pair.

    Args:
        dataset: prepared.
        task: its task.
        model: that both train.
        keras_side: how Keras trains it.
        steps: of raysq and of Keras in a measurement.
        pairs: measurements of each.
        unit: what an example is called.
    """
    context = multiprocessing.get_context("spawn")
    sides = {}
    for name, side, count in zip(("raysq", "keras"), (raysq_side, keras_side), steps, strict=True):
        pipe, remote_pipe = context.Pipe()
        arguments = (remote_pipe, side, task, model, str(dataset.directory), count)
        process = context.Process(target=serve, args=arguments, daemon=True)
        process.start()
        sides[name] = (pipe, process)
    for pipe, _ in sides.values():
        pipe.recv()  # warm
    row: dict = {"model": model, "raysq": [], "keras": []}
    for number in range(pairs):
        for name, (pipe, _) in sides.items():
            pipe.send("measure")
            row[name].append(pipe.recv())
        print(f"{model} pair {number + 1}: raysq {row['raysq'][-1]:,.0f}, Keras {row['keras'][-1]:,.0f} {unit}/s")
    for pipe, process in sides.values():
        pipe.send("end")
        process.join()
    row["ratios"] = [raysq / keras for raysq, keras in zip(row["raysq"], row["keras"], strict=True)]
    return row


def serve(pipe, side: Side, task: str, model: str, directory: str, steps: int) -> None:
    """A side's process: warms up, then measures whenever it is asked."""
    from raysq.data.dataset import Dataset
    from raysq.training.run_config import resolve_config

    dataset = Dataset.open(directory)
    config = resolve_config(task, model, dataset, 0, {})
    run = side(config, dataset)
    run(WARM)
    pipe.send("warm")
    while pipe.recv() == "measure":
        started = time.perf_counter()
        run(steps)
        pipe.send(steps * config.train_settings().batch_size / (time.perf_counter() - started))


def raysq_side(config, dataset):
    """A function that trains so many steps as `raysq train` does, in calls of 64."""
    from raysq.training.open_trainer import open_trainer
    from raysq.training.run import Run
    from raysq.training.runtime import configure

    configure(config.train_settings(), config.seed, gpu=False)
    trainer = open_trainer(Run(Path("unused"), config), dataset)
    done = 0

    def run(steps: int) -> None:
        nonlocal done
        end = done + steps
        while done < end:
            count = min(64, end - done)
            trainer.train(done, count)
            done += count
        trainer.take_train_metrics()

    return run


def report(rows: list[dict], unit: str, source: str, output: Path) -> None:
    """Prints the table, and writes it with what made it."""
    from raysq.training.run_config import versions

    print(f"\n| model | raysq, {unit}/s | Keras fit, {unit}/s | ratio of medians | ratios of the pairs |")
    print("|---|---|---|---|---|")
    for row in rows:
        pairs = ", ".join(f"{ratio:.1f}" for ratio in row["ratios"])
        medians = (statistics.median(row["raysq"]), statistics.median(row["keras"]))
        print(f"| {row['model']} | {medians[0]:,.0f} | {medians[1]:,.0f} | {medians[0] / medians[1]:.1f} | {pairs} |")
    output.parent.mkdir(exist_ok=True)
    environment = {"source": source, "cores": os.cpu_count(), "processor": platform.processor(), **versions()}
    output.write_text(json.dumps({"facts": environment, "rows": rows}, indent=1) + "\n")
