"""The two passes over a corpus: words of each piece first, rows of the common vocabulary then.

The first pass reads and tokenises, once: it leaves the rows in the scratch folder with the words numbered as each table
meets them, and those words with their counts. The second looks the numbers up.
"""

import itertools
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.columns import one_array
from raysq.corpus import scratch
from raysq.corpus.reading import Piece, words_of
from raysq.corpus.scratch import Slice
from raysq.corpus.tokens import Tokens, offsets_of, tokenise
from raysq.corpus.vocabulary import Vocabulary, look_up, tally
from raysq.errors import DataError
from raysq.kinds.kind import Settled
from raysq.readers.limits import Limits

Note = dict[str, Any]

SIDES = ("train", "test", "validation")  # by the numbers in the column `part`
_NAMED = 5  # documents that a note names
_LISTS = ("undecodable", "not_text", "dropped")  # of a note, which names documents and files in them
_RANKS = "ranks"
_NO_BYTES = zlib.crc32(b"")
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")


class Corpus(Protocol):
    """A preparation of documents, as far as the survey asks it.

    Attributes:
        tokens: how documents are parted into words.
        form: the limits of what is read.
        labelled: whether the rows have the number of a class.
        test: share of the documents that are drawn for the test part where the source does not say which they are.
        counted: "train" counts the vocabulary over the documents that are not of the test part; "all" over all.
        excerpt: characters of every text to keep.
        vectors: file of word vectors to align to the vocabulary, or None.
    """

    @property
    def tokens(self) -> Tokens: ...
    @property
    def form(self) -> Limits: ...
    @property
    def labelled(self) -> bool: ...
    @property
    def test(self) -> float: ...
    @property
    def counted(self) -> Literal["train", "all"]: ...
    @property
    def excerpt(self) -> int: ...
    @property
    def vectors(self) -> str | None: ...

    def read(self, piece: Any) -> Iterator[tuple[pa.Table, Note]]:
        """The documents of one piece, as `raysq.corpus.reading` has them."""
        ...


@dataclass(frozen=True)
class Look:
    """Tokenises the documents of a piece and leaves them in the scratch folder."""

    settings: Corpus
    scratch: Path

    def __call__(self, number: int, piece: Any) -> Iterator[Note]:
        for block, (table, note) in enumerate(self.settings.read(piece)):
            yield self._block(_name(number, block), table, note) if table.num_rows else _nothing(note)

    def _block(self, name: str, table: pa.Table, note: Note) -> Note:
        """Leaves one table, and says what is in it."""
        settings = self.settings
        ids = one_array(table.column("id"))
        if "ranks" in table.column_names:
            codes, offsets, words, keys = _ranks(one_array(table.column("ranks")))
            text = pa.array([""] * table.num_rows, pa.large_string())
        else:
            texts = table.column("text")
            codes, offsets, words = tokenise(texts, settings.tokens)
            if "key" in table.column_names:  # made by the preparation, of what makes texts equal to it
                keys = table.column("key").to_numpy().copy()
            else:
                keys = np.concatenate([_keys(chunk.buffers()[2], offsets_of(chunk)) for chunk in texts.chunks])
            text = pc.utf8_slice_codeunits(texts, 0, settings.excerpt)
        for row in np.flatnonzero(keys == _NO_BYTES).tolist():  # else all empty documents would lie on one side
            keys[row] = zlib.crc32(ids[row].as_py().encode())
        said = table.column("part").to_numpy()
        given = said >= 0
        drawn = (keys < settings.test * 2.0**32).astype(np.int8)
        part = np.where(given, said, drawn).astype(np.int8)
        counted = np.ones(len(part), bool) if settings.counted == "all" else part == 0
        counts, first = tally(codes, offsets, len(words), counted)
        if len(words) <= 1 << 16:
            codes = codes.astype(np.uint16)  # half the bytes to write and to read again
        rows = {
            "tokens": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(codes)),
            "part": pa.array(part),
            "key": pa.array(keys),
            "id": ids,
            "text": text,
        }
        names: list[str] = []
        counts_of: list[list[int]] = [[] for _ in SIDES]
        if settings.labelled:
            labels = one_array(table.column("label")).dictionary_encode()
            label = labels.indices.fill_null(-1).to_numpy()
            names = labels.dictionary.to_pylist()
            sides = (label[(part == side) & (label >= 0)] for side in range(len(SIDES)))
            counts_of = [np.bincount(one, minlength=len(names)).tolist() for one in sides]
            rows = {"tokens": rows.pop("tokens"), "label": pa.array(label), **rows}
        scratch.write(self.scratch / f"{name}.rows", pa.table(rows))
        scratch.write_words(self.scratch, name, words, counts, first)
        return {
            **note,
            **_shortened(note),
            "block": name,
            "labels": names,
            "counts": counts_of,
            "parts": np.bincount(part, minlength=len(SIDES)).tolist(),
            "said": int(given.sum()),
            "first_unsaid": None if given.all() else ids[int(np.argmin(given))].as_py(),
            "empty": int((np.diff(offsets) == 0).sum()),
            "tokens": len(codes),
            "longest": int(np.diff(offsets).max()),
            "ranks": "ranks" in table.column_names,
        }


