#!/usr/bin/env python
"""Cost of checkpoints: seconds of a training step without them, and with one every 1 and 10 steps.

They are written in the training thread, or in the background. One process trains the same model in turn without
checkpoints, and with them in both ways. The cost of a checkpoint is the time that it adds to its steps. Both models are
built in: GRU(32) on Jena's windows, and a dense layer of 30 million parameters on the same windows. The rows of other
models, or of another number of threads, stay in the output.

    python benchmarks/checkpoints.py --rounds 3
    python benchmarks/checkpoints.py --rounds 3 --models dense --threads 1
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

# Settings, steps before a measurement, and steps of a measurement.
MODELS = {
    "gru": ({"model.units": 32}, 32, 200),
    "dense": ({"model.units": 17_800}, 12, 30),
}
EVERY = (1, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="sample:365d", help="raw data in Jena's layout (default: sample:365d)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--threads", type=int, help="TensorFlow's threads (default: all cores)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "checkpoints.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["RAYSQ_HOME"] = home
        import raysq
        from raysq.training.run_config import versions

        dataset = raysq.prepare("jena", source=options.source, quiet=True)
        rows = [row for model in options.models for row in measure(model, dataset, options.rounds, options.threads)]
    measured = [(row["model"], row["threads"]) for row in rows]
    rows = [row for row in earlier(options.output) if (row["model"], row["threads"]) not in measured] + rows
    ways = ("none", "training thread", "background")
    print("\n| model | threads | MB | every ... steps | step, ms | in the training thread | in the background |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        plain, here, beside = (1000 * statistics.median(row[way]) for way in ways)
        about = f"{row['model']}, {row['parameters']:,} parameters | {row['threads']} | {row['bytes'] / 1e6:,.1f}"
        print(f"| {about} | {row['every']} | {plain:.1f} | +{here - plain:.1f} | +{beside - plain:.1f} |")
    options.output.parent.mkdir(exist_ok=True)
    facts = {"source": options.source, "cores": os.cpu_count(), "processor": platform.processor(), **versions()}
    options.output.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")


def earlier(path: Path) -> list[dict]:
    """The rows of earlier measurements."""
    return json.loads(path.read_text())["rows"] if path.exists() else []


def measure(model: str, dataset, rounds: int, threads: int | None) -> list[dict]:
    """Seconds of a step without checkpoints, and with them in both ways, for each number of steps between them."""
    from raysq.training.compiled_cache import CompiledCache

    trainers = CompiledCache(1)
    none: list[float] = []
    shared = {"model": model, "threads": threads or os.cpu_count()}
    rows = [{**shared, "every": every, "training thread": [], "background": []} for every in EVERY]
    for number in range(rounds):
        seconds, figures = train(model, dataset, trainers, threads, every=0, background=True)
        none.append(seconds)
        for row in rows:
            row |= figures
            for mode in ("training thread", "background"):
                background = mode == "background"
                row[mode].append(train(model, dataset, trainers, threads, every=row["every"], background=background)[0])
        measured = ", ".join(f"{row[mode][-1]:.3f}" for row in rows for mode in ("training thread", "background"))
        print(f"{model} round {number + 1}: {seconds:.3f} s a step; with checkpoints {measured}", flush=True)
    return [{**row, "none": none} for row in rows]


def train(model: str, dataset, trainers, threads: int | None, *, every: int, background: bool) -> tuple[float, dict]:
    """Seconds of a step, and the size of the model and of its checkpoint."""
    from raysq.errors import Interrupted
    from raysq.training.callbacks import TrainingCallbacks
    from raysq.training.run import Run
    from raysq.training.run_config import resolve_config
    from raysq.training.runtime import configure
    from raysq.training.worker import run_worker

    settings, warm, steps = MODELS[model]
    settings = {**settings, "training.checkpoint_steps": every, "training.steps_per_epoch": 10 * (warm + steps)}
    config = resolve_config("jena", model, dataset, 0, settings)
    run = Run.create(config, name="run", fresh=True)
    configure(config.train_settings(), config.seed, gpu=False, threads=threads)
    moments: list[tuple[int, float]] = []

    def on_train_batch_end(state, loss, steps_per_epoch):
        if state.step >= warm:
            moments.append((state.step, time.perf_counter()))

    callbacks = TrainingCallbacks(
        on_train_batch_end=on_train_batch_end,
        should_stop=lambda: bool(moments) and moments[-1][0] >= warm + steps,
        tensorboard=False,
        background_checkpoints=background,
    )
    with contextlib.suppress(Interrupted):
        run_worker(run, None, callbacks, dataset=dataset, open_trainer=trainers.open)
    (first, began), (last, ended) = moments[0], moments[-1]
    (trainer,) = trainers._trainers.values()
    size = sum(path.stat().st_size for path in run.last.iterdir())
    return (ended - began) / (last - first), {"parameters": trainer.model.count_params(), "bytes": size}


if __name__ == "__main__":
    main()
