"""Fit a vocabulary to documents, and number their words by it.

Documents are tokenized once, when they are read. Rows wait on disk with words numbered within each chunk, beside
these words and their counts. The transform maps the numbers to the common vocabulary.
"""

import itertools
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import ChunkRecord, PartitionStats, Slice, Stats
from raysq.data.parts import divided_group, groups_in_parts, heaviest, text_checksums
from raysq.data.preprocessor import Chunk, Transform
from raysq.data.readers.limits import Limits
from raysq.errors import DataError
from raysq.text.fit_subwords import fit_subwords, subword_numbers
from raysq.text.readers import words_of
from raysq.text.scratch import VocabularyFit, number_words, words_table
from raysq.text.tokenizer import Tokens, offsets_of, tokenize
from raysq.text.vocabulary import tally

SPLIT_NAMES = ("train", "test", "validation")  # indexed by the codes in the column `part`
_NAMED = 5  # maximum documents named in statistics
_LISTS = ("undecodable", "not_text", "dropped")  # entries of the statistics that list names of documents and files
# Columns of rows that wait on disk, where keys are those of groups.
CONTENT = "content"  # checksums of the texts
GROUP = "group"  # checksums of the groups in 64 bits: two of many groups have one key
WAITING = (CONTENT, GROUP)
_UNGROUPED = np.uint32(0xFFFFFFFF)  # the last key, so that rows without a group, which may be many, are trained on
_NO_BYTES = zlib.crc32(b"")
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")


