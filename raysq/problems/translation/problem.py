"""Translation of sentence pairs from one language to another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.problems.base import BatchSource, InputSpec, ModelSpec, Objective, Problem, ReportModel, RowContext
from raysq.problems.charts import Section
from raysq.problems.splits import has_own_validation, validation_messages
from raysq.problems.translation import options, vocabulary
from raysq.problems.translation.batches import corpus
from raysq.problems.translation.generation_metrics import bleu_of, scores
from raysq.problems.translation.predict import predict
from raysq.problems.translation.preprocessor import TranslationPredictionPreprocessor, TranslationPreprocessor
from raysq.problems.translation.report import report, study
from raysq.problems.translation.sample import sample
from raysq.problems.translation.settings import TranslationSettings
from raysq.problems.translation.translate import translator

_BUILDERS = "raysq.problems.translation.models:"


def facts(dataset: Dataset, settings: TranslationSettings) -> dict[str, Any]:
    """Return the metadata of a run: vocabulary sizes, share of unknown words and of truncated sentences.

    Args:
        dataset: prepared sentence pairs.
        settings: the run's settings.

    Returns:
        `preprocessor` (its settings), `ids`, `unknown` and `longer` (number of ids, share of unknown words and
        share of truncated training sentences; one value each for source and target), `words` (mean number of target
        words of a training pair, end token included), `unit` (None) and `own_validation`.
    """
    found = corpus(dataset, settings)
    rows = found.split.train
    sides = (found.source, found.target)
    limits = (found.lengths[0], found.lengths[1] - 1)
    longer = [float((side.tokens.lengths[rows] > most).mean()) for side, most in zip(sides, limits, strict=True)]
    return {
        "preprocessor": dataset.manifest.preparation["settings"],
        "ids": [side.words.count for side in sides],
        "unknown": [side.unknown for side in sides],
        "longer": longer,
        "words": float(found.positions(rows).mean()),
        "unit": None,
        "own_validation": has_own_validation(dataset),
    }


def objective(facts: Mapping[str, Any], settings: TranslationSettings) -> Objective:
    """Return the cross-entropy and the accuracy of the next word, given the words before it."""
    from raysq.problems.translation.metrics import WordAccuracy, loss_of

    return Objective(loss_of(facts["words"] if settings.form == "all" else 1.0), {"accuracy": WordAccuracy})


def references(facts: Mapping[str, Any], settings: TranslationSettings) -> dict[str, dict[str, Any]]:
    """Return the baselines: the word-by-word translation."""
    return {"baseline": {"form": "all"}}


def scale(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, float]:
    """Return no denormalized metrics: neither loss nor accuracy has a unit."""
    return {}


def remarks(facts: Mapping[str, Any], settings: TranslationSettings) -> list[str]:
    """Describe in lines the pairs as the model gets them: sentence lengths, vocabulary sizes and shares of unknown
    words.
    """
    lines = validation_messages(facts["own_validation"], "pair")
    if settings.form == "next":
        lines.append("an example is one next word, given the source and the words before it")
    for side, most in enumerate((settings.max_source, settings.max_target)):
        name = ("source", "target")[side]
        unit = "characters" if facts["preprocessor"][f"{name}_level"] == "char" else "words"
        turned = ", reversed" if settings.reversed and not side else ""
        cut = f"; {100 * facts['longer'][side]:.1f} % are longer and cut" if facts["longer"][side] else ""
        lines.append(
            f"{name}: up to {most} {unit}{turned}{cut}; knows {facts['ids'][side] - vocabulary.FIRST:,} {unit}, "
            f"{100 * facts['unknown'][side]:.1f} % of those of the training sentences are not among them"
        )
    return lines


def assets(dataset: Dataset, settings: TranslationSettings) -> dict[str, bytes]:
    """Return the files of a run's assets: the vocabularies of both languages."""
    found = corpus(dataset, settings)
    return vocabulary.write(found.source.words, found.target.words)


def raw_reading(facts: Mapping[str, Any]) -> TranslationPredictionPreprocessor:
    """Return the preprocessor that reads raw source sentences for predictions."""
    return TranslationPredictionPreprocessor.of(facts["preprocessor"])


class Translation(Problem[TranslationSettings, dict[str, Any]]):
    """Translation of sentence pairs from one language to another."""

    name = "translation"
    noun = "a translation model"
    Settings = TranslationSettings
    Metadata = dict
    Preprocessor = TranslationPreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "encoder_decoder": ModelSpec(_BUILDERS + "encoder_decoder"),
        "attention": ModelSpec(_BUILDERS + "encoder_decoder", {"attention": "dot"}),
        "repeat": ModelSpec(_BUILDERS + "repeat", {"form": "next", "epochs": 8, "batch_size": 128}),
    }
    default_model = "attention"
    prepare_options = options.PREPARE

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        return TranslationSettings.resolve(values, dataset)

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: TranslationSettings) -> dict[str, Any]:
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
        return report(
            dataset, self.metadata, self.settings, model.predict, embedding=model.embedding, studied=model.analysis()
        )

    def asset_files(self, dataset: Dataset) -> dict[str, bytes]:
        return assets(dataset, self.settings)

    def text_column(self) -> str:
        return "source"

    def generation_metrics(self, dataset: Dataset, split: str, model: Any) -> dict[str, float]:
        return scores(dataset, self.metadata, self.settings, split, model)

    def analysis(self, dataset: Dataset, model: Any) -> dict[str, Any]:
        return study(dataset, self.metadata, self.settings, model)

    def translator(self, model: Any) -> Any:
        return translator(self.metadata, self.settings, model, self.assets)

    def bleu(self, translations: list[str], references: list[str]) -> float:
        return bleu_of(self.metadata, translations, references)
