"""Word vectors: words that occur in similar contexts get similar vectors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.problems.base import BatchSource, InputSpec, ModelSpec, Objective, Problem, ReportModel, RowContext
from raysq.problems.charts import Section
from raysq.problems.splits import has_own_validation, validation_messages
from raysq.problems.word_vectors import assets, options
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
        subsampling), `sized` (defaults by the size of the text), `preprocessor` (settings of the preprocessor), `unit`
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
        "preprocessor": dataset.manifest.preparation["settings"],
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
    words = "characters" if facts["preprocessor"].get("level") == "char" else "words"
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
    lines += validation_messages(facts["own_validation"], "text")
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
    return WordVectorsPredictionPreprocessor.of(facts["preprocessor"])


_SAMPLING = {
    "form": "blocks",
    "shrink": True,
    "window": 5,
    "eval_batch_size": 256,
    "optimizer": "adam",
    "schedule": "cosine",
}


class WordVectors(Problem[WordVectorsSettings, dict[str, Any]]):
    """Words that occur in similar contexts get similar vectors."""

    name = "word_vectors"
    noun = "a model of word vectors"
    Settings = WordVectorsSettings
    Metadata = dict
    Preprocessor = WordVectorsPreprocessor
    models: ClassVar[Mapping[str, ModelSpec]] = {
        "baseline": ModelSpec(_BUILDERS + "baseline", xla=False),
        "softmax": ModelSpec(_BUILDERS + "softmax", xla=False),
        "negative_sampling": ModelSpec(
            _BUILDERS + "negative_sampling", _SAMPLING, xla=False, size_defaults=size_defaults
        ),
    }
    default_model = "negative_sampling"
    prepare_options = options.PREPARE

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        return WordVectorsSettings.resolve(values, dataset)

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: WordVectorsSettings) -> dict[str, Any]:
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
