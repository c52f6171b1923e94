"""Console for all output laid out by rich. It imports rich, so import this module only where it is used."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from raysq.display.in_notebook import in_notebook
from raysq.display.terminal import visible


class Console(RichConsole):
    """Console that prints texts literally, whatever they contain.

    A `str` is untrusted: its control characters and line ends are made visible, and markup, emoji names and
    highlighting are disabled. A `rich.text.Text` is laid out by raysq and keeps its line ends and styles. Its other
    control characters are made visible too.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False, soft_wrap: bool = False, **options: Any):
        if in_notebook():  # whose standard error is red, and says that it is a terminal
            stderr = False
            options = {"force_terminal": False, **options}
        super().__init__(
            stderr=stderr,
            quiet=quiet,
            soft_wrap=soft_wrap,
            markup=False,
            emoji=False,
            highlight=False,
            force_jupyter=False,  # rich would show each line as an output of its own
            **options,
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a one-line text, taken literally."""
        return super().render_str(visible(text), **{**options, "markup": False, "emoji": False, "highlight": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of any renderable, with control characters made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text, lines=True), segment.style)


def lines(*parts: str) -> Text:
    """Return a cell or heading of several lines."""
    return Text("\n".join(visible(part) for part in parts))
