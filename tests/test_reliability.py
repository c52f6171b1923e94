"""The measured table of docs/reliability.md is that of the results."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from faults.kinds import KINDS
from faults.run import RESULTS
from faults.table import PAGE, page
from faults.trial import Trial

TESTS = Path(__file__).parent


def test_the_table_of_faults_is_current():
    assert PAGE.read_text() == page(), "python tests/faults/table.py writes it anew"


def test_results_are_of_known_faults():
    assert set(json.loads(RESULTS.read_text())["faults"]) <= set(KINDS)


def test_partly_written_files_are_left_over(tmp_path):
    trial = Trial(tmp_path, "run", random.Random(0))
    trial.directory.mkdir(parents=True)
    (trial.directory / "goodput.json").write_text("[]")
    (trial.directory / ".17.part-goodput.json").write_text("[")
    assert trial.leftovers(0) == [".17.part-goodput.json"]


@pytest.mark.cluster
@pytest.mark.parametrize("kind", ["elastic-drained", "node-stays-away"])
def test_faults_of_nodes_end_as_promised(kind, tmp_path):
    results = tmp_path / "faults.json"
    command = [sys.executable, TESTS / "faults" / "run.py", "--times=1", f"--only={kind}", f"--results={results}"]
    subprocess.run([*command, f"--folder={tmp_path / 'runs'}"], check=True, timeout=1800)
    assert json.loads(results.read_text())["faults"][kind]["0"]["problems"] == []
