"""Samples of what models make during training."""

from dataclasses import dataclass


def in_a_line(text: str) -> str:
    """Return a text in one line, with a slash for each line break."""
    return " / ".join(text.split("\n"))


@dataclass(frozen=True)
class Sample:
    """Sample of what a model makes.

    Attributes:
        title: what it is made from, such as the sentence to translate. Equal titles are of the same sample.
        text: what the model makes.
        expected: what is right, or None if nothing is.
    """

    title: str
    text: str
    expected: str | None = None
