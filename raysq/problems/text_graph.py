"""Graphs on texts: surrounding spaces trimmed as Arrow does, and words split as the tokenizer does."""

import functools
import itertools
import sys
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.problems.graph import GraphOps, Tensor
from raysq.text.tokenizer import Tokens

NOT_COMPOSED = "characters are not composed: give the text in Unicode's form NFC"
# Texts that tokenizers, case and normal forms treat in odd ways, to verify exported models with.
ODD_TEXTS = (
    "",
    "   ",
    "\t\n",
    "word",
    "It's John O'Neil's, isn't it?",
    "Rock 'n' roll\u2014\u201cquoted\u201d\u2026",
    "\u00c4RGER \u00dcBER STRASSE, \u1e9e, \u00c9T\u00c9 \u041c\u041e\u0421\u041a\u0412\u0410",
    "\u039f\u0394\u039f\u03a3 \u03a3\u0391\u03a3. \u03a3 \u0391\u03a3\u00ad \u0391\u03a3'\u0391 \u03a3\u03a3",
    "\u0130STANBUL I\u0130i\u0131",
    "\u01c4 \u01c5 \ufb03 \u2126\u00c5 \u1f88",
    "\u65e5\u672c\u8a9e\u306e\u6587\u3067\u3059\u3002",
    "\uc548\ub155\ud558\uc138\uc694 \u1112\u1161\u11ab",
    "e\u0301te\u0301 \u1e69 s\u0323\u0307",
    "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0915\u093e\u092e \u0e44\u0e17\u0e22",
    "emoji \U0001f600\U0001f468\u200d\U0001f469 \U00010400\U00010428",
    "a\u0000b \u2028line\u00a0no\u3000wide\ufeff",
)


def trimmed(ops: GraphOps, texts: Tensor) -> Tensor:
    """Return texts without surrounding spaces, as `pyarrow.compute.utf8_trim_whitespace` does."""
    characters = ops.characters(texts)
    blanks = ["", *spaces()]
    solid = ops.lookup(characters, blanks, [0] * len(blanks), 1)
    count = ops.cumsum(solid)
    last = ops.expand(ops.reduce("max", count, 1), 1)
    # From the first solid character on, up to the last.
    after_first = ops.binary("less", ops.constant(0, "int64"), count)
    is_solid = ops.binary("equal", solid, ops.constant(1, "int64"))
    inside = ops.binary("and", after_first, ops.binary("or", ops.binary("less", count, last), is_solid))
    return ops.join(ops.where(inside, characters, ops.constant([""])))


def split_words(ops: GraphOps, texts: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor | None]:
    """Split texts into words, as `raysq.text.tokenizer.tokenize` does.

    Args:
        ops: operations of the format.
        texts: vector of texts.
        tokens: settings of tokenization.

    Returns:
        A matrix of words with "" between and after them, and a vector with whether the characters of each text have to
        be composed first; None where the tokenizer does not compose characters.
    """
    characters = ops.characters(texts)
    uncomposed = _uncomposed(ops, characters) if tokens.normalize == "NFC" else None
    folded = _folded(ops, characters, tokens)
    if tokens.level == "word":
        return ops.split(ops.join(folded), tokens.split), uncomposed
    # A capital may have two characters in lower case.
    return (ops.characters(ops.join(folded)) if tokens.lower else folded), uncomposed


def is_uncomposed(text: str) -> bool:
    """Return whether the graph of `split_words` asks for a composed form of a text. Some composed texts are refused."""
    marks, pairs = _may_compose(), _pairs()
    for before, character in itertools.pairwise(["", *text]):
        if character in _changing():
            return True
        order = unicodedata.combining(before) if before else 0
        if character in marks and (order or before + character in pairs):
            return True
        if order > unicodedata.combining(character) > 0:
            return True
    return False


def _folded(ops: GraphOps, characters: Tensor, tokens: Tokens) -> Tensor:
    """Return characters in lower case, and those of the filters replaced by the separator."""
    parting = set(tokens.filters) if tokens.level == "word" else set()
    mapped: dict[str, str] = {}
    for character in {*_capitals(), *parting} if tokens.lower else parting:
        lower = character.lower() if tokens.lower else character
        mapped[character] = "".join(tokens.split if one in parting else one for one in lower)
    if not mapped:
        return characters
    keys = sorted(mapped)
    replaced = ops.lookup(characters, keys, [mapped[key] for key in keys], "")
    folded = ops.where(ops.binary("equal", replaced, ops.constant([""])), characters, replaced)
    if not tokens.lower:
        return folded
    final = tokens.split if "\u03c2" in parting else "\u03c2"
    return ops.where(_final_sigma(ops, characters), ops.constant([final]), folded)


