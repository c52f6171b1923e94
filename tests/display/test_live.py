"""Output that is redrawn in place: on a terminal, in a notebook's cell, and nowhere else."""

import contextlib
import io
import sys
import types

import pytest
from rich.text import Text

from raysq.display.console import Console
from raysq.display.in_notebook import hides_progress, in_notebook
from raysq.display.live import LiveOutput
from raysq.display.terminal import print_message
from raysq.training.progress import TrainProgress
from raysq.training.state import TrainState
from raysq.tuning.progress import ProgressTable


class Cell:
    """What a cell of a notebook shows: IPython's `display` and handle, and all that was shown."""

    def __init__(self):
        self.shown = []
        self.outputs = 0

    def display(self, bundle, raw, display_id):
        assert raw and display_id
        self.outputs += 1
        self.update(bundle, raw=True)
        return self

    def update(self, bundle, raw):
        self.shown.append(bundle)

    @property
    def last(self):
        return self.shown[-1]["text/plain"]


@pytest.fixture
def cell(monkeypatch):
    """A kernel as Jupyter and VS Code have it, without IPython."""
    cell = Cell()
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=cell.display))
    return cell


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_what_is_a_notebook(cell, monkeypatch):
    assert in_notebook() and not hides_progress(None) and hides_progress(True) and not hides_progress(False)
    # IPython on a terminal has a shell without a kernel, and a script that imports IPython has no shell.
    for shell in (types.SimpleNamespace(), None):
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert not in_notebook() and hides_progress(None)
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_a_notebook_has_one_output_in_which_the_lines_stay(cell):
    with LiveOutput(Text("the bar")) as output:
        assert output.is_live and cell.last == "the bar\n"
        output.print("epoch <1>")
    assert cell.outputs == 1 and cell.last == "epoch <1>\n"
    html = cell.shown[-1]["text/html"]
    assert html.startswith("<pre style=") and "epoch &lt;1&gt;" in html and "http" not in html


def test_a_notebook_shows_the_latest_lines_of_many(cell):
    with LiveOutput(Text("bar"), last_line=lambda: "the end") as output:
        for number in range(200):
            output.print(f"epoch {number} \x1b[31m")
    lines = cell.last.splitlines()
    assert lines[0] == "... 191 lines before" and lines[1] == "epoch 191 \\x1b[31m" and lines[-1] == "the end"
    assert len(lines) == 11


def test_an_error_leaves_the_lines(cell):
    with contextlib.suppress(KeyboardInterrupt), LiveOutput(Text("bar")) as output:
        output.print("epoch 1")
        raise KeyboardInterrupt
    assert cell.last == "epoch 1\n"


def test_quiet_output_shows_nothing_in_a_notebook(cell, capsys):
    with LiveOutput(Text("bar"), quiet=True) as output:
        output.print("epoch 1")
    assert cell.shown == [] and capsys.readouterr() == ("", "")


def test_a_terminal_shows_the_bar_and_keeps_the_lines(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with LiveOutput(Text("the bar")) as output:
        output.print("epoch 1")
    text = terminal.getvalue()
    assert "the bar" in text and "epoch 1" in text and text.index("epoch 1") < text.rindex("the bar")


def test_a_log_has_the_lines_only(capsys):
    with LiveOutput(Text("the bar")) as output:
        assert not output.is_live
        output.print("a" * 300)
    assert capsys.readouterr() == ("", "a" * 300 + "\n")


def test_lines_and_messages_of_a_notebook_are_not_red(cell, capsys):
    Console(stderr=True).print("a line")
    print_message("a message")
    assert capsys.readouterr() == ("a line\na message\n", "")


def test_progress_of_training_in_a_notebook(cell):
    with TrainProgress(2) as progress:
        progress.on_train_batch_end(TrainState(epoch=0, step=5), 0.25, 10)
        progress._output._cell._handle.update(progress._output._cell._drawn(progress._bar), raw=True)
        assert "epoch   1/2" in cell.last and "5/10 steps" in cell.last and "loss 0.2500" in cell.last
        progress.on_epoch_end({"epoch": 1, "step": 10, "loss": 0.5, "val_loss": 0.25, "seconds": 3.2, "best": True})
    assert cell.last == "epoch   1/2  loss 0.5000  val_loss 0.2500  3 s  *\n" and cell.outputs == 1


def test_progress_of_a_search_in_a_notebook_ends_with_its_figures(cell):
    with ProgressTable("search s", total=2, epochs=3, quiet=False) as table:
        table.start_clock()
        table.add("trial-01", {"units": 8})
        table.start("trial-01")
        table.update("trial-01", 3, 0.5)
        table.end("trial-01", "finished", seconds=1.0)
    assert cell.outputs == 1 and cell.last.startswith("search s: 1 of 2 ended, 0 running, best val_loss 0.5000")
