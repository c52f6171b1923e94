"""Fit a vocabulary to the words of chunks on disk, and number the words of their rows by it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import ChunkRecord, Slice, read_table, write_table
from raysq.text.vocabulary import Vocabulary, look_up


def words_table(words: pa.Array, counts: np.ndarray, first: np.ndarray) -> pa.Table:
    """Return the distinct words of a chunk and the result of `tally` as a table for `VocabularyFit`."""
    return pa.table({"word": words, "count": counts, "first": first})


class VocabularyFit:
    """Fit of a vocabulary to the words of chunks, which are merged in order.

    The positions of the words of each chunk in the vocabulary are written to disk. Where chunks have words of several
    vocabularies, their tables have a prefix.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._vocabulary = Vocabulary()
        self._chunks: dict[str, ChunkRecord] = {}

    def add(self, chunk: ChunkRecord) -> None:
        """Move the words of a chunk into the vocabulary, and write the positions that are known by then."""
        words, counts, first = (contiguous_array(column) for column in chunk.pop(f"{self._prefix}words").columns)
        self._chunks[chunk.name] = chunk
        self._write_positions(self._vocabulary.add(chunk.name, words, counts.to_numpy(), first.to_numpy()))

    def finish(
        self, scratch: Path, names: Sequence[str] | None = None, *, ranked: bool = False, uncounted: bool = False
    ) -> pa.Table:
        """Return the vocabulary, and write the tables that `number_words` needs.

        Args:
            names: words by rank, if they are known.
            uncounted: whether the vocabulary also has the words of no counted document, at its end.
        """
        self._write_positions(self._vocabulary.new_positions())
        table, rows = self._vocabulary.ranked(names) if ranked else self._vocabulary.sorted(uncounted=uncounted)
        write_table(scratch / f"{self._prefix}ranks", pa.table({"values": rows}))
        return table

    def _write_positions(self, positions: Mapping[str, np.ndarray]) -> None:
        for name, values in positions.items():
            self._chunks.pop(name).write(f"{self._prefix}positions", pa.table({"values": values}))


def number_words(scratch: Path, slices: list[Slice], lists: list[pa.Array], prefix: str = "") -> pa.Array:
    """Map words numbered within chunks, one large list array per slice, to int32 numbers of the vocabulary."""
    ranks = _values(read_table(scratch / f"{prefix}ranks"))
    sizes = [np.diff(part.offsets.to_numpy()) for part in lists]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    numbers, begin = np.empty(offsets[-1], np.int32), 0
    for part, codes in zip(slices, lists, strict=True):
        words = ranks[_values(part.chunk.read(f"{prefix}positions"))]
        codes = codes.flatten().to_numpy()
        look_up(words, codes, out=numbers[begin : begin + len(codes)])
        begin += len(codes)
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(numbers))


def _values(table: pa.Table) -> np.ndarray:
    values: np.ndarray = contiguous_array(table.column("values")).to_numpy()
    return values
