"""Translation of sentence pairs from one language to another."""

from collections.abc import Mapping
from typing import Any

from raysq.data.dataset import Dataset
from raysq.problems.base import ModelSpec, Objective, Problem
from raysq.problems.splits import has_own_validation, validation_messages
from raysq.problems.translation import vocabulary
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
        `reading` (settings of the preprocessor), `ids`, `unknown` and `longer` (number of ids, share of unknown words
        and share of truncated training sentences; one value each for source and target), `words` (mean number of target
        words of a training pair, end token included), `unit` (None) and `own_validation`.
    """
    found = corpus(dataset, settings)
    rows = found.split.train
    sides = (found.source, found.target)
    limits = (found.lengths[0], found.lengths[1] - 1)
    longer = [float((side.tokens.lengths[rows] > most).mean()) for side, most in zip(sides, limits, strict=True)]
    return {
        "reading": dataset.manifest.preparation["settings"],
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
    lines = validation_messages(facts, "pair")
    if settings.form == "next":
        lines.append("an example is one next word, given the source and the words before it")
    for side, most in enumerate((settings.max_source, settings.max_target)):
        name = ("source", "target")[side]
        unit = "characters" if facts["reading"][f"{name}_level"] == "char" else "words"
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
    return TranslationPredictionPreprocessor.of(facts["reading"])


PROBLEM = Problem(
    name="translation",
    noun="a translation model",
    preparation=TranslationPreprocessor,
    examples=TranslationSettings,
    models={
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "encoder_decoder": ModelSpec(_BUILDERS + "encoder_decoder"),
        "attention": ModelSpec(_BUILDERS + "encoder_decoder", {"attention": "dot"}),
        "repeat": ModelSpec(_BUILDERS + "repeat", {"form": "next", "epochs": 8, "batch_size": 128}),
    },
    default_model="attention",
    sample=sample,
    facts=facts,
    objective=objective,
    references=references,
    scale=scale,
    remarks=remarks,
    folds=None,
    reading=raw_reading,
    history=None,
    predict=predict,
    report=report,
    assets=assets,
    texts="source",
    scores=scores,
    study=study,
    translator=translator,
    graded=bleu_of,
)
