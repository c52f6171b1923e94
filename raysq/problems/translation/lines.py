"""Read sentence pairs from text files: two line-aligned files, or one file with a tab between source and target."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysq.data.partition_stats import Stats
from raysq.data.readers import streams
from raysq.data.readers.csv.format import CsvFormat
from raysq.errors import DataError
from raysq.problems.translation.partitions import LinePartition, LineRange, unequal_lines
from raysq.text.readers.tables import BOM

_CHUNK = 8 << 20


def read_pairs(partition: LinePartition, csv: CsvFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the pairs of a partition in one table, with its statistics.

    The table has the columns `source`, `target` (large_string), `part` (int8) and `id`. The statistics hold the number
    of `pairs` and two lists of ids. `undecodable` lists lines with bytes outside the encoding. `uneven` lists lines
    with an unusual number of cells, the effect of a tab within a sentence.

    Args:
        partition: the partition.
        csv: encoding of the files and limits of a line.

    Raises:
        DataError: two files differ in their number of lines, or a line has no tab.
    """
    first, uneven = partition.first, list[int]()
    sources = _lines(partition.source, csv)
    if partition.target is not None:
        targets = _lines(partition.target, csv)
        if partition.count is None:
            sources, targets = _trimmed(sources, len(targets)), _trimmed(targets, len(sources))
            if len(sources) != len(targets):
                target_name = Path(partition.target.path).name
                raise unequal_lines(partition.name, len(sources), target_name, len(targets))
        else:
            sources, targets = sources[: partition.count], targets[: partition.count]
    else:
        if partition.count is None:
            sources = sources[first - 1 :]
        targets = sources
        if partition.columns is not None:
            sources, targets, uneven = _cells(sources, partition, *partition.columns)
    name = partition.name
    ids = [f"{name}:{number}" for number in range(first, first + len(sources))]
    source, undecodable = _decode(sources, csv.encoding)
    target, undecodable_targets = _decode(targets, csv.encoding)
    part = pa.array(np.full(len(ids), partition.part, np.int8))
    table = pa.table({"source": source, "target": target, "part": part, "id": pa.array(ids, pa.large_string())})
    yield (
        table,
        {
            "pairs": len(ids),
            "undecodable": [ids[row] for row in sorted({*undecodable, *undecodable_targets})],
            "uneven": [ids[row] for row in uneven],
        },
    )


def first_lines(path: Path, encoding: str, count: int = 200) -> list[str]:
    """Return the first lines of a file, at most `count`."""
    data = b""
    for chunk in streams.chunks(path, encoding):
        data += chunk
        if data.count(b"\n") > count or len(data) > _CHUNK:
            break
    texts = data.removeprefix(BOM).decode(streams.given(encoding), errors="replace").split("\n")[:count]
    return [text.removesuffix("\r") for text in texts]


def _lines(lines: LineRange, csv: CsvFormat) -> list[bytes]:
    with contextlib.closing(streams.chunks(Path(lines.path), csv.encoding, begin=lines.begin, end=lines.end)) as stream:
        data = b"".join(stream)
    if not lines.begin:
        data = data.removeprefix(BOM)
    texts = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return texts[:-1] if texts and not texts[-1] else texts


def _trimmed(lines: list[bytes], count: int) -> list[bytes]:
    """Drop empty lines at the end as long as there are more than `count` lines."""
    while len(lines) > count and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _cells(
    lines: Sequence[bytes], partition: LinePartition, source: int, target: int
) -> tuple[list[bytes], list[bytes], list[int]]:
    """Return sources, targets, and the rows of lines with an unusual number of cells."""
    sources, targets = list[bytes](), list[bytes]()
    sizes = np.zeros(len(lines), np.int64)
    needed = max(source, target) + 1
    for row, line in enumerate(lines):
        cells = line.split(b"\t")
        if len(cells) >= needed:
            sizes[row] = len(cells)
        elif not line.strip():
            cells = [b""] * needed
        else:
            quoted = any(near.lstrip().startswith(b'"') for near in lines[max(0, row - 1) :][:2])
            raise DataError(
                f"{partition.name}, line {partition.first + row} has {len(cells)} cell{'s' * (len(cells) != 1)} and "
                f"{needed} are needed; part source and target by a tab"
                + (", or name the columns in a first line of a .tsv file, and quotes are read" if quoted else "")
            )
        sources.append(cells[source])
        targets.append(cells[target])
    usual = np.bincount(sizes[sizes > 0]).argmax() if sizes.any() else 0
    return sources, targets, np.flatnonzero((sizes > 0) & (sizes != usual)).tolist()


def _decode(lines: list[bytes], encoding: str) -> tuple[pa.Array, list[int]]:
    """Decode lines, replacing bytes outside the encoding; return the texts and the rows with such bytes."""
    codec = streams.given(encoding)
    if streams.is_utf8(codec):
        try:
            return pa.array(lines, pa.large_binary()).cast(pa.large_string()), []
        except pa.ArrowInvalid:
            pass
    texts, undecodable = [], []
    for row, line in enumerate(lines):
        try:
            texts.append(line.decode(codec))
        except UnicodeDecodeError:
            undecodable.append(row)
            texts.append(line.decode(codec, errors="replace"))
    return pa.array(texts, pa.large_string()), undecodable
