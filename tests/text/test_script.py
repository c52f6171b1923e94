"""Scripts without spaces, and sentences that begin with small letters."""

import pytest

from raysq.text.script import is_unspaced, without_capitals
from raysq.text.segment import sentences

BOOK = "Mr. Brown went home. He was tired, e.g. of noise. \u201cWhat?\u201d he said. It was No. 5. So... maybe. "


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\u0e41\u0e21\u0e27\u0e14\u0e33\u0e27\u0e31\u0e19\u0e19\u0e35\u0e49 \u0e1a\u0e49\u0e32\u0e19", True),
        ("\u4eca\u65e5\u306f\u3044\u3044\u5929\u6c17\u3067\u3059\u3002", True),
        ("Fl\u00fcsse und B\u00e4ume, \u4e00 Beispiel", False),
        ("\ud55c\uad6d\uc5b4\ub294 \ub744\uc5b4 \uc4f4\ub2e4", False),
        ("12 34", False),
        ("", False),
    ],
)
def test_scripts_without_spaces(text, wanted):
    assert is_unspaced([text]) is wanted


def test_capitals_are_looked_for_behind_full_stops():
    assert without_capitals([BOOK] * 9) == (False, None)
    small, message = without_capitals([BOOK.lower()] * 9)
    assert small and "no capital letters follow full stops" in message
    mixed = ["one here. two there. three. Four. Five. "] * 9
    small, message = without_capitals(mixed)
    assert not small and message.startswith("sentences: 18 of the first 36 full stops are followed by small letters")
    assert without_capitals(["no stops at all", "one. two"]) == (False, None)
    assert without_capitals(["\u4eca. \u65e5. \u306f. \u3044"]) == (False, None)  # letters without capitals


def test_sentences_that_begin_with_small_letters():
    assert sentences("the red cup. a big chair! is it old? yes.") == ["the red cup. a big chair! is it old? yes."]
    assert sentences("the red cup. a big chair! is it old? yes.", "any") == [
        "the red cup.",
        "a big chair!",
        "is it old?",
        "yes.",
    ]
    text = "mr. brown of st. ives, no. 5, met j. r. smith. he left... slowly. \u201cwhat?\u201d he said."
    assert sentences(text, "any") == [
        "mr. brown of st. ives, no. 5, met j. r. smith.",
        "he left... slowly.",
        "\u201cwhat?\u201d he said.",
    ]
    # A text with capitals is parted as before.
    assert sentences(BOOK, "capital") == sentences(BOOK)
