"""Sentence pairs in text files: two line-aligned files, or one file with a tab between source and target."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysq.data.partition_stats import Stats
from raysq.data.readers import streams
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.files import open_file
from raysq.data.readers.limits import Limits
from raysq.data.readers.lines import line_ends
from raysq.data.readers.streams import is_utf8
from raysq.errors import DataError
from raysq.text.readers.layout import PARTS
from raysq.text.readers.tables import BOM

LINES = 1 << 16  # lines of a partition
_CHUNK = 8 << 20


@dataclass(frozen=True)
class Lines:
    """A range of lines of a file.

    Attributes:
        path: the file.
        begin: first byte.
        end: byte after the last. None stands for the whole file, as for encodings that cannot be split by bytes
            (UTF-16).
    """

    path: str
    begin: int = 0
    end: int | None = None


@dataclass(frozen=True)
class LinePiece:
    """A partition: lines that can be read independently of the others.

    Attributes:
        source: lines with the source sentences, or with both sentences separated by a tab.
        target: lines with the target sentences; None where they are in the same file.
        count: number of pairs; None where it is unknown.
        first: number of the first line, from 1.
        part: part that the lines belong to: 0 train, 1 test, 2 validation, -1 unspecified.
        columns: indices of source and target among the cells of a line; None where the line is the sentence.
        size: bytes, for progress.
    """

    source: Lines
    target: Lines | None
    count: int | None
    first: int
    part: int
    columns: tuple[int, int] | None
    size: int

    @property
    def path(self) -> str:
        """Path of the file, for errors."""
        return self.source.path

    @property
    def name(self) -> str:
        """Name of the file, for ids and messages."""
        return os.path.basename(self.path)


def named(path: Path) -> tuple[str, str]:
    """Split a file's name into stem and language: "train.en.txt" gives ("train", "en")."""
    name = path.name[:-4] if path.name.lower().endswith(".txt") else path.name
    stem, _, language = name.rpartition(".")
    return stem, language


def part_of(stem: str) -> int:
    """Return the part that a file's name begins or ends with: 0 train, 1 test, 2 validation, -1 none."""
    words = [word for word in re.split(r"[-_.0-9]", stem.lower()) if word]
    return next((PARTS[word] for word in (words[:1] + words[-1:]) if word in PARTS), -1)


