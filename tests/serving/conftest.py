"""A small run of every problem, trained once, and an HTTP server that serves them all."""

import os
from types import SimpleNamespace

import pytest
from serving import served

import raysq

pytest.importorskip("uvicorn", reason="uvicorn, of the extra serve, is missing")

# Task, sample, model and settings. The models are quickly compiled.
RUNS = {
    "reviews": ("classify", "sample:120", "multihot", {"epochs": 1}),
    "series": ("jena", "sample:12d", "dense", {"epochs": 1, "steps_per_epoch": 2, "lookback": "12h", "delay": "2h,6h"}),
    "words": ("text", "sample:100", "baseline", {}),
    "pairs": ("pairs", "sample:100", "baseline", {}),
    "shapes": ("images", "sample:100", "baseline", {}),
    "table": ("arrays", "sample:100", "linear", {"epochs": 1}),
    "vectors": ("cbow", "sample:100", "softmax", {"epochs": 1, "steps_per_epoch": 2}),
}


@pytest.fixture(scope="package")
def runs(tmp_path_factory):
    before = os.environ.get("RAYSQ_HOME")
    os.environ["RAYSQ_HOME"] = str(tmp_path_factory.mktemp("served"))
    try:
        trained = {}
        for name, (task, source, model, settings) in RUNS.items():
            raysq.prepare(task, source, name=name, quiet=True)
            trained[name] = raysq.train(task, data=name, model=model, settings=settings, name=name)
        yield trained
    finally:
        os.environ.pop("RAYSQ_HOME") if before is None else os.environ.update(RAYSQ_HOME=before)


@pytest.fixture(scope="package")
def every(runs):
    """Address of a server of all runs, and their processes' part, by name."""
    answerers = served.answerers(runs)
    with served.serving(served.application(runs, answerers)) as address:
        yield SimpleNamespace(address=address, answerers=answerers, runs=runs)
