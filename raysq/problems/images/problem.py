"""Problem `images`: image classification, and autoencoders that reconstruct images."""

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
from raysq.problems.images import options
from raysq.problems.images.batches import pictures
from raysq.problems.images.evaluation import details, show
from raysq.problems.images.predict import predict, rows
from raysq.problems.images.preprocessor import ImagePredictionPreprocessor, ImagePreprocessor
from raysq.problems.images.report import report
from raysq.problems.images.sample import sample
from raysq.problems.images.settings import ImageSettings
from raysq.problems.splits import has_own_validation, validation_messages

_BUILDERS = "raysq.problems.images.models:"
_NAMED = 12  # most classes that a message names


def facts(dataset: Dataset, settings: ImageSettings) -> dict[str, Any]:
    """Return the metadata of a run.

    Args:
        dataset: prepared images.
        settings: image settings of the run.

    Returns:
        JSON-ready `classes`, `priors` (share of each class among the training images), `own_validation` (number of
        images in the source's validation part), `shape` (height, width, channels), `preprocessor` (settings of the
        preprocessor), `unit` (None), `examples` (number of train, validation and test images), `shared` (number of
        validation and test images that are also training images), and `single` (splits with a single class).
    """
    found = pictures(dataset, settings)
    return {
        "classes": list(dataset.manifest.report["classes"]),
        "priors": list(found.priors),
        "own_validation": has_own_validation(dataset),
        "shape": list(found.shape),
        "preprocessor": dataset.manifest.preparation["settings"],
        "unit": None,
        "examples": [len(found.split.train), len(found.split.val), len(found.split.test)],
        "shared": found.shared,
        "single": single_classes(found.labels, found.split, dataset.manifest.report["classes"]),
    }


def objective(facts: Mapping[str, Any], settings: ImageSettings) -> Objective:
    """Return the objective.

    The loss is cross-entropy or mean squared error, of class probabilities or of pixels. The metric is accuracy for
    labels and mean squared error for images.

    Args:
        facts: metadata of the run; not used.
        settings: image settings of the run.
    """
    if settings.target == "image":
        loss = "mean_squared_error" if settings.loss == "mse" else "binary_crossentropy"
        return Objective(loss, {"mse": classification_metrics.image_error})
    classes: Any = classification_metrics.squared_error if settings.loss == "mse" else "sparse_categorical_crossentropy"
    return Objective(classes, {"accuracy": classification_metrics.accuracy})


def references(facts: Mapping[str, Any], settings: ImageSettings) -> dict[str, dict[str, Any]]:
    """Return the only baseline, which predicts the class priors or the mean of the training images."""
    return {"baseline": {}}


def scale(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, float]:
    """Return an empty dict: accuracy has no unit, and pixels are always from 0 to 1."""
    return {}


def remarks(facts: Mapping[str, Any], settings: ImageSettings) -> list[str]:
    """Return messages about the input, the target and the splits of a run.

    Args:
        facts: metadata of the run.
        settings: image settings of the run.
    """
    classes = facts["classes"]
    height, width, channels = facts["shape"]
    train, val, test = facts["examples"]
    lines = [
        f"sees images of {width} x {height} pixels, {'gray' if channels == 1 else 'red, green and blue'}: {train:,} to "
        f"train on, {val:,} to validate, {test:,} to test"
    ]
    lines += validation_messages(facts["own_validation"], "image")
    if settings.target == "image":
        lines.append("gives each image again; the labels are not used")
    else:
        named = f": {', '.join(classes)}" if len(classes) <= _NAMED else ""
        lines.append(f"tells {len(classes)} classes apart{named}")
        absent = [name for name, share in zip(classes, facts["priors"], strict=True) if not share]
        if absent:
            more = f", and {len(absent) - _NAMED:,} more" if len(absent) > _NAMED else ""
            lines.append(f"has no training image of {', '.join(absent[:_NAMED])}{more}: it cannot learn what these are")
        lines += single_class_messages(facts)
    for split, words in (("val", "validation"), ("test", "test")):
        if facts["shared"][split]:
            lines.append(f"{facts['shared'][split]:,} {words} images are also among those to train on, pixel for pixel")
    return lines


def raw_reading(facts: Mapping[str, Any]) -> ImagePredictionPreprocessor:
    """Return the preprocessor that reads raw images for predictions with the settings of the run's data set."""
    return ImagePredictionPreprocessor.of(facts["preprocessor"])


class Images(Problem[ImageSettings, dict[str, Any]]):
    """Image classification, and autoencoders that reconstruct images."""

    name = "images"
    noun = "a model of images"
    Settings = ImageSettings
    Metadata = dict
    Preprocessor = ImagePreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "mlp": ModelSpec(_BUILDERS + "mlp", xla=False),
        "cnn": ModelSpec(_BUILDERS + "cnn", xla=False),
        "autoencoder": ModelSpec(_BUILDERS + "autoencoder", {"target": "image", "loss": "mse"}, xla=False),
    }
    default_model = "cnn"
    prepare_options = options.PREPARE

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        return ImageSettings.resolve(values, dataset)

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: ImageSettings) -> dict[str, Any]:
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

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        return predict(self.metadata, self.settings, model, rows, assets=self.assets)

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        return report(dataset, self.metadata, self.settings, model.predict, activations=model.activations)

    def array_rows(self, array: Any) -> pa.Table:
        return rows(self.metadata, array)

    def evaluation_details(self, y: np.ndarray, prediction: np.ndarray) -> dict[str, Any]:
        return details(self.metadata, self.settings, y, prediction)

    def evaluation_tables(self, details: Mapping[str, Any], split: str) -> list[Table | Text]:
        return show(details, split)
