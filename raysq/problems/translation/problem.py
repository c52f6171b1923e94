"""Translation of sentence pairs from one language to another."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.base import Problem, ReportModel, RowContext
from raysq.problems.charts import Section
from raysq.problems.even_rows import evenly
from raysq.problems.interface import Interface
from raysq.problems.samples import Sample
from raysq.problems.signature import Signature
from raysq.problems.specs import BatchSource, InputSpec, ModelSpec, Objective
from raysq.problems.splits import SPLITS, validation_messages, with_val_text
from raysq.problems.translation import options
from raysq.problems.translation.analysis import SAMPLED, analyze
from raysq.problems.translation.batches import Pairs
from raysq.problems.translation.bleu import bleu
from raysq.problems.translation.corpus import ParallelCorpus
from raysq.problems.translation.interface import interface
from raysq.problems.translation.metadata import TranslationMetadata
from raysq.problems.translation.overview import overview
from raysq.problems.translation.predict import predict
from raysq.problems.translation.preprocessor import TranslationPredictionPreprocessor, TranslationPreprocessor
from raysq.problems.translation.report import report
from raysq.problems.translation.sample import sample
from raysq.problems.translation.sentences import Language
from raysq.problems.translation.settings import TranslationSettings
from raysq.problems.translation.translate import SentenceTranslator, TranslatedSentence
from raysq.problems.translation.vocabulary import FIRST, read_vocabularies, vocabulary_files

_BUILDERS = "raysq.problems.translation.models:"
_SAMPLES = 5  # sentences that are translated during training
_MAX_LENGTHS = {"word": 40, "char": 120, "subword": 60}  # upper limits of the default sentence lengths


class Translation(Problem[TranslationSettings, TranslationMetadata]):
    """Translation of sentence pairs from one language to another."""

    name = "translation"
    noun = "a translation model"
    Settings = TranslationSettings
    Metadata = TranslationMetadata
    Preprocessor = TranslationPreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "encoder_decoder": ModelSpec(_BUILDERS + "encoder_decoder"),
        "attention": ModelSpec(_BUILDERS + "encoder_decoder", {"attention": "dot"}),
        "transformer": ModelSpec(
            "raysq.problems.translation.transformer:transformer",
            {"epochs": 20, "batch_size": 64, "learning_rate": 0.001, "schedule": "cosine"},
            xla=False,
        ),
        "repeat": ModelSpec(_BUILDERS + "repeat", {"examples": "words", "epochs": 8, "batch_size": 128}),
    }
    default_model = "attention"
    prepare_options = options.PREPARE
    refused_settings: ClassVar[Mapping[str, str]] = {
        "val_selection": "pairs have no classes to be stratified by: those to validate on are drawn by a checksum of "
        "the source sentence or of --group, or --split-column or --validation gives them",
        "class_weight": "pairs have no classes: --weight names a column of weights",
    }
    _translator: tuple[Any, SentenceTranslator] | None = None  # for the last model, because it holds compiled functions

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Return the settings with missing lengths taken from the data set, and with `val` as text."""
        resolved = with_val_text(values)
        report = dataset.manifest.report
        for side, name in enumerate(("max_source", "max_target")):
            if resolved.get(name) in (None, "none", "None", ""):
                resolved[name] = max(1, min(report["longest"][side], _MAX_LENGTHS[report["levels"][side]]))
        return resolved

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: TranslationSettings) -> TranslationMetadata:
        return TranslationMetadata.of(dataset, dataset.derived(ParallelCorpus, settings))

    @classmethod
    def write_sample(cls, directory: Path, spec: str) -> Path:
        return sample(directory, spec)

    def corpus(self, dataset: Dataset) -> ParallelCorpus:
        """Return the pairs of a data set, encoded once for the same settings."""
        return dataset.derived(ParallelCorpus, self.settings)

    def splits(self, dataset: Dataset) -> Mapping[str, BatchSource]:
        return {name: Pairs(self.corpus(dataset), name) for name in SPLITS}

    def input_spec(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        x has the shape `(max_source + positions,)`: ids of the source, then of the target so far. Predictions must be
        logits of shape `(batch, outputs, target_words)`. `extra` holds "source_words" and "target_words" (numbers of
        ids), "max_source", "positions", "examples", "reversed", and "dictionary", a function that returns the
        `raysq.problems.translation.dictionary.Dictionary` of the training pairs.
        """
        corpus = self.corpus(dataset)
        width, positions = self.settings.lengths
        outputs = positions if self.settings.examples == "pairs" else 1
        return InputSpec(
            shape=(width + positions,),
            outputs=outputs,
            output_shape=(outputs, corpus.target.vocabulary.size),
            extra={
                "source_words": corpus.source.vocabulary.size,
                "target_words": corpus.target.vocabulary.size,
                "max_source": width,
                "positions": positions,
                "examples": self.settings.examples,
                "reversed": self.settings.reversed,
                "dictionary": lambda: corpus.dictionary,
            },
        )

    def objective(self) -> Objective:
        """Return the cross-entropy and the accuracy of the next word, given the words before it."""
        from raysq.problems.translation.metrics import WordAccuracy, word_loss

        words = self.metadata.mean_target_length if self.settings.examples == "pairs" else 1.0
        return Objective(word_loss(words), {"accuracy": WordAccuracy})

    def baselines(self) -> dict[str, Mapping[str, Any]]:
        return {"baseline": {"examples": "pairs"}}

    def describe(self) -> list[str]:
        """Return messages about sentence lengths, vocabulary sizes and shares of unknown words."""
        settings, metadata = self.settings, self.metadata
        messages = validation_messages(metadata.own_validation, "pair")
        if settings.examples == "words":
            messages.append("an example is one next word, given the source and the words before it")
        source, target = self.preprocessor.languages
        length = f"{settings.max_source} {source.unit}{', reversed' if settings.reversed else ''}"
        words, unknown, truncated = metadata.source_words, metadata.source_unknown, metadata.source_truncated
        messages.append(f"source: up to {length}{_coverage(source, words, unknown, truncated)}")
        length = f"{settings.max_target} {target.unit}"
        words, unknown, truncated = metadata.target_words, metadata.target_unknown, metadata.target_truncated
        messages.append(f"target: up to {length}{_coverage(target, words, unknown, truncated)}")
        return messages

    def asset_files(self, dataset: Dataset) -> dict[str, bytes]:
        """Return the vocabularies of both languages."""
        corpus = self.corpus(dataset)
        return vocabulary_files(corpus.source.vocabulary, corpus.target.vocabulary)

    def prediction_preprocessor(self) -> TranslationPredictionPreprocessor:
        return TranslationPredictionPreprocessor.of(self.preprocessor)

    def text_column(self) -> str:
        return "source"

    def interface(self) -> Interface:
        source, _ = read_vocabularies(self.assets, self.metadata.source_words, self.metadata.target_words)
        return interface(source, self.preprocessor.languages[0])

    def signature(self, texts: bool) -> Signature:
        """Raise UsageError: no exported graph is equal to `predict`."""
        raise UsageError(
            "a translation model has no graph of raw texts: predict searches word by word, which calls the model many "
            "times for a sentence"
        )

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        return predict(self.translator(model), rows, self.preprocessor.source)

    def translator(self, model: Any) -> SentenceTranslator:
        """Return the translator of the run's model.

        Raises:
            DataError: the run's vocabularies are missing.
        """
        if self._translator is None or self._translator[0] is not model:
            vocabularies = read_vocabularies(self.assets, self.metadata.source_words, self.metadata.target_words)
            translator = SentenceTranslator(model, self.settings, self.preprocessor.languages, vocabularies)
            self._translator = (model, translator)
        return self._translator[1]

    def bleu(self, translations: list[str], references: list[str]) -> float:
        target = self.preprocessor.languages[1]
        return bleu(translations, references, level=target.level, lower=target.lower)

    def generation_metrics(self, dataset: Dataset, split: str, model: Any) -> dict[str, float]:
        """Return the BLEU of at most 1,000 evenly spaced pairs of a split; nothing for a split without pairs.

        A model's other metrics are computed given the correct previous words; BLEU scores whole translations.
        """
        rows = getattr(self.corpus(dataset).split, split)
        rows = rows[evenly(len(rows), SAMPLED)]
        if not len(rows):
            return {}
        texts = [translation.text for translation in self._translate_rows(dataset, model, rows)]
        return {"bleu": self.bleu(texts, dataset.texts("target", rows))}

    def epoch_sampler(self, dataset: Dataset, model: Any) -> Callable[[], list[Sample]]:
        rows = self.corpus(dataset).split.val
        rows = rows[evenly(len(rows), _SAMPLES)]
        sources, expected = dataset.texts("source", rows), dataset.texts("target", rows)
        translator = self._translator_of(dataset, model)

        def samples() -> list[Sample]:
            """Return the translations of pairs of the validation split, with a beam of 1."""
            translations = translator.translate(sources, beam=1)
            made = zip(sources, translations, expected, strict=True)
            return [Sample(source, translation.text, target) for source, translation, target in made]

        return samples

    def analysis(self, dataset: Dataset, model: Any) -> dict[str, Any]:
        return analyze(
            dataset,
            self.corpus(dataset),
            lambda rows: self._translate_rows(dataset, model, rows),
            self.preprocessor.languages[1],
            self.bleu,
        )

    @classmethod
    def overview(cls, dataset: Dataset, values: Mapping[str, Any]) -> list[Section]:
        return overview(dataset)

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        return report(model.analysis())

    def _translate_rows(self, dataset: Dataset, model: Any, rows: np.ndarray) -> list[TranslatedSentence]:
        """Translate the source sentences of rows of a data set, with a beam of 1."""
        return self._translator_of(dataset, model).translate(dataset.texts("source", rows), beam=1)

    def _translator_of(self, dataset: Dataset, model: Any) -> SentenceTranslator:
        """Return a translator with the vocabularies of a data set."""
        corpus = self.corpus(dataset)
        vocabularies = (corpus.source.vocabulary, corpus.target.vocabulary)
        return SentenceTranslator(model, self.settings, self.preprocessor.languages, vocabularies)


def _coverage(language: Language, ids: int, unknown: float, truncated: float) -> str:
    """Describe the truncated sentences and the vocabulary of one language."""
    cut = f"; {100 * truncated:.1f} % are longer and cut" if truncated else ""
    return (
        f"{cut}; knows {ids - FIRST:,} {language.unit}, {100 * unknown:.1f} % of those of the training sentences are "
        "not among them"
    )
