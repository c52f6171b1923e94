"""The pages of docs/: each is in the navigation, and the API reference has every public name."""

import inspect
import re

import pytest
from documentation.blocks import DOCS, PAGES

import raysq

NAV = re.findall(r"^ +- (?:.*: )?([\w/]+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(), re.MULTILINE)
REFERENCE = {
    page.name: re.findall(r"^::: raysq\.(\S+)$", page.read_text(), re.MULTILINE) for page in DOCS.glob("api/*.md")
}


def test_every_page_is_in_the_navigation_once():
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    pages += [f"notebooks/{notebook.stem}.md" for notebook in DOCS.glob("notebooks/*.ipynb")]  # made by a hook
    assert sorted(NAV) == sorted(pages), "the navigation in mkdocs.yml names each page"


def test_the_reference_has_every_public_name_once():
    names = [name for page in REFERENCE.values() for name in page if "." not in name]
    assert sorted(names) == sorted(set(raysq.__all__) - {"__version__"}), "add `::: raysq.NAME` to a page of docs/api/"


@pytest.mark.parametrize("module", ["charts", "errors"])
def test_the_reference_has_every_class_of(module):
    classes = inspect.getmembers(getattr(raysq, module), inspect.isclass)
    names = {f"{module}.{name}" for name, cls in classes if cls.__module__ == getattr(raysq, module).__name__}
    assert set(REFERENCE[f"{module}.md"]) - {"RaysqError", "plain_errors"} == names - {"errors.RaysqError"}


def test_glossary_is_in_order():
    terms = re.findall(r"^\*\*(.+?)\.\*\*", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert len(terms) > 30 and terms == sorted(terms, key=str.lower)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_page_has_one_title_and_no_text_that_only_one_renderer_shows(page):
    text = re.sub(r"^```.*?^```$", "", (DOCS.parent / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert not re.search(r"\n\n(?!- )    \S", re.sub(r"^- .*(\n+ +.*)*", "", text, flags=re.MULTILINE)), "fence code"
    assert not re.search(r"^\|.*`[^`|]*\\\|", text, re.MULTILINE), r"code with \| is shown with its backslash"
