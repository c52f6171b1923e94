"""Texts from data do no harm to a terminal, whoever prints them, and stay exact as data."""

import ast
import io
import re
from pathlib import Path

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

import raysq
from raysq import cli
from raysq.cli.output import plain_item
from raysq.display.console import Console, lines
from raysq.display.terminal import print_message, print_result, visible
from raysq.errors import DataError
from raysq.problems import charts
from raysq.tuning.progress import ProgressTable

# A title of the window, a color, a new line that looks like one of ours, letters turned around, a C1 sequence, markup.
HOSTILE = "\x1b]0;owned\x07\x1b[31mA\r\nraysq: done\u202eB\x9b2J\x7f\u2028[red]C[/red][/]:smile:\ud800"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> bool:
    """Whether nothing moves the cursor and nothing pretends to be a line of ours."""
    return not CONTROL.search(text) and not re.search(r"^raysq: done", text, re.MULTILINE)


def test_control_characters_are_written_out():
    assert visible("a\tb\nc") == r"a\tb\nc"
    assert visible("a\tb\nc\r", lines=True) == "a\tb\nc\\r"
    assert visible("\x1b[31m\x9b\u202e\x00\x7f\ud800") == r"\x1b[31m\x9b\u202e\x00\x7f\ud800"
    text = "Grüße, \u05e9\u05dc\u05d5\u05dd \U0001f468\u200d\U0001f469 \\x1b 日本 \u00a0"
    assert visible(text) == text
    every = "".join(map(chr, range(0x3000))) + "\ud800\udfff"
    assert harmless(visible(every)) and harmless(visible(every, lines=True).replace("\t", ""))
    assert visible(HOSTILE) == visible(visible(HOSTILE))


@pytest.mark.parametrize("terminal", [False, True])
def test_whatever_is_laid_out_is_harmless(monkeypatch, terminal):
    monkeypatch.setenv("TERM", "xterm")  # on a dumb terminal rich takes no width
    out = io.StringIO()
    console = Console(file=out, width=400, force_terminal=terminal, color_system=None, legacy_windows=False)
    console.print(HOSTILE)
    console.print(Text(HOSTILE))
    console.print(Path(HOSTILE))
    console.print(HOSTILE, soft_wrap=True)
    table = Table(HOSTILE, title=HOSTILE, caption=HOSTILE)
    table.add_column(HOSTILE)
    table.add_column(lines("a", HOSTILE))
    table.add_row(HOSTILE, Text(HOSTILE), lines(HOSTILE, "b"))
    console.print(table)
    plain_item(console, charts.Text(HOSTILE))
    plain_item(console, charts.Table([HOSTILE], [[HOSTILE]], HOSTILE))
    written = out.getvalue()
    assert not CONTROL.search(written)
    assert written.count("[red]C[/red][/]:smile:") >= 11
    # Each `str` is one line: only the texts that we lay out have ends of lines of their own.
    single = io.StringIO()
    Console(file=single, width=400, force_terminal=terminal, color_system=None).print(HOSTILE)
    assert single.getvalue() == visible(HOSTILE) + "\n"


def test_progress_is_harmless():
    out = io.StringIO()
    console = Console(file=out, width=400, force_terminal=True, color_system=None)
    with Progress(TextColumn("{task.description}", markup=False), console=console) as bar:
        bar.add_task(HOSTILE, total=1)
    with ProgressTable(f"search {HOSTILE}", 2, 2, quiet=False) as table:
        table.add(HOSTILE, {HOSTILE: HOSTILE})
        table.start(HOSTILE)
        table.update(HOSTILE, 1, 0.5)
        console.print(table)
        table.end(HOSTILE, "failed", HOSTILE)
        console.print(table)
    # The bar itself moves the cursor.
    written = re.sub(r"\x1b\[\??[0-9]*[A-Za-z]|\r", "", out.getvalue())
    assert not CONTROL.search(written) and "[red]C[/red][/]:smile:" in written


def test_messages_are_harmless(capsys):
    print_message(HOSTILE)
    assert capsys.readouterr().err == visible(HOSTILE) + "\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_results_are_exact_but_on_a_terminal(capsys, monkeypatch, terminal):
    text = HOSTILE.replace("\ud800", "")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    print_result(text)
    out = capsys.readouterr().out
    assert out == (visible(text, lines=True) if terminal else text) + "\n"


@pytest.mark.parametrize("debug", ["", "1"])
def test_errors_of_commands_are_harmless(capsys, monkeypatch, debug):
    monkeypatch.setenv("RAYSQ_DEBUG", debug)

    def fail(*_):
        raise DataError(f"cell {HOSTILE} is not a number")

    monkeypatch.setattr("raysq.data.dataset.Dataset.open", fail)
    assert cli.main(["verify", "x"]) == 1
    err = capsys.readouterr().err
    # A traceback has lines of its own.
    assert (not CONTROL.search(err) if debug else harmless(err)) and "not a number" in err
    for arguments in (["verify", "x", f"--{HOSTILE}"], [HOSTILE], ["tasks", HOSTILE]):
        with pytest.raises(SystemExit) as stopped:
            cli.main([argument.replace("\ud800", "") for argument in arguments])
        assert stopped.value.code == 2
    assert not CONTROL.search(capsys.readouterr().err)


def test_foreign_errors_are_harmless_too(capsys, monkeypatch):
    def fail(*_):
        raise LookupError(HOSTILE)

    monkeypatch.setattr("raysq.data.dataset.Dataset.open", fail)
    assert cli.main(["verify", "x"]) == 1
    err = capsys.readouterr().err
    assert "LookupError" in err and not CONTROL.search(err)


def test_nobody_else_writes_to_the_terminal():
    """What prints past the one place would print data as they are."""
    folder = Path(raysq.__file__).parent
    printers = ("print", "sys.stdout.write", "sys.stderr.write", "traceback.print_exc", "traceback.print_exception")
    imports = []
    for path in folder.rglob("*.py"):
        name = str(path.relative_to(folder))
        if name in ("display/terminal.py", "display/console.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "rich.console":
                imports += [f"{name}: {alias.name}" for alias in node.names if alias.name == "Console"]
            if not isinstance(node, ast.Call):
                continue
            call = ast.unparse(node)
            markup = call.startswith("TextColumn(") and "{task.description}" in call and "markup=False" not in call
            if ast.unparse(node.func) in printers or markup:
                imports.append(f"{name}: {call}")
    assert imports == [
        "cli/output.py: print(json.dumps(result), file=options.stdout)"
    ]  # JSON escapes what is not ASCII
