"""Hook of MkDocs: a page for each notebook of docs/notebooks/: its texts, its code, and the file to download."""

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
LINK = re.compile(r"\]\(((?:\w+/)*)(\w+)\.ipynb\)")


def on_files(files: Any, *, config: Any) -> None:
    """Add the pages to those of the site."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page(path)))


def page(path: Path) -> str:
    """Return a notebook as Markdown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    shown = [
        text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
        for cell in cells
        if (text := "".join(cell["source"]))
    ]
    title, *others = shown
    heading, _, rest = title.partition("\n")
    download = f'<a href="{path.name}" download>Download this notebook</a> to run it.'
    return "\n\n".join([heading, rest.strip(), download, *others]) + "\n"


def on_page_markdown(markdown: str, *, page: Any, **others: Any) -> str:
    """Point links to notebooks at their pages, which the repository does not have."""
    return LINK.sub(r"](\1\2.md)", markdown)
