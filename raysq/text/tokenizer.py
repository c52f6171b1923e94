"""Tokenization of whole columns of texts, equal to Keras's legacy `Tokenizer` word for word."""

import functools
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.columns import contiguous_array
from raysq.errors import UsageError
from raysq.text.vocabulary import look_up

_TOGETHER = 1 << 20  # bytes of text processed at a time, so that all passes stay in the processor's cache
_SHORT = 1 << 30  # maximum bytes of text for 32-bit offsets, also after lower-casing
_BEYOND = np.uint64(0x8080808080808080)
_LOOKED_UP = ((0x80, 0x600), (0x2000, 0x2400), (0x3000, 0x3400))  # Latin to Hebrew, punctuation, kana
_WITHOUT_CASE = ((0x3400, 0xA000), (0xAC00, 0xD7A4))  # ideographs, Hangul syllables
Level = Literal["word", "char", "subword"]
FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


@dataclass(frozen=True)
class Tokens:
    """Settings of tokenization, which are settings of a preprocessor.

    Attributes:
        level: "char" makes every character a word, and `filters` do not apply. With "subword" texts are split into
            words, which `raysq.text.subwords` splits further.
        split: the ASCII character that separates words.
        normalize: "NFC" composes characters first, so that decomposed accents make no different word.
    """

    level: Level = "word"
    lower: bool = True
    filters: str = FILTERS
    split: str = " "
    normalize: Literal["NFC", "none"] = "NFC"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Tokens":
        """Create from the settings of a preprocessor. Settings of other classes are ignored."""
        return cls(**{field.name: settings[field.name] for field in fields(cls) if field.name in settings})

    def __post_init__(self) -> None:
        if len(self.split) != 1 or not self.split.isascii():
            raise UsageError(f"setting split must be one ASCII character, received {self.split!r}")


def noun_of(level: str) -> str:
    """Return the noun of the tokens of a level, plural."""
    return {"char": "characters", "subword": "subwords"}.get(level, "words")


def tokenize(texts: Any, tokens: Tokens) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """Split texts into words, as `keras._legacy.preprocessing.text.Tokenizer` does.

    Texts are lower-cased, every character of `filters` is replaced by `split`, and empty words are dropped.

    Args:
        texts: Arrow array of strings, or a chunked array. A null is an empty text. Chunks are joined only at level
            "char".

    Returns:
        Three arrays: codes of all words, int32 of shape (words,), which are rows of the third array; offsets of each
        text in the codes, int64 of shape (texts + 1,); and the distinct words, large_string, in order of first
        appearance.

    Example:
        >>> codes, offsets, words = tokenize(pa.array(["The cat.", "the dog"]), Tokens())
        >>> codes, offsets, words.to_pylist()
        (array([0, 1, 0, 2], dtype=int32), array([0, 2, 4]), ['the', 'cat', 'dog'])
    """
    chunks = [_filled(chunk) for chunk in (texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts])]
    wide = (
        "".join(character for character in tokens.filters if not character.isascii()) if tokens.level != "char" else ""
    )
    compose = tokens.normalize == "NFC"
    if tokens.level == "char":
        joined = contiguous_array(pa.chunked_array(chunks, pa.large_string()))
        return _characters(_fold(joined, tokens.lower, compose, wide, tokens.split), tokens.lower)
    table = _byte_table(tokens.lower, tokens.filters, tokens.split)
    short = sum(map(_size, chunks)) <= _SHORT
    kind, offset_type = (pa.string(), np.int32) if short else (pa.large_string(), np.int64)
    offsets, row, parts = np.zeros(len(texts) + 1, np.int64), 0, []
    for some in _slices(chunks):
        some = _fold(some, tokens.lower, compose, wide, tokens.split)
        begins = offsets_of(some)
        first, begins = begins[0], begins - begins[0]
        # Bytes above 127 belong to multi-byte characters and do not change.
        folded = memoryview(some.buffers()[2] or b"")[first : first + begins[-1]].tobytes().translate(table)
        starts = _starts(np.frombuffer(folded, np.uint8) == ord(tokens.split), begins)
        offsets[row : row + len(begins)] = offsets[row] + np.searchsorted(starts, begins)
        row += len(some)
        # Each word keeps its trailing separators, so that no byte moves. The few distinct words are trimmed below.
        buffers = [None, pa.py_buffer(starts.astype(offset_type, copy=False)), pa.py_buffer(folded)]
        parts.append(pa.Array.from_buffers(kind, len(starts) - 1, buffers))
    encoded = pa.chunked_array(parts, kind).dictionary_encode()
    del parts
    if not encoded.num_chunks:
        return np.zeros(0, np.int32), offsets, pa.array([], pa.large_string())
    words = pc.ascii_rtrim(
        encoded.chunk(0).dictionary.cast(pa.large_string()), characters=tokens.split
    ).dictionary_encode()
    codes, begin = np.empty(len(encoded), np.int32), 0
    for some in encoded.chunks:
        look_up(words.indices.to_numpy(), some.indices.to_numpy(), out=codes[begin : begin + len(some)])
        begin += len(some)
    return codes, offsets, words.dictionary


