"""Output that is redrawn in place: by rich on a terminal, as one output of the cell in a notebook."""

import io
import threading
from collections.abc import Callable
from typing import Any

from rich.console import RenderableType
from rich.live import Live

from raysq.display.console import Console
from raysq.display.in_notebook import in_notebook

_SHOWN_LINES = 10  # latest lines that a notebook shows: a cell of a hundred epochs stays short
_WIDTH = 110
_PRE = (
    '<pre style="white-space:pre;overflow-x:auto;line-height:1.3;margin:0;'
    "font-family:Menlo,'DejaVu Sans Mono',Consolas,monospace\">{code}</pre>"
)


class LiveOutput:
    """A renderable of rich that is redrawn while the context is entered, below the lines that are printed.

    It is shown on standard error of a terminal, and in the cell of a notebook, and disappears at the end; the lines
    stay. A notebook shows the latest lines only. Elsewhere, such as in a log file, only the lines are printed.

    Args:
        renderable: what is redrawn, such as an unstarted `rich.progress.Progress`.
        quiet: whether to show nothing. Defaults to False.
        per_second: number of times a second that a terminal is redrawn. Defaults to 10.
        last_line: returns a last line for notebooks, where nothing else follows. Defaults to none.
    """

    def __init__(
        self,
        renderable: RenderableType,
        *,
        quiet: bool = False,
        per_second: float = 10,
        last_line: Callable[[], str] | None = None,
    ):
        self.quiet = quiet
        self.console = Console(stderr=True, quiet=quiet)
        self._live: Live | None = None
        self._cell: _Cell | None = None
        if quiet:
            return
        if in_notebook():
            self._cell = _Cell(renderable, last_line)
        elif self.console.is_terminal:
            self._live = Live(renderable, console=self.console, transient=True, refresh_per_second=per_second)

    @property
    def is_live(self) -> bool:
        """Whether the renderable is shown."""
        return self._live is not None or self._cell is not None

    def __enter__(self) -> "LiveOutput":
        if self._live is not None:
            self._live.start()
        elif self._cell is not None:
            self._cell.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._cell is not None:
            self._cell.stop()

    def print(self, line: str) -> None:
        """Print a line above the renderable."""
        if self._cell is not None:
            self._cell.print(line)
        else:
            self.console.print(line, soft_wrap=not self.console.is_terminal)  # do not wrap lines in a log file


class _Cell:
    """One output of the notebook's current cell, redrawn by a thread. It needs no widgets.

    Args:
        renderable, last_line: see `LiveOutput`.
    """

    def __init__(self, renderable: RenderableType, last_line: Callable[[], str] | None):
        self._renderable, self._last_line = renderable, last_line
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._handle: Any = None
        self._thread = threading.Thread(target=self._redraw, daemon=True)

    def start(self) -> None:
        from IPython.display import display

        self._handle = display(self._drawn(self._renderable), raw=True, display_id=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()
        if self._last_line is not None:
            self.print(self._last_line())
        self._handle.update(self._drawn(), raw=True)

    def print(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)

    def _redraw(self) -> None:
        while not self._end.wait(0.5):
            self._handle.update(self._drawn(self._renderable), raw=True)

    def _drawn(self, *renderables: RenderableType) -> dict[str, str]:
        """Return the lines and the renderables by MIME type."""
        with self._lock:
            lines, hidden = self._lines[-_SHOWN_LINES:], len(self._lines) - _SHOWN_LINES
        file = io.StringIO()
        console = Console(file=file, record=True, width=_WIDTH, force_terminal=True, color_system="truecolor")
        if hidden > 0:
            console.print(f"... {hidden} lines before")
        for line in lines:
            console.print(line, soft_wrap=True)
        for renderable in renderables:
            console.print(renderable)
        plain = console.export_text(clear=False)
        return {"text/html": console.export_html(inline_styles=True, code_format=_PRE), "text/plain": plain}
