"""A small learnable corpus, written as a data set without the preparation pipeline."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset, Manifest, schema_entries, write_extra, write_manifest, write_shard
from raysq.problems.text_classification.problem import TextClassification
from raysq.problems.text_classification.settings import TextClassificationSettings

SMALL = {"max_features": 60, "maxlen": 12, "batch_size": 16, "eval_batch_size": 64, "steps_per_epoch": None}

_WORDS = [f"w{number}" for number in range(80)]


@dataclass(frozen=True)
class Document:
    """A document as its words, in the order in which they were read."""

    words: tuple[str, ...]
    label: str
    part: int = 0
    text: str | None = None  # joined words when None

    @property
    def raw(self) -> str:
        return " ".join(self.words) if self.text is None else self.text


def documents(count: int = 200, classes: Sequence[str] = ("neg", "pos"), tests: int = 40, seed: int = 0):
    """Documents of 0 to 40 words; each class has words of its own beside those that all share.

    The first `tests` of them are the test part, as files in the order of their names often are.
    """
    random = np.random.RandomState(seed)
    share = 1 / np.arange(1, len(_WORDS) + 1)
    found = []
    for number in range(count):
        label = number % len(classes)
        weights = share.copy()
        weights[label :: len(classes)] *= 3
        length = 0 if number == 7 else random.randint(1, 41)
        words = random.choice(_WORDS, length, p=weights / weights.sum())
        found.append(Document(tuple(words), classes[label], int(number < tests)))
    return found


def write_corpus(
    directory: Path,
    found: Sequence[Document] | None = None,
    *,
    shard_rows: int = 64,
    vocabulary_from: str = "train",
    vectors: int = 0,
    excerpt: int = 400,
    **settings,
) -> Dataset:
    """Writes documents as preparation would.

    Args:
        directory: of the data set.
        found: the documents; those of `documents()` when None.
        shard_rows: rows of a shard.
        vocabulary_from: documents that the vocabulary counts.
        vectors: dimension of made word vectors for every other word; 0 for none.
        excerpt: characters of the text that are kept.
        settings: of the preparation, as its manifest names them.
    """
    found = documents() if found is None else list(found)
    counts: Counter = Counter()
    holding: Counter = Counter()
    for one in found:
        if one.part == 0 or vocabulary_from == "all":
            counts.update(one.words)
            holding.update(set(one.words))
    words = sorted(counts, key=lambda word: -counts[word])  # stable: ties in order of first appearance
    rank = {word: place for place, word in enumerate(words)}
    names = sorted({one.label for one in found})
    table = pa.table(
        {
            "tokens": pa.array([[rank.get(w, -1) for w in one.words] for one in found], pa.large_list(pa.int32())),
            "label": pa.array([names.index(one.label) for one in found], pa.int32()),
            "part": pa.array([one.part for one in found], pa.int8()),
            "key": pa.array([zlib.crc32(one.raw.encode()) for one in found], pa.uint32()),
            "id": pa.array([f"made.csv:{number}" for number in range(1, len(found) + 1)], pa.large_string()),
            "text": pa.array([one.raw[:excerpt] for one in found], pa.large_string()),
        }
    )
    directory.mkdir(parents=True)
    shards = [
        write_shard(directory, number, table.slice(begin, shard_rows))
        for number, begin in enumerate(range(0, len(found), shard_rows))
    ]
    vocabulary = pa.table(
        {
            "word": pa.array(words, pa.large_string()),
            "count": pa.array([counts[word] for word in words], pa.int64()),
            "documents": pa.array([holding[word] for word in words], pa.int64()),
        }
    )
    extras = [write_extra(directory, "vocabulary", vocabulary)]
    entry = None
    if vectors:
        rows = np.arange(0, len(words), 2, dtype=np.int32)
        matrix = np.random.RandomState(1).standard_normal((len(rows), vectors)).astype(np.float32)
        listed = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), vectors)
        extras.append(write_extra(directory, "vectors", pa.table({"word": pa.array(rows), "vector": listed})))
        seen = sum(counts[words[row]] for row in rows.tolist())
        entry = {
            "name": "made.txt",
            "dimension": vectors,
            "words": len(rows),
            "share": len(rows) / max(len(words), 1),
            "tokens": seen / max(sum(counts.values()), 1),
        }
    parts = {one.part for one in found}
    report = {
        "classes": names,
        "counts": {
            part: [sum(one.part == value and one.label == name for one in found) for name in names]
            for part, value in (("train", 0), ("test", 1))
        },
        "documents": len(found),
        "empty": sum(not one.words for one in found),
        "undecodable": {"count": 0, "names": []},
        "missing_text": 0,
        "tokens": sum(len(one.words) for one in found),
        "words": len(words),
        "parts": "given" if 1 in parts else "none",
        "longest": max((len(one.words) for one in found), default=0),
        "level": settings.get("level", "word"),
        "vectors": entry,
        "contradictions": {"count": 0, "first": None},
    }
    write_manifest(
        directory,
        Manifest(
            task="classify",
            problem="text_classification",
            name=directory.name,
            rows=len(found),
            bytes=sum(shard.bytes for shard in shards),
            schema=schema_entries(table.schema),
            shard_rows=shard_rows,
            shards=shards,
            source={"label": "made", "synthetic": True, "files": []},
            preparation={
                "version": 1,
                "settings": {"vocabulary_from": vocabulary_from, "excerpt": excerpt, **settings},
            },
            report=report,
            fingerprint=f"made-{zlib.crc32(repr(found).encode())}-{vocabulary_from}-{vectors}",
            extras=extras,
        ),
    )
    return Dataset.open(directory)


def bind(dataset: Dataset, settings: TextClassificationSettings | None = None, **values) -> TextClassification:
    """The problem bound to a data set, with settings or with their values."""
    settings = TextClassificationSettings(**values) if settings is None else settings
    return TextClassification(settings, TextClassification.make_metadata(dataset, settings))
