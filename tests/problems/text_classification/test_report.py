"""The page about a classifier: its figures are those of `evaluate`, it is escaped, and it fits a phone."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from problems.text_classification.corpus import SMALL, Document, documents, write_corpus
from report.test_page import HOSTILE, VEGA, parsed, table_of, words

from raysq import cli
from raysq.errors import UsageError
from raysq.problems.text_classification.neighbors import typical
from raysq.report.page import write_report
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.evaluation import evaluate_in_detail
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

MANY = [f"group.{number}.of-a-long-name" for number in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


def trained(folder, dataset, model="average", **settings):
    settings = {**SMALL, "epochs": 4, "learning_rate": 0.05, **settings}
    config = resolve_config("classify", f"problems.text_classification.small_models:{model}", dataset, 0, settings)
    run = Run.create(config, name=f"run-{dataset.manifest.name}", folder=folder / "runs")
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks())
    return run


@pytest.fixture(scope="module")
def two(folder):
    # Words of the other class, so that they are mistaken: what they look like is on the page.
    hostile = [Document(("w1", "w3", "w5", "w7", "w9") * 4, "neg", 1, HOSTILE) for _ in range(3)]
    return trained(folder, write_corpus(folder / "two", [*documents(count=400, tests=100), *hostile]))


@pytest.fixture(scope="module")
def many(folder):
    return trained(folder, write_corpus(folder / "many", documents(count=800, classes=MANY, tests=300)))


def test_the_page_has_the_figures_of_evaluate(two):
    metrics, details = evaluate_in_detail(two, ("test",))
    root = parsed(write_report(two))
    counts = table_of(root, "Right and wrong")
    assert counts[0] == ["true", "neg", "pos"]
    assert [[int(cell) for cell in row[1:]] for row in counts[1:]] == details["test"]["confusion"]
    section = next(one for one in root.iter("section") if "Right and wrong" in "".join(one[0].itertext()))
    rows = [["".join(cell.itertext()) for cell in row] for row in list(section.iter("table"))[1].iter("tr")]
    assert rows[0] == ["class", "precision", "recall", "F1", "AUC", "examples"]
    assert [row[0] for row in rows[1:]] == ["neg", "pos", "macro average"] and rows[-1][-1] == "103"
    for row in rows[1:3]:
        assert float(row[1]) == pytest.approx(details["test"]["per_class"][row[0]]["precision"], abs=1e-3)
    moved = details["test"]["at_threshold"]  # chosen on the validation split, in the report as in evaluate
    assert moved["class"] == "pos"
    said = (
        f"Threshold {moved['threshold']:.3f} for pos, chosen on the validation split: accuracy {moved['accuracy']:.4f}"
    )
    assert said in " ".join("".join(section.itertext()).split())
    own = metrics[two.config.model]
    assert details["test"]["accuracy"] == pytest.approx(own["test_accuracy"], abs=1e-6)
    assert sum(map(sum, details["test"]["confusion"])) == details["test"]["examples"] == 103
    pictures = [one.get("aria-label") for one in root.iter("svg") if one.get("aria-label")]
    matrix = next(one for one in pictures if one.startswith("Matrix"))
    right = sum(details["test"]["confusion"][number][number] for number in range(2))
    assert f"{right} of 103 lie on the diagonal" in matrix
    text = words(root)
    for title in ("How sure it is", "Most confident mistakes", "Short and long documents", "Nearest words"):
        assert title in text
    assert "Accuracy by epoch" in text and "expected calibration error" in text
    assert "alert('x')" in text, "what stands in a document is text, whatever it looks like"


def test_very_many_classes_have_no_matrix(folder):
    names = [f"class {number}" for number in range(50)]
    made = write_corpus(folder / "fifty", documents(count=400, classes=names, tests=200))
    root = parsed(write_report(trained(folder, made, epochs=1)))
    section = next(one for one in root.iter("section") if "Right and wrong" in "".join(one[0].itertext()))
    said = " ".join("".join(section.itertext()).split())
    assert "50 classes are too many for a matrix" in said and "the 40 of 50 with the lowest F1" in said
    assert "Confusion matrix" not in said and "Largest confusions" in said


def test_mistakes_are_the_surest_ones(two):
    root = parsed(write_report(two))
    said = re.findall(r"taken for \w+ \(([\d.]+) %\)", words(root))
    shown = [float(one) for one in said]
    assert 1 <= len(shown) <= 12 and shown == sorted(shown, reverse=True) and min(shown) >= 50


def test_a_second_report_needs_no_model(two, monkeypatch):
    first = write_report(two).read_text()
    monkeypatch.setattr("raysq.training.run_config.RunConfig.build", None)
    again = write_report(two).read_text()
    assert first.split("Written by")[0] == again.split("Written by")[0]


def test_evaluate_prints_and_tells_details(two, many, capsys):
    assert cli.main(["evaluate", str(two.directory), "--split", "test", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["details"]) == {"test"} and found["details"]["test"]["classes"] == ["neg", "pos"]
    assert found["details"]["test"]["accuracy"] == pytest.approx(found["metrics"]["test_accuracy"], abs=1e-6)
    assert cli.main(["evaluate", str(many.directory), "--split", "val"]) == 0
    shown = capsys.readouterr().out
    assert "val: each class" in shown and "largest confusions" in shown and "confusion matrix" not in shown
    assert all(name in shown for name in MANY)


def test_documents_without_a_text_are_shown_by_their_words(folder):
    found = documents(count=200, tests=60)
    dataset = write_corpus(folder / "untold", found, excerpt=0)
    root = parsed(write_report(trained(folder, dataset, "summed", vectorization="multi_hot", epochs=1)))
    quotes = [" ".join(one.itertext()) for one in root.iter("dd")]
    assert any(re.search(r"(w\d+ ){3}", quote) for quote in quotes)
    assert "Nearest words" not in words(root), "of a bag the ids are no words in a row"


def test_an_option_of_other_reports_is_refused(two):
    with pytest.raises(UsageError, match="the report of run .*, a text classifier, has no option 'week'"):
        write_report(two, week="2014-05-05")


def test_typical_words_are_those_that_others_lack():
    scores = typical(np.array([[50, 5, 100, 0], [5, 50, 100, 0]]))
    assert scores[0].argmax() == 0 and scores[1].argmax() == 1
    assert abs(scores[:, 2]).max() < 1e-9 and not scores[:, 3].any()
    np.testing.assert_allclose(scores[0], -scores[1])


@pytest.mark.parametrize("page", ["two", "many"])
def test_a_browser_shows_the_page_without_sideways_scrolling(page, two, many, tmp_path):
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no chromium to render the page with")
    path = write_report(two if page == "two" else many, output=tmp_path / "page.html")
    assert path.stat().st_size < 500_000 + VEGA
    frames = "".join(
        f'<iframe width="{width}" height="800" srcdoc="{html.escape(path.read_text())}"></iframe>'
        for width in (360, 1200)
    )
    measure = """<script>onload = () => { document.body.dataset.found = JSON.stringify([...document.querySelectorAll(
        "iframe")].map(one => { const root = one.contentDocument.documentElement;
        return [root.clientWidth, root.scrollWidth]; })) }</script>"""
    outer = tmp_path / "outer.html"
    outer.write_text(f"<!DOCTYPE html><html><body>{frames}{measure}</body></html>")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'p'}"]
    dumped = subprocess.run(
        [chromium, *options, "--virtual-time-budget=10000", "--dump-dom", outer.as_uri()],
        capture_output=True,
        text=True,
        timeout=900,
    )
    found = re.search(r'data-found="([^"]*)"', dumped.stdout)
    assert found, dumped.stderr[-2000:]
    for client, scroll in json.loads(html.unescape(found[1])):
        assert scroll <= client
