"""Samples by epoch and kept epochs: they change no number of a run, and survive its interruption."""

import json
import shutil

import numpy as np
import pytest
from problems.language_modeling.corpus import prepared
from training.workers import timeless, weights

import raysq
from raysq.cli import main
from raysq.errors import DamagedError, Interrupted, UsageError
from raysq.report.samples import sample_tables
from raysq.serving.named_runs import open_runs
from raysq.training import checkpoint
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

SETTINGS = {"embedding": 4, "units": 6, "maxlen": 8, "epochs": 3, "batch_size": 4, "dropout": 0.3, "xla": "false"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("sentences"))


def train(run, **options):
    configure(run.config.train_settings(), run.config.seed, gpu=False)
    run_worker(run, None, TrainingCallbacks(tensorboard=False, **options))
    return run


def make(folder, dataset, name, **settings):
    config = resolve_config("text", "lstm_every", dataset, 0, {**SETTINGS, **settings})
    return Run.create(config, name=name, folder=folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, dataset):
    """A run without samples and one with, and what the callbacks of the latter got."""
    folder, shown = tmp_path_factory.mktemp("runs"), []
    sampled = make(folder, dataset, "sampled", samples_every=1, keep_epochs=2)
    return train(make(folder, dataset, "plain")), train(sampled, on_samples=shown.append), shown


def test_samples_change_no_number(runs):
    plain, sampled, _ = runs
    assert timeless(plain) == timeless(sampled)
    for one, other in zip(weights(plain), weights(sampled), strict=True):
        assert np.array_equal(one, other)
    assert plain.samples() == [] and plain.kept_epochs() == []
    assert plain.config.id != sampled.config.id


def test_samples_are_of_the_same_start_before_and_after_every_epoch(runs):
    _, sampled, shown = runs
    written = sampled.samples()
    assert written == shown and [each["epoch"] for each in written] == [0, 1, 2, 3]
    for each in written:
        assert [sample["title"] for sample in each["samples"]] == ["temperature 0.5", "temperature 1"]
        assert all(len(sample["text"].split()) == 20 for sample in each["samples"])
    assert len({each["samples"][1]["text"] for each in written}) > 1


def test_the_weights_of_a_kept_epoch_generate_and_predict(runs, capsys):
    _, sampled, _ = runs
    assert sampled.kept_epochs() == [2]
    kept = checkpoint.load(sampled.kept(2))
    assert set(kept.variables) == {name for name in checkpoint.load(sampled.last).variables if name[:6] == "model/"}
    model = raysq.load(sampled, epoch=2).model
    stored = [kept.variables[f"model/{number}"] for number in range(len(kept.variables))]
    for variable, value in zip(model.variables, stored, strict=True):
        assert np.array_equal(variable.numpy(), value)
    assert main(["generate", str(sampled.directory), "--epoch", "2", "--words", "20", "--temperature", "0.5"]) == 0
    assert capsys.readouterr().out.strip() == sampled.samples()[2]["samples"][0]["text"].strip()
    assert main(["predict", str(sampled.directory), "--epoch", "2", "--text", "the cat", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["text"] == "the cat"


def test_what_takes_a_run_takes_its_kept_epoch_or_refuses_it(runs):
    _, sampled, _ = runs
    at = sampled.at(2)
    vectors = raysq.load(at).word_vectors.vectors
    table = checkpoint.load(sampled.kept(2)).variables["model/0"]
    assert (table[-1] == vectors).all(1).any() and not (table[-1] == raysq.word_vectors(sampled).vectors).all(1).any()
    for refused in (at.report, lambda: raysq.evaluate(at), lambda: open_runs(at)):
        with pytest.raises(UsageError, match="takes the best weights of a run, received run sampled at its epoch 2"):
            refused()


def test_an_epoch_that_is_not_kept_is_refused_with_those_that_are(runs, capsys):
    plain, sampled, _ = runs
    with pytest.raises(UsageError, match="does not keep the weights of epoch 3, it has those of epoch 2: train with"):
        raysq.load(sampled, epoch=3)
    assert main(["generate", str(plain.directory), "--epoch", "1"]) == 2
    assert "it has none but the best: train with --keep-epochs" in capsys.readouterr().err


def test_the_report_shows_samples_over_epochs(runs):
    page = raysq.write_report(runs[1]).read_text()
    assert "Samples by epoch" in page and "temperature 0.5" in page
    assert "Samples by epoch" not in raysq.write_report(runs[0]).read_text()


def test_tables_of_samples_match_them_by_title():
    """As of a problem that skips a sample after some epochs."""
    first, second = ({"title": title, "text": title * 2, "expected": None} for title in "ab")
    tables = sample_tables([{"epoch": 0, "samples": [second]}, {"epoch": 1, "samples": [first, second]}])
    assert [(table.title, table.rows) for table in tables] == [("a", [["1", "aa"]]), ("b", [["0", "bb"], ["1", "bb"]])]


def test_an_interrupted_run_ends_with_the_same_samples(runs, dataset, tmp_path):
    run = make(tmp_path, dataset, "stopped", samples_every=1, keep_epochs=2)
    with pytest.raises(Interrupted):
        train(run, should_stop=lambda: len(run.metrics()) == 2)
    # As a process leaves them that is killed after an epoch's samples and before its checkpoint.
    run.append_samples({"epoch": 3, "samples": [{"title": "x", "text": "", "expected": None}]})
    half = run.kept(2).with_name("epoch-0002.new")
    shutil.copytree(run.kept(2), half)
    assert run.kept_epochs() == [2]
    train(run)
    assert run.samples() == runs[1].samples() and run.kept_epochs() == [2]


def test_damaged_samples_are_named_before_training(dataset, tmp_path):
    run = make(tmp_path, dataset, "damaged", samples_every=1)
    (run.directory / "samples.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(DamagedError, match=r"samples\.jsonl is damaged .*remove it"):
        train(run)


def test_a_problem_without_samples_is_refused(tmp_path, capsys):
    assert main(["prepare", "mnist", "--source", "sample:100"]) == 0
    assert main(["train", "mnist", "--samples-every", "1"]) == 2
    assert "a model of images has none: leave it out" in capsys.readouterr().err
