"""Messages to the user about raw files: inferred settings and repairs."""

from typing import Self


class Message(str):
    """Message with the options of `prepare` that change what it reports. As a string, it includes them in parentheses.

    Attributes:
        text: the message without the options, for commands that lack them.
        options: description of the options; empty for none.

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
    """Return a message without its options."""
    return message.text if isinstance(message, Message) else message
