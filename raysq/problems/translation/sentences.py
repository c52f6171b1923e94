"""Sentences to words and words to sentences, for one language of a pair."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.text.tokenizer import Tokens, tokenize

Level = Literal["word", "char"]

# Every sort of space parts words. Keras's own filters drop punctuation, and would leave no full stop to learn.
_SPACES = "\t\n\r\x0b\x0c\u00a0\u2009\u202f\u3000\ufeff"
# Apostrophe and hyphen stay in their words.
_SIGNS = r"""[!"#$%&()*+,./:;<=>?@\[\\\]^_`{|}~¡¿«»„“”…、。，．！？：；・「」『』（）]"""  # noqa: RUF001
_LETTERS, _NUMBER = r"[\pL\pM\pN]+", r"[0-9]+(?:[.,:/][0-9]+)+"
# What stays whole with the marks in it, for nobody could put it together again: addresses, tags, the placeholders and
# entities of message files, numbers, and names with a dot, an underscore or an at-sign inside.
_WHOLE = (
    r"""https?://[^\s<>"]*[^\s<>".,;:!?)\]]"""
    r"|</?[a-zA-Z][^<>]*>"
    r"|%\(\w+\)[-#0 +.0-9]*[a-zA-Z]|%[-#0+.0-9]*[a-zA-Z]\b|%%|[$#]?\{+[ \w.!:%-]*\}+"
    r"|&#?\w+;"
    rf"|(?:{_NUMBER}|{_LETTERS})(?:[._@'’-](?:{_NUMBER}|{_LETTERS}))+|{_NUMBER}"  # noqa: RUF001
)
_PARTED = rf"({_WHOLE})|({_SIGNS})"
_OPENING, _CLOSING = frozenset("([{¿¡„"), frozenset("!%),.:;?]}…”")
_WIDE = frozenset("、。，．！？：；・「」『』（）")  # noqa: RUF001
_QUOTES = {'"': '"', "“": "„", "«": "»", "»": "«"}  # one of these closes where the other is open, and opens elsewhere
_ENDING = re.compile(r"[.!?。！？]\s*$")  # noqa: RUF001
_APART = re.compile(r"\s[.!?。！？]\s*$")  # noqa: RUF001


@dataclass(frozen=True)
class Language:
    """How the sentences of one language are parted into words, and put together again.

    Attributes:
        level: "char" takes every character for a word, for scripts without spaces between words.
        lower: lower case.
        apart: whether punctuation marks are words of their own. A text that is parted already has them so.
        normalize: Unicode's composed form first.
    """

    level: Level = "word"
    lower: bool = True
    apart: bool = True
    normalize: Literal["NFC", "none"] = "NFC"

    @classmethod
    def of(cls, settings: Mapping[str, Any], side: str) -> "Language":
        """The language of a side ("source" or "target") of a preparation with these settings."""
        return cls(
            settings[f"{side}_level"], settings["lower"], settings["punctuation"] == "apart", settings["normalize"]
        )

    def words(self, texts: Any) -> tuple[np.ndarray, np.ndarray, pa.Array]:
        """Parts sentences into words.

        Args:
            texts: Arrow array of strings.

        Returns:
            As `raysq.text.tokenizer.tokenize`: codes of all words, where each sentence begins, and the distinct words.
        """
        texts = pa.array([], pa.large_string()) if not len(texts) else texts.cast(pa.large_string())
        if self.level == "char":
            # Spaces at the ends are no characters of a sentence.
            texts = pc.utf8_trim_whitespace(texts)
        elif self.apart:
            texts = pc.replace_substring_regex(texts, _PARTED, r" \1\2 ")
        return tokenize(texts, Tokens(self.level, self.lower, _SPACES, " ", self.normalize))

    def sentence(self, words: Sequence[str]) -> str:
        """Words as a sentence: with spaces between, but before and after the punctuation that has none."""
        if self.level == "char":
            return "".join(words)
        return _joined(words) if self.apart else " ".join(words)


def _joined(words: Sequence[str]) -> str:
    """Words with spaces between, but none where a mark stands close to its neighbor."""
    text, close, unclosed = "", True, set()
    for word in words:
        tag = len(word) > 1 and word.endswith(">")  # or the last word of one
        closing = word in _CLOSING or word.startswith("</")
        opening = word in _OPENING or (tag and not closing)
        if word in _QUOTES:
            closing = _QUOTES[word] in unclosed
            opening = not closing
            unclosed.discard(_QUOTES[word])
        if opening:
            unclosed.add(word)
        wide = word in _WIDE
        text += word if close or closing or wide else f" {word}"
        close = opening or wide
    return text


def parted(texts: Sequence[str]) -> bool:
    """Whether sentences have a space before their last full stop or question mark: they are parted into words."""
    ending = [text for text in texts if _ENDING.search(text)]
    return bool(ending) and 2 * sum(bool(_APART.search(text)) for text in ending) > len(ending)
