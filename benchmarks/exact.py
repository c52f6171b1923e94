"""Setting `exact` on real data: the same bits for 1, 2, 4 and 8 workers, with kills in between, and the cost of a step.

    python benchmarks/exact.py runs --json benchmarks/results/exact.json
    python benchmarks/exact.py cost --json benchmarks/results/exact.json

`runs` trains each model with 1, 2, 4 and 8 worker processes, and with 2, then 4, then 1, where a worker of the first
two groups kills itself in the middle of training. It compares weights, metrics.jsonl and predictions of all of them.
Prepare imdb, beijing and mnist first. Processes are started without Ray, as on eight machines. `cost` compares a step
with 8 canonical replicas with one of the whole batch, on one thread, in time of a core: other work counts little then.
"""

import argparse
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scaling import free_addresses

CANONICAL = 8
SHARED = {"epochs": 2, "exact": CANONICAL, "checkpoint_steps": 4}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "IMDB, LSTM with dropout": (
        "imdb",
        "lstm",
        {**SHARED, "maxlen": 200, "dropout": 0.2, "val": "500", "batch_size": 64, "steps_per_epoch": 12},
    ),
    "Beijing, stacked GRU": ("beijing", "gru_stacked", {**SHARED, "batch_size": 64, "steps_per_epoch": 12}),
    "MNIST, CNN with batch normalization": (
        "mnist",
        "exact:normalized_cnn",
        {**SHARED, "batch_size": 128, "steps_per_epoch": 24},
    ),
}
GROUPS = (1, 2, 4, 8)
CHAIN = ((2, 6), (4, 18), (1, 0))  # workers, and the step at which one of them kills itself
COSTS = {  # with batches of 256
    "GRU(32), XLA": ("beijing", "gru", {}),
    "LSTM(32), 500 words": ("imdb", "lstm", {}),
    "CNN": ("mnist", "cnn", {}),
    "dense": ("beijing", "dense", {}),
}


def normalized_cnn(inputs, *, filters: int = 16, dropout: float = 0.3):
    """Two convolutions with batch normalization and dropout."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(inputs.shape),
            layers.Reshape((*inputs.shape[:2], 1)),
            layers.Conv2D(filters, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(2 * filters, 3),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(inputs.outputs, activation="softmax"),
        ]
    )


# ---- runs


def train(run: Any, workers: int, kill_at: int = 0) -> None:
    """Train a run with worker processes. With `kill_at`, one of them kills itself at that step, and the others end."""
    addresses = free_addresses(workers)
    members = []
    for rank in range(workers):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if workers > 1:
            task = {"type": "worker", "index": rank}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        command = [sys.executable, __file__, "member", str(run.directory), str(workers), str(rank), str(kill_at)]
        members.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    try:
        while any(member.poll() is None for member in members) and not any(member.returncode for member in members):
            time.sleep(0.1)
    finally:
        for member in members:
            member.kill()
    errors = [member.communicate()[1] for member in members]
    if kill_at:
        assert members[-1].returncode == -signal.SIGKILL and run.result() is None, errors[-1][-3000:]
    else:
        assert not any(member.returncode for member in members), "\n".join(error[-3000:] for error in errors)


def member(directory: str, workers: int, rank: int, kill_at: int) -> None:
    """Be one worker of a run."""
    from raysq import backend

    backend.load()
    from raysq.training.callbacks import TrainingCallbacks
    from raysq.training.run import Run
    from raysq.training.runtime import configure, make_strategy
    from raysq.training.worker import run_worker

    run = Run.open(directory)
    configure(run.config.train_settings(), run.config.seed, gpu=False, threads=1)

    def on_train_batch_end(state: Any, *_: Any) -> None:
        if kill_at and rank == workers - 1 and state.step >= kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    callbacks = TrainingCallbacks(on_train_batch_end, export_model=lambda: False, tensorboard=False)
    run_worker(run, make_strategy(workers, False), callbacks, chief=rank == 0)


def digests(directory: str) -> dict[str, str]:
    """Return digests of a run's last weights, its records without times, and predictions for validation examples."""
    import numpy as np

    from raysq.data.columns import take_rows
    from raysq.data.dataset import Dataset
    from raysq.training import checkpoint
    from raysq.training.best import best_model
    from raysq.training.run import Run
    from raysq.training.runtime import configure

    run = Run.open(directory)
    configure(run.config.train_settings(), 0, gpu=False, threads=1)
    saved = checkpoint.load(run.last)
    assert saved is not None
    dataset = Dataset.open(run.config.data)
    examples = run.config.make_problem().splits(dataset)["val"]
    x = examples.gather(np.arange(64), examples.mapped(), take_rows)[0]
    predictions = np.asarray(best_model(run, dataset)(x, training=False))
    records = [{name: value for name, value in record.items() if name != "seconds"} for record in run.metrics()]
    values = b"".join(name.encode() + saved.variables[name].tobytes() for name in sorted(saved.variables))
    return {
        "weights": hashlib.sha256(values).hexdigest(),
        "metrics": hashlib.sha256(json.dumps([records, run.result()["metrics"]]).encode()).hexdigest(),
        "predictions": hashlib.sha256(predictions.tobytes()).hexdigest(),
        "val_loss": records[-1]["val_loss"],
    }