def _final_sigma(ops: GraphOps, characters: Tensor) -> Tensor:
    """Return whether each character is a capital sigma at the end of a word, as Python's `str.lower` has it."""
    cased, ignored = _cases()
    one = ops.constant(1, "int64")
    kinds = ops.lookup(characters, [*cased, *ignored], [1] * len(cased) + [2] * len(ignored), 0)
    counted = ops.unary("not", ops.binary("equal", kinds, ops.constant(2, "int64")))
    # The characters that count, without those between them: the neighbors of a sigma are next to it there.
    place = ops.cumsum(ops.cast(counted, "int64"))
    rows, columns = ops.nonzero(counted)
    places = ops.binary("subtract", ops.cells(place, rows, columns), one)
    width = ops.binary("add", ops.size(characters, 1), ops.constant(2, "int64"))
    values = ops.cast(ops.binary("equal", ops.cells(kinds, rows, columns), one), "int64")
    # One column before the first character, for the one before it.
    shifted = ops.scatter(characters, width, rows, ops.binary("add", places, one), values)
    is_sigma = ops.binary("equal", characters, ops.constant(["\u03a3"]))
    before = ops.gather_each(shifted, ops.binary("subtract", place, ops.cast(counted, "int64")))
    after = ops.gather_each(shifted, ops.binary("add", place, one))
    context = ops.binary("and", ops.binary("equal", before, one), ops.unary("not", ops.binary("equal", after, one)))
    return ops.binary("and", is_sigma, context)


def _uncomposed(ops: GraphOps, characters: Tensor) -> Tensor:
    """Return whether each text may differ from its form NFC."""
    changing, marks, orders = sorted(_changing()), sorted(_may_compose()), _orders()
    zero, one, two = (ops.constant(number, "int64") for number in (0, 1, 2))
    kinds = ops.lookup(characters, [*changing, *marks], [2] * len(changing) + [1] * len(marks), 0)
    order = ops.lookup(characters, list(orders), list(orders.values()), 0)
    before = _before(ops, order, ops.fill(characters, 1, 0))
    disordered = ops.binary("and", ops.binary("less", order, before), ops.binary("less", zero, order))
    mark = ops.binary("equal", kinds, one)
    wrong = ops.binary("or", ops.binary("equal", kinds, two), disordered)
    wrong = ops.binary("or", wrong, ops.binary("and", mark, ops.binary("less", zero, before)))
    rows, columns = ops.nonzero(mark)
    earlier = _before(ops, characters, ops.fill(characters, 1, ""))
    pair = ops.concat_texts(ops.cells(earlier, rows, columns), ops.cells(characters, rows, columns))
    pairs = sorted(_pairs())
    composing = ops.lookup(pair, pairs, [1] * len(pairs), 0)
    composed = ops.scatter(characters, ops.size(characters, 1), rows, columns, composing)
    either = ops.binary("or", wrong, ops.binary("less", zero, composed))
    return ops.binary("less", zero, ops.reduce("max", ops.cast(either, "int64"), 1))


def _before(ops: GraphOps, x: Tensor, first: Tensor) -> Tensor:
    """Return a matrix with its columns moved by one to the right."""
    return ops.gather(ops.concat([first, x], 1), ops.arange(ops.size(x, 1)), 1)


@functools.cache
def _all() -> tuple[str, ...]:
    """Return all characters with properties: neither unassigned nor private ones, nor surrogates."""
    every = map(chr, range(sys.maxunicode + 1))
    return tuple(character for character in every if unicodedata.category(character) not in ("Cn", "Co", "Cs"))


@functools.cache
def spaces() -> tuple[str, ...]:
    """Return the characters that Arrow trims from texts."""
    every = pa.array(_all(), pa.large_string())
    return tuple(every.filter(pc.equal(pc.utf8_trim_whitespace(every), "")).to_pylist())


@functools.cache
def _capitals() -> tuple[str, ...]:
    """Return the characters that differ in lower case."""
    return tuple(character for character in _all() if character.lower() != character)


@functools.cache
def _cases() -> tuple[list[str], list[str]]:
    """Return the characters with case, and those that are ignored when a sigma looks for the end of its word.

    Python does not publish these properties, but `str.lower` follows them.
    """
    final = "\u03c2"
    cased = [character for character in _all() if f"{character}\u03a3".lower().endswith(final)]
    known = set(cased)
    ignored = [c for c in _all() if c not in known and f"a{c}\u03a3".lower().endswith(final)]
    return cased, ignored


@functools.cache
def _changing() -> frozenset[str]:
    """Return the characters that NFC replaces wherever they stand."""
    return frozenset(c for c in _all() if not unicodedata.is_normalized("NFC", c))


@functools.cache
def _pairs() -> frozenset[str]:
    """Return the pairs of characters that NFC composes."""
    pairs = set()
    for character in _all():
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and parts[0][0] != "<" and unicodedata.is_normalized("NFC", character):
            pairs.add("".join(chr(int(part, 16)) for part in parts))
    syllables = np.arange(0xAC00, 0xD7A4)
    for point in syllables.tolist():  # Hangul, which has no table
        index = point - 0xAC00
        lead, vowel, trail = 0x1100 + index // 588, 0x1161 + index % 588 // 28, 0x11A7 + index % 28
        pairs.add(chr(point - index % 28) + chr(trail) if index % 28 else chr(lead) + chr(vowel))
    return frozenset(pairs)


@functools.cache
def _may_compose() -> frozenset[str]:
    """Return the characters that may be the second of a pair that NFC composes."""
    return frozenset(pair[1] for pair in _pairs()) - _changing()


@functools.cache
def _orders() -> dict[str, int]:
    """Return the combining class of the characters that have one."""
    return {character: order for character in _all() if (order := unicodedata.combining(character))}
