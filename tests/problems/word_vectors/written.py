"""Small corpora written as data sets without the preparation pipeline."""

import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset, Manifest, schema_entries, write_extra, write_manifest, write_shard


def texts(count: int = 60, seed: int = 0) -> list[list[str]]:
    """Texts of 0 to 40 words out of 30, the first ones the most frequent."""
    random = np.random.RandomState(seed)
    share = 1 / np.arange(1, 31)
    names = [f"w{number}" for number in range(30)]
    return [random.choice(names, random.randint(0, 41), p=share / share.sum()).tolist() for _ in range(count)]


def write(directory: Path, made: Sequence[Sequence[str]], parts: Sequence[int] = (), shard_rows: int = 25) -> Dataset:
    """A data set of these texts, as the preparation writes it; words of test texts alone have no code."""
    parts = list(parts) or [0] * len(made)
    counts = Counter(word for text, part in zip(made, parts, strict=True) if not part for word in text)
    words = [word for word, _ in counts.most_common()]
    place = {word: number for number, word in enumerate(words)}
    directory.mkdir(parents=True)
    codes = [[place.get(word, -1) for word in text] for text in made]
    table = pa.table(
        {
            "tokens": pa.array(codes, pa.large_list(pa.int32())),
            "part": pa.array(parts, pa.int8()),
            "key": pa.array([zlib.crc32(" ".join(text).encode()) for text in made], pa.uint32()),
            "id": pa.array([f"text {number}" for number in range(len(made))], pa.large_string()),
            "text": pa.array([""] * len(made), pa.large_string()),
        }
    )
    numbered = range(0, len(made), shard_rows)
    shards = [
        write_shard(directory, number, table.slice(begin, shard_rows).combine_chunks())
        for number, begin in enumerate(numbered)
    ]
    vocabulary = pa.table({"word": pa.array(words, pa.large_string()), "count": [counts[word] for word in words]})
    extras = [write_extra(directory, "vocabulary", vocabulary)]
    manifest = Manifest(
        task="skipgram",
        problem="word_vectors",
        name=directory.name,
        rows=len(made),
        bytes=sum(shard.bytes for shard in shards),
        schema=schema_entries(table.schema),
        shard_rows=shard_rows,
        shards=shards,
        source={"label": "made", "synthetic": True, "files": []},
        preparation={"version": 1, "settings": {"lower": True, "text": None}, "messages": []},
        report={},
        fingerprint=f"made-{directory.name}-{len(made)}",
        versions={},
        settings={},
        extras=extras,
    )
    write_manifest(directory, manifest)
    return Dataset.open(directory)
