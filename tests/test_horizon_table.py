"""The table of long-horizon forecasts in the documentation is that of the committed results."""

import importlib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_table_of_the_documentation_is_that_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    table = importlib.import_module("horizon_table").table()
    assert table in (ROOT / "docs/forecasting.md").read_text(), "python benchmarks/horizon_table.py prints it"
