"""Segmentation of texts into sentences, lines or paragraphs, whole columns at a time."""

import zlib
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.columns import contiguous_array
from raysq.data.messages import Message
from raysq.data.partition_stats import Stats
from raysq.text import script
from raysq.text.readers.gutenberg import bare

Unit = Literal["sentence", "line", "paragraph", "document"]
Starts = Literal["find", "capital", "any"]

_CUT, _DOT = "\x1e", "\x1f"  # control characters, replaced by spaces in texts
_GAP = r"\r?\n[ \t\r]*\n\s*"
# English, German and French abbreviations. A full stop after them does not end a sentence.
_SHORT = (
    r"\b(Mr|Mrs|Ms|Mx|Dr|Prof|Rev|Hon|Sr|Jr|St|Ste|Capt|Col|Gen|Lt|Sgt|Maj|Cmdr|Gov|Sen|Rep|Pres|Messrs|Mme|Mlle|"
    r"Hr|Fr|Mt|Ft|vs|viz|cf|ca|approx|bzw|usw|Nr|Bd|Jan|Feb|Mar|Apr|Aug|Sept|Sep|Oct|Nov|Dec|e\.g|i\.e|z\.B|d\.h)\."
)
_INITIAL = r"\b([A-HJ-Z])\.(\s+\p{Lu})"  # I is excluded: it also ends sentences and numbers chapters
_NUMBERED = r"\b(No|Nos|Vol|Fig|Eq|Ch|Sec|Art|p|pp)\.(\s*\p{N})"
_CLOSE = r"[\"'\x{201D}\x{2019}\x{BB})\]_*]*"
_OPEN = r"[\"'\x{201C}\x{2018}\x{201E}\x{201A}\x{AB}(\[_*\x{2014}-]*"
_END = rf"([.!?\x{{2026}}]{_CLOSE})\s+({_OPEN}[\p{{Lu}}\p{{Lo}}\p{{N}}])"
# For texts without capitals. Ellipses and quoted questions do not end a sentence.
_SMALL_END = rf"([^.\s]\.{_CLOSE}|[!?])\s+({_OPEN}\p{{Ll}})"
_SMALL_INITIAL = r"\b([a-hj-z])\.(\s+\p{L})"
_WIDE_END = r"([\x{3002}\x{FF01}\x{FF1F}][\x{300D}\x{300F}\x{201D}\x{2019}\x{FF09}]*)\s*"


def split(
    table: pa.Table, stats: Stats, unit: Unit, longest: int = 0, starts: Starts = "capital"
) -> tuple[pa.Table, Stats]:
    """Split the documents of a table into units.

    Empty lines separate paragraphs. A sentence does not cross paragraphs, and its line breaks become spaces. Project
    Gutenberg's header and license are left out.

    Args:
        unit: "sentence", "line" or "paragraph"; "document" does not split.
        longest: maximum number of characters of a unit. Longer units are cut at the last space within
            it, or at it. 0 cuts none.
        starts: how sentences begin: with a "capital" letter, or with "any" letter.

    Returns:
        A table with a row for each unit that is not blank, and its statistics: `documents` counts rows, `sources` the
        documents they come from, and `cut` the units that were too long. If a document has several units, the id of a
        unit is that of the document, a full stop, and its number from 1.
    """
    text = _bare(contiguous_array(table.column("text")))
    if unit != "document":
        text, parents = _parts(text, unit, starts == "any")
    else:
        parents = np.arange(len(text))
    text, parents, cut = _cut(text, parents, longest) if longest else (text, parents, 0)
    filled = np.flatnonzero(pc.not_equal(text, "").to_numpy(zero_copy_only=False))
    text, parents = text.take(pa.array(filled)), parents[filled]
    # The texts are dropped first. Otherwise each document would be copied for all of its units.
    rows = table.drop_columns(["text"]).take(pa.array(parents)).append_column("text", text)
    rows = rows.set_column(rows.column_names.index("id"), "id", _numbered(contiguous_array(rows.column("id")), parents))
    return rows, {**stats, "documents": len(text), "sources": stats["documents"], "cut": cut}


def infer_starts(unit: Unit, starts: Starts, texts: list[str]) -> tuple[Starts, list[str]]:
    """Infer "capital" or "any" from the first texts if `starts` is "find" and the unit is "sentence".

    Return it and messages.
    """
    if starts != "find" or unit != "sentence":
        return ("capital" if starts == "find" else starts), []
    small, message = script.without_capitals(texts)
    other = "capital" if small else "any"
    return ("any" if small else "capital"), [Message(message, f"--set starts={other} changes it")] if message else []


