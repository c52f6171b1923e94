"""Escapes of characters that separate the words of a file."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Escapes:
    r"""Escape characters by a backslash and a letter, and undo it.

    Attributes:
        pairs: each character to escape with its replacement. The backslash itself comes first.

    Example:
        >>> Escapes((("\\", "\\\\"), ("\n", "\\n"))).escape("a\nb")
        'a\\nb'
    """

    pairs: tuple[tuple[str, str], ...]

    def escape(self, word: str) -> str:
        """Return a word with its characters escaped."""
        for char, short in self.pairs:
            word = word.replace(char, short)
        return word

    def unescape(self, word: str) -> str:
        """Return the word that `escape` was given. Raise `KeyError` or `RuntimeError` for an invalid escape."""
        if "\\" not in word:
            return word
        chars = iter(word)
        return "".join(self._chars[next(chars)] if char == "\\" else char for char in chars)

    @cached_property
    def _chars(self) -> dict[str, str]:
        return {short[1]: char for char, short in self.pairs}
