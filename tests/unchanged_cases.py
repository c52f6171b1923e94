"""What `unchanged.py` prepares, trains and predicts. Every name that raysq might change stands in this file.

Rename here, in the same commit that renames in raysq: keys of a record stay as they are, so old records still compare.
"""

from dataclasses import dataclass, field
from typing import Any

# Names in a record made before they were renamed -> names now: metrics, settings, files.
RENAMED: dict[str, str] = {}

# Methods of `raysq.load(run)` and fields of `raysq.tune(...)`'s trials.
NEIGHBORS = "neighbors"
TRIAL_SETTINGS = "settings"

TASKS = (
    *("jena", "beijing", "forecast", "imdb", "newsgroups", "classify", "alice", "text", "translation", "pairs"),
    *("cbow", "skipgram", "mnist", "cifar10", "images"),
)
# Settings of `raysq.prepare` without which a task's sample is refused.
SAMPLE_SETTINGS: dict[str, dict[str, Any]] = {"forecast": {"targets": ["T (degC)"]}}
# Tasks whose samples are prepared on Ray too: one of each problem.
ON_RAY = ("jena", "imdb", "alice", "translation", "skipgram", "mnist")
# Real files: task -> file below --data.
REAL = {
    "imdb": "imdb/aclImdb_v1.tar.gz",
    "newsgroups": "newsgroups20/news20.tar.gz",
    "beijing": "beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv",
    "mnist": "mnist/mnist.npz",
    "jena": "jena/jena_climate_2020.csv.zip",
    "alice": "alice/pg11.txt",
    "cifar10": "cifar10/cifar-10-batches-py",
    "translation": "parallel_enja",
}
# Settings of every training, of `raysq.train(settings=...)`.
TRAINING: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 4, "batch_size": 32, "eval_batch_size": 256}


@dataclass(frozen=True)
class Case:
    """One seeded run.

    Attributes:
        task: name of the task.
        model: name of the model.
        source: what is prepared.
        settings: of `raysq.train`, over `TRAINING`.
        prepare: settings of `raysq.prepare`; the value VECTORS stands for a file of word vectors.
        label: tells cases of the same task and model apart.
        predict: also record predictions, and what else the run can do.
        workers: also train with two workers.
    """

    task: str
    model: str
    source: str
    settings: dict[str, Any] = field(default_factory=dict)
    prepare: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    predict: bool = False
    workers: bool = False

    @property
    def name(self) -> str:
        """The case's part of a key of the record."""
        return "/".join(part for part in (self.task, self.model, self.label) if part)


VECTORS = "VECTORS"
VECTOR_WORDS = (
    *("the", "was", "really", "truly", "quite", "so", "never", "hardly", "very"),
    *("and", "music", "plot", "ending", "actor", "story", "great", "bad"),
)

_WEATHER, _DOCUMENTS, _TEXT, _PAIRS, _STREAM, _IMAGES = (
    *("sample:60d", "sample:800", "sample:300", "sample:600", "sample:600", "sample:400"),
)
_UNITS = {"units": 8}
_WORDS = {"maxlen": 60, "max_features": 200}
_LONG = {"maxlen": 200, "max_features": 200}
_SMALL = {"embedding": 8, "units": 8}
_VECTORS = {"prepare": {"vectors": VECTORS}}

