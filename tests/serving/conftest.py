"""A small run of every problem, trained once, and an HTTP server that serves them all."""

import os
from types import SimpleNamespace

import pytest
from serving import served

import raysq
from raysq.serving.access import Access
from raysq.serving.application import Application, Backend
from raysq.serving.named_runs import open_runs

pytest.importorskip("uvicorn", reason="uvicorn, of the extra serve, is missing")

# Task, sample, model and settings. The models are quickly compiled.
SHORT = {"epochs": 1, "steps_per_epoch": 2, "xla": "false"}
RUNS = {
    "reviews": ("classify", "sample:120", "multihot", SHORT),
    "series": ("jena", "sample:12d", "dense", {**SHORT, "lookback": "12h", "delay": "2h,6h"}),
    "words": ("text", "sample:100", "baseline", {}),
    "pairs": ("pairs", "sample:100", "baseline", {}),
    "shapes": ("images", "sample:100", "baseline", {}),
    "table": ("arrays", "sample:100", "linear", SHORT),
    "vectors": ("cbow", "sample:100", "softmax", SHORT),
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


@pytest.fixture
def slow(runs):
    """A function that serves the run of reviews without its model."""
    made = []

    def serve(access: Access = Access(None, None), most_waiting: int = 2, **options):  # noqa: B008 - immutable
        slow = served.Slow(most_waiting)
        backend = Backend(slow.batcher, slow.columns)
        application = Application(
            open_runs({"reviews": runs["reviews"]}), {"reviews": backend}, access, served.none_missing, **options
        )
        server = served.serving(application)
        made.append((server, slow))
        slow.address = server.__enter__()
        return slow

    yield serve
    for server, slow in made:
        slow.released = True
        server.__exit__(None, None, None)
