"""The console that everything laid out by rich is printed on. Imports rich, so it is imported where that happens."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from raysq.display.terminal import visible


class Console(RichConsole):
    """A console on which texts stand for themselves, whatever they hold.

    A `str` is a text from anywhere: its control characters and line ends are made visible, and nothing in it is markup,
    the name of an emoji, or highlighted. A `rich.text.Text` is laid out by us and keeps its line ends and styles; its
    other control characters are made visible too.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False, soft_wrap: bool = False, **options: Any):
        super().__init__(
            stderr=stderr, quiet=quiet, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False, **options
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """A text of one line, as it stands."""
        return super().render_str(visible(text), **{**options, "markup": False, "emoji": False, "highlight": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces that are written, of anything."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text, lines=True), segment.style)


def lines(*parts: str) -> Text:
    """A cell or heading of several lines."""
    return Text("\n".join(visible(part) for part in parts))
