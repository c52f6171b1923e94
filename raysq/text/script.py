"""How a text is written: whether spaces part its words, and whether its sentences begin with capital letters."""

import re
from collections.abc import Sequence

from raysq.data.messages import Message

# Thai, Lao, Tibetan, Burmese, Khmer, kana and ideographs: what stands between two spaces there is a phrase.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)
_LETTER = re.compile(r"[^\W\d_]")
_BEGINS = re.compile(r"(?:[^.\s]\.[\"')\]\u201d\u2019]*|[!?])\s+[\"'(\[\u201c\u2018]*([^\W\d_])")
_FEWEST = 3  # sentences from which on they tell how sentences begin
_NEARLY_ALL = 0.9

UNSPACED = Message(
    "the texts are of a script without spaces between words: a word is all that stands between two spaces; take the "
    "characters",
    "--level char",
)


def is_unspaced(texts: Sequence[str]) -> bool:
    """Whether most letters of texts are of scripts that put no spaces between words, such as Thai and Chinese."""
    letters = sum(len(_LETTER.findall(text)) for text in texts)
    return letters > 0 and 2 * sum(len(_UNSPACED.findall(text)) for text in texts) > letters


def without_capitals(texts: Sequence[str]) -> tuple[bool, str | None]:
    """Whether sentences begin with small letters, by what follows full stops.

    Args:
        texts: the first of a corpus.

    Returns:
        Whether nearly all of them do, and a message where some do.
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
