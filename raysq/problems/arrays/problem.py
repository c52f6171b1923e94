"""Problem `arrays`: predict columns of a table from its other columns."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from raysq.config import join_names
from raysq.data.dataset import Dataset
from raysq.problems import classification_metrics
from raysq.problems.arrays import options
from raysq.problems.arrays.batches import TableBatches, TableData
from raysq.problems.arrays.input_specs import make_input_spec, unsolvable
from raysq.problems.arrays.inputs import Input, make_inputs
from raysq.problems.arrays.interface import interface
from raysq.problems.arrays.metadata import TableMetadata
from raysq.problems.arrays.overview import overview
from raysq.problems.arrays.predict import predict
from raysq.problems.arrays.prediction_preprocessor import TablePredictionPreprocessor
from raysq.problems.arrays.preprocessor import TablePreprocessor
from raysq.problems.arrays.raw_rows import array_rows
from raysq.problems.arrays.report import evaluation_details, evaluation_tables, sections, thresholds
from raysq.problems.arrays.sample import sample
from raysq.problems.arrays.settings import TableSettings
from raysq.problems.arrays.signature import TableSignature
from raysq.problems.base import Problem, ReportModel, RowContext
from raysq.problems.charts import Section, Table, Text
from raysq.problems.class_weights import class_weight_messages, with_class_weight_text
from raysq.problems.classes import described_classes
from raysq.problems.interface import Interface
from raysq.problems.specs import BatchSource, InputSpec, ModelSpec, Objective, OutputMetric
from raysq.problems.splits import SPLITS, validation_messages, with_val_text

_BUILDERS = "raysq.problems.arrays.models:"
_NAMED = 12  # most classes that a message names
_LOSSES = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "huber": "huber"}


class Tables(Problem[TableSettings, TableMetadata]):
    """Predict columns of a table from its other columns."""

    name = "arrays"
    noun = "a model of a table"
    Settings = TableSettings
    Metadata = TableMetadata
    Preprocessor = TablePreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "ridge": ModelSpec(_BUILDERS + "ridge", xla=False),
        "logistic": ModelSpec(_BUILDERS + "logistic", xla=False),
        "linear": ModelSpec(_BUILDERS + "linear", {"learning_rate": 0.01}, xla=False),
        "mlp": ModelSpec(_BUILDERS + "mlp", xla=False),
    }
    default_model = "mlp"
    prepare_options = options.PREPARE

    def __init__(self, settings: TableSettings, metadata: TableMetadata, assets: Path | None = None):
        super().__init__(settings, metadata, assets)
        metadata.check()

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Return the settings with `val` and `class_weight` as text, also if they were given as a number or a dict."""
        return with_class_weight_text(with_val_text(values))

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: TableSettings) -> TableMetadata:
        """Return the metadata of a prepared table."""
        return TableMetadata.of(dataset.derived(TableData, settings))

    @classmethod
    def write_sample(cls, directory: Path, spec: str) -> Path:
        """Write a csv of synthetic customers."""
        return sample(directory, spec)

    @cached_property
    def inputs(self) -> list[Input]:
        """Inputs of a model, made from raw rows."""
        metadata = self.metadata
        return make_inputs(metadata.columns, metadata.numbers, metadata.categories, metadata.ids, self.settings.maxlen)

    @property
    def idle_settings(self) -> tuple[str, ...]:
        """Settings of columns that the table does not have."""
        kinds = {column["kind"] for column in self.metadata.columns}
        idle = {"maxlen": {"sequence"}, "min_count": {"category"}, "embedding": {"category", "sequence"}}
        return tuple(name for name, of_kinds in idle.items() if not of_kinds & kinds)

    def data(self, dataset: Dataset) -> TableData:
        """Return the rows of a data set."""
        return dataset.derived(TableData, self.settings)

    def splits(self, dataset: Dataset) -> Mapping[str, BatchSource]:
        """Return the batch source of each split."""
        return {name: TableBatches(self.data(dataset), name) for name in SPLITS}

    def input_spec(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        `inputs` has "numbers", all columns of numbers together, and each other column by its own name: ids of a
        category, int32 of shape (1,); tensors, float32; lists of ids, int32 of shape (maxlen,). `extra` of the numbers
        has "names", of tensors "mean" and "deviation" of all their numbers, of a category "values" from id 2 on.

        `targets_by_name` has the targets: class indices, int32 of shape (1,), with `categories` and `extra["classes"]`;
        normalized numbers of shape (1,); tensors. `extra` of the spec itself is for the reference models.
        """
        return make_input_spec(self.data(dataset))

    def objective(self) -> Objective:
        """Return cross-entropy with accuracy for classes, and the settings' loss with `mae` and `mse` for numbers."""
        losses: dict[str, Any] = {}
        metrics: dict[str, dict[str, Any]] = {}
        for target in self.metadata.targets:
            is_class = target["kind"] == "class"
            losses[target["name"]] = "sparse_categorical_crossentropy" if is_class else _LOSSES[self.settings.loss]
            metrics[target["name"]] = (
                {"accuracy": classification_metrics.accuracy} if is_class else {"mae": "mae", "mse": "mse"}
            )
        if len(losses) == 1:
            return Objective(next(iter(losses.values())), next(iter(metrics.values())))
        named = {
            f"{name}_{suffix}": OutputMetric(name, metric)
            for name, of_target in metrics.items()
            for suffix, metric in of_target.items()
        }
        return Objective(losses, named)

    def baselines(self) -> dict[str, Mapping[str, Any]]:
        """Return the baseline, and the solved linear model where there is one for inputs and targets."""
        if unsolvable(self.inputs, self.metadata.targets):
            return {"baseline": {}}
        kinds = {target["kind"] for target in self.metadata.targets}
        return {"baseline": {}, "logistic" if kinds == {"class"} else "ridge": {}}

    def denormalize_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return errors in the unit of each target, named `..._original`, and the share of explained variance, `r2`."""
        found: dict[str, float] = {}
        several = len(self.metadata.targets) > 1
        for target in self.metadata.targets:
            if target["kind"] == "class" or target["shape"]:
                continue
            prefix = f"{re.escape(target['name'])}_" if several else ""
            for name, value in metrics.items():
                match = re.fullmatch(rf"((?:(train|val|test)_)?{prefix})(mae|mse)", name)
                if match is None:
                    continue
                deviation = target["deviation"]
                found[f"{name}_original"] = value * (deviation if match[3] == "mae" else deviation**2)
                variance = target["variance"].get(match[2] or "train")
                if match[3] == "mse" and variance:
                    found[f"{match[1]}r2"] = 1 - value / variance
        return found

    def describe(self) -> list[str]:
        """Return messages about the inputs, the targets and the splits of a run."""
        metadata = self.metadata
        train, val, test = metadata.examples
        names = join_names([column["name"] for column in metadata.columns], _NAMED)
        lines = [
            f"sees {names}: {train:,} rows to train on, {val:,} to validate, {test:,} to test",
            *validation_messages(metadata.own_validation, "row"),
        ]
        for target in metadata.targets:
            if target["kind"] == "class":
                lines += [
                    f"{target['name']}: {line}"
                    for line in described_classes(target["classes"], target["priors"], "row", _NAMED)
                ]
                lines += class_weight_messages(self.settings.class_weight, target["classes"], target["priors"])
            elif target["shape"]:
                lines.append(f"predicts {target['name']}, tensors of shape {tuple(target['shape'])}, as they are")
            else:
                lines.append(
                    f"predicts {target['name']}, which is {target['mean']:.6g} in the mean and deviates by "
                    f"{target['deviation']:.6g}"
                )
            if target["unobserved"] and len(metadata.targets) > 1:
                lines.append(f"{target['unobserved']:,} rows have no {target['name']}: their predictions do not count")
        if metadata.left_out:
            lines.append(f"{metadata.left_out:,} rows without a target are left out")
        return lines

    def prediction_preprocessor(self) -> TablePredictionPreprocessor:
        """Return the preprocessor that reads the input columns of raw tables."""
        return TablePredictionPreprocessor(**self.preprocessor.csv_settings(), columns=self.metadata.columns)

    def interface(self) -> Interface:
        return interface(self.metadata)

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        """Return a class with its probabilities, or a value in its own unit, for each target of each row."""
        return predict(self, model, rows)

    def signature(self, texts: bool) -> TableSignature:
        """Return the raw inputs and the outputs of an exported model: one for each column and target."""
        return TableSignature(self, texts)

    def array_rows(self, array: Any) -> pa.Table:
        """Return the raw rows of an array, for runs whose only input is a tensor or numbers."""
        return array_rows(array, self.metadata.columns)

    @classmethod
    def overview(cls, dataset: Dataset, values: Mapping[str, Any]) -> list[Section]:
        return overview(dataset)

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        """Return the report's sections on the targets and the importance of the columns."""
        return sections(self.data(dataset), self.metadata, model)

    def thresholds(self, y: Any, prediction: Any) -> dict[str, float]:
        """Return the thresholds that the validation split chooses, by target of two classes."""
        return thresholds(self.metadata, y, prediction)

    def evaluation_details(self, y: Any, prediction: Any, thresholds: Any = None) -> dict[str, Any]:
        """Return a classification report or the errors in the target's unit, of several targets by name."""
        return evaluation_details(self.metadata, y, prediction, thresholds or {})

    def evaluation_tables(self, details: Mapping[str, Any], split: str) -> list[Table | Text]:
        """Return these figures as tables and texts."""
        return evaluation_tables(self.metadata, details, split)
