"""What reaches a terminal: every text that may come from data is made harmless where it is written."""

import re
import sys
from typing import Protocol, TextIO

# Control characters of ASCII and Latin-1, which move the cursor and open escape sequences; those that turn the order of
# letters around; halves of surrogate pairs, which cannot be written.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_BUT_LAYOUT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str, *, lines: bool = False) -> str:
    """The text with control characters written as in Python, such as `\\x1b`.

    Args:
        text: from anywhere.
        lines: whether line ends and tabs are kept.
    """
    pattern = _CONTROL_BUT_LAYOUT if lines else _CONTROL
    return pattern.sub(lambda found: ascii(found[0])[1:-1], text)


def print_message(message: object, *, lines: bool = False) -> None:
    """Print a line for people on standard error.

    Args:
        message: its text is made visible.
        lines: whether it has several lines.
    """
    print(visible(str(message), lines=lines), file=sys.stderr, flush=True)


def print_result(text: str) -> None:
    """Print a result, such as a generated text or a path, on standard output: exactly, unless that is a terminal."""
    output = results()
    output.write(text + "\n")
    output.flush()


def results() -> "TextOutput":
    """Standard output for data: exact in a pipe or a file, visible on a terminal."""
    return VisibleOutput(sys.stdout) if sys.stdout.isatty() else sys.stdout


class TextOutput(Protocol):
    """What texts are written to."""

    def write(self, text: str, /) -> int:
        """Write a text."""

    def flush(self) -> None:
        """Write what is held back."""


class VisibleOutput:
    """A text file that writes control characters visibly, line ends and tabs aside."""

    def __init__(self, output: TextIO):
        self._output = output

    def write(self, text: str) -> int:
        """Write a text."""
        self._output.write(visible(text, lines=True))
        return len(text)

    def flush(self) -> None:
        """Write what is held back."""
        self._output.flush()
