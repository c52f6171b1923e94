"""Translations of raw rows by a trained model, for `raysq predict`."""

from typing import Any

import numpy as np
import pyarrow as pa

from raysq.problems.translation.translate import SentenceTranslator
from raysq.text.documents import texts_of


def predict(translator: SentenceTranslator, rows: pa.Table, column: str | None) -> pa.Table:
    """Translate every row of a table.

    Args:
        translator: the run's translator.
        rows: the sentences in the column `source`, or in `column`. A column `id` is kept.
        column: the run's own source column.

    Returns:
        A table with `row`, `id` (if given), `source`, `translation`, `score` (mean log probability of a word; null
        where there are no words) and `remark` (null, or a reason why the translation is unreliable).

    Raises:
        DataError: the table has no column of sentences.
    """
    texts = texts_of(rows, "source", column, what="sentences").to_pylist()
    translations = translator.translate(texts)
    scores = np.array([translation.score for translation in translations], np.float32)
    columns: dict[str, Any] = {"row": pa.array(np.arange(len(texts)))}
    if "id" in rows.column_names:
        columns["id"] = rows.column("id")
    columns["source"] = pa.array(texts, pa.large_string())
    columns["translation"] = pa.array([translation.text for translation in translations], pa.large_string())
    columns["score"] = pa.array(scores, mask=np.isnan(scores))
    columns["remark"] = pa.array([translation.remark for translation in translations], pa.string())
    return pa.table(columns)
