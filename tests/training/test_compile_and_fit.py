"""Compiled models: raysq trains as `model.fit` on the same batches, and two devices as one; docs/compile_and_fit.md."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training.fit_cases import CASES

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "docs" / "compile_and_fit.md"
# Keras names nested outputs by their path, raysq by the target.
TARGETS = {"first/a": "price", "second/b": "sold"}
TWO = [name for name, case in CASES.items() if case.two]
EXACT = [name for name, case in CASES.items() if case.exact]
REFUSED = {
    "compute_loss": "compute_loss of its class .* where batches of evaluations divide over the 2 workers",
    "compute_loss of a maximum": "compute_loss .* exact only for 2 workers or devices if it is a mean over the",
    "averages of weights": "averages of the weights .use_ema., which Keras cannot put in their place on several",
    "added loss": "penalties on activations .* where batches of evaluations divide over the 2 workers",
    "only added losses": "penalties on activations .* where batches of evaluations divide over the 2 workers",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Weights and figures of each case, by `fit`, and by raysq on one and on two devices."""
    file = tmp_path_factory.mktemp("fit") / "results.json"
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(TESTS / "training" / "fit_cases.py"), str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert not done.returncode, done.stderr[-3000:]
    return json.loads(file.read_text())


def assert_equal(found, right, precision, *, output_losses):
    tolerance = {"float32": 1e-5, "mixed_float16": 5e-3, "mixed_bfloat16": 3e-2}[precision]
    for mine, theirs in zip(found["weights"], right["weights"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    figures = {
        re.sub("|".join(TARGETS), lambda path: TARGETS[path[0]], name): v for name, v in right["figures"].items()
    }
    assert found["figures"].keys() == figures.keys()
    for name, value in figures.items():
        # Keras takes the last batch of an evaluation, which is shorter, for a whole one in the losses of each output.
        if output_losses or not re.fullmatch(r"val_.+_loss", name):
            assert found["figures"][name] == pytest.approx(value, rel=tolerance, abs=tolerance), name


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_one_process_equals_fit(results, case):
    of_case = results[case]
    assert_equal(of_case["one"], of_case["fit"], CASES[case].precision, output_losses=False)


@pytest.mark.slow
@pytest.mark.parametrize("case", TWO)
def test_two_devices_equal_one(results, case):
    of_case = results[case]
    assert_equal(of_case["two"], of_case["one"], CASES[case].precision, output_losses=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", EXACT)
def test_the_exact_mode_equals_one_process(results, case):
    of_case = results[case]
    assert_equal(of_case["exact"], of_case["one"], CASES[case].precision, output_losses=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_exact_on_two_devices_is_refused(results, case):
    assert re.search(REFUSED[case], results[case]["refused"])


def test_every_row_of_the_table_names_tests_that_exist():
    rows = [
        line.split("|")[1:-1] for line in TABLE.read_text().splitlines() if line.startswith("| ") and "::test_" in line
    ]
    assert len(rows) >= 30
    for row in rows:
        names = re.findall(r"`([^`]+)`", row[-1])
        assert names, row
        for name in names:
            path, _, test = name.partition("::")
            function, _, case = test.partition("[")
            assert f"def {function}(" in (TESTS / path).read_text(), name
            if path == "training/test_compile_and_fit.py":
                cases = {
                    "test_two_devices_equal_one": TWO,
                    "test_one_process_equals_fit": CASES,
                    "test_the_exact_mode_equals_one_process": EXACT,
                }.get(function, REFUSED)
                assert case.rstrip("]") in cases, name
            elif case:
                assert case.rstrip("]").split("-")[0] in (TESTS / path).read_text(), name
    tested = {case.rstrip("]") for row in rows for case in re.findall(r"fit\.py::\w+\[([^`]+)", row[-1])}
    assert tested == set(CASES), "every case stands in the table"
