"""Figures on the real pairs, Japanese to English, through the same functions that the command line calls."""

import pytest

import raysq
from raysq.training.evaluation import evaluate

FOLDER = "parallel_enja"


@pytest.fixture
def data(real):
    source = str(real(f"{FOLDER}/train.ja").parent)
    return raysq.prepare("translation", source, settings={"source": "ja", "target": "en"}, quiet=True)


@pytest.mark.slow
def test_a_dictionary_on_the_real_pairs(data):
    report = data.manifest.report
    assert report["parts"] == {"train": 50_000, "test": 500, "validation": 500} and report["words"] == [8774, 6634]
    run = raysq.train("translation", data=data.directory, model="baseline")
    assert evaluate(run)["baseline"]["test_bleu"] == pytest.approx(0.93, abs=0.05)


@pytest.mark.slow
def test_attention_clearly_beats_a_dictionary_on_the_real_pairs(data):
    run = raysq.train("translation", data=data.directory, model="attention")
    metrics = evaluate(run)
    assert metrics["attention"]["test_bleu"] > 20 > 20 * metrics["baseline"]["test_bleu"]


@pytest.mark.slow
def test_without_attention_the_source_is_heeded_as_well(data):
    run = raysq.train("translation", data=data.directory, model="encoder_decoder")
    assert evaluate(run)["encoder_decoder"]["test_bleu"] > 6
