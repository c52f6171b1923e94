#!/usr/bin/env python
"""The index of modules at the end of docs/architecture.md: every module with the first paragraph of its docstring.

python tests/module_index.py    # writes it anew; test_architecture.py fails where it is not current
"""

import ast
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
HEADING = "## Every module\n"


def purpose(path: Path) -> str:
    """The first paragraph of a module's docstring, without its period."""
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, f"{path} has no docstring"
    return " ".join(docstring.split("\n\n")[0].split()).removesuffix(".")


def module_index() -> str:
    """The index as Markdown: a list for each folder."""
    paths = [path for path in (ROOT / "raysq").rglob("*.py") if not path.name.startswith("__")]
    parts = []
    for folder, modules in groupby(sorted(paths, key=lambda path: (path.parent, path.name)), lambda path: path.parent):
        lines = [f"- `{path.name}`: {purpose(path)}" for path in modules]
        name = folder.relative_to(ROOT / "raysq").as_posix()
        parts.append(f"### {'`raysq/`' if name == '.' else f'`{name}/`'}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def page() -> str:
    """The page with the present index."""
    return PAGE.read_text().split(HEADING)[0] + HEADING + "\n" + module_index()


if __name__ == "__main__":
    PAGE.write_text(page())
