"""Problem `images`: image classification, and autoencoders that reconstruct images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.problems import classification_metrics
from raysq.problems.base import Problem, ReportModel, RowContext
from raysq.problems.charts import Section, Table, Text
from raysq.problems.class_weights import class_weight_messages, with_class_weight_text
from raysq.problems.classes import described_classes, single_class_messages
from raysq.problems.classification_report import classification_report, report_tables, validation_threshold
from raysq.problems.images import options
from raysq.problems.images.batches import ImageBatches, ImageData
from raysq.problems.images.interface import interface
from raysq.problems.images.metadata import ImagesMetadata
from raysq.problems.images.overview import overview
from raysq.problems.images.predict import array_rows, frame_rows, predict
from raysq.problems.images.preprocessor import ImagePredictionPreprocessor, ImagePreprocessor
from raysq.problems.images.reconstruction import error_table, reconstruction_errors
from raysq.problems.images.report import classifier_sections, reconstruction_sections
from raysq.problems.images.sample import sample
from raysq.problems.images.settings import ImageSettings
from raysq.problems.images.signature import ImageSignature
from raysq.problems.interface import Interface
from raysq.problems.specs import BatchSource, InputSpec, ModelSpec, Objective
from raysq.problems.splits import SPLITS, validation_messages, with_val_text

_BUILDERS = "raysq.problems.images.models:"
_NAMED = 12  # most classes that a message names


class Images(Problem[ImageSettings, ImagesMetadata]):
    """Image classification, and autoencoders that reconstruct images."""

    name = "images"
    noun = "a model of images"
    Settings = ImageSettings
    Metadata = ImagesMetadata
    Preprocessor = ImagePreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "mlp": ModelSpec(_BUILDERS + "mlp", xla=False),
        "cnn": ModelSpec(_BUILDERS + "cnn", xla=False),
        "autoencoder": ModelSpec(_BUILDERS + "autoencoder", {"target": "image", "loss": "mse"}, xla=False),
    }
    default_model = "cnn"
    prepare_options = options.PREPARE
    refused_settings: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("split_column",),
        "it names a column, and images are read from files, folders and arrays, which have none; a table with a column "
        "of arrays of one shape is prepared by the task arrays, which has it",
    )

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Return the settings with `val` and `class_weight` as text, also if they were given as a number or a dict."""
        return with_class_weight_text(with_val_text(values))

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: ImageSettings) -> ImagesMetadata:
        """Return the metadata of prepared images."""
        return ImagesMetadata.of(dataset.derived(ImageData, settings))

    @classmethod
    def write_sample(cls, directory: Path, spec: str) -> Path:
        """Write an npz file of drawn shapes."""
        return sample(directory, spec)

    def data(self, dataset: Dataset) -> ImageData:
        """Return the images of a data set."""
        return dataset.derived(ImageData, self.settings)

    def splits(self, dataset: Dataset) -> Mapping[str, BatchSource]:
        """Return the batch source of each split."""
        return {name: ImageBatches(self.data(dataset), name) for name in SPLITS}

    def input_spec(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        x is float32 from 0 to 1, of shape (height, width, channels). `outputs` is the number of classes for either
        target. `extra` has "classes" (names), "target", "priors" (share of each class among the training images), and
        "mean", a function that returns the mean of the training images, float32 of the shape of x.
        """
        data = self.data(dataset)
        target = self.settings.target
        return InputSpec(
            shape=data.shape,
            outputs=len(data.classes),
            output_shape=data.shape if target == "image" else (len(data.classes),),
            extra={
                "classes": data.classes,
                "target": target,
                "loss": self.settings.loss,
                "priors": data.priors,
                "mean": data.mean,
            },
        )

    def objective(self) -> Objective:
        """Return cross-entropy or mean squared error with accuracy, or of pixels with mean squared error."""
        mse = self.settings.loss == "mse"
        if self.settings.target == "image":
            loss = "mean_squared_error" if mse else "binary_crossentropy"
            return Objective(loss, {"mse": classification_metrics.image_error})
        return Objective(
            classification_metrics.squared_error if mse else "sparse_categorical_crossentropy",
            {"accuracy": classification_metrics.accuracy},
        )

    def describe(self) -> list[str]:
        """Return messages about the input, the target and the splits of a run."""
        metadata = self.metadata
        height, width, channels = metadata.shape
        train, val, test = metadata.examples
        lines = [
            f"sees images of {width} x {height} pixels, {'gray' if channels == 1 else 'red, green and blue'}: "
            f"{train:,} to train on, {val:,} to validate, {test:,} to test",
            *validation_messages(metadata.own_validation, "image"),
        ]
        if self.settings.target == "image":
            lines.append("gives each image again; the labels are not used")
        else:
            lines += described_classes(metadata.classes, metadata.priors, "image", _NAMED)
            lines += class_weight_messages(self.settings.class_weight, metadata.classes, metadata.priors)
            lines += single_class_messages(metadata.single)
        for split, noun in (("val", "validation"), ("test", "test")):
            if metadata.shared[split]:
                lines.append(
                    f"{metadata.shared[split]:,} {noun} images are also among those to train on, pixel for pixel"
                )
        return lines

    def prediction_preprocessor(self) -> ImagePredictionPreprocessor:
        """Return the preprocessor that reads images without labels, with the settings of the run's data set."""
        return ImagePredictionPreprocessor.of(self.preprocessor)

    def interface(self) -> Interface:
        return interface(self.metadata, self.settings.target)

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        """Return the class probabilities of each image, or the reconstruction error of an autoencoder."""
        return predict(self, model, rows)

    @classmethod
    def overview(cls, dataset: Dataset, values: Mapping[str, Any]) -> list[Section]:
        return overview(dataset)

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        """Return the report's sections on a classifier or an autoencoder."""
        sections = classifier_sections if self.settings.target == "label" else reconstruction_sections
        return sections(self.data(dataset), model)

    def signature(self, texts: bool) -> ImageSignature:
        """Return the raw inputs and the outputs of an exported model: pixels, and classes or an error."""
        return ImageSignature(self, texts)

    def array_rows(self, array: Any) -> pa.Table:
        """Return the table of images given as an array in Python."""
        return array_rows(array, self.prediction_preprocessor().image_format)

    def frame_rows(self, frame: Any) -> pa.Table:
        """Return the table of images given in rows in Python."""
        return frame_rows(frame, self.prediction_preprocessor())

    def thresholds(self, y: np.ndarray, prediction: np.ndarray) -> float | None:
        """Return the threshold of two classes that the validation split chooses; None for an autoencoder."""
        if self.settings.target == "image":
            return None
        return validation_threshold(y, prediction, self.metadata.classes)

    def evaluation_details(self, y: np.ndarray, prediction: np.ndarray, thresholds: Any = None) -> dict[str, Any]:
        """Return a classification report, or the errors of an autoencoder."""
        if self.settings.target == "image":
            return reconstruction_errors(y, prediction)
        return classification_report(y, prediction, self.metadata.classes, self.metadata.priors, thresholds)

    def evaluation_tables(self, details: Mapping[str, Any], split: str) -> list[Table | Text]:
        """Return these figures as tables and texts."""
        return report_tables(details, split) if "confusion" in details else [error_table(details, split)]
