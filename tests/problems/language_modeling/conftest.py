"""One small trained run that all tests of what is done with it share."""

import os

import pytest

import raysq
from raysq.layers import scan


@pytest.fixture(scope="package")
def runs(tmp_path_factory):
    """Finished runs on the sample by name: of the "last" and of "every" position, and bigrams of characters, "char"."""
    before = os.environ.get("RAYSQ_HOME")
    os.environ["RAYSQ_HOME"] = str(tmp_path_factory.mktemp("home"))
    parts, scan.PARTS = scan.PARTS, 2  # fewer loops to compile
    try:
        raysq.prepare("text", "sample:400", name="words", quiet=True)
        raysq.prepare("text", "sample:60", name="chars", settings={"level": "char"}, quiet=True)
        small = {"embedding": 16, "units": 24, "maxlen": 16, "dropout": 0.0, "learning_rate": 0.02, "xla": "false"}
        every = {**small, "sequence_targets": True, "epochs": 5}
        yield {
            "every": raysq.train("text", data="words", model="lstm_every", settings=every, name="every"),
            "last": raysq.train("text", data="words", settings={**small, "epochs": 1, "batch_size": 256}, name="last"),
            "char": raysq.train("text", data="chars", model="baseline", name="char"),
        }
    finally:
        scan.PARTS = parts
        if before is None:
            del os.environ["RAYSQ_HOME"]
        else:
            os.environ["RAYSQ_HOME"] = before
