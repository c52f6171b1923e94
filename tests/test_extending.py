"""docs/extending.md quotes the package of the tests, and names all that an extension may implement."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest

import raysq
from raysq.problems import capabilities
from raysq.problems.base import Problem

TESTS = Path(__file__).resolve().parent
TEXT = (TESTS.parent / "docs" / "extending.md").read_text()
QUOTES = re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("file", "code"), QUOTES)
def test_quotes_are_those_of_the_package(file, code):
    source = (TESTS / "extension_package" / file).read_text()
    assert code in source or textwrap.indent(code, "    ") in source  # a method


def test_all_code_is_quoted():
    assert len(QUOTES) == len(re.findall(r"^```(?:python|toml)$", TEXT, re.MULTILINE)) > 5


def members(owner: type) -> list[str]:
    return [name for name in vars(owner) if not name.startswith("_")]


@pytest.mark.parametrize(
    "name", sorted({*members(Problem), *Problem.__annotations__} - {"unit", "settings", "metadata"})
)
def test_every_member_of_a_problem_is_described(name):
    assert re.search(rf"^\| .*`{name}\b.* \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name", members(raysq.Preprocessor))
def test_every_method_of_a_preprocessor_is_described(name):
    if inspect.isfunction(getattr(raysq.Preprocessor, name)) and name != "to_config":
        assert re.search(rf"^\| .*`{name}\(.* \|", TEXT, re.MULTILINE)


PROTOCOLS = [
    protocol
    for _, protocol in inspect.getmembers(capabilities, inspect.isclass)
    if protocol.__module__ == capabilities.__name__
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_capability_is_described(protocol):
    (row,) = re.findall(rf"^\| `{protocol.__name__}` \|.*$", TEXT, re.MULTILINE)
    for name in members(protocol):
        assert f"`{name}(" in row


EXTENSION_NAMES = [
    *(
        "BatchSource",
        "Chunk",
        "InputSpec",
        "Metadata",
        "ModelSpec",
        "Option",
        "Preprocessor",
        "Problem",
        "Published",
        "Range",
        "RowContext",
    ),
    *("Source", "Task", "Transform", "charts", "errors", "read_columns", "register_problem", "register_task"),
]


@pytest.mark.parametrize("name", EXTENSION_NAMES)
def test_names_of_the_text_are_public(name):
    assert f"raysq.{name}" in TEXT and name in dir(raysq)
