"""The declared rows of published figures, and the tables of their results."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from raysq import problems, tasks
from raysq.config import make_settings
from raysq.training.builder import find_model, load_builder
from raysq.training.presets import with_preset
from raysq.training.run_config import merge_layers
from raysq.training.settings import TrainSettings

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def published(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("published")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] in ("published", "published_rows")]:
        del sys.modules[name]


def test_settings_of_all_rows_exist(published):
    for row in published.declared_rows():
        task = tasks.get(row.data.task)
        spec = find_model(problems.get(task.problem), row.model)
        layers = (task.settings, spec.defaults)
        values = merge_layers(
            task, row.model, load_builder(spec.build, trusted=True), layers, with_preset(row.settings, row.preset)
        )
        make_settings(TrainSettings, values["training"])


def test_results_are_kept_by_row_and_seed(published):
    rows = [row for row in published.declared_rows() if row.file == "presets_mnist"][:2]
    for row, values in zip(rows, ([0.5, 0.7], [0.25]), strict=True):
        for seed, value in enumerate(values):
            entry = published.entry_of(row)
            for name, new in (("seeds", seed), ("values", value), ("epochs", 1), ("seconds", 2.0)):
                entry[name].append(new)
            published.write(row, entry)
    assert published.missing_seeds(rows[0], None) == [2]
    assert published.missing_seeds(rows[1], [0, 2]) == [2]
    text = published.table(published.read(published.RESULTS / "presets_mnist.json"))
    assert "0.6000 ± 0.1414" in text and "0.2500 (one seed)" in text
    assert published.missing_seeds(replace(rows[0], settings={"epochs": 7}), None) == [0, 1, 2]


def test_committed_results_belong_to_declared_rows(published):
    declared = {(row.file, row.what, row.variant) for row in published.declared_rows()}
    for file in (BENCHMARKS / "results" / "published").glob("*.json"):
        for entry in json.loads(file.read_text()):
            assert (file.stem, entry["what"], entry["variant"]) in declared
            assert len(entry["values"]) == len(entry["seeds"]) == len(set(entry["seeds"]))
