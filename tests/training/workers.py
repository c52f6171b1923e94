"""The same runs by one process and by several workers: plain processes under one TF_CONFIG, or one with two devices."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from raysq.training import checkpoint
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import RunConfig
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

TESTS = Path(__file__).parents[1]


def train_here(
    folder: Path, configs: Mapping[str, RunConfig], callbacks: Mapping[str, Callable[[Path], list[Any]]] | None = None
) -> dict[str, Run]:
    """Trains in this process and returns the runs by name; some have Keras callbacks, made for their directory."""
    runs = {name: Run.create(config, folder=folder) for name, config in configs.items()}
    for name, run in runs.items():
        configure(run.config.train_settings(), run.config.seed, gpu=False)
        own = callbacks[name](run.directory) if callbacks and name in callbacks else ()
        options = {"export_model": lambda: False, "tensorboard": False, "keras_callbacks": own}
        run_worker(run, None, TrainingCallbacks(**options))
    return runs


class Job:
    """Runs that workers train in processes of their own.

    Args:
        folder: of the runs.
        configs: what to train, by name.
        workers: processes.
        replicas: logical devices of each.
        host: names of those whose batches are gathered on the host.
        again: names of those that are trained once more, as "NAME again".
        gather: whether small sums are gathered. If False, TensorFlow sums around a ring.
        stop: step at which a run is stopped, as by Ctrl-C, by name.
        go_on: runs of another job, which are continued.
        callbacks: functions that make Keras callbacks for the directory of a run, as "module:function", by name.
    """

    def __init__(
        self,
        folder: Path,
        configs: Mapping[str, RunConfig],
        *,
        workers: int = 1,
        replicas: int = 1,
        host: Collection[str] = (),
        again: Collection[str] = (),
        gather: bool = True,
        stop: Mapping[str, int] | None = None,
        go_on: Mapping[str, Run] | None = None,
        callbacks: Mapping[str, str] | None = None,
    ):
        self.runs = {name: Run.create(config, folder=folder) for name, config in configs.items()}
        self.runs |= {f"{name} again": Run.create(configs[name], folder=folder / "again") for name in again}
        self.runs |= go_on or {}
        self.asked = {
            "workers": workers,
            "replicas": replicas,
            "runs": [str(run.directory) for run in self.runs.values()],
            "stop": {str(self.runs[name].directory): step for name, step in (stop or {}).items()},
            "host": [str(self.runs[name].directory) for name in host],
            "gather": gather,
            "callbacks": {str(self.runs[name].directory): made for name, made in (callbacks or {}).items()},
        }


def train_apart(folder: Path, jobs: Mapping[str, Job]) -> dict[str, dict[str, Run]]:
    """Trains jobs one after the other and returns their runs by name."""
    file = folder / "jobs.json"
    file.write_text(json.dumps([job.asked for job in jobs.values()]))
    process = subprocess.Popen(
        [sys.executable, str(TESTS / "training" / "group_member.py"), str(file)],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        error = process.communicate(timeout=1200)[1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert not process.returncode, error[-3000:]
    return {name: job.runs for name, job in jobs.items()}


def weights(run: Run) -> list[np.ndarray]:
    """The model's last weights; the states of its random generators, which are integers, are left out."""
    values = checkpoint.load(run.last)[0]
    return [values[key] for key in sorted(values) if key.startswith("model/") and values[key].dtype == np.float32]


def close(one: Run, other: Run) -> None:
    """Asserts that two runs have the same weights to float rounding."""
    for mine, theirs in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-6)


def timeless(run: Run) -> list[dict]:
    """The records of a run but for the time."""
    return [{**record, "seconds": 0} for record in run.metrics()]
