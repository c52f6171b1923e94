"""Text classification: predict the class of a document."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.problems import classification_metrics
from raysq.problems.base import BatchSource, InputSpec, ModelSpec, Objective, Problem, ReportModel, RowContext
from raysq.problems.charts import Section, Table, Text
from raysq.problems.classes import single_class_messages, single_classes
from raysq.problems.classification_report import classification_report, report_tables
from raysq.problems.splits import has_own_validation, validation_messages
from raysq.problems.text_classification import assets, options
from raysq.problems.text_classification.batches import documents
from raysq.problems.text_classification.predict import predict
from raysq.problems.text_classification.preprocessor import TextClassificationPreprocessor
from raysq.problems.text_classification.report import report
from raysq.problems.text_classification.sample import sample
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.text.documents import DocumentPredictionPreprocessor

_BUILDERS = "raysq.problems.text_classification.models:"
_NAMED = 6  # most classes that a message names


def facts(dataset: Dataset, settings: TextClassificationSettings) -> dict[str, Any]:
    """Return the metadata of a run.

    The metadata hold the classes and their priors, how much of the training text the vocabulary covers, and the
    preprocessor settings for reading raw texts in the same way.

    Args:
        dataset: prepared documents.
        settings: batch-time settings of the run.

    Raises:
        DataError: the training documents have no words, or a split does not fit the data set.
    """
    found = documents(dataset, settings)
    vocabulary, counts = found.vocabulary, found.counts
    tokens = int(counts.sum())
    known = int(counts[vocabulary.singles[:-1] >= settings.first].sum())
    lengths = found.tokens.lengths[found.split.train] + int(settings.marked)
    sharing, unhashed = 0, 0.0
    if settings.hashing:
        ids = vocabulary.singles[:-1][counts > 0]
        sharing = int((np.bincount(ids)[ids] > 1).sum())
        unhashed = sum(int((codes < 0).sum()) for _, _, codes, _ in found.blocks()) / int(found.tokens.lengths.sum())
    return {
        "classes": list(dataset.manifest.report["classes"]),
        "priors": list(found.priors),
        "own_validation": has_own_validation(dataset),
        "single": single_classes(found.labels, found.split, dataset.manifest.report["classes"]),
        "preprocessor": dataset.manifest.preparation["settings"],
        "unit": None,
        "features": vocabulary.features,
        "unknown": 1 - known / tokens,
        "vectors": dataset.manifest.report.get("vectors"),
        "words": len(vocabulary.terms),
        "longer": float((lengths > settings.maxlen).mean()),
        "sharing": sharing,
        "unhashed": unhashed,
    }


def objective(facts: Mapping[str, Any], settings: TextClassificationSettings) -> Objective:
    """Return the loss, cross-entropy or the squared error of the probabilities, and the accuracy metric.

    Args:
        facts: metadata of the run.
        settings: batch-time settings of the run; `loss` selects the loss.
    """
    two = len(facts["classes"]) == 2
    if settings.loss == "mse":
        loss: Any = "mean_squared_error" if two else classification_metrics.squared_error
    else:
        loss = "binary_crossentropy" if two else "sparse_categorical_crossentropy"
    return Objective(
        loss, {"accuracy": classification_metrics.binary_accuracy if two else classification_metrics.accuracy}
    )


def references(facts: Mapping[str, Any], settings: TextClassificationSettings) -> dict[str, dict[str, Any]]:
    """Return the baselines: the model `baseline`, which predicts the class priors.

    Args:
        facts: metadata of the run.
        settings: batch-time settings of the run.

    Returns:
        Batch-time settings by name of the baseline model.
    """
    return {"baseline": {"vectorization": "sequence", "ngrams": 1, "hashing": 0, "maxlen": 1}}


def scale(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, float]:
    """Return no denormalized metrics, because accuracy has no unit."""
    return {}


def remarks(facts: Mapping[str, Any], settings: TextClassificationSettings) -> list[str]:
    """Return messages that describe the input of a model and the coverage of its vocabulary."""
    classes = facts["classes"]
    words = "characters" if facts["preprocessor"].get("level") == "char" else "words"
    named = f": {', '.join(classes)}" if len(classes) <= _NAMED else ""
    lines = [f"tells {len(classes)} classes apart{named}"]
    absent = [name for name, share in zip(classes, facts["priors"], strict=True) if not share]
    if absent:
        more = f", and {len(absent) - _NAMED:,} more" if len(absent) > _NAMED else ""
        lines.append(f"has no training document of {', '.join(absent[:_NAMED])}{more}: it cannot learn what these are")
    lines += [*validation_messages(facts["own_validation"], "document"), *single_class_messages(facts["single"])]
    if not settings.bag:
        end = "last" if (settings.truncation == "pre") != settings.reversed else "first"
        longer = f"; {100 * facts['longer']:.0f} % are longer" if facts["longer"] else ""
        lines.append(
            f"sees the {end} {settings.maxlen:,} {words} of a document{', reversed' * settings.reversed}{longer}"
        )
    else:
        runs = f" and of runs of up to {settings.ngrams}" if settings.ngrams > 1 else ""
        lines.append(f"sees all {words} of a document{runs}, without their order ({settings.vectorization})")
    if settings.hashing:
        lines.append(
            f"hashes {words} to {settings.hashing - 1:,} ids: {facts['sharing']:,} {words} of the training documents "
            "share theirs with another; raise hashing for fewer"
        )
        if facts["unhashed"]:
            lines.append(
                f"leaves out the {100 * facts['unhashed']:.1f} % of all {words} that only test documents have, which "
                "predictions do not: prepare with vocabulary_from=all"
            )
    else:
        what = f"{words} and runs of {words}" if settings.ngrams > 1 else words
        lines.append(
            f"knows {facts['words']:,} {what}; {100 * facts['unknown']:.1f} % of the {words} of the training documents "
            "are not among them"
        )
    if facts["vectors"]:
        vectors = facts["vectors"]
        lines.append(f"word vectors of {vectors['name']}, dimension {vectors['dimension']}, where the model takes them")
    return lines


def raw_reading(facts: Mapping[str, Any]) -> DocumentPredictionPreprocessor:
    """Return a preprocessor that reads raw texts for prediction with the run's preprocessor settings."""
    return DocumentPredictionPreprocessor.of(facts["preprocessor"])


