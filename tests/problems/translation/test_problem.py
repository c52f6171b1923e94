"""What the core asks of the kind, what its report shows, and its sample."""

import json
import re
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import sacrebleu

from raysq import layers, problems, tasks
from raysq.cli import main
from raysq.config import setting_fields
from raysq.errors import DataError, MissingPackageError, UsageError
from raysq.inference.predictor import load
from raysq.inference.translate import translate_file
from raysq.problems.translation.sample import pairs, sample
from raysq.report.analysis import analyze
from raysq.report.page import write_report
from raysq.training.best import best_model
from raysq.training.builder import load_builder
from raysq.training.presets import with_preset
from raysq.training.run_config import resolve_config
from raysq.training.settings import TrainSettings

PROBLEM = problems.get("translation")


def test_metadata_and_messages(pairs_dataset):
    values = {"target_words": 10, "max_source": 3, "reversed": True}
    problem = PROBLEM.from_dataset(pairs_dataset, values)
    metadata = problem.metadata
    assert (metadata.source_words, metadata.target_words) == (16, 10)
    assert metadata.source_unknown == 0 < metadata.target_unknown
    lengths = pairs_dataset.ragged("source_tokens").lengths[problem.splits(pairs_dataset)["train"].rows]
    assert metadata.source_truncated == pytest.approx(np.mean(lengths > 3)) and metadata.target_truncated == 0
    assert metadata.mean_target_length == pytest.approx(lengths.mean() + 1)
    messages = problem.describe()
    assert "source: up to 3 words, reversed" in messages[0] and "are longer and cut; knows 12 words" in messages[0]
    stored = problem.metadata_values()
    assert json.loads(json.dumps(stored)) == stored
    assert PROBLEM.from_config(asdict(problem.settings), stored).describe() == messages


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source_unknown": [0.5]}, "source_unknown: expected a number, received [0.5]"),
        ({"target_words": "many"}, 'target_words: expected a whole number, received "many"'),
        ({"own_validation": ...}, "'own_validation' is missing"),
        ({"ids": [16, 10]}, "'ids' is unknown"),
        ({"preprocessor": {"lower": "perhaps"}}, "preprocessor: setting lower must be true or false"),
        ({"preprocessor": {"upper": True}}, "preprocessor: unknown setting 'upper'"),
    ],
)
def test_metadata_of_a_wrong_type_are_an_error(pairs_run, tmp_path, change, message):
    folder = tmp_path / "run"
    shutil.copytree(pairs_run("plain").directory, folder)
    config = json.loads((folder / "config.json").read_text())
    config.pop("checksum")
    metadata = {**config["metadata"], **change}
    config["metadata"] = {name: value for name, value in metadata.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=rf"the metadata of a run of translation cannot be used: {re.escape(message)}"):
        load(folder, trust=True).translate(["w1"])


def test_models_refuse_what_they_cannot_take(pairs_dataset):
    for model, settings, message in (
        ("attention", {"examples": "words"}, "set examples=pairs"),
        ("transformer", {"examples": "words"}, "set examples=pairs"),
        ("repeat", {"examples": "pairs"}, "set examples=words"),
    ):
        with pytest.raises(UsageError, match=message):
            resolve_config("pairs", model, pairs_dataset, 0, settings).build(pairs_dataset)


@pytest.mark.parametrize("model", ["attention", "repeat"])
def test_quick_layers_give_what_the_exported_ones_do(pairs_dataset, model):
    config = resolve_config("pairs", model, pairs_dataset, 0, {"embedding": 4, "units": 5})
    quick = config.build(pairs_dataset)
    exported = layers.to_keras(quick)
    assert [type(one.get_layer("decoder")).__module__.split(".")[0] for one in (exported, quick)] == ["keras", "raysq"]
    examples = config.make_problem().splits(pairs_dataset)["test"]
    x, _ = examples.gather(np.arange(24), examples.arrays(), lambda array, at: array.take(at))
    np.testing.assert_allclose(quick(x), exported(x), atol=1e-5)


def test_repeat_is_the_network_of_the_listing(pairs_dataset):
    config = resolve_config("pairs", "repeat", pairs_dataset, 0, with_preset({}, "keras1"))
    model = config.build(pairs_dataset)
    names = [
        "source_embedding",
        "encoder",
        "repeat",
        "target_embedding",
        "target_gru",
        "target_dense",
        "both",
        "decoder",
    ]
    built = {name: model.get_layer(name) for name in (*names, "output")}
    assert [type(layer).__name__ for layer in built.values()] == [
        *("Embedding", "GRU", "RepeatVector", "Embedding", "GRU", "Dense", "Concatenate", "GRU", "Dense"),
    ]
    assert (
        built["both"].output.shape[-1] == 256
        and built["target_dense"].output.shape[1:] == built["repeat"].output.shape[1:]
    )
    assert {built[name].units for name in ("encoder", "target_gru", "target_dense", "decoder")} == {128}
    source, target = (built[f"{side}_embedding"].input_dim for side in ("source", "target"))
    gru = {width: 3 * (width * 128 + 128 * 128 + 128) for width in (128, 256)}  # of Keras 1
    count = 128 * (source + target) + 2 * gru[128] + 128 * 129 + gru[256] + 129 * target
    assert model.count_params() == count


@pytest.mark.parametrize("model", ["encoder_decoder", "attention"])
def test_the_first_word_depends_on_the_source_from_the_start(pairs_dataset, model):
    # With Keras's own embeddings it was a tenth of this, and the real pairs were learned as if there were no source.
    config = resolve_config("pairs", model, pairs_dataset, 0, {})
    examples = config.make_problem().splits(pairs_dataset)["test"]
    x, _ = examples.gather(np.arange(24), examples.arrays(), lambda array, at: array.take(at))
    logits = layers.to_keras(config.build(pairs_dataset))(x).numpy()
    assert logits[:, 0].std(0).mean() > 0.03


