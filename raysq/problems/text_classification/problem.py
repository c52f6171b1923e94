"""Text classification: predict the class of a document."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.problems import classification_metrics
from raysq.problems.base import Problem, ReportModel, RowContext
from raysq.problems.charts import Section, Table, Text
from raysq.problems.class_weights import class_weight_messages, with_class_weight_text
from raysq.problems.classes import absent_messages, described_classes, single_class_messages
from raysq.problems.classification_report import classification_report, report_tables, validation_threshold
from raysq.problems.interface import Interface
from raysq.problems.label_report import label_report, label_tables, label_thresholds
from raysq.problems.specs import BatchSource, InputSpec, ModelSpec, Objective
from raysq.problems.splits import SPLITS, validation_messages, with_val_text
from raysq.problems.text_classification import options
from raysq.problems.text_classification.batches import EncodedDocuments, Texts
from raysq.problems.text_classification.interface import interface
from raysq.problems.text_classification.metadata import TextClassificationMetadata
from raysq.problems.text_classification.naive_bayes import fits
from raysq.problems.text_classification.overview import overview
from raysq.problems.text_classification.predict import predict
from raysq.problems.text_classification.preprocessor import TextClassificationPreprocessor
from raysq.problems.text_classification.report import report
from raysq.problems.text_classification.sample import sample
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.problems.text_classification.signature import TextSignature
from raysq.problems.text_classification.vocabulary import FILE, ClassificationVocabulary
from raysq.text.documents import DocumentPredictionPreprocessor

_BUILDERS = "raysq.problems.text_classification.models:"
_BAG = {"vectorization": "multi_hot", "batch_size": 512, "epochs": 4, "steps_per_epoch": None}
_NGRAMS = {  # the batch, the epochs and the optimizer of Keras's example
    "vectorization": "freq",
    "ngrams": 2,
    "vocabulary": "train",
    "special_tokens": False,  # those of training documents would not have the shares of others
    "max_features": 100_000,
    "batch_size": 32,
    "epochs": 5,
    "steps_per_epoch": None,
    "optimizer": "adam",
}
_ENCODER = {"maxlen": 200, "batch_size": 32, "optimizer": "adam"}
_NAMED = 6  # most classes that a message names


class TextClassification(Problem[TextClassificationSettings, TextClassificationMetadata]):
    """Predict the class of a document."""

    name = "text_classification"
    noun = "a text classifier"
    Settings = TextClassificationSettings
    Metadata = TextClassificationMetadata
    Preprocessor = TextClassificationPreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "naive_bayes": ModelSpec(_BUILDERS + "naive_bayes", {"vectorization": "count"}, xla=False),
        "multihot": ModelSpec(_BUILDERS + "multihot", _BAG, xla=False),
        "fasttext": ModelSpec("raysq.problems.text_classification.fasttext:fasttext", _NGRAMS, xla=False),
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
        "transformer": ModelSpec("raysq.problems.text_classification.transformer:transformer", _ENCODER, xla=False),
        "rnn": ModelSpec(_BUILDERS + "rnn", xla="keras_loop"),
    }
    default_model = "lstm"
    prepare_options = options.PREPARE

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        return with_class_weight_text(with_val_text(values))

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: TextClassificationSettings) -> TextClassificationMetadata:
        return TextClassificationMetadata.of(dataset.derived(EncodedDocuments, settings))

    @classmethod
    def write_sample(cls, directory: Path, spec: str) -> Path:
        return sample(directory, spec)

    @cached_property
    def vocabulary(self) -> ClassificationVocabulary:
        """Vocabulary of the run, read from its assets.

        Raises:
            DamagedError: the file is missing or belongs to another run.
        """
        if self.assets is None:
            raise DataError("a text's words are looked up in the run's assets: predict with `raysq.load(run)`")
        return ClassificationVocabulary.read(self.assets, self.settings, self.metadata.words)

    @property
    def idle_settings(self) -> tuple[str, ...]:
        return ("maxlen", "truncation", "padding", "reversed") if self.settings.bag else ()

    def splits(self, dataset: Dataset) -> Mapping[str, BatchSource]:
        documents = dataset.derived(EncodedDocuments, self.settings)
        return {name: Texts(documents, name) for name in SPLITS}

    def input_spec(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        `extra` has "features" (number of ids), "first" (id of the first word), "classes" (names), "priors" (share of
        each class among the training documents), "weighted_priors" (the same, of documents that count as much as they
        weigh), "several" (whether a document may have several of them), "vectorization", "loss", "maxlen", and three
        functions. "idf" returns float32 of shape `(features,)`.
        "class_counts" returns the occurrences of each id in the training documents of each class, see
        `EncodedDocuments.class_counts`. "vectors" returns float32 of shape `(features, dimension)`, or None if the data
        set has no word vectors.
        """
        settings, metadata = self.settings, self.metadata
        documents = dataset.derived(EncodedDocuments, settings)
        width: tuple[Any, ...] = (None,) if settings.bag else (settings.maxlen,)
        return InputSpec(
            shape=(2, *width) if settings.has_counts else width,
            outputs=1 if self._is_binary else len(metadata.classes),
            extra={
                "features": metadata.features,
                "classes": tuple(metadata.classes),
                "priors": tuple(metadata.priors),
                "weighted_priors": tuple(documents.weighted_priors),
                "several": metadata.several,
                "first": settings.first,
                "idf": documents.idf,
                "class_counts": documents.class_counts,
                "vectors": documents.vectors,
                "vectorization": settings.vectorization,
                "loss": settings.loss,
                "maxlen": settings.maxlen,
            },
        )

    def objective(self) -> Objective:
        """Return the loss, cross-entropy or the squared error of the probabilities, and the metrics.

        The metric is accuracy; of several labels, F1 and the share of documents with all labels right.
        """
        if self.metadata.several:
            metrics = {"f1": classification_metrics.label_f1, "exact_accuracy": classification_metrics.exact_labels}
            return Objective("mean_squared_error" if self.settings.loss == "mse" else "binary_crossentropy", metrics)
        two = self._is_binary
        if self.settings.loss == "mse":
            loss: Any = "mean_squared_error" if two else classification_metrics.squared_error
        else:
            loss = "binary_crossentropy" if two else "sparse_categorical_crossentropy"
        accuracy = classification_metrics.binary_accuracy if two else classification_metrics.accuracy
        return Objective(loss, {"accuracy": accuracy})

    @property
    def _is_binary(self) -> bool:
        """Whether a document has one of two classes."""
        return len(self.metadata.classes) == 2 and not self.metadata.several

    def baselines(self) -> dict[str, Mapping[str, Any]]:
        """Return the shares of the classes, and naive Bayes over the run's own vocabulary where it is small enough."""
        found: dict[str, Mapping[str, Any]] = {
            "baseline": {"vectorization": "sequence", "ngrams": 1, "hashing": 0, "maxlen": 1}
        }
        if fits(len(self.metadata.classes), self.metadata.features):
            found["naive_bayes"] = {"vectorization": "count"}
        return found

    def describe(self) -> list[str]:
        """Return messages that describe the classes, the input of a model and the coverage of its vocabulary."""
        words = "characters" if self.preprocessor.level == "char" else "words"
        lines = [*self._describe_classes(), self._describe_input(words), *self._describe_vocabulary(words)]
        if vectors := self.metadata.vectors:
            lines.append(
                f"word vectors of {vectors['name']}, dimension {vectors['dimension']}, where the model takes them"
            )
        return lines

    def _describe_classes(self) -> list[str]:
        metadata = self.metadata
        if metadata.several:
            names = f": {', '.join(metadata.classes)}" if len(metadata.classes) <= _NAMED else ""
            return [
                f"predicts which of {len(metadata.classes)} labels a document has{names}",
                *absent_messages(metadata.classes, metadata.priors, "document", _NAMED),
                *validation_messages(metadata.own_validation, "document"),
            ]
        return [
            *described_classes(metadata.classes, metadata.priors, "document", _NAMED),
            *class_weight_messages(self.settings.class_weight, metadata.classes, metadata.priors),
            *validation_messages(metadata.own_validation, "document"),
            *single_class_messages(metadata.single_classes),
        ]

    def _describe_input(self, words: str) -> str:
        settings, longer = self.settings, self.metadata.longer
        if settings.bag:
            ngrams = f" and of runs of up to {settings.ngrams}" if settings.ngrams > 1 else ""
            return f"sees all {words} of a document{ngrams}, without their order ({settings.vectorization})"
        end = "last" if (settings.truncation == "pre") != settings.reversed else "first"
        share = f"; {100 * longer:.0f} % are longer" if longer else ""
        return f"sees the {end} {settings.maxlen:,} {words} of a document{', reversed' * settings.reversed}{share}"

    def _describe_vocabulary(self, words: str) -> list[str]:
        settings, metadata = self.settings, self.metadata
        if not settings.hashing:
            terms = f"{words} and runs of {words}" if settings.ngrams > 1 else words
            return [
                f"knows {metadata.words:,} {terms}; {100 * metadata.unknown:.1f} % of the {words} of the training "
                "documents are not among them"
            ]
        lines = [
            f"hashes {words} to {settings.hashing - 1:,} ids: {metadata.shared_hashes:,} {words} of the training "
            "documents share theirs with another; raise hashing for fewer"
        ]
        if metadata.unhashed:
            lines.append(
                f"leaves out the {100 * metadata.unhashed:.1f} % of all {words} that only test documents have, which "
                "predictions do not: prepare with vocabulary_from=all"
            )
        return lines

    def prediction_preprocessor(self) -> DocumentPredictionPreprocessor:
        return DocumentPredictionPreprocessor.of(vars(self.preprocessor))

    def interface(self) -> Interface:
        return interface(self.vocabulary, self.metadata.classes, self.preprocessor.level, several=self.metadata.several)

    def signature(self, texts: bool) -> TextSignature:
        """Return the raw inputs and the outputs of an exported model: a text, and its class.

        Raises:
            UsageError: ids are hashes, documents have several labels, or the format has no texts.
        """
        if self.metadata.several:
            raise UsageError("the graph of an exported model names one class, and these documents have several labels")
        if not texts:
            raise UsageError("LiteRT has no texts: its operators take words neither apart nor to their ids")
        return TextSignature(self.vocabulary, self.preprocessor.tokens, self.metadata.classes)

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        several = self.metadata.several
        return predict(model, rows, self.vocabulary, self.preprocessor, self.metadata.classes, several=several)

    @classmethod
    def overview(cls, dataset: Dataset, values: Mapping[str, Any]) -> list[Section]:
        return overview(dataset, cls.from_dataset, values)

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        return report(dataset.derived(EncodedDocuments, self.settings), self.metadata, model)

    def asset_files(self, dataset: Dataset) -> dict[str, bytes]:
        return {FILE: dataset.derived(EncodedDocuments, self.settings).vocabulary.content()}

    def text_column(self) -> str:
        return "text"

    def embedded_words(self) -> list[str]:
        return [] if self.settings.bag else self.vocabulary.words_of_ids()

    def thresholds(self, y: np.ndarray, prediction: np.ndarray) -> Any:
        if self.metadata.several:
            return label_thresholds(y, prediction)
        return validation_threshold(y, prediction, self.metadata.classes)

    def evaluation_details(self, y: np.ndarray, prediction: np.ndarray, thresholds: Any = None) -> dict[str, Any]:
        if self.metadata.several:
            return label_report(y, prediction, self.metadata.classes, thresholds)
        return classification_report(y, prediction, self.metadata.classes, self.metadata.priors, thresholds)

    def evaluation_tables(self, details: Mapping[str, Any], split: str) -> list[Table | Text]:
        return label_tables(details, split) if self.metadata.several else report_tables(details, split)
