"""Text classification: which of several classes a document belongs to."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raysq.corpus.documents import DocumentReading
from raysq.kinds import scores
from raysq.kinds.classes import single_classes, single_messages
from raysq.kinds.classify import assets
from raysq.kinds.classify.examples import documents
from raysq.kinds.classify.predict import predict
from raysq.kinds.classify.prepare import TextPreparation
from raysq.kinds.classify.report import report
from raysq.kinds.classify.sample import sample
from raysq.kinds.classify.settings import TextSettings
from raysq.kinds.confusion import details, show
from raysq.kinds.kind import Kind, Model, Objective
from raysq.kinds.splits import own_validation, validation_messages
from raysq.shards import Dataset

_BUILDERS = "raysq.kinds.classify.models:"
_NAMED = 6  # classes up to which they are named in a line


def facts(dataset: Dataset, settings: TextSettings) -> dict[str, Any]:
    """The classes and their shares, how much of the texts the vocabulary covers, and how such texts are read."""
    found = documents(dataset, settings)
    vocabulary, counts = found.vocabulary, found.counts
    tokens = int(counts.sum())
    known = int(counts[vocabulary.singles[:-1] >= settings.first].sum())
    lengths = found.tokens.lengths[found.split.train] + int(settings.marked)
    sharing, unhashed = 0, 0.0
    if settings.hashing:
        ids = vocabulary.singles[:-1][counts > 0]
        sharing = int((np.bincount(ids)[ids] > 1).sum())
        unhashed = sum(int((codes < 0).sum()) for _, _, codes, _ in found.blocks()) / int(found.tokens.lengths.sum())
    return {
        "classes": list(dataset.manifest.report["classes"]),
        "priors": list(found.priors),
        "own_validation": own_validation(dataset),
        "single": single_classes(found.labels, found.split, dataset.manifest.report["classes"]),
        "reading": dataset.manifest.preparation["settings"],
        "unit": None,
        "features": vocabulary.features,
        "unknown": 1 - known / tokens,
        "vectors": dataset.manifest.report.get("vectors"),
        "words": len(vocabulary.terms),
        "longer": float((lengths > settings.maxlen).mean()),
        "sharing": sharing,
        "unhashed": unhashed,
    }


def objective(facts: Mapping[str, Any], settings: TextSettings) -> Objective:
    """Cross-entropy (or the squared error of the probabilities), and accuracy."""
    two = len(facts["classes"]) == 2
    if settings.loss == "mse":
        loss: Any = "mean_squared_error" if two else scores.squared_error
    else:
        loss = "binary_crossentropy" if two else "sparse_categorical_crossentropy"
    return Objective(loss, {"accuracy": scores.binary_accuracy if two else scores.accuracy})


def references(facts: Mapping[str, Any], settings: TextSettings) -> dict[str, dict[str, Any]]:
    """The shares of the classes among the training documents, whatever the text says."""
    return {"baseline": {"vectorization": "sequence", "ngrams": 1, "hashing": 0, "maxlen": 1}}


def scale(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, float]:
    """Nothing: accuracy has no unit."""
    return {}


def remarks(facts: Mapping[str, Any], settings: TextSettings) -> list[str]:
    """What a model sees of a document, and how much of the words it knows."""
    classes = facts["classes"]
    words = "characters" if facts["reading"].get("level") == "char" else "words"
    named = f": {', '.join(classes)}" if len(classes) <= _NAMED else ""
    lines = [f"tells {len(classes)} classes apart{named}"]
    absent = [name for name, share in zip(classes, facts["priors"], strict=True) if not share]
    if absent:
        more = f", and {len(absent) - _NAMED:,} more" if len(absent) > _NAMED else ""
        lines.append(f"has no training document of {', '.join(absent[:_NAMED])}{more}: it cannot learn what these are")
    lines += [*validation_messages(facts, "document"), *single_messages(facts)]
    if not settings.bag:
        end = "last" if (settings.truncation == "pre") != settings.reversed else "first"
        longer = f"; {100 * facts['longer']:.0f} % are longer" if facts["longer"] else ""
        lines.append(
            f"sees the {end} {settings.maxlen:,} {words} of a document{', reversed' * settings.reversed}{longer}"
        )
    else:
        runs = f" and of runs of up to {settings.ngrams}" if settings.ngrams > 1 else ""
        lines.append(f"sees all {words} of a document{runs}, without their order ({settings.vectorization})")
    if settings.hashing:
        lines.append(
            f"hashes {words} to {settings.hashing - 1:,} ids: {facts['sharing']:,} {words} of the training documents "
            "share theirs with another; raise hashing for fewer"
        )
        if facts["unhashed"]:
            lines.append(
                f"leaves out the {100 * facts['unhashed']:.1f} % of all {words} that only test documents have, which "
                "predictions do not: prepare with counted=all"
            )
    else:
        what = f"{words} and runs of {words}" if settings.ngrams > 1 else words
        lines.append(
            f"knows {facts['words']:,} {what}; {100 * facts['unknown']:.1f} % of the {words} of the training documents "
            "are not among them"
        )
    if facts["vectors"]:
        vectors = facts["vectors"]
        lines.append(f"word vectors of {vectors['name']}, dimension {vectors['dimension']}, where the model takes them")
    return lines


def raw_reading(facts: Mapping[str, Any]) -> DocumentReading:
    """The preparation that reads raw texts for predictions as those of the run were read."""
    return DocumentReading.of(facts["reading"])


_BAG = {"vectorization": "multi_hot", "batch_size": 512, "epochs": 4, "steps_per_epoch": None}

KIND = Kind(
    name="classify",
    noun="a text classifier",
    preparation=TextPreparation,
    examples=TextSettings,
    models={
        "baseline": Model(_BUILDERS + "baseline", xla=False),
        "multihot": Model(_BUILDERS + "multihot", _BAG, xla=False),
        "embedding": Model(_BUILDERS + "embedding", {"maxlen": 20}, xla=False),
        "average": Model(_BUILDERS + "average", xla=False),
        "one_hot": Model(_BUILDERS + "one_hot", xla=False),
        "glove": Model(_BUILDERS + "glove", {"marks": False}, xla=False),
        "simple_rnn": Model(_BUILDERS + "simple_rnn", xla="keras_loop"),
        "lstm": Model(_BUILDERS + "lstm", xla="keras_loop"),
        "lstm_reversed": Model(_BUILDERS + "lstm", {"reversed": True}, xla="keras_loop"),
        "lstm_bidirectional": Model(_BUILDERS + "lstm_bidirectional", xla="keras_loop"),
        "gru": Model(_BUILDERS + "gru", xla="keras_loop"),
        "gru_stacked": Model(_BUILDERS + "gru_stacked", xla="keras_loop"),
        "conv1d": Model(_BUILDERS + "conv1d", {"learning_rate": 1e-4}, xla=False),
        "conv1d_glove": Model(_BUILDERS + "conv1d_glove", {"marks": False}, xla=False),
        "rnn": Model(_BUILDERS + "rnn", xla="keras_loop"),
    },
    default_model="lstm",
    sample=sample,
    facts=facts,
    objective=objective,
    references=references,
    scale=scale,
    remarks=remarks,
    folds=None,
    reading=raw_reading,  # not "reading": that is the package beside this
    history=None,
    predict=predict,
    report=report,
    assets=assets.write,
    details=details,
    show=show,
    texts="text",
    words=assets.words,
)
