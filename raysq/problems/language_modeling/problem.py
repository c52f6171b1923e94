"""Language modeling: predict the next word or character of a text."""

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.problems.base import Problem, ReportModel, RowContext
from raysq.problems.charts import Section
from raysq.problems.interface import Interface
from raysq.problems.language_modeling import options
from raysq.problems.language_modeling.batches import Positions, Sentences
from raysq.problems.language_modeling.generate import Generator
from raysq.problems.language_modeling.interface import interface
from raysq.problems.language_modeling.metadata import LanguageModelingMetadata
from raysq.problems.language_modeling.overview import overview
from raysq.problems.language_modeling.predict import predict
from raysq.problems.language_modeling.preprocessor import (
    LanguageModelingPredictionPreprocessor,
    LanguageModelingPreprocessor,
)
from raysq.problems.language_modeling.report import report
from raysq.problems.language_modeling.sample import sample
from raysq.problems.language_modeling.settings import FIRST, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import LanguageVocabulary
from raysq.problems.samples import Sample
from raysq.problems.signature import Signature
from raysq.problems.specs import BatchSource, InputSpec, ModelSpec, Objective
from raysq.problems.splits import SPLITS, validation_messages, with_val_text
from raysq.text.tokenizer import noun_of

_BUILDERS = "raysq.problems.language_modeling.models:"
_BIGRAMS = {"sequence_targets": False, "maxlen": 1}
_TEMPERATURES = (0.5, 1.0)  # of samples during training
_SAMPLED = {"word": 20, "char": 100, "subword": 30}  # their length by level
_MAXLEN = {"word": 40, "char": 120, "subword": 60}  # default by level


