"""Metadata in a run's config.json that somebody changed are refused in one line."""

import json
import re
import shutil

import numpy as np
import pytest
from training.series import SMALL, write_series

import raysq
from raysq.errors import RaysqError
from raysq.storage.atomic import write_json
from raysq.training.run import Run
from raysq.training.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYSQ_HOME", str(tmp_path_factory.mktemp("home")))
        data = write_series(tmp_path_factory.mktemp("data") / "waves")
        return train("jena", data=data.directory, model="baseline", settings={**SMALL, "epochs": 1}, quiet=True)


def change(run, folder, changes):
    """Copy a run with changed metadata; a value of ... removes the key. Anybody can write such a file."""
    path = shutil.copytree(run.directory, folder / "run")
    config = json.loads((path / "config.json").read_text())
    del config["checksum"]
    metadata = {name: value for name, value in (config["metadata"] | changes).items() if value is not ...}
    write_json(path / "config.json", {**config, "metadata": metadata})
    return path


def load_and_predict(path):
    raysq.load(Run.open(path)).predict({"time": np.arange(40).astype("datetime64[s]"), "a": np.arange(40.0)})


def predict_file(path):
    (path / "new.csv").write_text("time,a\n2020-01-01,1\n")
    raysq.predict_file(Run.open(path), path / "new.csv", path / "out.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": "0"}, "mean: expected a list"),
        ({"mean": ["0"] * 14}, r"mean\[0\]: expected a number"),
        ({"series": 3}, "series: "),
        ({"numbered": None}, "numbered: "),
        ({"rows": ...}, "rows"),
        ({"weight": 1.0}, "weight"),
        ({"std": [1.0]}, "14 columns have 14 means and 1 deviations"),
        ({"target_mean": [1.0, 2.0], "target_std": [1.0, 2.0]}, "1 targets have 2 means"),
    ],
)
def test_changed_metadata_are_one_line(run, tmp_path, changes, message):
    path = change(run, tmp_path, changes)
    for call in (load_and_predict, predict_file):
        with pytest.raises(RaysqError, match=message) as error:
            call(path)
        assert "\n" not in str(error.value)
    report = raysq.write_report(Run.open(path)).read_text()
    assert re.search(f"is left out: .*{message}", report)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cadence_seconds": 600.0, "frequency": "fortnight"}, "fortnight"),
        ({"preprocessor": {"colour": "red"}}, "colour"),
        ({"preprocessor": {"time": 7}}, "time"),
    ],
)
def test_changed_values_that_predictions_parse_are_one_line(run, tmp_path, changes, message):
    path = change(run, tmp_path, changes)
    for call in (load_and_predict, predict_file):
        with pytest.raises(RaysqError, match=message) as error:
            call(path)
        assert "\n" not in str(error.value)