class Corpus(Protocol):
    """Preprocessor of documents, as required to fit a vocabulary. See `raysq.text.documents.DocumentPreprocessor`.

    `subword_count` is the number of subwords that words are split into, None for words as they are.
    `vocabulary_from` "train" leaves the test and validation splits out of the counts. `vectors` is a file of word
    vectors to align with the vocabulary.
    """

    @property
    def tokens(self) -> Tokens: ...
    @property
    def format(self) -> Limits: ...
    @property
    def labeled(self) -> bool: ...
    @property
    def test(self) -> float: ...
    @property
    def vocabulary_from(self) -> Literal["train", "all"]: ...
    @property
    def excerpt(self) -> int: ...
    @property
    def vectors(self) -> str | None: ...
    @property
    def group(self) -> str | None: ...
    @property
    def subword_count(self) -> int | None: ...

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError if the documents cannot be used."""
        ...


def tokenize_chunk(settings: Corpus, table: pa.Table, read: Stats) -> Chunk:
    """Return the documents of a table with their words numbered in order of first appearance.

    Args:
        table: documents, as `raysq.text.readers` yields them.

    Returns:
        A chunk with the table `words`: the distinct words, with the result of `tally`.
    """
    if not table.num_rows:
        return Chunk(table, _empty_stats(read))
    ids = contiguous_array(table.column("id"))
    if "ranks" in table.column_names:
        codes, offsets, words, keys = _ranks(contiguous_array(table.column("ranks")))
        text = pa.array([""] * table.num_rows, pa.large_string())
    else:
        texts = table.column("text")
        codes, offsets, words = tokenize(texts, settings.tokens)
        if "key" in table.column_names:  # computed by the preprocessor, which defines when texts are equal
            keys = table.column("key").to_numpy().copy()
        else:
            keys = np.concatenate([text_keys(chunk) for chunk in texts.chunks])
        text = pc.utf8_slice_codeunits(texts, 0, settings.excerpt)
    for row in np.flatnonzero(keys == _NO_BYTES).tolist():  # else all empty documents would be in the same split
        keys[row] = zlib.crc32(ids[row].as_py().encode())
    content, ungrouped = keys, 0
    if "group" in table.column_names:
        groups = contiguous_array(table.column("group"))
        keys, ungrouped = group_keys(groups), pc.sum(pc.equal(groups, "")).as_py()
    parts = table.column("part").to_numpy()
    given = parts >= 0
    drawn = (keys < settings.test * 2.0**32).astype(np.int8)
    part = np.where(given, parts, drawn).astype(np.int8)
    counted = np.ones(len(part), bool) if settings.vocabulary_from == "all" else part == 0
    counts, first = tally(codes, offsets, len(words), counted)
    if len(words) <= 1 << 16:
        codes = codes.astype(np.uint16)  # halves the bytes to write and read
    rows = {
        "tokens": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(codes)),
        "part": pa.array(part),
        "key": pa.array(keys),
        "id": ids,
        "text": text,
    }
    names: list[str] = []
    counts_of: list[list[int]] = [[] for _ in SPLIT_NAMES]
    if settings.labeled:
        labels = contiguous_array(table.column("label")).dictionary_encode()
        label = labels.indices.fill_null(-1).to_numpy()
        names = labels.dictionary.to_pylist()
        sides = (label[(part == side) & (label >= 0)] for side in range(len(SPLIT_NAMES)))
        counts_of = [np.bincount(classes, minlength=len(names)).tolist() for classes in sides]
        rows = {"tokens": rows.pop("tokens"), "label": pa.array(label), **rows}
    if "group" in table.column_names:
        rows |= {CONTENT: pa.array(content), GROUP: group_checksums(groups)}
    of_columns: Stats = {"ungrouped": ungrouped}
    if "weight" in table.column_names:
        rows["weight"] = table.column("weight")
        of_columns["heaviest"] = heaviest(table.column("weight").to_numpy(), part)
    stats = {
        **read,
        **_shortened(read),
        **of_columns,
        "labels": names,
        "counts": counts_of,
        "parts": np.bincount(part, minlength=len(SPLIT_NAMES)).tolist(),
        "assigned": int(given.sum()),
        "first_unassigned": None if given.all() else ids[int(np.argmin(given))].as_py(),
        "empty": int((np.diff(offsets) == 0).sum()),
        "tokens": len(codes),
        "longest": int(np.diff(offsets).max()),
        "ranks": "ranks" in table.column_names,
    }
    return Chunk(pa.table(rows), stats, {"words": words_table(words, counts, first)})


def fit_vocabulary(settings: Corpus, stats: Iterable[PartitionStats], scratch: Path) -> Transform:
    """Merge the words and labels of all chunks, in order, and validate their statistics.

    Returns:
        The transform, with the vocabulary and the aligned word vectors as `extras`, and a summary.
    """
    vocabulary = VocabularyFit()
    chunks: list[ChunkRecord] = []
    chunk_stats: list[Stats] = []
    paths: dict[Path, None] = {}
    classes: tuple[Counter[str], ...] = tuple(Counter() for _ in SPLIT_NAMES)
    parts = np.zeros(len(SPLIT_NAMES), np.int64)
    for partition in stats:
        paths[Path(partition.partition.path)] = None
        for chunk in partition.chunks:
            chunk_stats.append(chunk.stats)
            if not chunk.rows:
                continue
            vocabulary.add(chunk)
            chunks.append(chunk)
            parts += chunk.stats["parts"]
            for counter, counts in zip(classes, chunk.stats["counts"], strict=True):
                counter.update(dict(zip(chunk.stats["labels"], counts, strict=True)))
    settings.validate_stats(chunk_stats)
    ranked = any(chunk.stats["ranks"] for chunk in chunks)
    split = settings.subword_count is not None
    if split and ranked:
        raise DataError("the documents are ranks of words, which cannot be split", hint="leave --level subword out")
    named = words_of(list(paths)) if ranked else None
    table = vocabulary.finish(scratch, named, ranked=ranked, uncounted=split)
    extras, of_subwords = {"vocabulary": table}, None
    if settings.subword_count is not None:
        fit = fit_subwords(table, settings.subword_count, chunks, scratch)
        table = fit.pieces
        extras, of_subwords = {"vocabulary": table, "subwords": fit.tokenizer}, fit.summary
    names = sort_classes({name for counter in classes for name in counter})
    number = {name: index for index, name in enumerate(names)}
    summary: Stats = {
        "classes": names,
        "counts": {side: [counter[name] for name in names] for side, counter in zip(SPLIT_NAMES, classes, strict=True)},
        "parts": parts.tolist(),
        "words": table.num_rows,
        "level": settings.tokens.level,
        "subwords": of_subwords,
        "vectors": None,
    }
    summary |= _copies(chunks, number if settings.labeled else None)
    if settings.group is not None:
        check_groups(settings.group, chunks)
    if settings.vectors is not None:
        extras["vectors"], summary["vectors"] = _vectors(Path(settings.vectors), table, settings.format)
    return Transform(WordNumbers(scratch, number if settings.labeled else None, split), extras=extras, summary=summary)


@dataclass(frozen=True)
class WordNumbers:
    """Transform of the words of chunks, and of labels if the classes are given, to the numbers of the data set."""

    scratch: Path
    classes: Mapping[str, int] | None
    split: bool = False  # whether words are split into subwords

    def __call__(self, slices: list[Slice]) -> pa.Table:
        tables = [self._labeled(part) for part in slices]
        lists = [contiguous_array(table.column("tokens")) for table in tables]
        table = pa.concat_tables(table.drop_columns("tokens") for table in tables)
        table = table.drop_columns([name for name in WAITING if name in table.column_names])
        numbers = number_words(self.scratch, slices, lists)
        return table.add_column(0, "tokens", subword_numbers(self.scratch, numbers) if self.split else numbers)

    def _labeled(self, part: Slice) -> pa.Table:
        table = part.read()
        if self.classes is None:
            return table
        numbers = np.array([self.classes[name] for name in part.chunk.stats["labels"]], np.int32)
        return table.set_column(1, "label", pa.array(numbers[table.column("label").to_numpy()]))


def _copies(chunks: list[ChunkRecord], number: Mapping[str, int] | None) -> Stats:
    """Count documents whose text, by checksum and length, is that of another.

    `contradictions` have a copy of a different class, if there are classes. `leaked` are test and validation documents
    with a copy in the train split. Each has `count` and `first`, an id or None.
    """
    rows = sum(chunk.rows for chunk in chunks)
    key, label, part = np.empty(rows, np.uint64), np.empty(rows, np.int32), np.empty(rows, np.int8)
    begin = 0
    for chunk in chunks:
        table = chunk.read()
        lengths = np.diff(table.column("tokens").chunk(0).offsets.to_numpy()).astype(np.uint64)
        some = slice(begin, begin + chunk.rows)
        of_text = table.column(CONTENT if CONTENT in table.column_names else "key").to_numpy()
        key[some] = of_text.astype(np.uint64) << np.uint64(32) | lengths
        if number is not None:
            label[some] = np.array([number[name] for name in chunk.stats["labels"]])[table.column("label").to_numpy()]
        part[some] = table.column("part").to_numpy()
        begin += chunk.rows
    (others,) = np.nonzero(part != 0)
    copies = {"leaked": others[np.isin(key[others], key[part == 0])]}
    if number is not None:
        copies = {"contradictions": conflicting_rows(key, label), **copies}
    return {
        name: {"count": len(rows), "first": row_id(chunks, int(rows[0])) if len(rows) else None}
        for name, rows in copies.items()
    }


def check_groups(group: str, chunks: list[ChunkRecord]) -> None:
    """Raise DataError for a group that the source puts into two parts. Drawn parts divide none."""
    tables = [chunk.read() for chunk in chunks]
    keys, parts = (np.concatenate([table.column(name).to_numpy() for table in tables]) for name in (GROUP, "part"))
    rows = groups_in_parts(keys, parts)
    if rows is not None:
        raise divided_group(group, int(parts[rows[1]]), " and ".join(row_id(chunks, row) for row in rows))


def row_id(chunks: list[ChunkRecord], row: int) -> str:
    """Return the id of a document."""
    for chunk in chunks:
        if row < chunk.rows:
            return str(chunk.read().column("id")[row])
        row -= chunk.rows
    raise IndexError(row)


def _shortened(stats: Stats) -> Stats:
    """Return the lists of statistics as `count` and the first `names`."""
    return {name: {"count": len(stats[name]), "names": stats[name][:_NAMED]} for name in _LISTS if name in stats}


def _empty_stats(stats: Stats) -> Stats:
    """Return the statistics of a table whose documents are all left out. They must still be reported."""
    none = {"labels": [], "counts": [[] for _ in SPLIT_NAMES], "parts": [0] * len(SPLIT_NAMES), "ranks": False}
    counts = dict.fromkeys(("assigned", "empty", "tokens", "longest"), 0)
    return {**stats, **_shortened(stats), "first_unassigned": None, **none, **counts}


def conflicting_rows(key: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the rows, in order, whose key also occurs with another label.

    Example:
        >>> conflicting_rows(np.array([7, 8, 7]), np.array([0, 0, 1]))
        array([0, 2])
    """
    if not len(key):
        return np.empty(0, np.int64)
    order = np.argsort(key, kind="stable")
    key, label = key[order], label[order]
    begins = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    several = np.minimum.reduceat(label, begins) != np.maximum.reduceat(label, begins)
    return np.sort(order[np.repeat(several, np.diff(np.append(begins, len(key))))])


