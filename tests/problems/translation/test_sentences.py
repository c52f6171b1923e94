"""Sentences to words and back."""

import itertools

import pyarrow as pa
import pytest

from raysq.problems.translation.sentences import Language, parted


def words(language, *texts):
    codes, offsets, distinct = language.words(pa.array(texts, pa.large_string()))
    spelled = distinct.to_pylist()
    return [[spelled[code] for code in codes[a:b]] for a, b in itertools.pairwise(offsets.tolist())]


def test_marks_are_words_of_their_own_and_apostrophes_are_not():
    found = words(Language(), "Don't stop, (please)!", "  ¿Qué\u3000pasa?\u202f", "")
    assert found == [["don't", "stop", ",", "(", "please", ")", "!"], ["¿", "qué", "pasa", "?"], []]
    assert words(Language(lower=False, apart=False), "Don't stop, you .") == [["Don't", "stop,", "you", "."]]


def test_characters_are_words_where_a_script_has_no_spaces():
    assert words(Language("char"), " 私は Go。 ") == [["私", "は", " ", "g", "o", "。"]]
    assert Language("char").sentence(["私", "は", "。"]) == "私は。"


@pytest.mark.parametrize(
    "text",
    [
        "don't stop, (please)!",
        "¿qué pasa?",
        "a “b” c; d: e.",
        "彼は、行く。",
        'he "said" that [a (b)].',
        "„so“ ist es, »ja« und «nein».",
        "50% of %(name)s, {0} and %s: see https://a.org/b?c=1&d.",
        "at 10:30 on 1.2.2024, 1,000.5 of some_name@example.com, don’t",  # noqa: RUF001
        "this &amp; that &lt; <b>bold</b>?",
        '<a href="x.html">here</a>',
    ],
)
def test_a_sentence_comes_back_from_its_words(text):
    assert Language().sentence(words(Language(), text)[0]) == text


def test_parted_text_is_told_from_other():
    assert parted(["he is here .", "no title", "is he ?"]) and parted(["彼 は 行 く 。"])
    assert not parted(["He is here.", "Is he?", "Yes !"]) and not parted(["no marks", "at all"])
