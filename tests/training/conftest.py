"""What the tests of workers share: the same runs by one, two and three of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from problems.language_modeling.corpus import prepared as write_sentences
from problems.text_classification import corpus
from problems.word_vectors.written import texts as word_texts
from problems.word_vectors.written import write
from training.keras_callbacks.deciding import deciding
from training.series import SMALL, write_series
from training.workers import Job, train_apart, train_here

from raysq.training.run_config import resolve_config

# RMSprop hides a wrong scale of the gradient: SGD. 13 rows do not divide over 2, 3 or 4 workers.
SGD = {**SMALL, "epochs": 2, "batch_size": 13, "optimizer": "sgd", "learning_rate": 0.05}
ONE = {**SMALL, "epochs": 1, "units": 4}
# More steps than a call of compiled steps takes, in an epoch that it does not divide; long enough to be interrupted.
TEXT = {**corpus.SMALL, "epochs": 8, "steps_per_epoch": 20, "batch_size": 13, "optimizer": "sgd", "learning_rate": 0.2}
SENTENCES = {"embedding": 4, "units": 4, "maxlen": 8, "epochs": 2, "batch_size": 13, "dropout": 0.0, "xla": "false"}
SAMPLED = {**SENTENCES, "samples_every": 1, "keep_epochs": 2, "optimizer": "sgd", "learning_rate": 0.2}
# XLA takes long to compile a loop, and every worker does it.
CASES = {
    "dense": ("dense", {**SGD, "eval_batch_size": 37, "xla": "true"}),
    "gru": ("gru", {**SGD, "units": 4, "xla": "false"}),
    "penalty": ("training.own_models:penalized", {**SGD, "clipnorm": 0.3}),
    "own": ("training.own_models:clipping", {**SMALL, "epochs": 2, "batch_size": 13, "eval_batch_size": 37}),
    "unequal": ("training.own_models:unequal", {**SGD, "epochs": 1}),
    "host": ("dense", {**SGD, "batch_size": 7}),
    "diverging": ("dense", {**SGD, "learning_rate": 1e30}),
    "dropout": ("dense", {**ONE, "dropout": 0.3}),
    "moving": ("training.own_models:normalized", ONE),
    # The first loss scale is too large for the one worker that has a row.
    "decided": ("dense", {**SGD, "epochs": 6, "steps_per_execution": 5}),
    "float16": ("dense", {**SGD, "batch_size": 1, "learning_rate": 0.002, "precision": "mixed_float16"}),
}
# 13 rows in 4 parts: one has a row of weight 0. Calls of 5 steps, so that they can be interrupted within an epoch.
PARTS = {"exact": 4, "epochs": 2, "batch_size": 13, "eval_batch_size": 37, "steps_per_epoch": 8, "checkpoint_steps": 5}
DECIDING = "training.keras_callbacks.deciding:deciding"
DROPOUT = {"dropout": 0.3, "recurrent_dropout": 0.2}
EXACT = {
    "convolved": ("jena", "training.own_models:convolved", {"clipnorm": 0.3}),
    "lstm": ("classify", "lstm", {"units": 4, "embedding": 4, "xla": "false", **DROPOUT}),
    "negatives": ("skipgram", "negative_sampling", {"dimension": 4, "min_count": 1, "shared": 8, "block": 16}),
}


@pytest.fixture(scope="session")
def by_workers(tmp_path_factory):
    """Runs by case, for 1, 2 and 3 workers, and for 2 devices in one worker or in each of two."""
    folder = tmp_path_factory.mktemp("workers")
    series, texts = write_series(folder / "waves"), corpus.write_corpus(folder / "texts")
    words = write(folder / "words", word_texts())
    configs = {name: resolve_config("jena", model, series, 0, settings) for name, (model, settings) in CASES.items()}
    # Of the two horizons of a window often one was not observed.
    gaps = write_series(folder / "gaps", unobserved=[(row, row + 5) for row in range(40, 1200, 23)])
    configs["gaps"] = resolve_config("jena", "dense", gaps, 0, {**SGD, "delay": "6,12"})
    configs["text"] = resolve_config("classify", "embedding", texts, 0, TEXT)
    sentences = write_sentences(folder / "sentences")
    configs["sampled"] = resolve_config("text", "lstm", sentences, 0, SAMPLED)
    for name, (task, model, settings) in EXACT.items():
        dataset, small = {"jena": (gaps, SMALL), "classify": (texts, corpus.SMALL), "skipgram": (words, {})}[task]
        configs[name] = resolve_config(task, model, dataset, 0, {**small, **PARTS, **settings})

    def some(name, *names):
        (folder / name).mkdir()
        return folder / name, {one: configs[one] for one in names}

    rounded = ("dense", "gru", "penalty", "own", "unequal", "host", "gaps", "text")
    masked = ("dropout", "moving")
    # One worker gathers in the graph what several gather on the host. Loops and embeddings under two devices:
    # tests/problems/text_classification/test_replicas.py.
    jobs = {
        "2 devices": Job(
            *some("devices", "dense", "penalty", "own", "host", "gaps", "moving", "decided"),
            replicas=2,
            host=["host"],
            callbacks={"decided": DECIDING},
        ),
        "2 in a ring": Job(*some("ring", "moving", "penalty"), workers=2, gather=False),
        "2 of 2 devices": Job(*some("two devices", "dense", "host", "moving"), workers=2, replicas=2, host=["host"]),
    }
    names = ("diverging", *rounded, *masked, "decided", "float16", "sampled", *EXACT)
    stop = dict.fromkeys(EXACT, 5)  # two workers to the middle of the first epoch, then three to the end
    two = some("two", *names)
    jobs["2"] = Job(*two, workers=2, host=["host", "lstm"], again=masked, stop=stop, callbacks={"decided": DECIDING})
    exact = {name: jobs["2"].runs[name] for name in EXACT}
    jobs["3"] = Job(*some("three", "penalty", "host"), workers=3, host=["host"], go_on=exact)
    jobs["exact"] = Job(*some("exact", *EXACT))
    with ThreadPoolExecutor(1) as beside:
        apart = beside.submit(train_apart, folder, jobs)
        one = some("one", *rounded, "dropout", "decided", "sampled")
        return {"1": train_here(*one, {"decided": deciding}), **apart.result()}
