"""Language modeling: predict the next word or character of a text."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.problems.base import BatchSource, InputSpec, ModelSpec, Objective, Problem, ReportModel, RowContext
from raysq.problems.charts import Section
from raysq.problems.language_modeling import assets, options
from raysq.problems.language_modeling.batches import Positions, sentences
from raysq.problems.language_modeling.generate import generator
from raysq.problems.language_modeling.predict import predict
from raysq.problems.language_modeling.preprocessor import (
    LanguageModelingPredictionPreprocessor,
    LanguageModelingPreprocessor,
)
from raysq.problems.language_modeling.report import report
from raysq.problems.language_modeling.sample import sample
from raysq.problems.language_modeling.settings import LanguageModelingSettings
from raysq.problems.splits import SPLITS, has_own_validation, validation_messages

_BUILDERS = "raysq.problems.language_modeling.models:"


def facts(dataset: Dataset, settings: LanguageModelingSettings) -> dict[str, Any]:
    """Return the metadata of a run.

    The metadata hold the size of each split, how much of its text the vocabulary covers, and the preprocessor settings
    for reading raw texts in the same way.

    Args:
        dataset: prepared text.
        settings: batch-time settings of the run.

    Raises:
        DataError: the vocabulary is empty, or a split does not fit the data set.
    """
    found = sentences(dataset, settings)
    lengths = found.tokens.lengths[found.split.train] + 1  # with the start token, as in the model input
    return {
        "preprocessor": dataset.manifest.preparation["settings"],
        "unit": None,
        "features": found.vocabulary.features,
        "words": len(found.vocabulary.words),
        "sentences": {name: len(getattr(found.split, name)) for name in SPLITS},
        "targets": {name: Positions(found, name).targets for name in SPLITS},
        "unknown": {name: found.unknown(name) for name in SPLITS},
        "longer": float((lengths > settings.maxlen).mean()),
        "own_validation": has_own_validation(dataset),
    }


def objective(facts: Mapping[str, Any], settings: LanguageModelingSettings) -> Objective:
    """Return the loss, cross-entropy of the next id, and the metrics perplexity and accuracy."""
    from raysq.problems.language_modeling import perplexity

    return Objective(perplexity.loss, {"perplexity": perplexity.Perplexity, "accuracy": perplexity.accuracy})


_PAIRS = {"sequence_targets": False, "maxlen": 1}


def references(facts: Mapping[str, Any], settings: LanguageModelingSettings) -> dict[str, dict[str, Any]]:
    """Return the baselines: bigrams with interpolated Kneser-Ney smoothing.

    The bigrams use the same vocabulary and predict the same positions as the model.

    Args:
        facts: metadata of the run.
        settings: batch-time settings of the run.

    Returns:
        Batch-time settings by name of the baseline model.
    """
    return {"baseline": dict(_PAIRS)}


def scale(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the loss in bits per character, for models of characters.

    Args:
        facts: metadata of the run.
        metrics: metrics by name; `{split}_loss` is in nats.

    Returns:
        `{split}_bits` for each split with a loss; empty for models of words.
    """
    if facts["preprocessor"].get("level") != "char":
        return {}
    return {f"{split}_bits": metrics[f"{split}_loss"] / math.log(2) for split in SPLITS if f"{split}_loss" in metrics}


def remarks(facts: Mapping[str, Any], settings: LanguageModelingSettings) -> list[str]:
    """Return messages that describe the input of a model and the coverage of its vocabulary."""
    what = "characters" if facts["preprocessor"].get("level") == "char" else "words"
    unit = facts["preprocessor"]["unit"]
    counts = ", ".join(f"{name} {facts['sentences'][name]:,} ({facts['targets'][name]:,})" for name in SPLITS)
    ends = f"and the end of the {unit}"
    longer = f"; {100 * facts['longer']:.0f} % of the {unit}s are longer" if facts["longer"] else ""
    unknown = ", ".join(f"{100 * facts['unknown'][name]:.1f} % {name}" for name in SPLITS)
    least = f" that the train split has {settings.min_count} times or more" if settings.min_count > 1 else ""
    return [
        f"{unit}s (positions to predict: {what} {ends}): {counts}",
        f"sees at most {settings.maxlen:,} {what} before each position, from the beginning of the {unit} on{longer}",
        f"knows {facts['words']:,} {what}{least}; unknown: {unknown}",
        *validation_messages(facts["own_validation"], unit),
        "perplexity is that of all positions; an unknown one counts as one entry of the vocabulary, in all models",
    ]


def raw_reading(facts: Mapping[str, Any]) -> LanguageModelingPredictionPreprocessor:
    """Return a preprocessor that reads raw texts for prediction with the run's preprocessor settings."""
    return LanguageModelingPredictionPreprocessor.of(facts["preprocessor"])


class LanguageModeling(Problem[LanguageModelingSettings, dict[str, Any]]):
    """Predict the next word or character of a text."""

    name = "language_modeling"
    noun = "a language model"
    Settings = LanguageModelingSettings
    Metadata = dict
    Preprocessor = LanguageModelingPreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", _PAIRS, xla=False),
        "lstm": ModelSpec(_BUILDERS + "lstm", xla="keras_loop"),
        "lstm_every": ModelSpec(
            _BUILDERS + "lstm", {"sequence_targets": True, "batch_size": 16, "eval_batch_size": 64}, xla="keras_loop"
        ),
    }
    default_model = "lstm"
    prepare_options = options.PREPARE

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        return LanguageModelingSettings.resolve(values, dataset)

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: LanguageModelingSettings) -> dict[str, Any]:
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
        return report(dataset, self.metadata, self.settings, model.predict, embedding=model.embedding)

    def asset_files(self, dataset: Dataset) -> dict[str, bytes]:
        return assets.write(dataset, self.settings)

    def text_column(self) -> str:
        return "text"

    def embedded_words(self) -> list[str]:
        assert self.assets is not None
        return assets.words(self.metadata, self.settings, self.assets)

    def text_generator(self, model: Any) -> Callable[..., dict[str, Any]]:
        return generator(self.metadata, self.settings, model, self.assets)
