#!/usr/bin/env python
"""Check the built site: `mkdocs build --strict --site-dir DIR; python tests/documentation/check_site.py DIR`.

No page loads anything from another host, and a search works in pages that are opened as files (where there is a
Chromium to try it).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video)\b[^>]*?\b(?:src|srcset)=["']?(?:https?:)?//[^"'> ]+"""
    r"""|<link\b(?![^>]*rel=["']?(?:canonical|prev|next))[^>]*?\bhref=["']?(?:https?:)?//[^"'> ]+"""
    r"""|@import[^;]*//[^;]+|url\(["']?(?:https?:)?//[^)]+"""
)
SEARCH = """
addEventListener("load", () => {
  const field = document.querySelector("[data-md-component=search-query]")
  document.querySelector("#__search").click()
  field.focus()
  field.value = "checkpoint"
  const type = () => { field.dispatchEvent(new KeyboardEvent("keyup", {bubbles: true})) }
  const timer = setInterval(() => {
    type()
    const found = [...document.querySelectorAll(".md-search-result__link")].map(link => link.getAttribute("href"))
    if (found.length) { clearInterval(timer); document.title = "found " + found.join(" ") }
  }, 200)
})
"""


def loaded(site: Path) -> list[str]:
    """Return what pages and styles load from other hosts."""
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    return [f"{path.relative_to(site)}: {found}" for path in files for found in LOADED.findall(path.read_text())]


def search(site: Path, chromium: str) -> str:
    """Return the title of the first page after a search was typed in it, opened as a file."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(site, Path(place) / "site"))
        page = copy / "index.html"
        page.write_text(page.read_text().replace("</body>", f"<script>{SEARCH}</script></body>"))
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={place}/profile"]
        command = [chromium, *options, "--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return next(iter(re.findall(r"<title>(.*?)</title>", done.stdout)), "")


def main() -> int:
    site = Path(sys.argv[1])
    if outside := loaded(site):
        print("pages load from other hosts:", *outside, sep="\n  ")
        return 1
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("there is no Chromium to try the search with")
    elif not (title := search(site, chromium)).startswith("found ") or "storage.html" not in title:
        print(f"a search in pages opened as files finds nothing: the title is {title!r}")
        return 1
    print(
        f"{len(list(site.rglob('*.html')))} pages load nothing from other hosts"
        + (", search works" if chromium else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
