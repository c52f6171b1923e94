"""Predict the classes of raw texts with a trained model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError
from raysq.problems.classification_report import predicted_classes, probabilities
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.text_classification.batches import vectorize
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.problems.text_classification.vocabulary import Vocabulary
from raysq.text.documents import texts_of
from raysq.text.tokenizer import Tokens, tokenize

BATCH = 128  # documents per call of the model
_CHUNK = 1024  # documents encoded at a time
_NARROWEST = 64  # smallest width of a bag, in ids


def predict(
    facts: Mapping[str, Any],
    settings: TextClassificationSettings,
    model: Any,
    table: pa.Table,
    report: Mapping[str, Any] | None = None,
    stands: tuple[int, int] | None = None,
    origin: int = 0,
    assets: Path | None = None,
) -> pa.Table:
    """Predict the class of every text and the probability of each class.

    The prediction of a text does not depend on the other texts of the table, bit for bit.

    Args:
        facts: metadata of the run.
        settings: batch-time settings of the run.
        model: the Keras model.
        table: texts in the column that the run was trained on, or in `text`; a column `id` is kept.
        report: report of the preprocessor that read the table; unused.
        stands: unused, because each text is predicted on its own.
        origin: row number of the table's first row.
        assets: folder with the run's vocabulary.

    Returns:
        A table with `row`, `id` if the input has it, `label`, its `probability`, `p_CLASS` for each class, and
        `remark`. `remark` is null, or says why the prediction is unreliable: "no words" or "no known words".

    Raises:
        DataError: the table has no column of texts, or the vocabulary is missing.
    """
    texts = texts_of(table, facts["preprocessor"].get("text"), "text")
    if assets is None:
        raise DataError("a text's words are looked up in the run's assets: predict with `raysq.load(run)`")
    vocabulary = Vocabulary.read(assets, settings, facts)
    form = Tokens.of(facts["preprocessor"])
    classes = facts["classes"]
    outputs, remarks = [np.empty((0, 1 if len(classes) == 2 else len(classes)), np.float32)], []
    for low in range(0, len(texts), _CHUNK):
        codes, offsets, words = tokenize(texts.slice(low, _CHUNK), form)
        x = vectorize(codes, offsets, words, vocabulary, settings)
        outputs.append(_outputs(model, x, settings))
        known = _known(x, settings)
        remarks += [
            None if knows else "no known words" if count else "no words"
            for knows, count in zip(known.tolist(), np.diff(offsets).tolist(), strict=True)
        ]
    prediction = np.concatenate(outputs)
    shares = probabilities(prediction).astype(np.float32)
    own = predicted_classes(prediction)
    out: dict[str, Any] = {"row": pa.array(np.arange(origin, origin + len(texts)))}
    if "id" in table.column_names:
        out["id"] = table.column("id")
    out["label"] = pa.array([classes[number] for number in own.tolist()], pa.string())
    out["probability"] = pa.array(shares[np.arange(len(own)), own])
    for number, name in enumerate(classes):
        out[f"p_{name}"] = pa.array(np.ascontiguousarray(shares[:, number]))
    out["remark"] = pa.array(remarks, pa.string())
    return pa.table(out)


def widened(x: np.ndarray, width: int | None = None) -> np.ndarray:
    """Pad x with zeros at the end to a width, by default the next power of two (at least 64).

    Powers of two keep the number of compiled shapes small.
    """
    missing = (width or _power(x.shape[-1])) - x.shape[-1]
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)])


def _power(width: int) -> int:
    return max(_NARROWEST, 1 << max(0, width - 1).bit_length())


def _known(x: np.ndarray, settings: TextClassificationSettings) -> np.ndarray:
    """Return whether each encoded document contains a known word."""
    ids = x if x.ndim == 2 else x[:, 0]
    return np.asarray((ids >= settings.first).any(1))


def _outputs(model: Any, x: np.ndarray, settings: TextClassificationSettings) -> np.ndarray:
    """Return the model's outputs, computed in batches of one size.

    Bags are batched by the width that each document needs, so that no result depends on another document.
    """
    widths = np.full(len(x), x.shape[-1])
    if settings.bag:
        lengths = ((x if x.ndim == 2 else x[:, 0]) > 0).sum(1)
        widths = np.array([_power(length) for length in lengths.tolist()])
    found: dict[int, np.ndarray] = {}
    for width in np.unique(widths).tolist():
        rows = np.flatnonzero(widths == width)
        wide = widened(x, max(width, x.shape[-1]))[..., :width]
        for filled, count in fixed_batches(rows, BATCH):
            answers = np.asarray(model.predict_on_batch(wide[filled]))[:count]
            found |= dict(zip(filled[:count].tolist(), answers, strict=True))
    return np.stack([found[row] for row in range(len(x))])