class LanguageModeling(Problem[LanguageModelingSettings, LanguageModelingMetadata]):
    """Predict the next word or character of a text."""

    name = "language_modeling"
    noun = "a language model"
    Settings = LanguageModelingSettings
    Metadata = LanguageModelingMetadata
    Preprocessor = LanguageModelingPreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", _BIGRAMS, xla=False),
        "lstm": ModelSpec(_BUILDERS + "lstm", xla="keras_loop"),
        "lstm_every": ModelSpec(
            _BUILDERS + "lstm", {"sequence_targets": True, "batch_size": 16, "eval_batch_size": 64}, xla="keras_loop"
        ),
    }
    default_model = "lstm"
    prepare_options = options.PREPARE
    refused_settings: ClassVar[Mapping[str, str]] = {
        "class_weight": "running text has no classes: --weight names a column of weights",
    }

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        return {"maxlen": _MAXLEN[dataset.manifest.report["level"]], **with_val_text(values)}

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: LanguageModelingSettings) -> LanguageModelingMetadata:
        return LanguageModelingMetadata.of(dataset.derived(Sentences, settings))

    @classmethod
    def write_sample(cls, directory: Path, spec: str) -> Path:
        return sample(directory, spec)

    @cached_property
    def vocabulary(self) -> LanguageVocabulary:
        """Vocabulary of the run, read from its assets.

        Raises:
            DamagedError: the file is missing or belongs to another run.
        """
        if self.assets is None:
            raise DataError("words are looked up in the run's assets: use `raysq.load(run)`")
        return LanguageVocabulary.read(self.assets, self.metadata.words, split=self.preprocessor.level == "subword")

    def splits(self, dataset: Dataset) -> Mapping[str, BatchSource]:
        sentences = dataset.derived(Sentences, self.settings)
        return {name: Positions(sentences, name) for name in SPLITS}

    def input_spec(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        `extra` has "features" (number of ids), "sequence_targets", "maxlen", and a function "bigrams", which returns
        the `raysq.problems.language_modeling.bigrams.Bigrams` of the training sentences.
        """
        features, maxlen = self.metadata.features, self.settings.maxlen
        return InputSpec(
            shape=(maxlen,),
            outputs=features,
            output_shape=(maxlen, features) if self.settings.sequence_targets else (features,),
            extra={
                "features": features,
                "sequence_targets": self.settings.sequence_targets,
                "maxlen": maxlen,
                "bigrams": dataset.derived(Sentences, self.settings).bigrams,
            },
        )

    def objective(self) -> Objective:
        """Return the loss, cross-entropy of the next id, and the metrics perplexity and accuracy."""
        from raysq.problems.language_modeling import perplexity

        return Objective(perplexity.loss, {"perplexity": perplexity.Perplexity, "accuracy": perplexity.accuracy})

    def baselines(self) -> dict[str, Mapping[str, Any]]:
        """Return the bigrams, which use the same vocabulary and predict the same positions as the model."""
        return {"baseline": _BIGRAMS}

    def denormalize_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return `{split}_bits`, the loss in bits per character, for models of characters."""
        if self.preprocessor.level != "char":
            return {}
        names = (name for name in SPLITS if f"{name}_loss" in metrics)
        return {f"{name}_bits": metrics[f"{name}_loss"] / math.log(2) for name in names}

    def describe(self) -> list[str]:
        """Return messages that describe the splits, the input of a model and the coverage of its vocabulary."""
        settings, metadata = self.settings, self.metadata
        words = noun_of(self.preprocessor.level)
        unit = self.preprocessor.unit
        sizes = ", ".join(f"{name} {metadata.sentences[name]:,} ({metadata.targets[name]:,})" for name in SPLITS)
        longer = f"; {100 * metadata.longer:.0f} % of the {unit}s are longer" if metadata.longer else ""
        unknown = ", ".join(f"{100 * metadata.unknown[name]:.1f} % {name}" for name in SPLITS)
        least = f" that the train split has {settings.min_count} times or more" if settings.min_count > 1 else ""
        return [
            f"{unit}s (positions to predict: {words} and the end of the {unit}): {sizes}",
            f"sees at most {settings.maxlen:,} {words} before each position, from the beginning of the {unit} on"
            f"{longer}",
            f"knows {metadata.words:,} {words}{least}; unknown: {unknown}",
            *validation_messages(metadata.own_validation, unit),
            "perplexity is that of all positions; an unknown one counts as one entry of the vocabulary, in all models",
        ]

    def prediction_preprocessor(self) -> LanguageModelingPredictionPreprocessor:
        return LanguageModelingPredictionPreprocessor.of(vars(self.preprocessor))

    def interface(self) -> Interface:
        return interface(self.vocabulary, self.preprocessor.level)

    def signature(self, texts: bool) -> Signature:
        """Raise UsageError: no exported graph is equal to `predict`."""
        raise UsageError(
            "a language model has no graph of raw texts: predict splits a text into sentences and scores each word, "
            "and the operators of no format do that alike"
        )

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        return predict(model, rows, self.vocabulary, self.preprocessor, self.settings)

    @classmethod
    def overview(cls, dataset: Dataset, values: Mapping[str, Any]) -> list[Section]:
        return overview(dataset)

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        return report(dataset.derived(Sentences, self.settings), self.preprocessor, model)

    def asset_files(self, dataset: Dataset) -> dict[str, bytes]:
        return dataset.derived(Sentences, self.settings).vocabulary.files()

    def text_column(self) -> str:
        return "text"

    def embedded_words(self) -> list[str]:
        return [""] * FIRST + self.vocabulary.terms[FIRST:]

    def epoch_sampler(self, dataset: Dataset, model: Any) -> Callable[[], list[Sample]]:
        vocabulary = dataset.derived(Sentences, self.settings).vocabulary
        generator = Generator(model, vocabulary, self.preprocessor, self.settings)
        words = _SAMPLED[self.preprocessor.level]

        def samples() -> list[Sample]:
            """Return a text for each temperature, with the same seed, from the beginning of a sentence on."""
            texts = [generator(words=words, temperature=value)["samples"][0] for value in _TEMPERATURES]
            return [Sample(f"temperature {t:g}", text) for t, text in zip(_TEMPERATURES, texts, strict=True)]

        return samples

    def text_generator(self, model: Any) -> Callable[..., dict[str, Any]]:
        return Generator(model, self.vocabulary, self.preprocessor, self.settings)
