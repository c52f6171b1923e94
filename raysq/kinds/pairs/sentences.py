"""Sentences to words and words to sentences, for one language of a pair."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.corpus.tokens import Tokens, tokenise

Level = Literal["word", "char"]

# Every sort of space parts words. Keras's own filters drop punctuation, and would leave no full stop to learn.
_SPACES = "\t\n\r\x0b\x0c\u00a0\u2009\u202f\u3000\ufeff"
# Apostrophe and hyphen stay in their words.
_SIGNS = r"""([!"#$%&()*+,./:;<=>?@\[\\\]^_`{|}~¡¿«»„“”…、。，．！？：；・「」『』（）])"""  # noqa: RUF001
_CLOSING = re.compile(r""" +([!%),.:;?\]}»”…])""")
_OPENING = re.compile(r"""([(\[{¿¡«„“]) +""")
_WIDE = re.compile(r" *([、。，．！？：；・「」『』（）]) *")  # noqa: RUF001
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
            As `raysq.corpus.tokens.tokenise`: codes of all words, where each sentence begins, and the distinct words.
        """
        texts = pa.array([], pa.large_string()) if not len(texts) else texts.cast(pa.large_string())
        if self.level == "char":
            # Spaces at the ends are no characters of a sentence.
            texts = pc.utf8_trim_whitespace(texts)
        elif self.apart:
            texts = pc.replace_substring_regex(texts, _SIGNS, r" \1 ")
        return tokenise(texts, Tokens(self.level, self.lower, _SPACES, " ", self.normalize))

    def sentence(self, words: Sequence[str]) -> str:
        """Words as a sentence: with spaces between, but before and after the punctuation that has none."""
        if self.level == "char":
            return "".join(words)
        text = " ".join(words)
        if not self.apart:
            return text
        return _OPENING.sub(r"\1", _CLOSING.sub(r"\1", _WIDE.sub(r"\1", text)))


def parted(texts: Sequence[str]) -> bool:
    """Whether sentences have a space before their last full stop or question mark: they are parted into words."""
    ending = [text for text in texts if _ENDING.search(text)]
    return bool(ending) and 2 * sum(bool(_APART.search(text)) for text in ending) > len(ending)
