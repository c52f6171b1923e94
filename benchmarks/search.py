#!/usr/bin/env python
"""Sixteen equal GRU trials by raysq, by plain Ray Tune with Keras `fit`, and by KerasTuner, on the same cores.

Each side is a process of its own that has all cores, from its start to its result, one after the other in turn; the
data are prepared before. The trials differ in their learning rate only, so all are the same work.

    python benchmarks/search.py --trials 16 --steps 100
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH, LOOKBACK, STEP, DELAY, UNITS = 128, 720, 6, 144, 32
RATES = (3e-4, 3e-3)
SIDES = ("raysq", "ray_tune", "keras_tuner")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="sample:60d", help="raw data in Jena's layout (default: sample:60d)")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100, help="of an epoch")
    parser.add_argument("--rounds", type=int, default=1, help="times that every side is asked")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "search.json")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(globals()[options.side](json.loads(os.environ["RAYSQ_SEARCH_BENCHMARK"]))))
        return
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"RAYSQ_HOME": home, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        job = write_job(options, cores, Path(home))
        rows: dict[str, list[dict]] = {side: [] for side in SIDES}
        for number in range(options.rounds):
            for side in SIDES:
                rows[side].append(measure(side, {**job, "round": number}, Path(home)))
                print(f"{side}: {options.trials} trials in {rows[side][-1]['wall']:.1f} s", flush=True)
    report(rows, options, cores)


def write_job(options: argparse.Namespace, cores: int, home: Path) -> dict:
    """Prepares the data once: shards for raysq, the same normalized series as an array for Keras."""
    import numpy as np

    import raysq
    from raysq.training.run_config import resolve_config

    dataset = raysq.prepare("jena", source=options.source, quiet=True)
    config = resolve_config("jena", "gru", dataset, 0, settings(options))
    windows = config.make_problem().splits(dataset)
    inputs = config.make_problem().input_spec(dataset)
    parts = {name: windows[name].arrays()["series"][slice(*windows[name].bounds[0])] for name in ("train", "val")}
    np.savez(home / "series.npz", **parts)
    return {
        "data": str(dataset.directory),
        "series": str(home / "series.npz"),
        "target": inputs.targets[0],
        "trials": options.trials,
        "cores": cores,
        "settings": settings(options),
    }


def settings(options: argparse.Namespace) -> dict:
    window = {"lookback": LOOKBACK, "step": STEP, "delay": DELAY, "calendar": ""}
    model = {"units": UNITS, "layers": 1, "dropout": 0.0, "recurrent_dropout": 0.0}
    return {**window, **model, "batch_size": BATCH, "epochs": options.epochs, "steps_per_epoch": options.steps}


def measure(side: str, job: dict, home: Path) -> dict:
    """What a side says of itself, with its seconds from the start of its process to its end."""
    environment = {**os.environ, "RAYSQ_SEARCH_BENCHMARK": json.dumps({**job, "folder": str(home)})}
    command = [sys.executable, __file__, "--side", side]
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=home)
    wall = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
    return {"wall": wall, **json.loads(done.stdout.splitlines()[-1])}


def raysq(job: dict) -> dict:
    """`raysq tune`."""
    from raysq import tune

    experiment = tune(
        "jena",
        data=job["data"],
        model="gru",
        trials=job["trials"],
        settings={**job["settings"], "xla": "auto"},
        search={"learning_rate": ("loguniform", *RATES)},
        scheduler="none",
        name=f"round-{job['round']}",
    )
    return {
        "best": experiment.best_metrics["val_loss"],
        "trials": len(experiment.trials),
        "states": sorted({trial["state"] for trial in experiment.trials}),
        "seconds": [trial["seconds"] for trial in experiment.trials],
    }


def fit(job: dict, rate: float):
    """The same model trained by Keras `fit`, as its documentation has it; returns the history."""
    import keras
    import numpy as np

    series = np.load(job["series"])

    def windows(part, shuffle: bool):
        return keras.utils.timeseries_dataset_from_array(
            part[:-DELAY],
            part[LOOKBACK + DELAY :, job["target"]],
            sequence_length=LOOKBACK // STEP,
            sampling_rate=STEP,
            batch_size=BATCH if shuffle else 512,
            shuffle=shuffle,
            seed=0,
        )

    columns = series["train"].shape[1]
    model = keras.Sequential([keras.Input((LOOKBACK // STEP, columns)), keras.layers.GRU(UNITS), keras.layers.Dense(1)])
    model.compile(keras.optimizers.RMSprop(rate), "mae")
    settings = job["settings"]
    return model.fit(
        windows(series["train"], True).repeat(),
        steps_per_epoch=settings["steps_per_epoch"],
        epochs=settings["epochs"],
        validation_data=windows(series["val"], False),
        verbose=0,
    )


def ray_tune(job: dict) -> dict:
    """Ray Tune over a function that calls `fit`: a trial a core, processes used again."""
    import ray
    from ray import tune

    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=job["cores"])

    def trial(parameters: dict) -> None:
        import tensorflow as tf

        with contextlib.suppress(RuntimeError):  # a reused process has them set
            tf.config.threading.set_intra_op_parallelism_threads(1)
        history = fit(job, parameters["rate"])
        tune.report({"val_loss": min(history.history["val_loss"])})

    tuner = tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space={"rate": tune.loguniform(*RATES)},
        tune_config=tune.TuneConfig(metric="val_loss", mode="min", num_samples=job["trials"], reuse_actors=True),
        run_config=tune.RunConfig(storage_path=job["folder"], name=f"plain-{job['round']}", verbose=0),
    )
    results = tuner.fit()
    return {"best": results.get_best_result().metrics["val_loss"], "trials": len(results) - results.num_errors}


def keras_tuner(job: dict) -> dict:
    """KerasTuner's RandomSearch: one trial after the other, each with all cores."""
    import keras_tuner

    class Search(keras_tuner.RandomSearch):
        def run_trial(self, trial, **_):
            history = fit(job, trial.hyperparameters.Float("rate", *RATES, sampling="log"))
            return min(history.history["val_loss"])

    search = Search(
        objective=keras_tuner.Objective("default_objective", "min"),
        max_trials=job["trials"],
        seed=0,
        directory=job["folder"],
        project_name=f"tuner-{job['round']}",
    )
    search.search(verbose=0)
    scores = [trial.score for trial in search.oracle.trials.values() if trial.score is not None]
    return {"best": min(scores), "trials": len(scores)}


def report(rows: dict[str, list[dict]], options: argparse.Namespace, cores: int) -> None:
    """Print trials per hour of each side and the overhead of raysq, and write all measurements."""
    from raysq.training.run_config import versions

    walls = {side: statistics.median(row["wall"] for row in rows[side]) for side in SIDES}
    print("\n| side | wall time, s | trials an hour | raysq against it |\n|---|---|---|---|")
    for side in SIDES:
        ratio = walls[side] / walls["raysq"]
        print(f"| {side} | {walls[side]:.1f} | {options.trials / walls[side] * 3600:,.0f} | {ratio:.2f} |")
    overheads = []
    for row in rows["raysq"]:
        # A process compiles in its first trial; the others show what training itself takes.
        pure = statistics.median(row["seconds"]) * options.trials
        overheads.append(row["wall"] * cores / pure)
        print(f"wall time x {cores} cores / pure training: {overheads[-1]:.2f} (pure training {pure:.1f} s)")
    facts = {key: getattr(options, key) for key in ("source", "trials", "epochs", "steps", "rounds")}
    facts |= {"cores": cores, "processor": platform.processor(), **versions()}
    options.output.parent.mkdir(exist_ok=True)
    results = {"facts": facts, "rows": rows, "overheads": overheads}
    options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
