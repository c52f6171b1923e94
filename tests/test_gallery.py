"""The scripts of examples/: few lines differ between `fit` and raysq, and the figures are the same."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
spec = importlib.util.spec_from_file_location("gallery_benchmark", ROOT / "benchmarks" / "gallery.py")
gallery = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gallery)

# Largest difference of a figure, relative or absolute. Rounding grows with each step.
TOLERANCE = 1e-4
TO_FIT = {"mixed_precision": 0.05, "text": 0.08}  # bfloat16 has 8 bits; Adam with repeated ids: docs/compile_and_fit.md
TO_ONE = {"mixed_precision": 0.05}


def assert_same(name, ways):
    """One worker has the figures of `fit`, and two have those of one."""
    if name == gallery.REFUSED:
        assert all(ways[way].startswith("refused: ") and "train_step" in ways[way] for way in ("one", "two"))
        return
    for found, right, tolerances in ((ways["one"], ways["fit"], TO_FIT), (ways["two"], ways["one"], TO_ONE)):
        tolerance = tolerances.get(name, TOLERANCE)
        assert set(right) - {"seconds"} <= set(found)
        for figure, values in right.items():
            if figure != "seconds":
                assert found[figure] == pytest.approx(values, rel=tolerance, abs=tolerance), figure


def test_there_are_twelve_scripts():
    scripts = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"shared"}
    assert scripts == set(gallery.SCRIPTS) and len(scripts) == 12


@pytest.mark.parametrize("name", gallery.SCRIPTS)
@pytest.mark.parametrize("part", ["fit", "raysq"])
def test_at_most_five_lines_differ(name, part):
    assert 1 <= len(gallery.lines(name, part)) <= 5


def test_the_page_is_of_the_committed_figures():
    results = json.loads(gallery.RESULTS.read_text())
    assert gallery.table(results) in (ROOT / "docs" / "gallery.md").read_text(), "run `python benchmarks/gallery.py`"
    assert set(results["scripts"]) == set(gallery.SCRIPTS)
    for name, ways in results["scripts"].items():
        assert set(ways) == set(gallery.WAYS)
        assert_same(name, ways)


@pytest.mark.slow
@pytest.mark.parametrize("name", gallery.SCRIPTS)
def test_raysq_has_the_figures_of_fit(cluster, name, monkeypatch):
    if DATA.exists():
        monkeypatch.setenv("RAYSQ_EXAMPLES_DATA", os.fspath(DATA))
    assert_same(name, {way: gallery.run(name, way) for way in gallery.WAYS})
