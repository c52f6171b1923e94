"""Vectors of raw texts: the mean of their words' vectors, and the words nearest to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError
from raysq.problems.word_vectors import assets as files
from raysq.problems.word_vectors.settings import WordVectorsSettings
from raysq.text.documents import texts_of
from raysq.text.neighbors import embedding_of, nearest, unit_rows
from raysq.text.tokenizer import Tokens, tokenize

NEAREST = 5
_CHUNK = 1024  # number of texts processed at a time


def predict(
    facts: Mapping[str, Any],
    settings: WordVectorsSettings,
    model: Any,
    table: pa.Table,
    report: Mapping[str, Any] | None = None,
    stands: tuple[int, int] | None = None,
    origin: int = 0,
    assets: Path | None = None,
) -> pa.Table:
    """Return a vector for every text: the mean of its words' vectors, each normalized to length one.

    Args:
        facts: the run's metadata.
        settings: the run's settings.
        model: the Keras model.
        table: the texts in the run's own text column, or in `text`. A column `id` is kept.
        report: the preprocessor's report of the rows; unused.
        stands: unused: each text is predicted on its own.
        origin: number of the table's first row.
        assets: folder with the run's words.

    Returns:
        A table with `row`, `id` (if given), `nearest`, `known`, `v1`, `v2`, ... and `remark`. `nearest` holds the words
        nearest to the vector, separated by spaces. `known` is the share of the text's words that have a vector. `v1`,
        `v2`, ... are the components of the vector. `remark` is null, or "no words" or "no known words" for a zero
        vector.

    Raises:
        DataError: if the table has no column of texts, or the run's words are missing.
    """
    texts = texts_of(table, facts["preprocessor"].get("text"), "text")
    if assets is None:
        raise DataError("a text's words are looked up in the run's assets: predict with `raysq.load(run)`")
    words = files.words(facts, settings, assets)
    vectors = embedding_of(model, len(words))
    unit = unit_rows(vectors)
    among = np.arange(len(words)) > 0
    places = pa.array(words[1:], pa.large_string())
    form = Tokens.of(facts["preprocessor"])
    means: list[np.ndarray] = [np.empty((0, vectors.shape[1]), np.float32)]
    shares: list[float] = []
    near: list[str] = []
    remarks: list[str | None] = []
    for low in range(0, len(texts), _CHUNK):
        codes, offsets, distinct = tokenize(texts.slice(low, _CHUNK), form)
        ids = _ids(distinct, places)[codes]
        counts = np.diff(offsets)
        known = np.bincount(np.repeat(np.arange(len(counts)), counts)[ids > 0], minlength=len(counts))
        mean = _sums(unit, ids, offsets) / np.maximum(known, 1).astype(np.float32)[:, None]
        means.append(mean)
        shares += (known / np.maximum(counts, 1)).tolist()
        remarks += [
            None if some else "no known words" if count else "no words"
            for some, count in zip(known.tolist(), counts.tolist(), strict=True)
        ]
        found = nearest(unit, mean, NEAREST, among=among, without=[()] * len(mean))
        near += [" ".join(words[one] for one, _ in row) for row in found]
    vector = np.concatenate(means)
    out: dict[str, Any] = {"row": pa.array(np.arange(origin, origin + len(texts)))}
    if "id" in table.column_names:
        out["id"] = table.column("id")
    out["nearest"] = pa.array(
        [None if remark else said for said, remark in zip(near, remarks, strict=True)], pa.string()
    )
    out["known"] = pa.array(shares, pa.float32())
    for number in range(vector.shape[1]):
        out[f"v{number + 1}"] = pa.array(np.ascontiguousarray(vector[:, number]))
    out["remark"] = pa.array(remarks, pa.string())
    return pa.table(out)


def _ids(distinct: pa.Array, words: pa.Array) -> np.ndarray:
    """Return the id of each word; 0 for unknown words."""
    import pyarrow.compute as pc

    places = pc.index_in(distinct.cast(words.type), words).fill_null(-1)
    return np.asarray(places.to_numpy(zero_copy_only=False)) + 1


def _sums(unit: np.ndarray, ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the sum of the vectors of each text's words, float32.

    Texts are summed one at a time. The sum does not depend on the other texts, and memory is that of one text.
    """
    found = np.zeros((len(offsets) - 1, unit.shape[1]), np.float32)
    for row in range(len(found)):
        own = ids[offsets[row] : offsets[row + 1]]
        found[row] = unit[own[own > 0]].sum(0)
    return found