_BAG = {"vectorization": "multi_hot", "batch_size": 512, "epochs": 4, "steps_per_epoch": None}


class TextClassification(Problem[TextClassificationSettings, dict[str, Any]]):
    """Predict the class of a document."""

    name = "text_classification"
    noun = "a text classifier"
    Settings = TextClassificationSettings
    Metadata = dict
    Preprocessor = TextClassificationPreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "multihot": ModelSpec(_BUILDERS + "multihot", _BAG, xla=False),
        "embedding": ModelSpec(_BUILDERS + "embedding", {"maxlen": 20}, xla=False),
        "average": ModelSpec(_BUILDERS + "average", xla=False),
        "one_hot": ModelSpec(_BUILDERS + "one_hot", xla=False),
        "glove": ModelSpec(_BUILDERS + "glove", {"special_tokens": False}, xla=False),
        "simple_rnn": ModelSpec(_BUILDERS + "simple_rnn", xla="keras_loop"),
        "lstm": ModelSpec(_BUILDERS + "lstm", xla="keras_loop"),
        "lstm_reversed": ModelSpec(_BUILDERS + "lstm", {"reversed": True}, xla="keras_loop"),
        "lstm_bidirectional": ModelSpec(_BUILDERS + "lstm_bidirectional", xla="keras_loop"),
        "gru": ModelSpec(_BUILDERS + "gru", xla="keras_loop"),
        "gru_stacked": ModelSpec(_BUILDERS + "gru_stacked", xla="keras_loop"),
        "conv1d": ModelSpec(_BUILDERS + "conv1d", {"learning_rate": 1e-4}, xla=False),
        "conv1d_glove": ModelSpec(_BUILDERS + "conv1d_glove", {"special_tokens": False}, xla=False),
        "rnn": ModelSpec(_BUILDERS + "rnn", xla="keras_loop"),
    }
    default_model = "lstm"
    prepare_options = options.PREPARE

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        return TextClassificationSettings.resolve(values, dataset)

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: TextClassificationSettings) -> dict[str, Any]:
        return facts(dataset, settings)

    @classmethod
    def write_sample(cls, directory: Path, spec: str) -> Path:
        return sample(directory, spec)

    def splits(self, dataset: Dataset) -> Mapping[str, BatchSource]:
        return self.settings.open(dataset)

    def input_spec(self, dataset: Dataset) -> InputSpec:
        return self.settings.inputs(dataset)

    def objective(self) -> Objective:
        return objective(self.metadata, self.settings)

    def baselines(self) -> dict[str, Mapping[str, Any]]:
        return {**references(self.metadata, self.settings)}

    def denormalize_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return scale(self.metadata, metrics)

    def describe(self) -> list[str]:
        return remarks(self.metadata, self.settings)

    def prediction_preprocessor(self) -> Any:
        return raw_reading(self.metadata)

    @property
    def idle_settings(self) -> tuple[str, ...]:
        return self.settings.idle

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        return predict(self.metadata, self.settings, model, rows, assets=self.assets)

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        return report(dataset, self.metadata, self.settings, model.predict, embedding=model.embedding)

    def asset_files(self, dataset: Dataset) -> dict[str, bytes]:
        return assets.write(dataset, self.settings)

    def text_column(self) -> str:
        return "text"

    def embedded_words(self) -> list[str]:
        assert self.assets is not None
        return assets.words(self.metadata, self.settings, self.assets)

    def evaluation_details(self, y: np.ndarray, prediction: np.ndarray) -> dict[str, Any]:
        return classification_report(y, prediction, self.metadata["classes"], self.metadata["priors"])

    def evaluation_tables(self, details: Mapping[str, Any], split: str) -> list[Table | Text]:
        return report_tables(details, split)
