"""Word vectors: words that occur in similar contexts get similar vectors."""

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
    """Return the metadata of a run: numbers of words, coverage of the text, and the settings of the preprocessor.

    Args:
        dataset: prepared texts.
        settings: the run's settings.

    Returns:
        `words` (words with a vector), `features` (number of ids), `tokens` (words of the training texts), `unknown`
        (share of them without an id), `kept` (words after subsampling), `dropped` (share of known words removed by
        subsampling), `sized` (defaults by the size of the text), `reading` (settings of the preprocessor), `unit`
        (None) and `own_validation`.
    """
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
    """Return the objective: cross-entropy and accuracy of the word for windows, the sampled loss for blocks."""
    if settings.form == "windows":
        return Objective("sparse_categorical_crossentropy", {"accuracy": "sparse_categorical_accuracy"})
    return Objective(block_loss, {})


def block_loss(y: Any, prediction: Any) -> Any:
    """Scale the summed loss of a block, so that the mean over blocks is the mean over pairs.

    Args:
        y: scale of each block, shape `(batch, 1)`.
        prediction: summed loss of the block's pairs, shape `(batch, 1)`.

    Returns:
        The loss of each block, shape `(batch,)`.
    """
    return (y * prediction)[:, 0]


def references(facts: Mapping[str, Any], settings: WordVectorsSettings) -> dict[str, dict[str, Any]]:
    """Return the baselines: the frequency of each word, whatever its context."""
    return {"baseline": {}}


def scale(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, float]:
    """Return no denormalized metrics: neither loss nor accuracy has a unit."""
    return {}


def remarks(facts: Mapping[str, Any], settings: WordVectorsSettings) -> list[str]:
    """Describe in lines what is predicted from what, and which words are kept."""
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
    """Return the preprocessor that reads raw texts for predictions."""
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
