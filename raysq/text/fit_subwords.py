"""Fit subwords to the words of chunks on disk, and replace the words of their rows by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import ChunkRecord, Slice, Stats, read_table, write_table
from raysq.text.scratch import number_words
from raysq.text.subwords import Subwords, expand


@dataclass(frozen=True)
class SubwordFit:
    """Subwords of a vocabulary.

    Attributes:
        pieces: the subwords with their counts in the texts to train on, as a vocabulary.
        tokenizer: what splits words, as a table of one row.
        summary: number of subwords of all texts (`tokens`), of the longest one (`longest`) and of the longest one to
            train on (`longest_trained`).
    """

    pieces: pa.Table
    tokenizer: pa.Table
    summary: Stats


def fit_subwords(
    words: pa.Table, size: int, chunks: Sequence[ChunkRecord], scratch: Path, prefix: str = "", column: str = "tokens"
) -> SubwordFit:
    """Learn subwords from the counts of the training words, and write what `subword_numbers` needs.

    Args:
        words: words of all texts with their counts in those to train on, in the order of their numbers.
        size: maximum number of subwords.
        chunks: the chunks with rows.
        scratch: a folder that all nodes can access.
        prefix: prefix of the vocabulary's tables; see `raysq.text.scratch.VocabularyFit`.
        column: column of the texts' words.
    """
    distinct, counts = words.column("word").combine_chunks(), words.column("count").to_numpy()
    subwords = Subwords.fit(distinct, counts, size, prefix.removesuffix(".") or "text")
    codes, offsets = subwords.split(distinct)
    write_table(_path(scratch, prefix), pa.table({"pieces": pa.LargeListArray.from_arrays(pa.array(offsets), codes)}))
    weights = np.repeat(counts, np.diff(offsets)).astype(np.float64)  # exact below 2 ** 53
    known = codes >= 0
    occurrences = np.bincount(codes[known], weights[known], len(subwords.pieces)).astype(np.int64)
    tokens, longest, trained = 0, 0, 0
    for chunk in chunks:
        table = chunk.read()
        lists = contiguous_array(table.column(column))
        numbers = number_words(scratch, [Slice(chunk, 0, chunk.rows)], [lists], prefix)
        lengths = np.diff(_expanded(numbers, codes, offsets)[1])
        tokens += int(lengths.sum())
        longest = max(longest, int(lengths.max(initial=0)))
        trained = max(trained, int(lengths[table.column("part").to_numpy() == 0].max(initial=0)))
    return SubwordFit(
        pa.table({"word": subwords.pieces, "count": occurrences}),
        pa.table({"tokenizer": pa.array([subwords.tokenizer], pa.large_string())}),
        {"tokens": tokens, "longest": longest, "longest_trained": trained},
    )


def subword_numbers(scratch: Path, numbers: pa.Array, prefix: str = "") -> pa.Array:
    """Replace numbers of words, a large list array, by those of their subwords, -1 for unknown ones."""
    pieces = contiguous_array(read_table(_path(scratch, prefix)).column("pieces"))
    codes, offsets = _expanded(numbers, pieces.values.to_numpy(), pieces.offsets.to_numpy())
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(codes))


def _expanded(numbers: pa.Array, codes: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return expand(numbers.values.to_numpy(), numbers.offsets.to_numpy(), codes, offsets)


def _path(scratch: Path, prefix: str) -> Path:
    return scratch / f"{prefix}subwords"
