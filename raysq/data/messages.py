"""Lines for people about raw files: what was found in them and what was repaired."""

from typing import Self


class Message(str):
    """A line, and the options of `prepare` that change what it tells. As text it is all of it, options in brackets.

    Attributes:
        text: the line without the options, for a command that does not have these.
        options: in words; empty for none.

    Example:
        >>> Message("text: column 'review'", "--text NAME names another")
        "text: column 'review' (--text NAME names another)"
    """

    text: str
    options: str

    def __new__(cls, text: str, options: str = "") -> Self:
        message = super().__new__(cls, f"{text} ({options})" if options else text)
        message.text, message.options = text, options
        return message


def without_options(message: str) -> str:
    """A line, without the options that it names."""
    return message.text if isinstance(message, Message) else message