def plan_aligned(groups: Mapping[str, tuple[Path, Path]], form: CsvFormat) -> list[LinePiece]:
    """Return the partitions of line-aligned pairs of files.

    Args:
        groups: mapping from stem to source and target file.
        form: encoding of the files and limits of a line.

    Raises:
        DataError: if two files differ in their number of lines, if a file has no lines, or if a line is too long.
    """
    pieces: list[LinePiece] = []
    for stem, (source, target) in groups.items():
        part = part_of(stem)
        sizes = source.stat().st_size + target.stat().st_size
        _refuse_foreign(source, form.encoding)
        _refuse_foreign(target, form.encoding)
        if not streams.extends_ascii(form.encoding):
            pieces.append(LinePiece(Lines(str(source)), Lines(str(target)), None, 1, part, (0, 1), sizes))
            continue
        ours, theirs = _index(source, form), _index(target, form)
        if ours.lines != theirs.lines and ours.written != theirs.written:
            raise unequal(source.name, ours.lines, target.name, theirs.lines)
        count = min(ours.lines, theirs.lines)
        if not count:
            raise DataError(f"{source.name} has no lines", hint="give another --source")
        for number in range(-(-count // LINES)):
            (a, b), (c, d) = (one.bytes_of(number) for one in (ours, theirs))
            few = min(LINES, count - number * LINES)
            both = Lines(str(source), a, b), Lines(str(target), c, d)
            pieces.append(LinePiece(*both, few, number * LINES + 1, part, (0, 1), b - a + d - c))
    return pieces


def plan_tabbed(
    path: Path, columns: tuple[int, int] | None, form: CsvFormat, part: int, header: bool
) -> list[LinePiece]:
    """Return the partitions of a file with both sentences in a line.

    Args:
        path: the file.
        columns: indices of source and target among the cells of a line, from 0; None where the line is the sentence.
        form: encoding of the file and limits of a line.
        part: part of all its lines.
        header: whether the first line holds column names.
    """
    _refuse_foreign(path, form.encoding)
    skipped = int(header)
    if not streams.extends_ascii(form.encoding):
        return [LinePiece(Lines(str(path)), None, None, 1 + skipped, part, columns, path.stat().st_size)]
    found = _index(path, form)
    pieces = []
    for number in range(-(-found.lines // LINES)):
        begin, end = found.bytes_of(number)
        few = min(LINES, found.lines - number * LINES)
        pieces.append(
            LinePiece(Lines(str(path), begin, end), None, few, number * LINES + 1, part, columns, end - begin)
        )
    return [_headless(piece) if header and piece.first == 1 else piece for piece in pieces]


def read(piece: LinePiece, form: CsvFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the pairs of a partition in one table, with its statistics.

    The table has the columns `source`, `target` (large_string), `part` (int8) and `id`. The statistics hold the number
    of `pairs` and two lists of ids. `undecodable` lists lines with bytes outside the encoding. `uneven` lists lines
    with an unusual number of cells, the effect of a tab within a sentence.

    Args:
        piece: the partition.
        form: encoding of the files and limits of a line.

    Raises:
        DataError: if two files differ in their number of lines, or if a line has no tab.
    """
    first, uneven, encoding = piece.first, list[int](), form.encoding
    ours = _lines(piece.source, form)
    if piece.target is not None:
        theirs = _lines(piece.target, form)
        if piece.count is None:
            ours, theirs = _trimmed(ours, len(theirs)), _trimmed(theirs, len(ours))
            if len(ours) != len(theirs):
                other = os.path.basename(piece.target.path)
                raise unequal(piece.name, len(ours), other, len(theirs))
        else:
            ours, theirs = ours[: piece.count], theirs[: piece.count]
    else:
        if piece.count is None:
            ours = ours[first - 1 :]
        theirs = ours
        if piece.columns is not None:
            ours, theirs, uneven = _cells(ours, piece, first, *piece.columns)
    ids = [f"{piece.name}:{number}" for number in range(first, first + len(ours))]
    wrong: set[int] = set()
    columns = []
    for side in (ours, theirs):
        texts, bad = _decoded(side, encoding)
        columns.append(texts)
        wrong.update(bad)
    part = np.full(len(ids), piece.part, np.int8)
    table = pa.table({"source": columns[0], "target": columns[1], "part": part, "id": pa.array(ids, pa.large_string())})
    named = {"undecodable": sorted(wrong), "uneven": uneven}
    yield table, {"pairs": len(ids), **{name: [ids[row] for row in rows] for name, rows in named.items()}}


def some(path: Path, encoding: str, count: int = 200) -> list[str]:
    """Return the first lines of a file, at most `count`."""
    data = b""
    for chunk in streams.chunks(path, encoding):
        data += chunk
        if data.count(b"\n") > count or len(data) > _CHUNK:
            break
    texts = data.removeprefix(BOM).decode(streams.given(encoding), errors="replace").split("\n")[:count]
    return [text.removesuffix("\r") for text in texts]


def unequal(source: str, ours: int, target: str, theirs: int) -> DataError:
    """Return the error for two files with different numbers of lines."""
    return DataError(
        f"{source} has {ours:,} lines and {target} has {theirs:,}: line by line they must be translations of each "
        "other; look for a line break within a sentence, or a line that is lost"
    )


@dataclass(frozen=True)
class _Index:
    """Positions of the lines of a file.

    Attributes:
        lines: number of lines; a line break at the end of the file starts no line.
        written: number of lines without the empty ones at the end.
        begins: first byte of each partition's lines, then the size of the file.
    """

    lines: int
    written: int
    begins: tuple[int, ...]

    def bytes_of(self, number: int) -> tuple[int, int]:
        return self.begins[number], self.begins[number + 1]


def _index(path: Path, limits: Limits) -> _Index:
    lines = place = 0
    written = 0  # lines up to the last nonempty line
    begins = [0]
    last, held = b"\n", 0  # last byte, and size of the unfinished line
    with open_file(path) as handle:
        while chunk := handle.read(_CHUNK):
            ends = line_ends(chunk)
            full = chunk.rstrip(b"\r\n")
            if full:
                written = lines + int(np.searchsorted(ends, len(full))) + 1
            wanted = np.arange(-(-(lines + 1) // LINES) * LINES, lines + len(ends) + 1, LINES)
            begins += (place + ends[wanted - lines - 1] + 1).tolist()
            longest = int(np.diff(ends).max(initial=0)) if len(ends) else 0
            held += int(ends[0]) if len(ends) else len(chunk)
            limits.check_record(f"{path.name}: a line near line {lines + 1:,}", max(held, longest))
            held = len(chunk) - int(ends[-1]) - 1 if len(ends) else held
            lines += len(ends)
            place += len(chunk)
            last = chunk[-1:]
    if last != b"\n":
        lines += 1
    if begins[-1] != place or len(begins) == 1:
        begins.append(place)
    return _Index(lines, written, tuple(begins))


def _headless(piece: LinePiece) -> LinePiece:
    """Return the partition without its first line."""
    with open_file(piece.path) as handle:
        begin = len(handle.readline())
    source = Lines(piece.path, begin, piece.source.end)
    count = None if piece.count is None else piece.count - 1
    return LinePiece(source, None, count, 2, piece.part, piece.columns, piece.size)


def _lines(lines: Lines, form: CsvFormat) -> list[bytes]:
    with contextlib.closing(
        streams.chunks(Path(lines.path), form.encoding, begin=lines.begin, end=lines.end)
    ) as stream:
        data = b"".join(stream)
    if not lines.begin:
        data = data.removeprefix(BOM)
    found = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return found[:-1] if found and not found[-1] else found


def _trimmed(lines: list[bytes], count: int) -> list[bytes]:
    """Drop empty lines at the end as long as there are more than `count` lines."""
    while len(lines) > count and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _cells(
    lines: Sequence[bytes], piece: LinePiece, first: int, source: int, target: int
) -> tuple[list[bytes], list[bytes], list[int]]:
    """Return sources, targets, and the rows of lines with an unusual number of cells."""
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    sizes = np.zeros(len(lines), np.int64)
    for number, line in enumerate(lines, first):
        cells = line.split(b"\t")
        if len(cells) <= max(source, target):
            if line.strip():
                quoted = any(one.lstrip().startswith(b'"') for one in lines[max(0, number - first - 1) :][:2])
                raise DataError(
                    f"{piece.name}, line {number} has {len(cells)} cell{'s' * (len(cells) != 1)} and "
                    f"{max(source, target) + 1} are needed; part source and target by a tab"
                    + (", or name the columns in a first line of a .tsv file, and quotes are read" if quoted else "")
                )
            cells = [b""] * (max(source, target) + 1)
        else:
            sizes[number - first] = len(cells)
        sides[0].append(cells[source])
        sides[1].append(cells[target])
    usual = np.bincount(sizes[sizes > 0]).argmax() if sizes.any() else 0
    return *sides, np.flatnonzero((sizes > 0) & (sizes != usual)).tolist()


def _decoded(lines: list[bytes], encoding: str) -> tuple[pa.Array, list[int]]:
    """Decode lines, replacing bytes outside the encoding; return the texts and the rows with such bytes."""
    given = streams.given(encoding)
    if is_utf8(given):
        try:
            return pa.array(lines, pa.large_binary()).cast(pa.large_string()), []
        except pa.ArrowInvalid:
            pass
    texts, wrong = [], []
    for row, line in enumerate(lines):
        try:
            texts.append(line.decode(given))
        except UnicodeDecodeError:
            wrong.append(row)
            texts.append(line.decode(given, errors="replace"))
    return pa.array(texts, pa.large_string()), wrong


def _refuse_foreign(path: Path, encoding: str) -> None:
    """Raise DataError for files whose lines would be split wrongly: UTF-16, and carriage returns alone as line ends."""
    if not streams.extends_ascii(encoding):
        return
    with open_file(path) as handle:
        data = handle.read(_CHUNK)
    streams.refuse_utf16(path.name, data, encoding)
    if b"\r" in data and b"\n" not in data:
        raise DataError(
            f"{path.name} has carriage returns (\\r) where lines end; write line feeds, as `tr '\\r' '\\n'` does"
        )
