"""What users met with their own data and models: the cases of `tests/cases`, each with the end that it must have."""

import json
from pathlib import Path

import pytest
import user_case

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/case.json"))


@pytest.mark.slow
@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_case(folder, tmp_path):
    assert user_case.run(folder, tmp_path) == []


def test_every_case_is_well_formed():
    assert len(CASES) >= 90
    for folder in CASES:
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        assert {"about", "source", "commands", "expect"} <= case.keys(), folder.name
        assert case["commands"] and case["expect"], folder.name


def test_runner_tells_right_from_wrong(tmp_path):
    print_json = 'print(\'{"rows": [3, 4], "name": "load"}\')'
    fail = "import sys; sys.exit('raysq: column load is empty')"
    case = {
        "commands": [["python", "-c", print_json], ["python", "-c", fail]],
        "go_on": True,
        "expect": [
            {"exit": 0, "of": 0},
            {"json": r"rows\[\d\]", "min": 3, "max": 4, "of": 0},
            {"json": r"rows\[\d\]", "some": True, "equals": 4, "of": 0},
            {"json": "name", "like": "^load$", "of": 0},
            {"error": "column load"},
            {"any": [[{"exit": 0}], [{"match": "is empty", "in": "stderr"}]]},
        ],
    }
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "case.json").write_text(json.dumps(case))
    (tmp_path / "right").mkdir()
    assert user_case.run(folder, tmp_path / "right") == []
    wrong = [
        {"exit": 1, "of": 0},
        {"json": r"rows\[\d\]", "equals": 4, "of": 0},
        {"json": "columns", "equals": 1, "of": 0},
        {"error": "column wind"},
        {"error": "column load", "not": "empty"},
        {"no_match": "is empty"},
        {"any": [[{"exit": 0}], [{"match": "nothing"}]]},
        {"csv": "out.csv", "rows": 1, "of": 0},
    ]
    (folder / "case.json").write_text(json.dumps({**case, "expect": wrong}))
    (tmp_path / "wrong").mkdir()
    assert len(user_case.run(folder, tmp_path / "wrong")) == len(wrong)
