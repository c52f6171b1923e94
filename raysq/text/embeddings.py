"""Word vectors in the text formats of GloVe and word2vec: a word and its numbers on each line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from raysq.data.readers.files import open_file
from raysq.data.readers.limits import LIMITS, Limits
from raysq.data.readers.unpack import Packing, unpacked
from raysq.errors import DataError
from raysq.text.readers.tables import BOM

_BLOCK = 32 << 20
_SPACE, _NEWLINE, _RETURN = 32, 10, 13


def read_vectors(path: Path, words: pa.Array | Sequence[str], limits: Limits = LIMITS) -> tuple[np.ndarray, np.ndarray]:
    """Read the vectors of given words from a file.

    Lines of other words are counted without parsing them. A word may contain spaces, as in GloVe 840B: the numbers are
    the last fields of a line. If a word occurs twice, the first vector is used. Memory does not grow with the file.

    Args:
        path: file in the text format of GloVe or word2vec. The latter begins with a line "count dimension". Plain, gz,
            or zip with one member.

    Returns:
        Rows of `words` that were found, int32 of shape (found,), ascending, and their vectors, float32 of shape
        (found, dimension).

    Raises:
        DataError: a line is damaged or has a different number of numbers, there are fewer lines than the first one
            announces, or the file is binary or empty.
        SourceError: the file cannot be read.
    """
    requested = pa.array(words, pa.large_string()) if not isinstance(words, (pa.Array, pa.ChunkedArray)) else words
    requested = requested.cast(pa.large_string()).cast(pa.large_binary())
    missing = np.ones(len(requested), bool)
    rows, vectors = [], []
    dimension, announced, lines = None, None, 0
    line = 1  # number of the first line in the block
    with _open(path) as stream:
        for block in _blocks(stream, path, limits):
            if dimension is None:
                block = block[len(BOM) :] if block[: len(BOM)].tobytes() == BOM else block
                header, announced, dimension = _dimension(block, path)
                block = block[header:]
                line += bool(header)
                if not len(block):
                    continue
            parsed = _Lines(block, dimension, line, path)
            word_numbers = np.asarray(pc.index_in(parsed.words(), value_set=requested).fill_null(-1))
            candidates = np.flatnonzero(word_numbers >= 0)
            candidates = candidates[missing[word_numbers[candidates]]]
            _, first = np.unique(word_numbers[candidates], return_index=True)
            chosen = np.sort(candidates[first])
            missing[word_numbers[chosen]] = False
            rows.append(word_numbers[chosen])
            vectors.append(parsed.numbers(chosen))
            line += parsed.lines
            lines += len(parsed)
    if dimension is None or not lines:
        raise DataError(f"{path.name} holds no word vectors: it is empty")
    if announced is not None and lines < announced:
        raise DataError(
            f"line 1 of {path.name} announces {announced:,} vectors, the file has {lines:,}: it is cut short or "
            "damaged; fetch it again"
        )
    together, matrix = np.concatenate(rows).astype(np.int32), np.concatenate(vectors)
    order = np.argsort(together)
    return together[order], matrix[order]


class _Lines:
    """Offsets of the non-blank lines of a block: where each begins, where its numbers begin, and where it ends.

    `lines` counts all lines, including blank ones.
    """

    def __init__(self, block: np.ndarray, dimension: int, first: int, path: Path):
        self._block, self._dimension, self._first, self._path = block, dimension, first, path
        breaks = np.flatnonzero(block == _NEWLINE)
        begins = np.concatenate([[0], breaks[:-1] + 1])
        ends = breaks
        self.lines = len(breaks)
        self._number = np.arange(len(breaks))
        for _ in range(2):  # a carriage return, and the trailing space that word2vec's own tool writes
            last = block[np.maximum(ends - 1, 0)]
            ends = ends - ((ends > begins) & ((last == _SPACE) | (last == _RETURN)))
        filled = ends > begins
        if not filled.all():
            begins, ends, self._number = begins[filled], ends[filled], self._number[filled]
        spaces = np.flatnonzero(block == _SPACE)
        before, until = np.searchsorted(spaces, begins), np.searchsorted(spaces, ends)
        short = np.flatnonzero(until - before < dimension)
        if len(short):
            self._refuse(short[0], begins, ends, "has fewer than {} numbers")
        self._begins, self._ends = begins, ends
        self._middles = spaces[until - dimension]
        empty = np.flatnonzero(self._middles == begins)
        if len(empty):
            self._refuse(empty[0], begins, ends, "has no word before its {} numbers")
        for line in np.flatnonzero(until - before > dimension):
            word = self._text(begins[line], self._middles[line])
            if all(_is_number(part) for part in word.split(" ")[1:]):
                self._refuse(line, begins, ends, "has more than {} numbers")

    def __len__(self) -> int:
        return len(self._begins)

    def words(self) -> pa.Array:
        """Return the words, large_binary."""
        return _parts(self._block, self._begins, self._middles)

    def numbers(self, lines: np.ndarray) -> np.ndarray:
        """Return the vectors of the given lines, float32 of shape (lines, dimension)."""
        if not len(lines):
            return np.zeros((0, self._dimension), np.float32)
        ends = np.minimum(self._ends[lines] + 1, len(self._block))
        text = _parts(self._block, self._middles[lines] + 1, ends).buffers()[2].to_pybytes()
        # Trailing "\r" and spaces were cut off above, so the last byte is replaced by a line break.
        if self._block[self._ends[lines]].max() > _NEWLINE:
            places = np.cumsum(ends - self._middles[lines] - 1) - 1
            changed = np.frombuffer(text, np.uint8).copy()
            changed[places] = _NEWLINE
            text = changed.tobytes()
        names = [str(number) for number in range(self._dimension)]
        try:
            table = csv.read_csv(
                pa.BufferReader(text),
                csv.ReadOptions(column_names=names),
                csv.ParseOptions(delimiter=" ", quote_char=False),
                csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float32()), null_values=[]),
            )
        except pa.ArrowInvalid:
            table = None
        if table is not None:
            matrix = np.stack([column.to_numpy() for column in table.columns], 1)
            if len(matrix) == len(lines) and np.isfinite(matrix).all():
                return matrix
        for line in lines:
            parts = self._text(self._middles[line] + 1, self._ends[line]).split(" ")
            if not all(_is_number(part) for part in parts):
                self._refuse(line, self._begins, self._ends, "is damaged, not all of its {} numbers are numbers")
        raise AssertionError("a line that Arrow refuses must hold something that is no number")

    def _text(self, begin: int, end: int) -> str:
        return self._block[begin:end].tobytes().decode("utf-8", "replace")

    def _refuse(self, line: Any, begins: np.ndarray, ends: np.ndarray, what: str) -> None:
        text = self._text(begins[line], min(ends[line], begins[line] + 60))
        raise DataError(
            f"line {self._first + self._number[line]:,} of {self._path.name} {what.format(self._dimension)}: {text!r}; "
            "expected a word and its numbers, parted by spaces"
        )


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text))) and "_" not in text
    except ValueError:
        return False


def _parts(block: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> pa.Array:
    """Return the byte ranges as an array. They are in order and do not overlap."""
    lengths = ends - begins
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(block[places])]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(begins), buffers)


def _dimension(block: np.ndarray, path: Path) -> tuple[int, int | None, int]:
    """Parse the first lines: size of word2vec's header "count dimension" or 0, its count or None, and the dimension."""
    lines = block[: 1 << 20].tobytes().split(b"\n")[:200]
    head = lines[0].split()
    if len(head) == 2 and all(part.isdigit() for part in head) and int(head[1]):
        return len(lines[0]) + 1, int(head[0]), int(head[1])
    # Words with spaces add fields, so the most frequent number of fields gives the dimension.
    fields = [len(line.rstrip(b" \r").split(b" ")) for line in (lines[:-1] or lines) if line.strip()]
    dimension = max(set(fields), key=fields.count) - 1 if fields else 0
    if dimension < 1:
        raise DataError(
            f"line 1 of {path.name} is not a word and its numbers: {lines[0][:60].decode('utf-8', 'replace')!r}; "
            "expected GloVe's or word2vec's text format"
        )
    return 0, None, dimension


def _blocks(stream: IO[bytes], path: Path, limits: Limits) -> Iterator[np.ndarray]:
    """Yield whole lines in large blocks. A missing line break at the end of the file is added."""
    rest = b""
    while data := stream.read(_BLOCK):
        if b"\0" in data[: 1 << 16]:
            raise DataError(
                f"{path.name} is not text: word2vec's binary format is not read; write it as text first (gensim: "
                "save_word2vec_format with binary=False)"
            )
        end = data.rfind(b"\n") + 1
        if end:
            yield np.frombuffer(rest + data[:end], np.uint8)
            rest = data[end:]
        else:
            rest += data
        limits.check_record(f"{path.name}: a line", len(rest))
    if rest.strip():
        yield np.frombuffer(rest + b"\n", np.uint8)


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """Open a file and decompress it while it is read."""
    with open_file(path) as raw:
        magic = raw.read(4)
    how: Packing | None = "gzip" if magic[:2] == b"\x1f\x8b" else "zip" if magic == b"PK\x03\x04" else None
    with unpacked(path, how, member="") as stream:
        yield stream
