"""Default settings for a person's own texts by the number of training documents."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raysq.config import convert, setting_fields
from raysq.data.dataset import Dataset
from raysq.data.parts import TRAIN, VALIDATION
from raysq.problems.specs import SizeDefaults, SizeRule
from raysq.problems.splits import split_amount
from raysq.problems.text_classification.settings import TextClassificationSettings

_BAGS = ("multihot", "fasttext", "average", "embedding")  # without a loop over words: a step is cheap
_STEPS = {True: 8000, False: 3000}  # wanted, of all epochs, of models that are cheap and of others
_EPOCHS = (8, 60)
_PER_EPOCH = 200  # steps, within the limits of the batch
_BATCHES = (16, 128)
_PAIRS = 300_000  # words from which pairs of words recur often enough
_RATES = {"fasttext": 0.003, "average": 0.01, "embedding": 0.01}
_ADAPTIVE = ("adam", "adamw", "nadam", "adamax", "rmsprop")


def choose(dataset: Dataset, model: str, settings: Mapping[str, Any]) -> SizeDefaults:
    """Return default settings by the number of training documents and their words.

    Few documents need small batches for enough steps, more epochs, and patience. The epochs end by themselves where the
    validation loss no longer falls. Few words have few pairs that recur, and each of the others is learned by heart.

    Args:
        dataset: prepared documents.
        model: name of the model.
        settings: settings that are known by name. Epochs are counted in steps of the user's own batch.

    Raises:
        UsageError: a setting that decides the number of documents is wrong.
    """
    documents = training_documents(dataset, settings)
    words = round(documents * float(dataset.ragged("tokens").lengths[_in_part(dataset, TRAIN)].mean()))
    batch = min(max(1 << max(0, (documents // _PER_EPOCH).bit_length() - 1), _BATCHES[0]), _BATCHES[1])
    steps = -(-documents // (settings.get("batch_size") or batch))
    epochs = min(max(round(_STEPS[model in _BAGS] / steps), _EPOCHS[0]), _EPOCHS[1])
    values: dict[str, Any] = {
        "batch_size": batch,
        "epochs": epochs,
        "patience": max(3, epochs // 10),
        "optimizer": "adam",
    }
    if model == "fasttext":
        values |= {"ngrams": 1 if words < _PAIRS else 2, "word_dropout": 0.5}
    if settings.get("optimizer") in (None, *_ADAPTIVE):  # others need rates of their own
        values["learning_rate"] = _RATES.get(model, 0.001)
    return SizeDefaults(values, f"{documents:,} training documents of some {float(f'{words:.2g}'):,.0f} words")


def training_documents(dataset: Dataset, settings: Mapping[str, Any]) -> int:
    """Return the approximate number of documents to train on; equal texts may shift some to the validation split."""
    documents = int(_in_part(dataset, TRAIN).sum())
    if not _in_part(dataset, VALIDATION).any():
        amount = split_amount(str(settings.get("val", "0.2")))
        documents -= round(amount * documents) if isinstance(amount, float) else amount
    field = setting_fields(TextClassificationSettings)["train_samples"]
    samples: int | None = convert(field, settings.get("train_samples"))
    return max(1, documents if samples is None else min(documents, samples))


def _in_part(dataset: Dataset, part: int) -> np.ndarray:
    return np.asarray(dataset.column("part").slice(0, dataset.rows) == part)


SIZE_RULE = SizeRule(
    ("batch_size", "epochs", "patience", "optimizer", "learning_rate"), choose, {"fasttext": ("ngrams", "word_dropout")}
)
