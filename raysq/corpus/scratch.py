"""What the first pass over a corpus leaves for the second: Arrow files, mapped into memory to be read.

Not NumPy's own files, whose heads threads cannot parse at once; see `raysq.npy`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysq.columns import one_array
from raysq.corpus.vocabulary import Vocabulary


@dataclass(frozen=True)
class Slice:
    """Rows of one table of the first pass.

    Attributes:
        block: the table's name.
        begin: first row.
        end: row after the last.
        classes: for each of its labels the number of the class, where it has labels.
    """

    block: str
    begin: int
    end: int
    classes: tuple[int, ...] = ()


def share_out(blocks: Iterable[tuple[str, int]], shard_rows: int) -> list[list[Slice]]:
    """Tables of the first pass, by name and number of rows, as shards of so many rows; the last may have fewer."""
    shards: list[list[Slice]] = []
    room = 0
    for block, count in blocks:
        begin = 0
        while begin < count:
            if not room:
                shards.append([])
                room = shard_rows
            end = min(count, begin + room)
            shards[-1].append(Slice(block, begin, end))
            room -= end - begin
            begin = end
    return shards


class Spent:
    """Removes tables of the first pass when all shards that read them are written; called after each, in order."""

    def __init__(self, folder: Path, shards: list[list[Slice]]) -> None:
        last = {part.block: number for number, shard in enumerate(shards) for part in shard}
        self._files: list[list[Path]] = [[] for _ in shards]
        for path in folder.iterdir():  # once: a folder of many tables is long
            number = last.get(path.name.partition(".")[0])
            if number is not None:
                self._files[number].append(path)

    def __call__(self, number: int) -> None:
        for path in self._files[number]:
            path.unlink()


def write(path: Path, table: pa.Table) -> None:
    """Writes a table as one batch."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def read(path: Path) -> pa.Table:
    """The table, without a batch where it has no rows."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def write_array(path: Path, values: np.ndarray) -> None:
    """Writes an array of one dimension."""
    write(path, pa.table({"values": values}))


def read_array(path: Path) -> np.ndarray:
    """The array, read only."""
    values: np.ndarray = one_array(read(path).column("values")).to_numpy()
    return values


def write_words(folder: Path, name: str, words: pa.Array, counts: np.ndarray, first: np.ndarray) -> None:
    """Writes the distinct words of a piece, with what `tally` gives."""
    write(folder / f"{name}.words", pa.table({"word": words, "count": counts, "first": first}))


def add_words(folder: Path, name: str, vocabulary: Vocabulary) -> None:
    """Moves the words of a piece into the vocabulary, and writes the places that it knows by then."""
    path = folder / f"{name}.words"
    words, counts, first = (one_array(column) for column in read(path).columns)
    path.unlink()
    _write_places(folder, vocabulary.add(name, words, counts.to_numpy(), first.to_numpy()))


def end_words(folder: Path, vocabulary: Vocabulary) -> None:
    """Writes the places that are left when the words of all pieces are added."""
    _write_places(folder, vocabulary.placed())


def read_places(folder: Path, name: str) -> np.ndarray:
    """The place in the vocabulary of each distinct word of a piece."""
    return read_array(folder / f"{name}.places")


def _write_places(folder: Path, places: Mapping[str, np.ndarray]) -> None:
    for name, found in places.items():
        write_array(folder / f"{name}.places", found)
