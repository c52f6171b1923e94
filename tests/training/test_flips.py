"""A flipped bit in a file of a run or a search gives a clear error or the same values, in little memory."""

import random
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limited import run_limited

from raysq.errors import DataError
from raysq.storage.assets import read_asset, write_assets
from raysq.storage.atomic import write_json
from raysq.training import checkpoint
from raysq.training import experiment_files as files
from raysq.training.goodput import Attempt, read_attempts
from raysq.training.run import Run
from raysq.training.run_config import RunConfig
from raysq.training.run_files import RunFiles
from raysq.training.state import TrainState

ASSETS = {"vocabulary.txt": "the\nof\né\n".encode(), "words.json": b'{"words": ["a", "b"], "counts": [2, 1]}'}
METRICS = {"val_loss": 0.31, "val_mae": 0.25, "test_mae": 0.5}


def write(directory: Path) -> None:
    """Write the files of a run and of a search, without training."""
    config = RunConfig(
        task="jena",
        problem="forecasting",
        model="dense",
        data="/data",
        fingerprint="f",
        seed=3,
        synthetic=True,
        settings={
            "data": {"lookback": 24},
            "model": {"units": 4, "dropout": 0.125},
            "training": {"learning_rate": 0.001},
        },
        metadata={"mean": [1.5, 2.25]},
        versions={"raysq": "1"},
    )
    run = Run.create(config, folder=directory, name="run")
    for epoch in range(1, 4):
        run.append({"epoch": epoch, "step": 12 * epoch, "seconds": 1.5, "loss": 1 / epoch, **METRICS, "best": True})
    run.finish({"metrics": METRICS, "steps": 36, "seconds": 4.5, "best_epoch": 3, "epochs": 3, "parameters": 9})
    source = np.random.RandomState(0)
    for place in (run.last, run.best):
        variables = {f"model/{number}": source.randn(7, number + 1).astype("f4") for number in range(5)}
        state = {"EarlyStopping/0": {"wait": 1, "best": 0.31, "weights": 1}}
        callbacks = checkpoint.CallbackStates(state, {"EarlyStopping/0/0": source.randn(3)})
        checkpoint.save(place, variables, TrainState(3, 36, 4.5, 0.31, 3).to_json(), callbacks)
    write_assets(run.assets, ASSETS)
    write_json(run.directory / "failure.json", {"message": "no memory"})
    write_json(run.directory / "goodput.json", [asdict(Attempt(1e9, 1e9 + 3, 1e9 + 60, 2, 0, 36, 0.0, 4.5))])
    about = {key: getattr(config, key) for key in ("task", "problem", "model", "data", "synthetic", "seed")}
    about |= {"id": "s", "space": {"units": [4, 8]}, "fixed": {}, "defaults": {"units": 4}, "requested": {"trials": 2}}
    write_json(directory / "experiment.json", {"format_version": files.FORMAT_VERSION, **about})
    trial = {"settings": {"units": 4}, "state": "finished", "epochs": 3, "val_loss": 0.31, "metrics": METRICS}
    trials = [{"number": number, **trial, "seconds": 1.5, "run": None, "error": None} for number in (1, 2)]
    write_json(directory / "trials.json", trials)
    best = {key: about[key] for key in ("task", "model", "data", "seed")}
    best |= {"settings": {"model": {"units": 4}}, "metrics": METRICS, "run": "trial-01", "seconds": 3.1}
    write_json(directory / "best.json", best)
    row = {"name": "best", "settings": {}, "runs": [], "metrics": {"test_mae": {"mean": 0.5, "std": 0.1}}}
    write_json(directory / "refit.json", {"seeds": [0, 1], "rows": [row]})
    write_json(directory / "clock.json", {"seconds": 3.1})


def everything(directory: Path, errors: list[str]) -> dict[str, Any]:
    """What each file holds, as far as it can be read; the errors of the others are added."""
    run = RunFiles(directory / "run")

    def stored(place: Path) -> Any:
        variables, state, callbacks = checkpoint.load(place) or ({}, {}, checkpoint.NO_STATES)
        arrays = {name: values.tobytes() for name, values in {**variables, **callbacks.arrays}.items()}
        return arrays, state, callbacks.values

    readers = {
        "config": lambda: Run.open(directory / "run").config,
        "metrics": run.metrics,
        "result": run.result,
        "failure": run.failure,
        "attempts": lambda: read_attempts(run),
        "last": lambda: stored(run.last),
        "best checkpoint": lambda: stored(run.best),
        **{name: lambda name=name: read_asset(run.assets, name) for name in ASSETS},
        "about": lambda: files.read_about(directory),
        "trials": lambda: files.read_trials(directory),
        "best": lambda: files.read_best(directory),
        "refit": lambda: files.read_refit(directory),
        "seconds": lambda: files.read_seconds(directory),
    }
    found = {}
    for name, read in readers.items():
        try:
            found[name] = read()
        except DataError as error:
            errors.append(str(error))
    return found


def unsealed(values: Any) -> Any:
    """The values without a checksum whose own name has changed: they are then not checked, and are right."""
    if isinstance(values, list):
        return [unsealed(value) for value in values]
    if not isinstance(values, dict):
        return values
    return {key: value for key, value in values.items() if not re.fullmatch("[0-9a-f]{16}", str(value))}


def hurt(directory: Path | str, seed: int, flips: int) -> None:
    """Flip one bit after the other, and cut one file in five, and check what is read.

    Args:
        directory: as `write` makes it.
        seed: of the bits.
        flips: how many.
    """
    directory = Path(directory)
    sound: list[str] = []
    expected = everything(directory, sound)
    assert not sound
    source, noticed = random.Random(seed), 0
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != ".lock")
    for number in range(flips):
        path = source.choice(paths)
        good = path.read_bytes()
        bit = source.randrange(8 * len(good))
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(bad) if number % 5 else good[: bit // 8])
        errors: list[str] = []
        found = everything(directory, errors)
        path.write_bytes(good)
        noticed += bool(errors)
        assert all("\n" not in error and "; " in error for error in errors), (path, bit, errors)
        for name, values in found.items():
            lost = name == "failure" and "the reason is not known" in values
            assert lost or unsealed(values) == expected[name], (path, bit, name, values)
    assert noticed > 0.8 * flips, noticed  # the others are in white space, or in a checksum's own name


def test_flipped_bits_and_cut_files(tmp_path):
    write(tmp_path)
    run_limited(hurt, tmp_path, 0, 100, seconds=600)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_many_flipped_bits_and_cut_files(tmp_path, seed):
    write(tmp_path)
    run_limited(hurt, tmp_path, seed, 2000, seconds=4000)
