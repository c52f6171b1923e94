"""Hooks of MkDocs: files of the repository that pages link to (`../cluster.yaml`) become files of the site.

The links work where the pages are read in the repository, too. A link to a file that does not exist is left as it is,
which `mkdocs build --strict` reports.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(((?:\.\./)+[^)#]+)\)")


def outside(page: str, link: str) -> str | None:
    """The path in the repository of a linked file outside of docs/, or None."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return path if not path.startswith(("docs/", "..")) and (ROOT / path).is_file() else None


def on_files(files: Any, *, config: Any) -> None:
    """Add the linked files to those of the site."""
    for page in list(files.documentation_pages()):
        for link in LINK.findall(page.content_string):
            path = outside(page.src_uri, link)
            if path and not files.get_file_from_path(f"files/{path}"):
                files.append(File.generated(config, f"files/{path}", abs_src_path=str(ROOT / path)))


def on_page_markdown(markdown: str, *, page: Any, **others: Any) -> str:
    """Point the links of a page at these files."""
    source = page.file.src_uri

    def moved(match: re.Match[str]) -> str:
        path = outside(source, match[1])
        return f"]({'../' * source.count('/')}files/{path})" if path else match[0]

    return LINK.sub(moved, markdown)
