"""Word vectors: words that occur in similar contexts get similar vectors."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.problems.base import Problem, ReportModel, RowContext
from raysq.problems.charts import Section
from raysq.problems.interface import Interface
from raysq.problems.specs import BatchSource, InputSpec, ModelSpec, Objective
from raysq.problems.splits import SPLITS, validation_messages
from raysq.problems.word_vectors import options
from raysq.problems.word_vectors.assets import read_words, word_files
from raysq.problems.word_vectors.batches import Blocks, ContextWindows
from raysq.problems.word_vectors.interface import interface
from raysq.problems.word_vectors.metadata import WordVectorsMetadata
from raysq.problems.word_vectors.overview import overview
from raysq.problems.word_vectors.predict import predict
from raysq.problems.word_vectors.preprocessor import WordVectorsPredictionPreprocessor, WordVectorsPreprocessor
from raysq.problems.word_vectors.report import report
from raysq.problems.word_vectors.sample import sample
from raysq.problems.word_vectors.settings import WordVectorsSettings
from raysq.problems.word_vectors.signature import VectorSignature
from raysq.problems.word_vectors.size_defaults import size_defaults
from raysq.problems.word_vectors.stream import Streams

_BUILDERS = "raysq.problems.word_vectors.models:"
_SAMPLING = {
    "examples": "blocks",
    "shrink": True,
    "window": 5,
    "eval_batch_size": 256,
    "optimizer": "adam",
    "schedule": "cosine",
}


class WordVectors(Problem[WordVectorsSettings, WordVectorsMetadata]):
    """Words that occur in similar contexts get similar vectors."""

    name = "word_vectors"
    noun = "a model of word vectors"
    Settings = WordVectorsSettings
    Metadata = WordVectorsMetadata
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
    refused_settings: ClassVar[Mapping[str, str]] = {
        "val_selection": "texts have no classes to be stratified by: the passages to validate on are drawn by their "
        "checksums, or --validation gives them",
        **dict.fromkeys(
            ("weight", "group"),
            "word vectors learn from the words of all texts in one stream, which has no rows to weigh or to keep "
            "together: leave it out",
        ),
        "class_weight": "word vectors have no classes",
    }

    @classmethod
    def make_metadata(cls, dataset: Dataset, settings: WordVectorsSettings) -> WordVectorsMetadata:
        return WordVectorsMetadata.of(dataset.derived(Streams, settings))

    @classmethod
    def write_sample(cls, directory: Path, spec: str) -> Path:
        return sample(directory, spec)

    @cached_property
    def words(self) -> list[str]:
        """Word of each id, read from the run's assets; "" for id 0.

        Raises:
            DataError: the file is missing or belongs to another run.
        """
        return read_words(self.assets, self.metadata.words)

    def splits(self, dataset: Dataset) -> Mapping[str, BatchSource]:
        streams = dataset.derived(Streams, self.settings)
        for name in ("train", "val"):
            if not streams.total_weight(name):
                raise DataError(
                    f"the {name} split of data set {dataset.manifest.name} has no two known words beside each other: "
                    f"{self.settings.more_words_hint}"
                )
        source = Blocks if self.settings.examples == "blocks" else ContextWindows
        return {name: source(streams, name) for name in SPLITS}

    @property
    def loss_settings(self) -> tuple[str, ...]:
        """Settings of the pairs that are counted, and of the words and negative samples among which one is told."""
        words = ("architecture", "examples", "min_count", "max_features", "subsample", "val")
        if self.settings.examples == "blocks":
            return (*words, "window", "shrink", "negatives", "power")
        return words if self.settings.architecture == "cbow" else (*words, "window")

    def input_spec(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        x has the shape `(2 * window,)` for cbow windows, `(1,)` for skip-gram windows, and `(block + 2 * window,)` for
        blocks. `extra` holds "features" (number of ids, 0 included), "counts" (occurrences of each id in the training
        texts, int64 of shape `(features,)`, 0 for id 0) and "settings" (the `WordVectorsSettings`).
        """
        settings, counts = self.settings, dataset.derived(Streams, self.settings).counts
        if settings.examples == "blocks":
            shape, outputs = (settings.width,), 1
        else:
            shape, outputs = ((2 * settings.window if settings.architecture == "cbow" else 1,), len(counts))
        extra = {"features": len(counts), "counts": counts, "settings": settings}
        return InputSpec(shape=shape, outputs=outputs, extra=extra)

    def objective(self) -> Objective:
        """Return cross-entropy and accuracy of the word for windows, the sampled loss for blocks."""
        if self.settings.examples == "windows":
            return Objective("sparse_categorical_crossentropy", {"accuracy": "sparse_categorical_accuracy"})
        return Objective(block_loss, {})

    def describe(self) -> list[str]:
        """Return messages about what is predicted from what, and which words are kept."""
        settings, metadata = self.settings, self.metadata
        words = "characters" if self.preprocessor.level == "char" else "words"
        word = words.removesuffix("s")
        context = f"the {settings.window} {words} on either side"
        if settings.window == 1:
            context = f"the {word} on either side"
        prediction = f"a {word} from {context}" if settings.architecture == "cbow" else f"{context} from a {word}"
        condition = f" that occur {settings.min_count} times or more" if settings.min_count > 1 else ""
        coverage = f"these are all of the {metadata.tokens:,} {words} of the training texts"
        if metadata.unknown:
            coverage = (
                f"{100 * metadata.unknown:.1f} % of the {metadata.tokens:,} {words} of the training texts are not "
                "among them and are left out"
            )
        messages = [f"predicts {prediction}", f"knows {metadata.words:,} {words}{condition}; {coverage}"]
        messages += validation_messages(metadata.own_validation, "text")
        if metadata.dropped:
            messages.append(
                f"drops {100 * metadata.dropped:.1f} % of the others, occurrences of the most frequent {words} "
                f"(subsample={settings.subsample:g}), and trains on {metadata.trained_tokens:,}"
            )
        if metadata.size_defaults:
            values = " ".join(f"{name}={value:g}" for name, value in metadata.size_defaults.items())
            messages.append(f"for so much text the defaults are {values}")
        return messages

    def asset_files(self, dataset: Dataset) -> dict[str, bytes]:
        return word_files(dataset.derived(Streams, self.settings))

    def prediction_preprocessor(self) -> WordVectorsPredictionPreprocessor:
        return WordVectorsPredictionPreprocessor.of(vars(self.preprocessor))

    def text_column(self) -> str:
        return "text"

    def embedded_words(self) -> list[str]:
        return self.words

    def interface(self) -> Interface:
        return interface(self.words)

    def signature(self, texts: bool) -> VectorSignature:
        """Return the raw inputs and the outputs of an exported model: a word or text, and its vector.

        Raises:
            UsageError: the format has no texts.
        """
        if not texts:
            raise UsageError("LiteRT has no texts: its operators take words neither apart nor to their ids")
        return VectorSignature(self.words, self.preprocessor.tokens)

    def predict(self, model: Any, rows: pa.Table, context: RowContext | None = None) -> pa.Table:
        return predict(model, rows, self.words, self.preprocessor)

    @classmethod
    def overview(cls, dataset: Dataset, values: Mapping[str, Any]) -> list[Section]:
        return overview(dataset)

    def report(self, dataset: Dataset, model: ReportModel, options: Mapping[str, Any]) -> list[Section]:
        return report(dataset.derived(Streams, self.settings), self.metadata, model.embedding())


def block_loss(y: Any, prediction: Any) -> Any:
    """Scale the summed loss of a block, so that the mean over blocks is the mean over pairs.

    Args:
        y: scale of each block, shape `(batch, 1)`.
        prediction: summed loss of the block's pairs, shape `(batch, 1)`.

    Returns:
        The loss of each block, shape `(batch,)`.
    """
    return (y * prediction)[:, 0]
