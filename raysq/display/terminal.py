"""Terminal output. Texts that may come from data are made harmless when they are written."""

import re
import sys
from typing import Protocol, TextIO

from raysq.display.in_notebook import in_notebook

# Control characters of ASCII and Latin-1, which move the cursor and start escape sequences; line separators and marks
# that change the direction of text; lone surrogates, which cannot be encoded.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_BUT_LAYOUT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str, *, lines: bool = False) -> str:
    """Return the text with control characters escaped as in Python, such as `\\x1b`; with `lines` except for line ends
    and tabs.
    """
    pattern = _CONTROL_BUT_LAYOUT if lines else _CONTROL
    return pattern.sub(lambda match: ascii(match[0])[1:-1], text)


def print_message(message: object, *, lines: bool = False) -> None:
    """Print a message to the user on standard error, with its control characters escaped; with `lines` except for line
    ends and tabs.

    A notebook shows standard error in red, as errors: there the message is printed on standard output.
    """
    print(visible(str(message), lines=lines), file=sys.stdout if in_notebook() else sys.stderr, flush=True)


def print_result(text: str) -> None:
    """Print a result, such as a generated text or a path, on standard output.

    On a terminal, control characters are escaped.
    """
    output = results()
    output.write(text + "\n")
    output.flush()


def results() -> "TextOutput":
    """Return standard output for results: exact in a pipe or a file, escaped on a terminal."""
    return VisibleOutput(sys.stdout) if sys.stdout.isatty() else sys.stdout


class TextOutput(Protocol):
    """Protocol of objects that texts can be written to."""

    def write(self, text: str, /) -> int:
        """Write a text."""

    def flush(self) -> None:
        """Write buffered text."""


class VisibleOutput:
    """Text file that escapes control characters other than line ends and tabs."""

    def __init__(self, output: TextIO):
        self._output = output

    def write(self, text: str) -> int:
        """Write a text."""
        self._output.write(visible(text, lines=True))
        return len(text)

    def flush(self) -> None:
        """Write buffered text."""
        self._output.flush()