def _slices(chunks: Iterable[pa.Array]) -> Iterator[pa.Array]:
    """Yield slices of texts that are processed together."""
    for texts in chunks:
        begin, places = 0, offsets_of(texts)
        while begin < len(texts):
            end = int(np.searchsorted(places, places[begin] + _TOGETHER, side="right")) - 1
            end = min(max(end, begin + 1), len(texts))
            yield texts.slice(begin, end - begin)
            begin = end


def _filled(texts: pa.Array) -> pa.Array:
    texts = texts.cast(pa.large_string())
    return texts.fill_null("") if texts.null_count else texts


def _size(texts: pa.Array) -> int:
    places = offsets_of(texts)
    return int(places[-1] - places[0])


def offsets_of(texts: pa.Array) -> np.ndarray:
    """Return the offset of each text in the bytes of a large_string array, and the end of the last one, int64."""
    return np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]


def _fold(texts: pa.Array, lower: bool, compose: bool, wide: str, split: str) -> pa.Array:
    """Compose, lower-case and filter texts with characters beyond ASCII.

    Other texts do not change, since their bytes are mapped by a table.
    """
    if not (lower or compose or wide):
        return texts
    change = _that_change(texts, _stays(lower, compose, wide))
    if not change.any():
        return texts
    # Python's methods, since Arrow's lower case (final sigma, dotted capital I) and Unicode version differ.
    values = texts.filter(pa.array(change)).to_pylist()
    if compose:
        values = [unicodedata.normalize("NFC", value) for value in values]
    if lower:
        values = [value.lower() for value in values]
    for character in wide:
        values = [value.replace(character, split) for value in values]
    return pc.replace_with_mask(texts, pa.array(change), pa.array(values, pa.large_string()))


def _that_change(texts: pa.Array, stays: np.ndarray) -> np.ndarray:
    """Return for each text whether it holds a character that may change."""
    begins = offsets_of(texts)
    first = begins[0]
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[first : begins[-1]]
    # Most texts are nearly all ASCII, so eight bytes are tested at a time.
    aligned = len(data) // 8 * 8
    beyond = np.flatnonzero((data[:aligned].view(np.uint64) & _BEYOND) != 0)
    places = (beyond[:, None] * 8 + np.arange(8)).ravel()
    places = np.concatenate([places, np.arange(aligned, len(data))])
    leads = places[data[places] >= 0xC0]
    size = 2 + (data[leads] >= 0xE0).astype(np.int64) + (data[leads] >= 0xF0)
    point = data[leads] & np.array([0, 0, 0x1F, 0x0F, 0x07], np.int64)[size]
    for byte in range(1, 4):
        inside = size > byte
        point[inside] = point[inside] << 6 | data[leads[inside] + byte] & 0x3F
    listed = point < len(stays)
    listed[listed] = stays[point[listed]]
    change = np.zeros(len(texts), bool)
    change[np.searchsorted(begins, first + leads[~listed], side="right") - 1] = True
    return change


@functools.cache
def _stays(lower: bool, compose: bool, wide: str) -> np.ndarray:
    """Return for each character up to Hangul whether it never changes: False outside `_LOOKED_UP` and `_WITHOUT_CASE`.

    Combining marks and parts of Hangul syllables may compose with the preceding character.
    """
    stays = np.zeros(0xD7A4, bool)
    for begin, end in _LOOKED_UP:
        for point in range(begin, end):
            character = chr(point)
            alone = unicodedata.category(character)[0] != "M" and unicodedata.is_normalized("NFC", character)
            stays[point] = (alone or not compose) and (character.lower() == character or not lower)
    for begin, end in _WITHOUT_CASE:
        stays[begin:end] = True
    for character in wide:
        if ord(character) < len(stays):
            stays[ord(character)] = False
    return stays


def _byte_table(lower: bool, filters: str, split: str) -> bytes:
    """Return the translation of each byte: capitals to lower case, filters to `split`."""
    table = bytearray(range(256))
    if lower:
        table[ord("A") : ord("Z") + 1] = range(ord("a"), ord("z") + 1)
    parting = {ord(character) for character in filters if character.isascii()}
    return bytes(ord(split) if byte in parting else byte for byte in table)


def _starts(parting: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Return the offset of the first byte of every word, and the number of bytes.

    Bytes of `parting` and the ends of texts separate words.
    """
    first = np.empty(len(parting) + 1, bool)
    first[0] = not parting[:1].any()
    np.greater(parting[:-1], parting[1:], out=first[1:-1])
    inside = begins[begins < len(parting)]
    first[inside] = ~parting[inside]
    first[-1] = True
    return np.flatnonzero(first)


def _characters(texts: pa.Array, lower: bool) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """Tokenize into characters."""
    begins = offsets_of(texts)
    data = memoryview(texts.buffers()[2] or b"")[begins[0] : begins[-1]].tobytes()
    if lower:
        data = data.lower()  # bytes.lower changes only ASCII; other characters are folded already
    points = np.frombuffer(data if data.isascii() else data.decode().encode("utf-32-le"), np.uint8)
    if not data.isascii():
        points = points.view("<u4")
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(pc.utf8_length(texts).to_numpy(zero_copy_only=False), out=offsets[1:])
    encoded = pa.array(points).dictionary_encode()
    words = pa.array([chr(point) for point in encoded.dictionary.to_pylist()], pa.large_string())
    return encoded.indices.to_numpy(), offsets, words
