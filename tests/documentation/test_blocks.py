"""Every block of code in the pages is run, quotes a file that is, or is named in `not_run.py` with the reason.

By default the commands of all pages are parsed, and those of the first hour are run up to its first search, without its
reports; `-m slow` runs all.
"""

import itertools
import re
import sys

import pytest
from documentation import materials, shell
from documentation.blocks import PAGES, ROOT, Block, blocks
from documentation.not_run import NOT_RUN

import raysq
from raysq.cli.parser import parser

BLOCKS = [block for page in PAGES for block in blocks(page)]
ON_RAY = re.compile(r"raysq tune |raysq\.(?:tune|serve)\(|--workers [2-9]|workers=[2-9]")


def reason(text: str) -> str | None:
    """Why a command or a block is not run, or None."""
    return next((why for begin, why in NOT_RUN.items() if text.startswith(begin)), None)


def to_run(page: str) -> list[Block | str]:
    """The commands and blocks of a page that are run, in order."""
    steps: list[Block | str] = []
    for block in blocks(page):
        if block.language == "bash":
            steps += [command for command in block.commands if not reason(command)]
        elif block.language == "python" and not block.quoted and not reason(block.text):
            steps.append(block)
    return steps


RUN = [page for page in PAGES if to_run(page)]


def on_ray(step: Block | str) -> bool:
    return bool(ON_RAY.search(step if isinstance(step, str) else step.text))


def test_blocks_are_of_known_languages():
    assert {block.language for block in BLOCKS} <= {"bash", "python", "toml", "yaml", "text"}
    assert len(BLOCKS) > 45 and all(block.quoted for block in BLOCKS if block.language in ("toml", "yaml"))


def test_reasons_are_of_commands_that_pages_have():
    texts = [text for block in BLOCKS for text in (block.commands if block.language == "bash" else [block.text])]
    assert [begin for begin in NOT_RUN if not any(text.startswith(begin) for text in texts)] == []


def words_of_raysq(text: str) -> list[list[str]]:
    """The arguments of each `raysq` in a command line."""
    found = []
    for piece in shell.pieces(text):
        words = piece[: piece.index(">")] if ">" in piece else piece
        while words and re.fullmatch(r"\w+=\S*", words[0]):
            words = words[1:]
        if words[:1] == ["raysq"]:
            found.append(words[1:])
    return found


COMMANDS = [
    (f"{block.page}:{block.line}", words)
    for block in BLOCKS
    if block.language == "bash"
    for command in block.commands
    for words in words_of_raysq(command)
]


def test_commands_are_those_of_the_command_line(capsys):
    assert len(COMMANDS) > 90
    for place, words in COMMANDS:
        try:
            parser(words[0]).parse_args(words)
        except SystemExit as stop:
            assert not stop.code, f"{place}: raysq {' '.join(words)}: {capsys.readouterr().err}"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the commands of a page run: an empty folder, which is also the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    for name in ("train", "tune"):
        monkeypatch.setattr(raysq, name, shell.shortened_function(getattr(raysq, name)))
    return folder


def follow(page: str, steps: list[Block | str], folder) -> None:
    """Run steps of a page after what they expect."""
    materials.FILES.get(page, lambda _: None)(folder)
    for command in materials.BEFORE.get(page, []):
        shell.run(command)
    names = {"frame": materials.jena_frame(folder)}
    for step in steps:
        if isinstance(step, str):
            shell.run(step)
        elif step.file:
            (folder / step.file).write_text(step.text)
            sys.modules.pop(step.file.removesuffix(".py"), None)  # another page's
        else:
            exec(compile("\n" * (step.line - 1) + step.text, str(ROOT / page), "exec"), names)


def test_the_first_hour_on_one_worker(place):
    page = "docs/first_hour.md"
    steps = itertools.takewhile(lambda step: not on_ray(step), to_run(page))
    alone = [step for step in steps if not str(step).startswith("raysq report")]  # reports take as long as all others
    assert len(alone) > 10
    follow(page, alone, place)
    assert (place / "forecast.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in RUN if not any(map(on_ray, to_run(page)))])
def test_page(page, place):
    follow(page, to_run(page), place)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in RUN if any(map(on_ray, to_run(page)))])
def test_page_on_ray(page, place, cluster):
    follow(page, to_run(page), place)