CASES = (
    Case("jena", "baseline", _WEATHER),
    Case("jena", "seasonal", _WEATHER),
    Case("jena", "dense", _WEATHER, _UNITS, predict=True, workers=True),
    Case("jena", "gru", _WEATHER, _UNITS, workers=True),
    Case("jena", "gru_dropout", _WEATHER, _UNITS),
    Case("jena", "gru_stacked", _WEATHER, _UNITS),
    Case("jena", "gru_reversed", _WEATHER, _UNITS),
    Case("jena", "gru_bidirectional", _WEATHER, _UNITS),
    Case("jena", "conv1d", _WEATHER, {"filters": 8}),
    Case("jena", "conv1d_gru", _WEATHER, {"filters": 8, "units": 8}),
    Case("jena", "lstm", _WEATHER, _UNITS),
    Case("jena", "rnn", _WEATHER, _UNITS),
    Case("beijing", "gru", "sample:365d", {**_UNITS, "quantiles": [0.1, 0.5, 0.9]}, label="quantiles", predict=True),
    Case(
        *("beijing", "dense", "sample:365d"),
        {**_UNITS, "delay": [1, 24], "targets": ["TEMP", "PRES"], "calendar": ["hour", "yearday"]},
        label="horizons",
        predict=True,
    ),
    Case("imdb", "baseline", _DOCUMENTS),
    Case("imdb", "multihot", _DOCUMENTS, _UNITS),
    Case(
        "imdb",
        "multihot",
        _DOCUMENTS,
        {**_UNITS, "vectorization": "tfidf", "ngrams": 2, "vocabulary": "train"},
        label="tfidf",
    ),
    Case("imdb", "embedding", _DOCUMENTS, _WORDS, predict=True, workers=True),
    Case("imdb", "average", _DOCUMENTS, _WORDS),
    Case("imdb", "one_hot", _DOCUMENTS, {**_WORDS, "filters": 8}),
    Case("imdb", "glove", _DOCUMENTS, {"maxlen": 60, "units": 8}, **_VECTORS),
    Case("imdb", "simple_rnn", _DOCUMENTS, {**_WORDS, **_SMALL}),
    Case("imdb", "lstm", _DOCUMENTS, {**_WORDS, **_SMALL}, workers=True),
    Case("imdb", "lstm_reversed", _DOCUMENTS, {**_WORDS, **_SMALL}),
    Case("imdb", "lstm_bidirectional", _DOCUMENTS, {**_WORDS, **_SMALL}),
    Case("imdb", "gru", _DOCUMENTS, {**_WORDS, **_SMALL}),
    Case("imdb", "gru_stacked", _DOCUMENTS, {**_WORDS, **_SMALL}),
    Case("imdb", "conv1d", _DOCUMENTS, {**_LONG, "embedding": 8, "filters": 8}),
    Case("imdb", "conv1d_glove", _DOCUMENTS, {"maxlen": 200, "filters": 8, "units": 8}, **_VECTORS),
    Case("imdb", "rnn", _DOCUMENTS, {**_WORDS, **_SMALL}),
    Case("newsgroups", "average", _DOCUMENTS, _WORDS),
    Case("alice", "baseline", _TEXT),
    Case("alice", "lstm", _TEXT, _SMALL, predict=True, workers=True),
    Case("alice", "lstm_every", _TEXT, _SMALL),
    Case("text", "lstm_every", _TEXT, _SMALL, prepare={"level": "char"}, label="characters"),
    Case("translation", "baseline", _PAIRS),
    Case("translation", "encoder_decoder", _PAIRS, _SMALL, predict=True, workers=True),
    Case("translation", "attention", _PAIRS, _SMALL),
    Case("translation", "repeat", _PAIRS, _SMALL),
    Case("cbow", "baseline", _STREAM),
    Case("cbow", "softmax", _STREAM, {"dimension": 8}),
    Case("cbow", "negative_sampling", _STREAM, {"dimension": 8}),
    Case("skipgram", "softmax", _STREAM, {"dimension": 8}, predict=True, workers=True),
    Case("skipgram", "negative_sampling", _STREAM, {"dimension": 8}),
    Case("mnist", "baseline", _IMAGES),
    Case("mnist", "mlp", _IMAGES, _UNITS),
    Case("mnist", "cnn", _IMAGES, {"filters": 4}, predict=True, workers=True),
    Case("mnist", "autoencoder", _IMAGES, {"code": 8}, predict=True),
    Case("cifar10", "cnn", _IMAGES, {"filters": 4, "flip": "horizontal", "shift": 0.1}, label="augmented"),
)

# A search: task, source, and arguments of `raysq.tune`.
SEARCH: tuple[str, str, dict[str, Any]] = (
    *("jena", _WEATHER),
    {
        "model": "dense",
        "trials": 2,
        "scheduler": "none",
        "max_concurrent": 1,
        "settings": TRAINING,
        "search": {"units": [4, 8, 16], "lookback": [288, 720], "learning_rate": ("loguniform", 1e-4, 1e-2)},
    },
)
