"""What the tests of workers share: the same runs by one, two and three of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from problems.text_classification import corpus
from training.series import SMALL, write_series
from training.workers import Job, train_apart, train_here

from raysq.training.run_config import resolve_config

# RMSprop hides a wrong scale of the gradient: SGD. 13 rows do not divide over 2, 3 or 4 workers.
SGD = {**SMALL, "epochs": 2, "batch_size": 13, "optimizer": "sgd", "learning_rate": 0.05}
ONE = {**SMALL, "epochs": 1, "units": 4}
# More steps than a call of compiled steps takes, in an epoch that it does not divide; long enough to be interrupted.
TEXT = {**corpus.SMALL, "epochs": 8, "steps_per_epoch": 20, "batch_size": 13, "optimizer": "sgd", "learning_rate": 0.2}
# XLA takes long to compile a loop, and every worker does it.
CASES = {
    "dense": ("dense", {**SGD, "eval_batch_size": 37, "xla": "true"}),
    "gru": ("gru", {**SGD, "units": 4, "xla": "false"}),
    "penalty": ("training.own_models:penalized", {**SGD, "clipnorm": 0.3}),
    "own": ("training.own_models:clipping", {**SMALL, "epochs": 2, "batch_size": 13, "eval_batch_size": 37}),
    "host": ("dense", {**SGD, "batch_size": 7}),
    "diverging": ("dense", {**SGD, "learning_rate": 1e30}),
    "dropout": ("dense", {**ONE, "dropout": 0.3}),
    "moving": ("training.own_models:normalized", ONE),
    # The first loss scale is too large for the one worker that has a row.
    "float16": ("dense", {**SGD, "batch_size": 1, "learning_rate": 0.002, "precision": "mixed_float16"}),
}


@pytest.fixture(scope="session")
def by_workers(tmp_path_factory):
    """Runs by case, for 1, 2 and 3 workers, and for 2 devices in one worker or in each of two."""
    folder = tmp_path_factory.mktemp("workers")
    series, texts = write_series(folder / "waves"), corpus.write_corpus(folder / "texts")
    configs = {name: resolve_config("jena", model, series, 0, settings) for name, (model, settings) in CASES.items()}
    # Of the two horizons of a window often one was not observed.
    gaps = write_series(folder / "gaps", unobserved=[(row, row + 5) for row in range(40, 1200, 23)])
    configs["gaps"] = resolve_config("jena", "dense", gaps, 0, {**SGD, "delay": "6,12"})
    configs["text"] = resolve_config("classify", "embedding", texts, 0, TEXT)

    def some(name, *names):
        (folder / name).mkdir()
        return folder / name, {one: configs[one] for one in names}

    exact = ("dense", "gru", "penalty", "own", "host", "gaps", "text")
    masked = ("dropout", "moving")
    # One worker gathers in the graph what several gather on the host. Loops and embeddings under two devices:
    # tests/problems/text_classification/test_replicas.py.
    jobs = {
        "2 devices": Job(
            *some("devices", "dense", "penalty", "own", "host", "gaps", "moving"), replicas=2, host=["host"]
        ),
        "2": Job(*some("two", "diverging", *exact, *masked, "float16"), workers=2, host=["host"], again=masked),
        "2 in a ring": Job(*some("ring", "moving", "penalty"), workers=2, gather=False),
        "2 of 2 devices": Job(*some("two devices", "dense", "host", "moving"), workers=2, replicas=2, host=["host"]),
        "3": Job(*some("three", "penalty", "host"), workers=3, host=["host"]),
    }
    with ThreadPoolExecutor(1) as beside:
        apart = beside.submit(train_apart, folder, jobs)
        return {"1": train_here(*some("one", *exact, "dropout")), **apart.result()}
