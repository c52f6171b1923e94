"""Report of word vectors: similar words, a projection to the plane, and word counts."""

from typing import Any

import numpy as np

from raysq.problems.charts import Bars, Figure, Figures, Item, Scatter, Section, Table
from raysq.problems.even_rows import evenly
from raysq.problems.word_vectors.metadata import WordVectorsMetadata
from raysq.problems.word_vectors.stream import Streams
from raysq.text.neighbors import nearest, principal, unit_rows

_PLOTTED = 120  # maximum number of words of the scatter plot
_LISTED = 24  # number of words whose neighbors are listed
_NEAREST = 8
_RARE = 10  # words with fewer occurrences are hardly trained
_BARS = 30


def report(streams: Streams, metadata: WordVectorsMetadata, embedding: np.ndarray | None) -> list[Section]:
    """Return the report sections of a run of word vectors.

    Args:
        streams: the id streams of its data set.
        metadata: the run's metadata.
        embedding: the words' vectors, `(features, dimension)`, or None.
    """
    sections = [_counts_section(streams, metadata)]
    if embedding is not None and len(embedding) == len(streams.counts) and embedding.shape[1] > 1:
        sections = [_plane_section(streams, embedding), _nearest_section(streams, embedding), *sections]
    return sections


def content_words(counts: np.ndarray, count: int) -> np.ndarray:
    """Return the ids of frequent content words, the most frequent first.

    The most frequent words that make up a third of the text are skipped: they occur everywhere, and their neighbors say
    little. They are kept where the vocabulary has at most `2 * count` ids.

    Args:
        counts: number of occurrences of each id, shape `(features,)`, descending from id 1 on.
        count: maximum number of ids to return.
    """
    total = np.cumsum(counts)
    first = int(np.searchsorted(total, total[-1] / 3)) if len(counts) > 2 * count else 1
    return np.arange(max(1, first), min(len(counts), max(1, first) + count))


def _plane_section(streams: Streams, embedding: np.ndarray) -> Section:
    ids = content_words(streams.counts, _PLOTTED)
    plane, shares = principal(unit_rows(embedding[ids]))
    points = Scatter(
        "Words in a plane",
        plane[:, 0].tolist(),
        plane[:, 1].tolist(),
        f"first principal component ({100 * shares[0]:.0f} % of the variance)",
        f"second ({100 * shares[1]:.0f} %)",
        names=[streams.words[number] for number in ids.tolist()],
        named=True,
        wide=True,
    )
    note = (
        f"{len(ids)} frequent words, in the plane in which their vectors, at length one, differ most (principal "
        "component analysis). What lies apart here is different; what lies together may differ in other directions. "
        "Names that would cover others are shown when the pointer rests on a point."
    )
    return Section("Words", [points], note)


def _nearest_section(streams: Streams, embedding: np.ndarray) -> Section:
    among = streams.counts >= _RARE
    among[0] = False
    if among.sum() <= _NEAREST:
        among = np.arange(len(among)) > 0
    ids = content_words(streams.counts, _PLOTTED)
    ids = ids[evenly(len(ids), _LISTED)]
    words, unit = streams.words, unit_rows(embedding)
    neighbors = nearest(unit, embedding[ids], _NEAREST, among=among, without=[[number] for number in ids.tolist()])
    rows: list[list[Any]] = [
        [words[number], int(streams.counts[number]), ", ".join(f"{words[other]} {cosine:.2f}" for other, cosine in row)]
        for number, row in zip(ids.tolist(), neighbors, strict=True)
    ]
    note = "The cosine of the angle between vectors. Words that occur fewer than 10 times are left out."
    table = Table(["word", "occurrences", "nearest, with cosine"], rows)
    return Section("Nearest words", [table], note)


def _counts_section(streams: Streams, metadata: WordVectorsMetadata) -> Section:
    counts = streams.counts[1:]
    shown = min(_BARS, len(counts))
    items: list[Item] = [
        Figures(
            [
                Figure("Words with a vector", f"{metadata.words:,}", f"the rarest occurs {int(counts[-1]):,} times"),
                Figure("Words of the training texts", f"{metadata.tokens:,}"),
                Figure("Unknown words", f"{100 * metadata.unknown:.1f}\u202f%", "left out"),
                Figure("Trained on", f"{metadata.trained_tokens:,}", "after subsampling" if metadata.dropped else ""),
            ]
        ),
        Bars(
            "The most frequent words",
            streams.words[1 : shown + 1],
            counts[:shown] / counts.sum(),
            "word",
            "share of the text",
            "share",
            wide=True,
        ),
    ]
    return Section("Counts", items, "In the training texts, before subsampling.")
