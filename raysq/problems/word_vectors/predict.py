"""Vectors of raw texts: the mean of their words' vectors, and the words nearest to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.problems.word_vectors.preprocessor import WordVectorsPreprocessor
from raysq.text.documents import texts_of
from raysq.text.neighbors import embedding_of, nearest, unit_rows
from raysq.text.tokenizer import tokenize

NEAREST = 5
_CHUNK = 1024  # number of texts processed at a time


def predict(model: Any, table: pa.Table, words: Sequence[str], preprocessor: WordVectorsPreprocessor) -> pa.Table:
    """Return a vector for every text: the mean of its words' vectors, each normalized to length one.

    Args:
        model: the Keras model.
        table: the texts in the run's own text column, or in `text`. A column `id` is kept.
        words: word of each id.
        preprocessor: preprocessor of the run's data set.

    Returns:
        A table with `row`, `id` (if given), `nearest`, `known`, `v1`, `v2`, ... and `remark`. `nearest` holds the words
        nearest to the vector, separated by spaces. `known` is the share of the text's words that have a vector. `v1`,
        `v2`, ... are the components of the vector. `remark` is null, or "no words" or "no known words" for a zero
        vector.

    Raises:
        DataError: the table has no column of texts.
    """
    texts = texts_of(table, preprocessor.text, "text")
    unit = unit_rows(embedding_of(model, len(words)))
    has_word = np.arange(len(words)) > 0
    vocabulary = pa.array(words[1:], pa.large_string())
    means: list[np.ndarray] = [np.empty((0, unit.shape[1]), np.float32)]
    shares: list[float] = []
    neighbors: list[str | None] = []
    remarks: list[str | None] = []
    for begin in range(0, len(texts), _CHUNK):
        codes, offsets, distinct = tokenize(texts.slice(begin, _CHUNK), preprocessor)
        ids = _ids(distinct, vocabulary)[codes]
        counts = np.diff(offsets)
        known = np.bincount(np.repeat(np.arange(len(counts)), counts)[ids > 0], minlength=len(counts))
        mean = _sums(unit, ids, offsets) / np.maximum(known, 1).astype(np.float32)[:, None]
        means.append(mean)
        shares += (known / np.maximum(counts, 1)).tolist()
        remarks += [
            None if some else "no known words" if count else "no words"
            for some, count in zip(known.tolist(), counts.tolist(), strict=True)
        ]
        rows = nearest(unit, mean, NEAREST, among=has_word, without=[()] * len(mean))
        neighbors += [
            " ".join(words[number] for number, _ in row) if some else None
            for row, some in zip(rows, known.tolist(), strict=True)
        ]
    vectors = np.concatenate(means)
    columns: dict[str, Any] = {"row": pa.array(np.arange(len(texts)))}
    if "id" in table.column_names:
        columns["id"] = table.column("id")
    columns["nearest"] = pa.array(neighbors, pa.string())
    columns["known"] = pa.array(shares, pa.float32())
    for number in range(vectors.shape[1]):
        columns[f"v{number + 1}"] = pa.array(np.ascontiguousarray(vectors[:, number]))
    columns["remark"] = pa.array(remarks, pa.string())
    return pa.table(columns)


def _ids(distinct: pa.Array, vocabulary: pa.Array) -> np.ndarray:
    """Return the id of each word; 0 for unknown words."""
    ranks = pc.index_in(distinct.cast(vocabulary.type), vocabulary).fill_null(-1)
    return np.asarray(ranks.to_numpy(zero_copy_only=False)) + 1


def _sums(unit: np.ndarray, ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the sum of the vectors of each text's words, float32.

    Texts are summed one at a time. The sum does not depend on the other texts, and memory is that of one text.
    """
    sums = np.zeros((len(offsets) - 1, unit.shape[1]), np.float32)
    for row in range(len(sums)):
        text = ids[offsets[row] : offsets[row + 1]]
        sums[row] = unit[text[text > 0]].sum(0)
    return sums
