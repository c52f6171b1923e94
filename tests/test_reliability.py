"""The measured table of docs/reliability.md is that of the results."""

import json

from faults.kinds import KINDS
from faults.run import RESULTS
from faults.table import PAGE, page


def test_the_table_of_faults_is_current():
    assert PAGE.read_text() == page(), "python tests/faults/table.py writes it anew"


def test_results_are_of_known_faults():
    assert set(json.loads(RESULTS.read_text())["faults"]) <= set(KINDS)