@dataclass(frozen=True)
class Rows:
    """Reads the rows of a shard from what the first pass left."""

    scratch: Path

    def __call__(self, shard: list[Slice]) -> pa.Table:
        ranks = scratch.read_array(self.scratch / _RANKS)
        tables = [self._table(part) for part in shard]
        lists = [one_array(table.column("tokens")) for table in tables]
        sizes = [np.diff(one.offsets.to_numpy()) for one in lists]
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
        tokens, begin = np.empty(offsets[-1], np.int32), 0
        for part, one in zip(shard, lists, strict=True):
            words = ranks[scratch.read_places(self.scratch, part.block)]
            codes = one.flatten().to_numpy()
            look_up(words, codes, out=tokens[begin : begin + len(codes)])
            begin += len(codes)
        table = pa.concat_tables(table.drop_columns("tokens") for table in tables)
        return table.add_column(0, "tokens", pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(tokens)))

    def _table(self, part: Slice) -> pa.Table:
        table = scratch.read(self.scratch / f"{part.block}.rows").slice(part.begin, part.end - part.begin)
        if not part.classes:
            return table
        label = np.array(part.classes, np.int32)[table.column("label").to_numpy()]
        return table.set_column(1, "label", pa.array(label))


class TextSurvey:
    """Merges what was seen in the pieces, in order; see `raysq.kinds.kind.Survey`."""

    def __init__(self, settings: Corpus, pieces: list[Piece], scratch: Path) -> None:
        self.look = Look(settings, scratch)
        self._settings = settings
        self._scratch = scratch
        self._paths = list(dict.fromkeys(Path(piece.path) for piece in pieces))
        self._vocabulary = Vocabulary()
        self._blocks: list[tuple[str, int, list[str]]] = []
        self._classes: tuple[Counter[str], ...] = tuple(Counter() for _ in SIDES)
        self._parts = np.zeros(len(SIDES), np.int64)
        self._ranks = False

    def add(self, number: int, notes: list[Note]) -> None:
        """Takes in the words and labels of a piece."""
        for note in notes:
            name = note["block"]
            if name is None:
                continue
            scratch.add_words(self._scratch, name, self._vocabulary)
            self._blocks.append((name, note["documents"], note["labels"]))
            self._parts += note["parts"]
            self._ranks |= note["ranks"]
            for counter, found in zip(self._classes, note["counts"], strict=True):
                counter.update(dict(zip(note["labels"], found, strict=True)))

    def settle(self, shard_rows: int) -> Settled:
        """The vocabulary, the classes, and the slices of each shard."""
        scratch.end_words(self._scratch, self._vocabulary)
        if self._ranks:
            table, rows = self._vocabulary.ranked(words_of(self._paths))
        else:
            table, rows = self._vocabulary.sorted()
        scratch.write_array(self._scratch / _RANKS, rows)
        classes = in_order({name for counter in self._classes for name in counter})
        number = {name: place for place, name in enumerate(classes)}
        codes = {name: tuple(number[label] for label in labels) for name, _, labels in self._blocks}
        shards = [
            [replace(part, classes=codes[part.block]) for part in shard]
            for shard in scratch.share_out([block[:2] for block in self._blocks], shard_rows)
        ]
        extras = {"vocabulary": table}
        found: Note = {
            "classes": classes,
            "counts": {
                side: [counter[name] for name in classes] for side, counter in zip(SIDES, self._classes, strict=True)
            },
            "parts": self._parts.tolist(),
            "words": table.num_rows,
            "level": self._settings.tokens.level,
            "vectors": None,
        }
        if self._settings.labelled:
            found |= self._repeated(number)
        if self._settings.vectors is not None:
            extras["vectors"], found["vectors"] = _vectors(Path(self._settings.vectors), table, self._settings.form)
        return Settled(Rows(self._scratch), shards, extras, found, scratch.Spent(self._scratch, shards))

    def _repeated(self, number: Mapping[str, int]) -> Note:
        """Count the documents that have the text of another one (by checksum and length), with the first's id.

        Args:
            number: of each class.

        Returns:
            `contradictions`: those of which another has another class. `leaked`: those that test or validate and of
            which another trains.
        """
        rows = sum(count for _, count, _ in self._blocks)
        key, label, part = np.empty(rows, np.uint64), np.empty(rows, np.int32), np.empty(rows, np.int8)
        begin = 0
        for block, count, names in self._blocks:
            table = scratch.read(self._scratch / f"{block}.rows")
            lengths = np.diff(table.column("tokens").chunk(0).offsets.to_numpy()).astype(np.uint64)
            some = slice(begin, begin + count)
            key[some] = table.column("key").to_numpy().astype(np.uint64) << np.uint64(32) | lengths
            label[some] = np.array([number[name] for name in names])[table.column("label").to_numpy()]
            part[some] = table.column("part").to_numpy()
            begin += count
        (held,) = np.nonzero(part != 0)
        leaked = held[np.isin(key[held], key[part == 0])]
        return {
            name: {"count": len(found), "first": self._id(int(found[0])) if len(found) else None}
            for name, found in (("contradictions", in_conflict(key, label)), ("leaked", leaked))
        }

    def _id(self, row: int) -> str:
        """The id of a document."""
        for block, count, _ in self._blocks:
            if row < count:
                return str(scratch.read(self._scratch / f"{block}.rows").column("id")[row])
            row -= count
        raise IndexError(row)