@pytest.mark.parametrize("name", ["translation", "pairs"])
def test_the_tasks_spaces_are_settings_of_their_model(name):
    task = tasks.get(name)
    builder = load_builder(PROBLEM.models[task.search_model].build, trusted=True)
    known = {**setting_fields(builder), **setting_fields(PROBLEM.Settings), **setting_fields(TrainSettings)}
    assert set(task.search) <= set(known) and set(task.settings) <= set(known)


def test_bleu_is_measured_and_the_report_shows_sentences(pairs_run, pairs_dataset, tmp_path):
    run = pairs_run("attention")
    metrics = analyze(run).evaluation  # that of `raysq evaluate`
    assert list(metrics) == ["attention", "baseline"]
    ours, theirs = metrics.values()
    assert ours["test_bleu"] > theirs["test_bleu"] + 20 and ours["test_accuracy"] > theirs["test_accuracy"]
    rows = np.flatnonzero(pairs_dataset.column("part").slice(0, pairs_dataset.rows) == 1)
    sides = [[one for array in pairs_dataset.arrow(side) for one in array.to_pylist()] for side in ("source", "target")]
    texts = [one.text for one in load(run).translate([sides[0][row] for row in rows], beam=1)]
    wanted = sacrebleu.corpus_bleu(texts, [[sides[1][row] for row in rows]], lowercase=True).score
    assert ours["test_bleu"] == pytest.approx(wanted)
    page, again = (write_report(run, output=tmp_path / name).read_text() for name in ("page.html", "again.html"))
    for words in ("The BLEU of attention on the test split", "BLEU by length", "word by word", "The worst"):
        assert words in page, words
    assert len(re.findall(r'"text":"[01]\.\d\d"', page)) > 10, "weights of what it looks at"
    footer = r"<footer>.*</footer>"  # tells the time
    assert re.sub(footer, "", again) == re.sub(footer, "", page)


def test_samples_during_training_are_translations_of_validation_pairs(pairs_run, pairs_dataset):
    problem = pairs_run("attention").problem
    sample = problem.epoch_sampler(pairs_dataset, best_model(pairs_run("attention"), pairs_dataset))
    samples = sample()
    rows = problem.corpus(pairs_dataset).split.val
    known = dict(zip(pairs_dataset.texts("source", rows), pairs_dataset.texts("target", rows), strict=True))
    assert len(samples) == 5 and all(known[each.title] == each.expected for each in samples)
    assert any(each.text for each in samples) and sample() == samples


def test_without_sacrebleu_it_is_said(monkeypatch):
    import sys

    from raysq.problems.translation.bleu import bleu

    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'raysq\[translation\]'"):
        bleu(["a"], ["a"])


def test_without_sacrebleu_all_else_is_evaluated(pairs_run, monkeypatch, tmp_path, capsys):
    import sys

    run = pairs_run("attention")
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    assert main(["evaluate", str(run.directory), "--split", "val", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    said = "BLEU is computed by sacrebleu, which is not installed: pip install 'raysq[translation]'"
    assert found["messages"] == [said]
    assert set(found["metrics"]) == {"val_loss", "val_accuracy"}
    assert main(["evaluate", str(run.directory), "--split", "val"]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    (tmp_path / "in.txt").write_text("w1\n")
    with pytest.raises(MissingPackageError, match="BLEU is computed by sacrebleu"):
        translate_file(run, tmp_path / "in.txt", tmp_path / "out.txt", reference=tmp_path / "in.txt")
    assert not (tmp_path / "out.txt").exists()


def test_sample_is_the_same_every_time_and_can_be_turned_back(tmp_path):
    made = pairs(300)
    assert made[:50] == pairs(50)
    by_source = dict(made)
    assert len(set(by_source.values())) > 0.97 * len(by_source), "a translation tells its source, but for a, the and s"
    path = sample(tmp_path, "60")
    assert path.read_text().splitlines() == [f"{a}\t{b}" for a, b in made[:60]] and path == sample(tmp_path, "60")
    with pytest.raises(UsageError, match="such as sample:2000; received '7'"):
        sample(tmp_path, "7")


def test_words_of_the_transformer_see_no_padding_and_nothing_after_them(pairs_dataset):
    config = resolve_config("pairs", "transformer", pairs_dataset, 0, {"embedding": 8, "units": 16, "heads": 2})
    model = config.build(pairs_dataset)
    examples = config.make_problem().splits(pairs_dataset)["test"]
    x, _ = examples.gather(np.arange(24), examples.arrays(), lambda array, at: array.take(at))
    logits = model(x).numpy()
    np.testing.assert_allclose(layers.to_keras(model)(x), logits, atol=1e-5)
    width = config.make_problem().settings.max_source
    assert (x[:, 0] == 0).any() and (x[:, width - 1] > 0).all(), "padding is in front of some sentences"
    later = x.copy()
    later[:, width + 3 :] = 5
    changed = np.abs(model(later).numpy() - logits).max((0, 2))
    assert changed[:3].max() < 1e-5 < 1e-3 < changed[3:].min()
    for name in ("source_embedding", "source_places"):
        table = model.get_layer(name).embeddings
        table.assign(table.numpy() + 9.0 * (np.arange(len(table.numpy())) == 0)[:, None])
    np.testing.assert_allclose(model(x), logits, atol=1e-5, err_msg="padding and its place have no part")
    with pytest.raises(UsageError, match="heads=3 must divide embedding=8"):
        resolve_config("pairs", "transformer", pairs_dataset, 0, {"embedding": 8, "heads": 3}).build(pairs_dataset)