def sentences(text: str, starts: Starts = "capital") -> list[str]:
    """Return the sentences of a text.

    Example:
        >>> sentences("Mr. Hare was late. Why?")
        ['Mr. Hare was late.', 'Why?']
    """
    parts, _ = _parts(pa.array([text], pa.large_string()), "sentence", starts == "any")
    return [part for part in parts.to_pylist() if part]


def keys(texts: pa.Array) -> np.ndarray:
    """Return a checksum of the letters and digits of each text, uint32.

    Texts that differ only in capitals, spaces and punctuation have the same checksum, and so fall into the same split.
    """
    plain = pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.utf8_lower(texts), r"[^\p{L}\p{M}\p{N}]+", " "))
    plain = pc.if_else(pc.equal(plain, ""), texts, plain)
    return np.array([zlib.crc32(text) for text in plain.cast(pa.large_binary()).to_pylist()], np.uint32)


def _bare(texts: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(texts, "START OF TH")).as_py():
        return texts
    return pa.array([bare(text) for text in texts.to_pylist()], pa.large_string())


def _parts(texts: pa.Array, unit: Unit, small: bool = False) -> tuple[pa.Array, np.ndarray]:
    """Return the units of each text, including blank ones, and the index of the text of each unit."""
    texts = pc.replace_substring_regex(texts, r"[\x1e\x1f]", " ")
    if unit == "line":
        texts = pc.replace_substring_regex(texts, r"\r\n?|\n", _CUT)
    else:
        texts = pc.replace_substring_regex(texts, _GAP, _CUT)
        texts = pc.replace_substring_regex(texts, r"[ \t]*[\r\n]+[ \t]*", " ")
    if unit == "sentence":
        cased = "(?i)" if small else ""
        texts = pc.replace_substring_regex(texts, cased + _SHORT, rf"\1{_DOT}")
        for _ in range(2):  # in "J. R. R." the first pass matches the first and third, the second pass the second
            texts = pc.replace_substring_regex(texts, _SMALL_INITIAL if small else _INITIAL, rf"\1{_DOT}\2")
        texts = pc.replace_substring_regex(texts, cased + _NUMBERED, rf"\1{_DOT}\2")
        texts = pc.replace_substring_regex(texts, _END, rf"\1{_CUT}\2")
        if small:
            texts = pc.replace_substring_regex(texts, _SMALL_END, rf"\1{_CUT}\2")
        texts = pc.replace_substring_regex(texts, _WIDE_END, rf"\1{_CUT}")
        texts = pc.replace_substring(texts, _DOT, ".")
    lists = pc.split_pattern(texts, _CUT)
    return pc.utf8_trim_whitespace(lists.flatten()), pc.list_parent_indices(lists).to_numpy()


def _cut(texts: pa.Array, parents: np.ndarray, longest: int) -> tuple[pa.Array, np.ndarray, int]:
    """Cut long texts into parts, and return how many were long."""
    long = pc.greater(pc.utf8_length(texts), longest).to_numpy(zero_copy_only=False)
    if not long.any():
        return texts, parents, 0
    pieces: list[str] = []
    counts = np.ones(len(texts), np.int64)
    for row, value in enumerate(texts.to_pylist()):
        if not long[row]:
            pieces.append(value)
            continue
        parts = []
        begin = 0
        while len(value) - begin > longest:
            end = value.rfind(" ", begin, begin + longest + 1)
            end = end if end > begin else begin + longest
            parts.append(value[begin:end].strip())
            begin = end
        pieces += [*parts, value[begin:].strip()]
        counts[row] = len(parts) + 1
    return pa.array(pieces, pa.large_string()), np.repeat(parents, counts), int(long.sum())


def _numbered(ids: pa.Array, parents: np.ndarray) -> pa.Array:
    if not len(parents):
        return ids
    begins = np.flatnonzero(np.append(True, parents[1:] != parents[:-1]))
    counts = np.diff(np.append(begins, len(parents)))
    number = np.arange(len(parents)) - np.repeat(begins, counts) + 1
    several = np.repeat(counts > 1, counts)
    text = pa.array(number, pa.int64()).cast(pa.large_string())
    long = pc.binary_join_element_wise(ids, text, pa.scalar(".", pa.large_string()))
    return pc.if_else(pa.array(several), long, ids)