def _shortened(note: Note) -> Note:
    """The lists of a note as `count` and the first `names`."""
    return {name: {"count": len(note[name]), "names": note[name][:_NAMED]} for name in _LISTS if name in note}


def _nothing(note: Note) -> Note:
    """The note of a table of which all documents are left out: what it tells of them must not be lost."""
    none = {"labels": [], "counts": [[] for _ in SIDES], "parts": [0] * len(SIDES), "ranks": False}
    counts = dict.fromkeys(("said", "empty", "tokens", "longest"), 0)
    return {**note, **_shortened(note), "block": None, "first_unsaid": None, **none, **counts}


def in_conflict(key: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the rows, in order, that have the key of a row with another label."""
    if not len(key):
        return np.empty(0, np.int64)
    order = np.argsort(key, kind="stable")
    key, label = key[order], label[order]
    begins = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    several = np.minimum.reduceat(label, begins) != np.maximum.reduceat(label, begins)
    return np.sort(order[np.repeat(several, np.diff(np.append(begins, len(key))))])


def in_order(classes: Iterable[str]) -> list[str]:
    """Classes by name; by value where all of them are numbers, so that 10 comes after 9."""
    names = sorted(classes)
    if all(_NUMBER.fullmatch(name) for name in names):
        names.sort(key=float)
    return names


def _name(number: int, block: int) -> str:
    return f"{number:06d}-{block:05d}"


def _keys(data: pa.Buffer | None, offsets: np.ndarray) -> np.ndarray:
    """CRC-32 of each document's bytes."""
    view = memoryview(data or b"")
    found = [zlib.crc32(view[begin:end]) for begin, end in itertools.pairwise(offsets.tolist())]
    return np.array(found, np.uint32)


def _ranks(lists: pa.Array) -> tuple[np.ndarray, np.ndarray, pa.Array, np.ndarray]:
    """What `tokenise` gives, for documents that are ranks already, and the key of each."""
    offsets = lists.offsets.to_numpy()
    values = lists.values.to_numpy()[offsets[0] : offsets[-1]].astype(np.int32)
    offsets = offsets - offsets[0]
    words = pa.array(values).dictionary_encode()
    keys = _keys(pa.py_buffer(values), offsets * values.itemsize)
    return words.indices.to_numpy(), offsets, words.dictionary, keys


def _vectors(path: Path, vocabulary: pa.Table, limits: Limits) -> tuple[pa.Table, Note]:
    """The vectors of the vocabulary's words, and how many have one."""
    from raysq.corpus.vectors import read_vectors

    rows, matrix = read_vectors(path, vocabulary.column("word").combine_chunks(), limits)
    if not len(rows):
        raise DataError(
            f"{path.name} has a vector for none of the {vocabulary.num_rows:,} words",
            hint="is it of another language, or are its words in capitals (--set lower=false)?",
        )
    counts = vocabulary.column("count").to_numpy()
    dimension = matrix.shape[1]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1), pa.float32()), dimension)
    found = {
        "name": path.name,
        "dimension": dimension,
        "words": len(rows),
        "share": len(rows) / max(len(counts), 1),
        "tokens": float(counts[rows].sum() / max(counts.sum(), 1)),
    }
    return pa.table({"word": pa.array(rows, pa.int32()), "vector": vectors}), found
