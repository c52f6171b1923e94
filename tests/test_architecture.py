"""The structure of the package: arrows point one way, and Ray and distribution strategies stay in their rooms."""

import ast
import re
from pathlib import Path

import pytest
from module_index import PAGE, page

PACKAGE = Path(__file__).resolve().parents[1] / "raysq"
# From top to bottom; modules and packages of one level may import each other.
LEVELS = (
    {"cli", "__main__"},
    {"api"},
    {"tuning", "serving"},
    {"training", "inference", "report"},
    {"tasks"},
    {"problems"},
    {"text"},
    {"layers"},
    {"data", "distributed"},
    {"storage"},
    {"config", "environment", "errors", "display", "backend", "registry"},
)
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
# The rooms that import Ray, and those that know strategies of TensorFlow.
RAY = ("distributed", "training/backends", "tuning", "serving", "inference", "cli/doctor.py")
STRATEGIES = ("training",)


def imports(path):
    """The modules that a file imports, lazily or for types too, with their lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} is a relative import"
            if node.module == "raysq":
                yield from ((f"raysq.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_every_module_has_a_level():
    names = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert names == set(LEVEL)
    assert sum(path.parent == PACKAGE for path in FILES if path.stem != "__main__") <= 6


def test_arrows_point_one_way():
    wrong = []
    for path in FILES:
        level = LEVEL[path.relative_to(PACKAGE).parts[0].removesuffix(".py")]
        for module, line in imports(path):
            name = module.split(".")[1] if module.startswith("raysq.") else ""
            if LEVEL.get(name, level) < level:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("library", "rooms"), [("ray", RAY), ("distribute", STRATEGIES)])
def test_libraries_stay_in_their_rooms(library, rooms):
    wrong = []
    for path in FILES:
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(rooms):
            continue
        if library == "ray":
            wrong += [f"{name}:{line}" for module, line in imports(path) if module.split(".")[0] == "ray"]
        else:
            wrong += [
                f"{name}:{node.lineno}"
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("tf.distribute")
            ]
    assert not wrong, "\n".join(wrong)


def test_the_core_names_no_problem():
    problems = {path.name for path in (PACKAGE / "problems").iterdir() if (path / "__init__.py").exists()}
    wrong = []
    for path in FILES:
        name = path.relative_to(PACKAGE)
        if name.parts[0] in ("problems", "tasks"):
            continue
        for module, line in imports(path):
            parts = module.split(".")
            if parts[:2] == ["raysq", "problems"] and len(parts) > 2 and parts[2] in problems:
                wrong.append(f"{name}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_the_page_shows_the_levels():
    rows = re.findall(r"^\| \d+ \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert tuple(set(re.findall(r"`(\w+)`", row)) for row in rows) == LEVELS


def test_the_index_of_modules_is_current():
    assert PAGE.read_text() == page(), "python tests/module_index.py writes it anew"
