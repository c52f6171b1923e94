#!/usr/bin/env python
"""Training rates on GPUs, by model, precision, batch and number of GPUs, and the time to the first step.

`benchmarks/gpu.sh` installs raysq and runs this. Each measurement is a process of its own, the most important first.
gpu.json is written after each; started again, the program goes on with those that are missing or failed.

    python benchmarks/gpu.py --end $(($(date +%s) + 3600)) --output gpu-results
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

# Task and model by name.
MODELS = {
    "gru": ("jena", "gru"),
    "lstm": ("imdb", "lstm"),
    "cnn": ("mnist", "cnn"),
    "dense": ("jena", "dense"),
    "gru_dropout": ("jena", "gru_dropout"),
}
LEAST_SECONDS = 20  # left to begin a measurement
MOST_SECONDS = 900  # of a measurement
# Without GPUs and with them: samples where there is no file; seconds of warming up and of a measurement.
SAMPLES = {
    True: {"jena": "sample:60d", "imdb": "sample", "mnist": "sample"},
    False: {"jena": "sample:2000d", "imdb": "sample", "mnist": "sample"},
}
SECONDS = {True: (0.5, 1.5), False: (5.0, 15.0)}


@dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
        model: key of `MODELS`.
        precision: Keras dtype policy.
        devices: GPUs of the one process ("one" or "all"), or "workers" for a worker group with a GPU each.
        batch: factor on the task's global batch.
        xla: setting `xla`.
    """

    model: str
    precision: str = "float32"
    devices: str = "one"
    batch: int = 1
    xla: str = "auto"


def cases(gpus: int, cpu: bool) -> list[Case]:
    """All measurements, the most important first."""
    models, precisions = ("gru", "lstm", "cnn", "dense"), ("float32", "mixed_bfloat16")
    found = [Case(model, precision) for precision in precisions for model in models]
    if gpus > 1 or cpu:
        found += [Case(model, devices=devices) for devices in ("all", "workers") for model in models]
    found += [Case(model, precision, batch=8) for precision in precisions for model in models]
    if gpus > 1:
        found += [Case(model, devices=devices, batch=gpus) for devices in ("all", "workers") for model in models]
    # cuDNN has no recurrent dropout: does XLA's loop pay for it on a GPU?
    return found + [Case("gru_dropout", xla=xla) for xla in ("false", "true")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--end", type=float, required=True, help="when to end, in seconds since 1970")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder of raw files named after their task")
    parser.add_argument("--cpu", action="store_true", help="try it without GPUs")
    parser.add_argument("--measure", help="a case as JSON: measure it in this process")
    options = parser.parse_args()
    os.environ["RAYSQ_HOME"] = str((options.output / "home").resolve())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if options.measure:
        row = measure(Case(**json.loads(options.measure)), options)
        (options.output / "row.json").write_text(json.dumps(row))
        return
    names = gpu_names()
    if not (names or options.cpu):
        sys.exit("nvidia-smi names no GPU here: --cpu tries the measurements without one")
    path = options.output / "gpu.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    done = {json.dumps(row["case"]) for row in rows if "error" not in row}
    for case in cases(len(names), options.cpu):
        key = json.dumps(asdict(case))
        left = options.end - time.time()
        if key in done:
            continue
        if left < LEAST_SECONDS:
            print("the time is over: the same command goes on")
            break
        row = {"case": asdict(case), **run(key, options, min(left, MOST_SECONDS))}
        rows = [*(other for other in rows if json.dumps(other["case"]) != key), row]
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"facts": facts(names), "rows": rows}, indent=1) + "\n")
        os.replace(partial, path)
        print({name: value for name, value in row.items() if name != "case"}, case, flush=True)


def gpu_names() -> list[str]:
    """Names of this machine's GPUs."""
    with contextlib.suppress(OSError):
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True)
        return done.stdout.splitlines() if done.returncode == 0 else []
    return []


def facts(names: list[str]) -> dict:
    from raysq.training.run_config import versions

    return {"gpus": names, "cores": os.cpu_count(), "processor": platform.processor(), **versions()}


