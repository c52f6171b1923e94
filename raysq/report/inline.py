"""A written report, shown in the cell of a notebook."""

from dataclasses import dataclass
from html import escape
from pathlib import Path

_HEIGHT = 640  # pixels; the reader may drag the lower edge


@dataclass(frozen=True)
class Report:
    """A report that was written as one HTML file. A notebook shows it in the cell, and keeps it when it is saved.

    Attributes:
        path: path of the file.

    Example:
        >>> run.report()
        Report(path=PosixPath('.../runs/jena-gru-1b4e9a2c77/report.html'))
    """

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        # The page needs its script, but nothing of the notebook's: the sandbox gives it an origin of its own.
        page = escape(self.path.read_text(encoding="utf-8"))
        style = f"width:100%;height:{_HEIGHT}px;border:1px solid #8888;resize:vertical"
        title = escape(self.path.name)
        return f'<iframe sandbox="allow-scripts" title="{title}" style="{style}" srcdoc="{page}"></iframe>'
