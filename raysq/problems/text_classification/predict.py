"""Predict the classes of raw texts with a trained model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.problems.classification_report import predicted_classes, probabilities
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.ranking import HALF
from raysq.problems.text_classification.batches import vectorize
from raysq.problems.text_classification.preprocessor import TextClassificationPreprocessor
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.problems.text_classification.vocabulary import ClassificationVocabulary
from raysq.text.documents import texts_of
from raysq.text.tokenizer import tokenize

BATCH = 128  # documents per call of the model
_CHUNK = 1024  # documents encoded at a time
_NARROWEST = 64  # smallest width of a bag, in ids


def predict(
    model: Any,
    table: pa.Table,
    vocabulary: ClassificationVocabulary,
    preprocessor: TextClassificationPreprocessor,
    classes: Sequence[str],
    *,
    several: bool = False,
) -> pa.Table:
    """Predict the class of every text and the probability of each class.

    The prediction of a text does not depend on the other texts of the table, bit for bit.

    Args:
        model: the Keras model.
        table: texts in the column that the run was trained on, or in `text`; a column `id` is kept.
        vocabulary: vocabulary of the run.
        preprocessor: preprocessor of the run's data set.
        classes: names of the classes.
        several: whether a document may have several of them.

    Returns:
        A table with `row`, `id` if the input has it, `label`, its `probability`, `p_CLASS` for each class, and
        `remark`. Of several labels, `labels` in place of the first two holds those with a probability above 0.5, joined
        by the separator that the data were prepared with. `remark` is null, or says why the prediction is unreliable:
        "no words" or "no known words".

    Raises:
        DataError: the table has no column of texts.
    """
    texts = texts_of(table, preprocessor.text, "text")
    settings = vocabulary.settings
    width = 1 if len(classes) == 2 and not several else len(classes)
    outputs, remarks = [np.empty((0, width), np.float32)], []
    for low in range(0, len(texts), _CHUNK):
        codes, offsets, words = tokenize(texts.slice(low, _CHUNK), preprocessor)
        x = vectorize(codes, offsets, words, vocabulary)
        outputs.append(_outputs(model, x, settings))
        known = _has_known_word(x, settings).tolist()
        lengths = np.diff(offsets).tolist()
        remarks += [
            None if is_known else "no known words" if length else "no words"
            for is_known, length in zip(known, lengths, strict=True)
        ]
    prediction = np.concatenate(outputs)
    shares = probabilities(prediction).astype(np.float32)
    columns: dict[str, Any] = {"row": pa.array(np.arange(len(texts)))}
    if "id" in table.column_names:
        columns["id"] = table.column("id")
    if several:
        given = [[classes[n] for n in np.flatnonzero(row > HALF).tolist()] for row in shares]
        columns["labels"] = pa.array([(preprocessor.label_separator or "").join(names) for names in given], pa.string())
    else:
        predicted = predicted_classes(prediction)
        columns["label"] = pa.array([classes[number] for number in predicted.tolist()], pa.string())
        columns["probability"] = pa.array(shares[np.arange(len(predicted)), predicted])
    for number, name in enumerate(classes):
        columns[f"p_{name}"] = pa.array(np.ascontiguousarray(shares[:, number]))
    columns["remark"] = pa.array(remarks, pa.string())
    return pa.table(columns)


def widened(x: np.ndarray, width: int | None = None) -> np.ndarray:
    """Pad x with zeros at the end to a width, by default the next power of two (at least 64).

    Powers of two keep the number of compiled shapes small.
    """
    missing = (width or _power(x.shape[-1])) - x.shape[-1]
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)])


def _power(width: int) -> int:
    return max(_NARROWEST, 1 << max(0, width - 1).bit_length())


def _ids(x: np.ndarray) -> np.ndarray:
    """Return the ids of encoded documents, which may have counts."""
    return x if x.ndim == 2 else x[:, 0]


def _has_known_word(x: np.ndarray, settings: TextClassificationSettings) -> np.ndarray:
    return np.asarray((_ids(x) >= settings.first).any(1))


def _outputs(model: Any, x: np.ndarray, settings: TextClassificationSettings) -> np.ndarray:
    """Return the model's outputs, computed in batches of one size.

    Bags are batched by the width that each document needs, so that no result depends on another document.
    """
    widths = np.full(len(x), x.shape[-1])
    if settings.bag:
        widths = np.array([_power(length) for length in (_ids(x) > 0).sum(1).tolist()])
    outputs: dict[int, np.ndarray] = {}
    for width in np.unique(widths).tolist():
        rows = np.flatnonzero(widths == width)
        wide = widened(x, max(width, x.shape[-1]))[..., :width]
        for batch, count in fixed_batches(rows, BATCH):
            predictions = np.asarray(model.predict_on_batch(wide[batch]))[:count]
            outputs |= dict(zip(batch[:count].tolist(), predictions, strict=True))
    return np.stack([outputs[row] for row in range(len(x))])
