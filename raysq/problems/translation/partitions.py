"""Partitions of text files with sentence pairs: ranges of lines that are read independently of each other."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from raysq.data.parts import PARTS
from raysq.data.readers import streams
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.files import open_file
from raysq.data.readers.limits import Limits
from raysq.data.readers.lines import line_ends
from raysq.errors import DataError

LINES = 1 << 16  # lines of a partition
_CHUNK = 8 << 20


@dataclass(frozen=True)
class LineRange:
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
class LinePartition:
    """Lines with sentence pairs.

    Attributes:
        source: lines with the source sentences, or with both sentences separated by a tab.
        target: lines with the target sentences; None where they are in the same file.
        count: number of pairs; None where it is unknown.
        first: number of the first line, from 1.
        part: part that the lines belong to: 0 train, 1 test, 2 validation, -1 unspecified.
        columns: indices of source and target among the cells of a line; None where the line is the sentence.
        size: bytes, for progress.
    """

    source: LineRange
    target: LineRange | None
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
        return Path(self.path).name


def part_of(stem: str) -> int:
    """Return the part that a file's name begins or ends with: 0 train, 1 test, 2 validation, -1 none."""
    words = [word for word in re.split(r"[-_.0-9]", stem.lower()) if word]
    return next((PARTS[word] for word in (words[:1] + words[-1:]) if word in PARTS), -1)


def partition_aligned(files: Mapping[str, tuple[Path, Path]], csv: CsvFormat) -> list[LinePartition]:
    """Return the partitions of line-aligned pairs of files.

    Args:
        files: source and target file by stem.
        csv: encoding of the files and limits of a line.

    Raises:
        DataError: two files differ in their number of lines, a file has no lines, or a line is too long.
    """
    partitions: list[LinePartition] = []
    for stem, (source, target) in files.items():
        part = part_of(stem)
        _check_line_ends(source, csv.encoding)
        _check_line_ends(target, csv.encoding)
        if not streams.extends_ascii(csv.encoding):
            size = source.stat().st_size + target.stat().st_size
            ranges = LineRange(str(source)), LineRange(str(target))
            partitions.append(LinePartition(*ranges, None, 1, part, (0, 1), size))
            continue
        source_index, target_index = _index(source, csv), _index(target, csv)
        if source_index.lines != target_index.lines and source_index.nonempty != target_index.nonempty:
            raise unequal_lines(source.name, source_index.lines, target.name, target_index.lines)
        lines = min(source_index.lines, target_index.lines)
        if not lines:
            raise DataError(f"{source.name} has no lines", hint="give another --source")
        for first in range(0, lines, LINES):
            ranges = source_index.range(source, first), target_index.range(target, first)
            count = min(LINES, lines - first)
            partitions.append(LinePartition(*ranges, count, first + 1, part, (0, 1), sum(map(_size, ranges))))
    return partitions


def partition_tabbed(
    path: Path, columns: tuple[int, int] | None, csv: CsvFormat, part: int, header: bool
) -> list[LinePartition]:
    """Return the partitions of a file with both sentences in a line.

    Args:
        path: the file.
        columns: indices of source and target among the cells of a line, from 0; None where the line is the sentence.
        csv: encoding of the file and limits of a line.
        part: part of all its lines.
        header: whether the first line holds column names.
    """
    _check_line_ends(path, csv.encoding)
    if not streams.extends_ascii(csv.encoding):
        first = 2 if header else 1
        return [LinePartition(LineRange(str(path)), None, None, first, part, columns, path.stat().st_size)]
    index = _index(path, csv)
    partitions = []
    for first in range(0, index.lines, LINES):
        lines, count = index.range(path, first), min(LINES, index.lines - first)
        partitions.append(LinePartition(lines, None, count, first + 1, part, columns, _size(lines)))
    return [*map(_without_header, partitions[:1]), *partitions[1:]] if header else partitions


def unequal_lines(source: str, source_lines: int, target: str, target_lines: int) -> DataError:
    """Return the error for two files with different numbers of lines."""
    return DataError(
        f"{source} has {source_lines:,} lines and {target} has {target_lines:,}: line by line they must be "
        "translations of each other; look for a line break within a sentence, or a line that is lost"
    )


@dataclass(frozen=True)
class _Index:
    """Positions of the lines of a file.

    Attributes:
        lines: number of lines; a line break at the end of the file starts no line.
        nonempty: number of lines without the empty ones at the end.
        begins: first byte of each partition's lines, then the size of the file.
    """

    lines: int
    nonempty: int
    begins: tuple[int, ...]

    def range(self, path: Path, first: int) -> LineRange:
        """Return the lines of the partition that begins with the given line, from 0."""
        number = first // LINES
        return LineRange(str(path), self.begins[number], self.begins[number + 1])


def _index(path: Path, limits: Limits) -> _Index:
    lines = size = nonempty = 0
    begins = [0]
    last_byte, unfinished = b"\n", 0  # `unfinished` is the size of the line that the last chunk ended in
    with open_file(path) as handle:
        while chunk := handle.read(_CHUNK):
            ends = line_ends(chunk)
            stripped = chunk.rstrip(b"\r\n")
            if stripped:
                nonempty = lines + int(np.searchsorted(ends, len(stripped))) + 1
            firsts = np.arange(-(-(lines + 1) // LINES) * LINES, lines + len(ends) + 1, LINES)
            begins += (size + ends[firsts - lines - 1] + 1).tolist()
            longest = int(np.diff(ends).max(initial=0)) if len(ends) else 0
            unfinished += int(ends[0]) if len(ends) else len(chunk)
            limits.check_record(f"{path.name}: a line near line {lines + 1:,}", max(unfinished, longest))
            unfinished = len(chunk) - int(ends[-1]) - 1 if len(ends) else unfinished
            lines += len(ends)
            size += len(chunk)
            last_byte = chunk[-1:]
    if last_byte != b"\n":
        lines += 1
    if begins[-1] != size or len(begins) == 1:
        begins.append(size)
    return _Index(lines, nonempty, tuple(begins))


def _size(lines: LineRange) -> int:
    return (lines.end or 0) - lines.begin


def _without_header(partition: LinePartition) -> LinePartition:
    """Return the first partition of a file without its first line."""
    with open_file(partition.path) as handle:
        begin = len(handle.readline())
    count = None if partition.count is None else partition.count - 1
    return replace(partition, source=replace(partition.source, begin=begin), count=count, first=2)


def _check_line_ends(path: Path, encoding: str) -> None:
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
