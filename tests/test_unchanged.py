"""That the samples of all tasks are prepared to the bytes that were recorded; see `unchanged.py`."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import unchanged_cases as names
import unchanged_parts
from unchanged import differences

RECORD = Path(__file__).parent / "data" / "sample_shards.json"
AGAIN = f"python tests/unchanged.py record tests/data/{RECORD.name} --only shards/sample --again"


def test_samples_are_prepared_to_the_recorded_bytes():
    record = json.loads(RECORD.read_text())
    for package in ("pyarrow", "numpy"):
        if version(package) != record["machine"][package]:
            pytest.skip(f"recorded with {package} {record['machine'][package]}, here is {version(package)}")
    assert set(record["parts"]) == {f"shards/sample/{task}" for task in names.TASKS}
    changed = [
        f"{task}{line}"
        for task in names.TASKS
        for line in differences(
            record["parts"][f"shards/sample/{task}"],
            unchanged_parts.shards(task, "sample", names.SAMPLE_SETTINGS.get(task, {})),
        )
    ]
    assert not changed, f"the same sample gives other bytes; raise the preparation's version, then: {AGAIN}"


def test_differences_are_told_by_all_digits():
    before = {"loss": 0.1, "epochs": [{"mae": 1.0}, {"mae": float("nan")}], "gone": 1}
    now = {"loss": 0.1 + 2**-56, "epochs": [{"mae": 1.0}, {"mae": float("nan")}], "new": 2}
    lines = list(differences(before, now))
    assert lines == [" loss: 0.1 -> 0.10000000000000002", " gone: gone"]
    assert not list(differences(now, now))
    assert list(differences([1, 2], [1])) == [": [1, 2] -> [1]"]
