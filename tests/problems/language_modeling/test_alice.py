"""Figures on the real book, through the same functions that the command line calls."""

import pytest

import raysq

ALICE = "alice/pg11.txt"


def test_the_book_is_read_without_its_header(real):
    found = raysq.prepare("alice", real(ALICE), quiet=True)
    report = found.manifest.report
    assert report["units"] == 1447 and report["tokens"] == 26778 and report["undecodable"]["count"] == 0
    assert "gutenberg" not in found.extra("vocabulary")["word"].to_pylist()


def test_bigrams_on_the_book(real):
    raysq.prepare("alice", real(ALICE), quiet=True)
    metrics = raysq.train("alice", model="baseline").result()["metrics"]
    assert metrics["val_perplexity"] == pytest.approx(94.40, abs=0.05)
    assert metrics["test_perplexity"] == pytest.approx(96.46, abs=0.05)


@pytest.mark.slow
def test_the_lstm_is_a_little_better_than_the_bigrams_on_the_book(real):
    raysq.prepare("alice", real(ALICE), quiet=True)
    metrics = raysq.train("alice", model="lstm").result()["metrics"]
    assert metrics["val_perplexity"] < 94.4 and metrics["test_perplexity"] < 96.5