def run(key: str, options, seconds: float) -> dict:
    """Measure a case in a process of its own; what ends it too early is the row's error."""
    result = options.output / "row.json"
    result.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--measure", key, "--end", str(options.end), "--output", str(options.output)]
    command += ["--data", str(options.data)] if options.data else []
    command += ["--cpu"] if options.cpu else []
    environment = dict(os.environ)
    if json.loads(key)["devices"] == "one":
        environment["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    with open(options.output / "log.txt", "a") as log:
        log.write(f"\n{key}\n")
        log.flush()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status is None:
        return {"error": f"not done after {seconds:.0f} s"}
    if status == 0:
        return json.loads(result.read_text())
    lines = (options.output / "log.txt").read_text(errors="replace").split("\n")
    return {
        "error": f"exit status {status}, see log.txt: {next((line for line in reversed(lines) if line.strip()), '')}"
    }


def measure(case: Case, options) -> dict:
    """Return the rate in examples a second, and the seconds from the call of training to its first step."""
    import raysq
    from raysq.training.train import resolve

    task, model = MODELS[case.model]
    files = sorted(options.data.glob(f"{task}*")) if options.data else []
    dataset = raysq.prepare(task, source=str(files[0]) if files else SAMPLES[options.cpu][task])
    settings = {"training.precision": case.precision, "training.xla": case.xla, "training.patience": 0}
    config = resolve(task, data=dataset.directory, model=model, settings=settings)
    batch = config.train_settings().batch_size * case.batch
    settings["training.batch_size"] = batch
    measure_devices = measure_workers if case.devices == "workers" else measure_process
    row = measure_devices(task, model, dataset, settings, options)
    return {"batch": batch, "source": dataset.manifest.source["label"], **row}


def measure_process(task: str, model: str, dataset, settings: dict, options) -> dict:
    """Train in this process, with all GPUs that it sees, and stop after some seconds of steps."""
    from raysq.errors import Interrupted
    from raysq.training.callbacks import TrainingCallbacks
    from raysq.training.run import Run
    from raysq.training.runtime import configure, make_strategy
    from raysq.training.train import resolve
    from raysq.training.worker import run_worker

    warm, seconds = SECONDS[options.cpu]
    settings = {**settings, "training.steps_per_epoch": 10**6}
    config = resolve(task, data=dataset.directory, model=model, settings=settings)
    run = Run.create(config, name="one-process", fresh=True)
    moments: list[tuple[int, float]] = []
    started = time.perf_counter()

    def measured() -> list[tuple[int, float]]:
        return [moment for moment in moments if moment[1] - moments[0][1] >= warm]

    def should_stop() -> bool:
        return bool(later := measured()) and later[-1][1] - later[0][1] >= seconds

    callbacks = TrainingCallbacks(
        on_train_batch_end=lambda state, *_: moments.append((state.step, time.perf_counter())),
        should_stop=should_stop,
        tensorboard=False,
    )
    configure(config.train_settings(), 0, gpu=not options.cpu)
    with contextlib.suppress(Interrupted):
        run_worker(run, make_strategy(1, 0 if options.cpu else 1), callbacks, dataset=dataset)
    (first, began), *_, (last, ended) = measured()
    rate = (last - first) * settings["training.batch_size"] / (ended - began)
    return {"rate": rate, "steps": last - first, "first_step": moments[0][1] - started}


def measure_workers(task: str, model: str, dataset, settings: dict, options) -> dict:
    """Train a worker group with a GPU for each worker; the rate is that of the epochs after the first."""
    import raysq

    workers = 2 if options.cpu else len(gpu_names())
    steps = 20 if options.cpu else 500
    settings = {**settings, "training.steps_per_epoch": steps, "training.epochs": 4}
    started = time.perf_counter()
    run = raysq.train(
        task,
        data=dataset.directory,
        model=model,
        workers=workers,
        gpu=not options.cpu,
        settings=settings,
        name="workers",
        fresh=True,
    )
    total = time.perf_counter() - started
    first, *_, last = run.metrics()
    examples = (last["step"] - first["step"]) * settings["training.batch_size"]
    goodput = run.result()["goodput"]
    rate = examples / (last["seconds"] - first["seconds"])  # with the validation of each epoch
    return {"rate": rate, "workers": workers, "first_step": goodput["starting"], "whole": total, "goodput": goodput}


if __name__ == "__main__":
    main()
