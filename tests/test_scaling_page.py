"""docs/scaling.md is what benchmarks/scaling.py writes from its committed results."""

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_has_the_committed_figures():
    spec = importlib.util.spec_from_file_location("scaling_benchmark", ROOT / "benchmarks" / "scaling.py")
    scaling = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scaling)
    results = json.loads(scaling.RESULTS.read_text())
    assert scaling.PAGE.read_text() == scaling.page(results), "run `python benchmarks/scaling.py --page`"
    assert scaling.draw_timeline(results["timeline"]).startswith("<svg")
