"""Tokenize and detokenize the sentences of one language."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.text.tokenizer import Level, Tokens, noun_of, tokenize

# All kinds of spaces separate words. Keras's default filters would drop punctuation, which a model must learn to write.
_SPACES = "\t\n\r\x0b\x0c\u00a0\u2009\u202f\u3000\ufeff"
# Apostrophes and hyphens stay in their words.
_SIGNS = r"""[!"#$%&()*+,./:;<=>?@\[\\\]^_`{|}~¡¿«»„“”…、。，．！？：；・「」『』（）]"""  # noqa: RUF001
_LETTERS, _NUMBER = r"[\pL\pM\pN]+", r"[0-9]+(?:[.,:/][0-9]+)+"
# Kept in one word, because it could not be joined again: URLs, tags, the placeholders and entities of message files,
# numbers, and names with a dot, an underscore or an at sign inside.
_UNSPLIT = (
    r"""https?://[^\s<>"]*[^\s<>".,;:!?)\]]"""
    r"|</?[a-zA-Z][^<>]*>"
    r"|%\(\w+\)[-#0 +.0-9]*[a-zA-Z]|%[-#0+.0-9]*[a-zA-Z]\b|%%|[$#]?\{+[ \w.!:%-]*\}+"
    r"|&#?\w+;"
    rf"|(?:{_NUMBER}|{_LETTERS})(?:[._@'’-](?:{_NUMBER}|{_LETTERS}))+|{_NUMBER}"  # noqa: RUF001
)
_SEPARATED = rf"({_UNSPLIT})|({_SIGNS})"
_OPENING, _CLOSING = frozenset("([{¿¡„"), frozenset("!%),.:;?]}…”")
_WIDE = frozenset("、。，．！？：；・「」『』（）")  # noqa: RUF001
_QUOTES = {'"': '"', "“": "„", "«": "»", "»": "«"}  # a mark closes where its counterpart is open, else it opens
_ENDING = re.compile(r"[.!?。！？]\s*$")  # noqa: RUF001
_APART = re.compile(r"\s[.!?。！？]\s*$")  # noqa: RUF001


@dataclass(frozen=True)
class Language:
    """How the sentences of one language are split into words and joined again.

    Attributes:
        level: "word", "char" to use each character as a word, for scripts without spaces between words, or "subword" to
            split words further; see `raysq.text.subwords`.
        lower: convert to lower case.
        apart: whether punctuation marks are words of their own. False for text that is tokenized already.
        normalize: normalize to Unicode's composed form (NFC) first, or "none".
    """

    level: Level = "word"
    lower: bool = True
    apart: bool = True
    normalize: Literal["NFC", "none"] = "NFC"

    @property
    def unit(self) -> str:
        """Noun of the tokens, plural."""
        return noun_of(self.level)

    def words(self, texts: Any) -> tuple[np.ndarray, np.ndarray, pa.Array]:
        """Split sentences into words, or into characters.

        Args:
            texts: Arrow array of strings.

        Returns:
            As `raysq.text.tokenizer.tokenize`: the codes of all words, the offset of each sentence, and the distinct
            words.
        """
        texts = pa.array([], pa.large_string()) if not len(texts) else texts.cast(pa.large_string())
        if self.level == "char":
            # Spaces at the ends do not belong to the sentence.
            texts = pc.utf8_trim_whitespace(texts)
        elif self.apart:
            texts = pc.replace_substring_regex(texts, _SEPARATED, r" \1\2 ")
        return tokenize(texts, Tokens(self.level, self.lower, _SPACES, " ", self.normalize))

    def sentence(self, words: Sequence[str]) -> str:
        """Join words to a sentence, with spaces except around punctuation marks that take none."""
        if self.level == "char":
            return "".join(words)
        return _joined(words) if self.apart else " ".join(words)


def _joined(words: Sequence[str]) -> str:
    """Join words with spaces, except where a punctuation mark attaches to its neighbor."""
    text, close, unclosed = "", True, set()
    for word in words:
        tag = len(word) > 1 and word.endswith(">")  # a tag, or its last word where it has spaces
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
    """Return whether sentences are tokenized already: most have a space before their final punctuation mark."""
    ending = [text for text in texts if _ENDING.search(text)]
    return bool(ending) and 2 * sum(bool(_APART.search(text)) for text in ending) > len(ending)
