"""Translate raw rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.problems.translation.settings import TranslationSettings
from raysq.problems.translation.translate import translator
from raysq.text.documents import texts_of


def predict(
    facts: Mapping[str, Any],
    settings: TranslationSettings,
    model: Any,
    table: pa.Table,
    report: Mapping[str, Any] | None = None,
    stands: tuple[int, int] | None = None,
    origin: int = 0,
    assets: Path | None = None,
) -> pa.Table:
    """Translate every row of a table.

    Args:
        facts: the run's metadata.
        settings: the run's settings.
        model: the Keras model.
        table: the sentences in the column `source`, or in the run's own source column. A column `id` is kept.
        report: the preprocessor's report of the rows; unused.
        stands: unused: each sentence is translated on its own.
        origin: number of the table's first row.
        assets: folder with the run's vocabularies.

    Returns:
        A table with `row`, `id` (if given), `source`, `translation`, `score` (mean log probability of a word; null
        where there are no words) and `remark` (null, or a reason why the translation is unreliable).

    Raises:
        DataError: if the table has no column of sentences, or the run's vocabularies are missing.
    """
    texts = texts_of(table, "source", facts["preprocessor"]["source"], what="sentences").to_pylist()
    found = translator(facts, settings, model, assets).translate(texts)
    scores = np.array([one.score for one in found], np.float32)
    out: dict[str, Any] = {"row": pa.array(np.arange(origin, origin + len(texts)))}
    if "id" in table.column_names:
        out["id"] = table.column("id")
    out["source"] = pa.array(texts, pa.large_string())
    out["translation"] = pa.array([one.text for one in found], pa.large_string())
    out["score"] = pa.array(scores, mask=np.isnan(scores))
    out["remark"] = pa.array([one.remark for one in found], pa.string())
    return pa.table(out)
