"""Fit a vocabulary to each side of sentence pairs and encode their words with it.

`raysq.text.fit_vocabulary` does the same for documents.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import ChunkRecord, PartitionStats, Slice, Stats
from raysq.data.parts import heaviest
from raysq.data.preprocessor import Chunk, Transform
from raysq.text.fit_subwords import fit_subwords, subword_numbers
from raysq.text.fit_vocabulary import CONTENT, GROUP, WAITING, check_groups, group_checksums, group_keys
from raysq.text.scratch import VocabularyFit, number_words, words_table
from raysq.text.vocabulary import tally

if TYPE_CHECKING:
    from raysq.problems.translation.preprocessor import TranslationPreprocessor

SIDES = ("source", "target")
_NAMED = 5  # maximum number of pairs named in statistics
_PARTS = 3  # train, test, validation


def tokenize_chunk(preprocessor: "TranslationPreprocessor", table: pa.Table, stats: Stats) -> Chunk:
    """Tokenize a table of pairs and number the words of each side in order of appearance.

    Args:
        preprocessor: the preprocessor.
        table: a table of `TranslationPreprocessor.pairs`.
        stats: the statistics of the table.

    Returns:
        A chunk with the rows and, as the tables `source.words` and `target.words`, the distinct words with the results
        of `tally`.
    """
    ids = table.column("id")
    sides = [
        language.words(contiguous_array(table.column(side)))
        for side, language in zip(SIDES, preprocessor.languages, strict=True)
    ]
    lengths = [np.diff(offsets) for _, offsets, _ in sides]
    complete = (lengths[0] > 0) & (lengths[1] > 0)
    texts = {side: table.column(side).filter(pa.array(complete)).combine_chunks() for side in SIDES}
    keys = content = _keys(texts["source"])
    of_columns, stored = Stats(), {}
    if "group" in table.column_names:
        groups = table.column("group").filter(pa.array(complete)).combine_chunks()
        keys, stored = group_keys(groups), {CONTENT: pa.array(content), GROUP: group_checksums(groups)}
        of_columns["ungrouped"] = pc.sum(pc.equal(groups, "")).as_py() or 0
    assigned = table.column("part").to_numpy()[complete]
    drawn = (keys < preprocessor.test * 2.0**32).astype(np.int8)
    part = np.where(assigned >= 0, assigned, drawn).astype(np.int8)
    if "weight" in table.column_names:
        stored["weight"] = table.column("weight").filter(pa.array(complete)).combine_chunks()
        of_columns["heaviest"] = heaviest(stored["weight"].to_numpy(), part)
    training = complete.copy()
    training[complete] = part == 0
    columns: dict[str, Any] = {}
    words_by_side = {}
    for side, (codes, offsets, words) in zip(SIDES, sides, strict=True):
        counts, first = tally(codes, offsets, len(words), training)
        codes = codes[np.repeat(complete, np.diff(offsets))]
        offsets = np.concatenate([[0], np.cumsum(np.diff(offsets)[complete])]).astype(np.int64)
        columns[f"{side}_tokens"] = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(codes))
        words_by_side[f"{side}.words"] = words_table(words, counts, first)
    complete_ids = ids.filter(pa.array(complete)).combine_chunks()
    columns |= {"part": pa.array(part), "key": pa.array(keys), "id": complete_ids, **texts, **stored}
    lengths = [side[complete] for side in lengths]
    chunk_stats = {
        "pairs": stats["pairs"],
        **({"validates": True} if stats.get("validates") else {}),
        **of_columns,
        **{name: _named(stats[name]) for name in ("undecodable", "uneven")},
        "empty": _named(ids.filter(pa.array(~complete)).to_pylist()),
        "rows": len(part),
        "parts": np.bincount(part, minlength=_PARTS).tolist(),
        "assigned": int((assigned >= 0).sum()),
        "tokens": [int(side.sum()) for side in lengths],
        "longest": [int(side[part == 0].max(initial=0)) for side in lengths],
    }
    return Chunk(pa.table(columns), chunk_stats, words_by_side)


def fit_vocabularies(
    preprocessor: "TranslationPreprocessor", stats: Iterable[PartitionStats], scratch: Path
) -> Transform:
    """Merge the words of all chunks, in order, into a vocabulary for each side, and validate the statistics.

    Args:
        preprocessor: the preprocessor.
        stats: the statistics of each partition.
        scratch: a folder that all nodes can access.
    """
    vocabularies = {side: VocabularyFit(f"{side}.") for side in SIDES}
    split = {side: language.level == "subword" for side, language in zip(SIDES, preprocessor.languages, strict=True)}
    chunks: list[ChunkRecord] = []
    chunk_stats: list[Stats] = []
    for partition in stats:
        for chunk in partition.chunks:
            chunk_stats.append(chunk.stats)
            if chunk.rows:
                chunks.append(chunk)
                for vocabulary in vocabularies.values():
                    vocabulary.add(chunk)
    preprocessor.validate_stats(chunk_stats)
    extras: dict[str, pa.Table] = {}
    of_subwords: list[Stats | None] = []
    for side, vocabulary in vocabularies.items():
        words = vocabulary.finish(scratch, uncounted=split[side])
        if split[side]:
            assert preprocessor.vocab_size is not None
            fit = fit_subwords(words, preprocessor.vocab_size, chunks, scratch, f"{side}.", f"{side}_tokens")
            extras |= {f"{side}_vocabulary": fit.pieces, f"{side}_subwords": fit.tokenizer}
            of_subwords.append(fit.summary)
        else:
            extras[f"{side}_vocabulary"] = words
            of_subwords.append(None)
    summary: Stats = {
        "subwords": of_subwords,
        "words": [extras[f"{side}_vocabulary"].num_rows for side in SIDES],
        "shared": _shared(chunks, 1),
        "shared_validation": _shared(chunks, 2),
    }
    if preprocessor.group is not None:
        check_groups(preprocessor.group, chunks)
    return Transform(PairWordNumbers(scratch, split), extras=extras, summary=summary)


@dataclass(frozen=True)
class PairWordNumbers:
    """Transform that replaces each chunk's own word numbers by those of the vocabularies.

    Attributes:
        scratch: a folder that all nodes can access.
        split: whether the words of each side are split into subwords.
    """

    scratch: Path
    split: Mapping[str, bool]

    def __call__(self, slices: list[Slice]) -> pa.Table:
        tables = [part.read() for part in slices]
        names = [f"{side}_tokens" for side in SIDES]
        dropped = [*names, *(name for name in tables[0].column_names if name in WAITING)]
        rows = pa.concat_tables(table.drop_columns(dropped) for table in tables)
        for position, (side, name) in enumerate(zip(SIDES, names, strict=True)):
            lists = [contiguous_array(table.column(name)) for table in tables]
            numbers = number_words(self.scratch, slices, lists, f"{side}.")
            rows = rows.add_column(
                position, name, subword_numbers(self.scratch, numbers, f"{side}.") if self.split[side] else numbers
            )
        return rows


def _shared(chunks: list[ChunkRecord], number: int) -> int:
    """Return the number of pairs of a part whose source sentence also occurs in the train part."""
    train, others = [np.empty(0, np.uint32)], [np.empty(0, np.uint32)]
    for chunk in chunks:
        table = chunk.read()
        keys = table.column(CONTENT if CONTENT in table.column_names else "key").to_numpy()
        part = table.column("part").to_numpy()
        train.append(keys[part == 0])
        others.append(keys[part == number])
    return int(np.isin(np.concatenate(others), np.concatenate(train)).sum())


def _named(ids: list[str]) -> Stats:
    return {"count": len(ids), "names": ids[:_NAMED]}


def _keys(texts: pa.Array) -> np.ndarray:
    """Return the CRC-32 of each sentence, in lower case and without spaces around it."""
    folded = pc.utf8_lower(pc.utf8_trim_whitespace(texts)).cast(pa.large_binary()).to_pylist()
    return np.fromiter(map(zlib.crc32, folded), np.uint32, len(folded))
