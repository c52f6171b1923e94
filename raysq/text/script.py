"""Detect properties of the writing system: spaces between words, and capitals at the beginning of sentences."""

import re
from collections.abc import Sequence

from raysq.data.messages import Message

# Thai, Lao, Tibetan, Burmese, Khmer, kana and ideographs, whose spaces separate phrases.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)
_LETTER = re.compile(r"[^\W\d_]")
_BEGINS = re.compile(r"(?:[^.\s]\.[\"')\]\u201d\u2019]*|[!?])\s+[\"'(\[\u201c\u2018]*([^\W\d_])")
_FEWEST = 3  # fewest sentences required to infer how sentences begin
_NEARLY_ALL = 0.9

UNSPACED = Message(
    "the texts are of a script without spaces between words: a word is all that stands between two spaces; take the "
    "characters",
    "--level char",
)


def is_unspaced(texts: Sequence[str]) -> bool:
    """Return whether most letters are of scripts without spaces between words, such as Thai and Chinese.

    Example:
        >>> is_unspaced(["今日は良い天気です。"])
        True
    """
    letters = sum(len(_LETTER.findall(text)) for text in texts)
    return letters > 0 and 2 * sum(len(_UNSPACED.findall(text)) for text in texts) > letters


def without_capitals(texts: Sequence[str]) -> tuple[bool, str | None]:
    """Detect whether nearly all sentences begin in lower case, by the letters that follow full stops.

    Return also a message if some sentences do, else None.
    """
    begins = [sign for text in texts for sign in _BEGINS.findall(text) if sign.lower() != sign.upper()]
    small = sum(sign.islower() for sign in begins)
    if small >= max(_FEWEST, _NEARLY_ALL * len(begins)):
        return True, "sentences: no capital letters follow full stops, so that small ones begin sentences too"
    if small >= max(_FEWEST, 0.3 * len(begins)):
        return False, (
            f"sentences: {small:,} of the first {len(begins):,} full stops are followed by small letters, which begin "
            "no sentence"
        )
    return False, None