def sort_classes(classes: Iterable[str]) -> list[str]:
    """Return the sorted class names, by value if all of them are numbers.

    Example:
        >>> sort_classes(["10", "9"])
        ['9', '10']
    """
    names = sorted(classes)
    if all(_NUMBER.fullmatch(name) for name in names):
        names.sort(key=float)
    return names


def text_keys(texts: pa.Array) -> np.ndarray:
    """Return the CRC-32 of each text, uint32."""
    return _keys(texts.buffers()[2], offsets_of(texts))


def group_keys(groups: pa.Array) -> np.ndarray:
    """Return the key of each group, uint32. "" stands for none."""
    return np.where(pc.equal(groups, "").to_numpy(zero_copy_only=False), _UNGROUPED, text_keys(groups))


def group_checksums(groups: pa.Array) -> pa.Array:
    """Return the checksum of each group in 64 bits, which tells groups of one key apart."""
    encoded = groups.dictionary_encode()
    return pa.array(text_checksums(encoded.dictionary.to_pylist())[encoded.indices.to_numpy()])


def _keys(data: pa.Buffer | None, offsets: np.ndarray) -> np.ndarray:
    """Return the CRC-32 of the bytes of each document."""
    view = memoryview(data or b"")
    checksums = [zlib.crc32(view[begin:end]) for begin, end in itertools.pairwise(offsets.tolist())]
    return np.array(checksums, np.uint32)


