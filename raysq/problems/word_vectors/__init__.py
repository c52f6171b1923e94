"""Word vectors: words that stand in the same places of texts get vectors that point the same way."""

from collections.abc import Mapping
from typing import Any

from raysq.data.dataset import Dataset
from raysq.problems.base import ModelSpec, Objective, Problem
from raysq.problems.splits import has_own_validation, validation_messages
from raysq.problems.word_vectors import assets
from raysq.problems.word_vectors.predict import predict
from raysq.problems.word_vectors.preprocessor import WordVectorsPredictionPreprocessor, WordVectorsPreprocessor
from raysq.problems.word_vectors.report import report
from raysq.problems.word_vectors.sample import sample
from raysq.problems.word_vectors.settings import WordVectorsSettings
from raysq.problems.word_vectors.size_defaults import size_defaults
from raysq.problems.word_vectors.stream import streams

_BUILDERS = "raysq.problems.word_vectors.models:"


def facts(dataset: Dataset, settings: WordVectorsSettings) -> dict[str, Any]:
    """How many words there are, how much of the text they cover, and how such texts are read."""
    found = streams(dataset, settings)
    stream = found.ids["train"]
    tokens, known = int(found.raw_counts.sum()), int(found.counts.sum())
    return {
        "words": len(found.counts) - 1,
        "features": len(found.counts),
        "tokens": tokens,
        "unknown": 1 - known / tokens,
        "kept": int((stream > 0).sum()),
        "dropped": 1 - int((stream > 0).sum()) / max(1, known),
        "sized": size_defaults(dataset, vars(settings)) if settings.form == "blocks" else {},
        "reading": dataset.manifest.preparation["settings"],
        "unit": None,
        "own_validation": has_own_validation(dataset),
    }


def objective(facts: Mapping[str, Any], settings: WordVectorsSettings) -> Objective:
    """Cross-entropy of the word to predict and how often it is the likeliest one; or the loss against drawn words."""
    if settings.form == "windows":
        return Objective("sparse_categorical_crossentropy", {"accuracy": "sparse_categorical_accuracy"})
    return Objective(block_loss, {})


def block_loss(y: Any, prediction: Any) -> Any:
    """The sum of the losses of a block's pairs, scaled so that the mean over blocks is that over pairs.

    Args:
        y: that scale, shape (batch, 1).
        prediction: the sum, shape (batch, 1).
    """
    return (y * prediction)[:, 0]


def references(facts: Mapping[str, Any], settings: WordVectorsSettings) -> dict[str, dict[str, Any]]:
    """How common each word is, whatever stands around it."""
    return {"baseline": {}}


def scale(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, float]:
    """Nothing: neither has a unit."""
    return {}


def remarks(facts: Mapping[str, Any], settings: WordVectorsSettings) -> list[str]:
    """What is predicted from what, and which words take part."""
    words = "characters" if facts["reading"].get("level") == "char" else "words"
    single = words.removesuffix("s")
    side = f"the {settings.window} {words} on either side" if settings.window > 1 else f"the {single} on either side"
    what = f"a {single} from {side}" if settings.architecture == "cbow" else f"{side} from a {single}"
    least = f" that occur {settings.min_count} times or more" if settings.min_count > 1 else ""
    unknown = (
        f"{100 * facts['unknown']:.1f} % of the {facts['tokens']:,} {words} of the training texts are not among them "
        "and are left out"
    )
    whole = f"these are all of the {facts['tokens']:,} {words} of the training texts"
    lines = [f"predicts {what}", f"knows {facts['words']:,} {words}{least}; {unknown if facts['unknown'] else whole}"]
    lines += validation_messages(facts, "text")
    if facts["dropped"]:
        lines.append(
            f"drops {100 * facts['dropped']:.1f} % of the others, occurrences of the most frequent {words} "
            f"(subsample={settings.subsample:g}), and trains on {facts['kept']:,}"
        )
    if facts.get("sized"):
        values = " ".join(f"{name}={value:g}" for name, value in facts["sized"].items())
        lines.append(f"for so much text the defaults are {values}")
    return lines


def raw_reading(facts: Mapping[str, Any]) -> WordVectorsPredictionPreprocessor:
    """The preparation that reads raw texts for predictions as those of the run were read."""
    return WordVectorsPredictionPreprocessor.of(facts["reading"])


_SAMPLING = {
    "form": "blocks",
    "shrink": True,
    "window": 5,
    "eval_batch_size": 256,
    "optimizer": "adam",
    "schedule": "cosine",
}

PROBLEM = Problem(
    name="word_vectors",
    noun="a model of word vectors",
    preparation=WordVectorsPreprocessor,
    examples=WordVectorsSettings,
    models={
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "softmax": ModelSpec(_BUILDERS + "softmax", xla=False),
        "negative_sampling": ModelSpec(_BUILDERS + "negative_sampling", _SAMPLING, xla=False, sized=size_defaults),
    },
    default_model="negative_sampling",
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
    assets=assets.write,
    texts="text",
    words=assets.words,
)