def measure_runs(only: str) -> Iterator[tuple[str, Any]]:
    """Yield each model's digests by workers, and whether they are equal."""
    from raysq.training.run import Run
    from raysq.training.run_config import resolve_config
    from raysq.training.train import find_or_prepare

    for title, (task, model, settings) in _selected(MODELS, only):
        config = resolve_config(task, model, find_or_prepare(task), 0, settings)
        with tempfile.TemporaryDirectory() as folder:
            found = {}
            for name in (*GROUPS, CHAIN):
                run = Run.create(config, folder=Path(folder) / str(name if name != CHAIN else "chain"))
                started = time.perf_counter()
                for workers, kill_at in CHAIN if name == CHAIN else [(name, 0)]:
                    train(run, workers, kill_at)
                seconds = time.perf_counter() - started
                label = f"{name}" if name != CHAIN else "2, killed, 4, killed, 1"
                output = subprocess.check_output([sys.executable, __file__, "digests", str(run.directory)], text=True)
                found[label] = json.loads(output.splitlines()[-1])
                print(f"{title}: {label} workers, {seconds:.0f} s, {found[label]}", flush=True)
        equal = all(each == found["1"] for each in found.values())
        yield title, {"settings": settings, "workers": found, "equal": equal}
        if not equal:
            sys.exit(f"{title}: the bits differ")


# ---- cost


class _Alone:
    """Stands for a group of `CANONICAL` workers without its exchange, for the time that a worker computes."""

    workers, rank = CANONICAL, 0

    def gather(self, rows: Any) -> list[Any]:
        return [rows] * self.workers


def measure_cost(only: str, rounds: int = 5, seconds: float = 0.8) -> Iterator[tuple[str, Any]]:
    """Yield the milliseconds of a core that a step takes, medians of alternating rounds.

    At one worker: canonical replicas against the whole batch. At the canonical number of workers: what one worker
    computes, without the exchange, against a plain step of its rows.
    """
    from raysq.training.exact_trainer import ExactTrainer
    from raysq.training.run_config import resolve_config
    from raysq.training.runtime import configure
    from raysq.training.train import find_or_prepare
    from raysq.training.trainer import Trainer

    for title, (task, model, settings) in _selected(COSTS, only):
        dataset = find_or_prepare(task)
        trainers: dict[str, Trainer] = {}
        for name, size, exact, group in (
            ("whole batch", 256, 0, None),
            ("canonical replicas", 256, CANONICAL, None),
            ("rows of a worker", 256 // CANONICAL, 0, None),
            ("worker of the canonical number", 256, CANONICAL, _Alone()),
        ):
            config = resolve_config(task, model, dataset, 0, {**settings, "batch_size": size, "exact": exact})
            configure(config.train_settings(), 0, gpu=False, threads=1)
            problem = config.make_problem()
            arguments: Any = (config.build(dataset), problem.splits(dataset), config.train_settings(), 0)
            arguments += (problem.objective(), config.model_spec().xla)
            trainers[name] = ExactTrainer(*arguments, group=group) if exact else Trainer(*arguments)
        steps = {name: _steps(trainer, seconds) for name, trainer in trainers.items()}
        times: dict[str, list[float]] = {name: [] for name in trainers}
        for _ in range(rounds):
            for name, trainer in trainers.items():
                started = time.process_time()
                trainer.train(8, steps[name])
                times[name].append(1000 * (time.process_time() - started) / steps[name])
        whole, parts, rows, worker = (statistics.median(values) for values in times.values())
        yield (
            title,
            {
                "milliseconds": {name: round(statistics.median(values), 3) for name, values in times.items()},
                "ratio_one_worker": round(parts / whole, 2),
                "ratio_canonical_workers": round(worker / rows, 2),
                "xla": trainers["whole batch"].xla,
            },
        )


def _selected(models: dict[str, Any], only: str) -> list[tuple[str, Any]]:
    return [(title, entry) for title, entry in models.items() if title.startswith(only)]


def _steps(trainer: Any, seconds: float) -> int:
    trainer.train(0, 2)
    started = time.process_time()
    trainer.train(2, 4)
    return max(2, int(4 * seconds / (time.process_time() - started)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("runs", "cost"))
    parser.add_argument("--json", type=Path, help="file that the results are added to")
    parser.add_argument("--only", default="", help="beginning of the titles of the models to measure")
    arguments = parser.parse_args()
    for title, values in (measure_runs if arguments.part == "runs" else measure_cost)(arguments.only):
        print(f"{title}: {json.dumps(values)}", flush=True)
        if arguments.json:
            earlier = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
            earlier["versions"] = {name: version(name) for name in ("tensorflow", "keras", "numpy")}
            earlier[arguments.part] = {
                "command": f"python benchmarks/exact.py {arguments.part} --json benchmarks/results/exact.json",
                "date": time.strftime("%Y-%m-%d"),
                "canonical_replicas": CANONICAL,
                "models": {**earlier.get(arguments.part, {}).get("models", {}), title: values},
            }
            arguments.json.write_text(json.dumps(earlier, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "member":
        member(sys.argv[2], *map(int, sys.argv[3:]))
    elif sys.argv[1] == "digests":
        print(json.dumps(digests(sys.argv[2])))
    else:
        main()