def _ranks(lists: pa.Array) -> tuple[np.ndarray, np.ndarray, pa.Array, np.ndarray]:
    """Return the result of `tokenize` for documents that are word ranks, and the key of each."""
    offsets = lists.offsets.to_numpy()
    values = lists.values.to_numpy()[offsets[0] : offsets[-1]].astype(np.int32)
    offsets = offsets - offsets[0]
    words = pa.array(values).dictionary_encode()
    keys = _keys(pa.py_buffer(values), offsets * values.itemsize)
    return words.indices.to_numpy(), offsets, words.dictionary, keys


def _vectors(path: Path, vocabulary: pa.Table, limits: Limits) -> tuple[pa.Table, Stats]:
    """Return the word vectors of the vocabulary as a table, and their coverage."""
    from raysq.text.embeddings import read_vectors

    rows, matrix = read_vectors(path, vocabulary.column("word").combine_chunks(), limits)
    if not len(rows):
        raise DataError(
            f"{path.name} has a vector for none of the {vocabulary.num_rows:,} words",
            hint="is it of another language, or are its words in capitals (--set lower=false)?",
        )
    counts = vocabulary.column("count").to_numpy()
    dimension = matrix.shape[1]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1), pa.float32()), dimension)
    coverage = {
        "name": path.name,
        "dimension": dimension,
        "words": len(rows),
        "share": len(rows) / max(len(counts), 1),
        "tokens": float(counts[rows].sum() / max(counts.sum(), 1)),
    }
    return pa.table({"word": pa.array(rows, pa.int32()), "vector": vectors}), coverage
