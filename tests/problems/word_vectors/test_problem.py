"""Word vectors from raw texts to neighbors, through what the command line calls."""

import hashlib
import json
import re
import shutil
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from problems.word_vectors.written import texts, write

import raysq
from raysq import problems, tasks
from raysq.cli import main
from raysq.data import sources
from raysq.data.pipeline import build
from raysq.errors import DataError, UsageError
from raysq.problems.word_vectors.preprocessor import WordVectorsPreprocessor
from raysq.problems.word_vectors.sample import CLASSES, sample, sentences
from raysq.problems.word_vectors.size_defaults import size_defaults
from raysq.tasks import datasets
from raysq.text.neighbors import embedding_of
from raysq.training.run_config import resolve_config

PROBLEM = problems.get("word_vectors")
SMALL = {"dimension": 8, "batch_size": 32, "epochs": 12, "learning_rate": 0.02, "subsample": 0.01, "window": 2}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture
def run(home, monkeypatch):
    """A run on the sample, trained once for the module."""
    monkeypatch.setenv("RAYSQ_HOME", str(home))
    if not (home / "runs" / "words").exists():
        raysq.prepare("skipgram", "sample:4000", quiet=True)
    return raysq.train("skipgram", model="negative_sampling", settings=SMALL, name="words")


def test_words_of_a_class_are_neighbors(run):
    loaded = raysq.load(run)
    right = total = 0
    for words in CLASSES.values():
        for word in words[:4]:
            near = [one for one, _ in loaded.neighbors(word, top=3)]
            right += sum(one in words for one in near)
            total += len(near)
    assert total == 4 * 3 * len(CLASSES) and right / total > 0.8
    records = run.metrics()
    baseline = raysq.evaluate(run)["baseline"]["val_loss"]
    assert records[-1]["val_loss"] < 0.85 * baseline and records[-1]["loss"] < records[0]["loss"]


def test_the_export_is_the_model_that_was_trained(run):
    """`raysq.load` reads the exported file, neighbors the checkpoint: they must be of one table."""
    loaded = raysq.load(run)
    table = embedding_of(loaded.model, loaded.problem.metadata.features)
    np.testing.assert_array_equal(table[1:], loaded.word_vectors.vectors)


def _val(run):
    examples = run.config.make_problem().splits(raysq.Dataset.open(run.config.data))["val"]
    return examples.gather(np.arange(len(examples)), examples.arrays(), lambda array, at: array.take(at, axis=0))


def test_validation_is_the_mean_over_all_pairs(run):
    loaded = raysq.load(run)
    x, y = _val(run)
    losses = np.asarray(loaded.model.predict(x, verbose=0), np.float64)[:, 0] * y[:, 0]
    assert losses.mean() == pytest.approx(run.result()["metrics"]["val_loss"], rel=1e-5)


def test_texts_get_the_mean_of_their_words(run):
    loaded = raysq.load(run)
    found = loaded.predict(["The DOG sleeps.", "", "xyzzy plugh", "dog xyzzy"]).to_pydict()
    vectors = loaded.word_vectors
    wanted = vectors.unit[[vectors.position(word) for word in ("the", "dog", "sleeps")]].mean(0)
    np.testing.assert_allclose([found[f"v{n + 1}"][0] for n in range(8)], wanted, atol=1e-6)
    assert found["remark"] == [None, "no words", "no known words", None]
    assert found["known"] == [1, 0, 0, 0.5] and found["nearest"][1:3] == [None, None]
    assert found["nearest"][3].split()[0] == "dog"
    alone = loaded.predict(["The DOG sleeps."]).to_pydict()
    assert [alone[name][0] for name in alone] == [found[name][0] for name in alone]
    with pytest.raises(DataError, match="lack a column 'text'"):
        loaded.predict(pa.table({"words": ["dog"]}))


def test_the_command_answers_and_exports(run, capsys, tmp_path):
    (tmp_path / "asked.txt").write_text(": people\nman woman king queen\nking queen father mother\n")
    asked = ["neighbors", "words", "dog", "--top", "4", "--analogy", "king - man + woman"]
    more = ["--evaluate", str(tmp_path / "asked.txt"), "--export", str(tmp_path / "v.txt.gz"), "--json"]
    assert main([*asked, *more]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["neighbors"]["dog"]) == 4 and found["synthetic"] is True
    assert {one["word"] for one in found["neighbors"]["dog"]} <= set(CLASSES["animal"])
    assert found["evaluation"][0]["covered"] == 2 and found["export"]["words"] == found["words"]
    assert "queen" in [one["word"] for one in found["analogies"]["king - man + woman"]]
    assert main(asked) == 0
    assert "king - man + woman" in capsys.readouterr().out
    for wrong, code, said in (
        (["words", "dgo"], 2, "did you mean dog"),
        (["words", " "], 2, "a word must be a text that is not empty"),
        (["words"], 2, "neighbors takes a word or more"),
        (["words", "dog", "--top", "0"], 2, "is 1 or more"),
        (["words", "--analogy", "dog cat"], 2, "an analogy is words"),
        (["words", "--evaluate", str(tmp_path / "none")], 1, "cannot be read"),
        (["nobody", "dog"], 1, "no run 'nobody'"),
    ):
        assert main(["neighbors", *wrong]) == code
        assert said in capsys.readouterr().err


def test_the_report_shows_words_and_their_neighbors(run):
    page = raysq.write_report(run).read_text("utf-8")
    assert "Words in a plane" in page and "Nearest words" in page and ">dog<" in page
    with pytest.raises(UsageError, match="a model of word vectors, has no option 'week'"):
        raysq.write_report(run, week="2020-01-01")


def test_an_optimizer_compiled_in_one_piece_changes_nothing_but_rounding(run, monkeypatch):
    """As for large tables."""
    from raysq.training import checkpoint, trainer

    def tables(large, name):
        monkeypatch.setattr(trainer, "LARGE_MODEL", large)
        settings = {**SMALL, "epochs": 1, "schedule": "constant", "clipnorm": 1.0}
        made = raysq.train("cbow", data=run.config.data, model="negative_sampling", settings=settings, name=name)
        return checkpoint.load(made.best)[0]

    fused, plain = tables(1, "fused"), tables(1 << 40, "plain")
    assert fused.keys() == plain.keys()
    for name in fused:
        np.testing.assert_allclose(fused[name], plain[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("task", ["cbow", "skipgram"])
def test_softmax_learns_more_than_how_common_words_are(run, task):
    data = run.config.data
    settings = {"dimension": 8, "epochs": 1, "steps_per_epoch": 300, "learning_rate": 0.02}
    trained = raysq.train(task, data=data, model="softmax", settings=settings)
    found = raysq.evaluate(trained)
    assert found["softmax"]["val_loss"] < 0.9 * found["baseline"]["val_loss"]
    dataset = raysq.Dataset.open(data)
    counts = trained.config.make_problem().input_spec(dataset).extra["counts"]
    examples = trained.config.make_problem().splits(dataset)["val"]
    _, y = examples.gather(np.arange(len(examples)), examples.arrays(), lambda array, at: array.take(at, axis=0))
    share = counts / counts.sum()
    assert found["baseline"]["val_loss"] == pytest.approx(-np.log(share[y[:, 0]]).mean(), rel=1e-4)
    loaded = raysq.load(trained)
    assert type(loaded.model.layers[-1]).__module__.startswith("keras."), "people load it without raysq"
    assert loaded.neighbors("dog", 3)


def test_the_baseline_of_blocks_is_the_best_score_of_a_word_alone(tmp_path):
    dataset = write(tmp_path / "made", texts())
    from raysq.problems.word_vectors.models import baseline

    values = {"examples": "blocks", "window": 2, "block": 8, "val": 0.2, "power": 0.5}
    inputs = PROBLEM.from_dataset(dataset, values).input_spec(dataset)
    model = baseline(inputs)
    assert not model.trainable_variables
    counts = inputs.extra["counts"]
    share, drawn = counts / counts.sum(), np.sqrt(counts) / np.sqrt(counts[1:]).sum()
    scores = np.asarray(model.get_layer("sampling").vectors)[1:, 0]
    np.testing.assert_allclose(scores, np.log(share[1:] / (5 * drawn[1:])), rtol=1e-5)


def test_a_search_does_not_rank_by_a_loss_that_it_changes(tmp_path):
    dataset = write(tmp_path / "made", texts())
    with pytest.raises(UsageError, match="window, negatives change the loss itself, so that val_loss does not rank"):
        raysq.tune("cbow", data=dataset, search={"window": [2, 5], "dimension": [4, 8], "negatives": [5, 10]})
    for task, settings, refused in (
        ("cbow", {"examples": "windows"}, False),  # a word is told from the same words, whatever the window
        ("skipgram", {"examples": "windows"}, True),
        ("cbow", {"examples": "blocks"}, True),
    ):
        problem = PROBLEM.from_dataset(dataset, {"architecture": task, **settings})
        assert ("window" in problem.loss_settings) == refused
    names = [tasks.get(task) for task in ("cbow", "skipgram")]
    assert not {*problem.loss_settings} & {name for task in names for name in task.search}


@pytest.mark.parametrize("name", ["cbow", "skipgram"])
def test_without_a_source_the_tasks_learn_the_words_of_alice(name):
    assert tasks.get(name).source == tasks.get("alice").source


def test_models_refuse_the_other_form(tmp_path):
    dataset = write(tmp_path / "made", texts())
    for model, overrides, said in (
        ("negative_sampling", {"examples": "windows", "shrink": False}, "set examples=blocks"),
        ("softmax", {"examples": "blocks"}, "set examples=windows"),
    ):
        config = resolve_config("skipgram", model, dataset, 0, {"min_count": 1, **overrides})
        with pytest.raises(UsageError, match=said):
            config.build(dataset)


def test_metadata_and_messages(tmp_path):
    dataset = write(tmp_path / "made", texts())
    values = {"architecture": "cbow", "min_count": 20, "subsample": 0.05, "examples": "blocks", "val": 0.2}
    problem = PROBLEM.from_dataset(dataset, values)
    metadata = problem.metadata
    assert 0 < metadata.unknown < 1 and 0 < metadata.dropped < 1 and metadata.features == metadata.words + 1
    messages = problem.describe()
    assert messages[0] == "predicts a word from the 2 words on either side"
    assert "that occur 20 times or more" in messages[1] and "(subsample=0.05)" in messages[2]
    stored = json.loads(json.dumps(problem.metadata_values()))
    assert PROBLEM.from_config(asdict(problem.settings), stored).describe() == messages
    plain = PROBLEM.from_dataset(dataset, {"window": 1, "val": 0.2})
    assert plain.describe()[0] == "predicts the word on either side from a word"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"words": 5.5}, "words: expected a whole number, received 5.5"),
        ({"unknown": None}, "unknown: expected a number, received null"),
        ({"size_defaults": {"epochs": "few"}}, 'size_defaults.epochs: expected a number, received "few"'),
        ({"tokens": ...}, "'tokens' is missing"),
        ({"kept": 3}, "'kept' is unknown"),
        ({"preprocessor": {"lower": "perhaps"}}, "preprocessor: setting lower must be true or false"),
    ],
)
def test_metadata_of_a_wrong_type_are_an_error(run, tmp_path, change, message):
    folder = tmp_path / "run"
    shutil.copytree(run.directory, folder)
    config = json.loads((folder / "config.json").read_text())
    config.pop("checksum")
    metadata = {**config["metadata"], **change}
    config["metadata"] = {name: value for name, value in metadata.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=rf"the metadata of a run of word_vectors cannot be used: {re.escape(message)}"):
        raysq.load(folder, trust=True).predict(["the dog"])


@pytest.mark.parametrize(
    ("words", "batch", "epochs", "rate", "least", "subsample"),
    [
        (400, 16, 20, 0.01, 1, 0),
        (26_000, 16, 20, 0.01, 5, 0),
        (800_000, 64, 20, 0.01, 5, 1e-3),
        (11_700_000, 512, 5, 0.03, 5, 1e-3),
    ],
)
def test_defaults_follow_from_how_much_text_there_is(words, batch, epochs, rate, least, subsample):
    class Sized:
        def ragged(self, name):
            return SimpleNamespace(offsets=np.array([0, words]))

    found = size_defaults(Sized(), {"architecture": "skipgram"})
    assert (found["batch_size"], found["epochs"], found["min_count"]) == (batch, epochs, least)
    assert (found["learning_rate"], found["subsample"]) == (rate, subsample)
    assert size_defaults(Sized(), {"architecture": "cbow"})["learning_rate"] == 0.01


def test_the_default_model_is_told_what_suits_the_text(tmp_path):
    dataset = write(tmp_path / "made", texts())
    config = resolve_config("skipgram", PROBLEM.default_model, dataset, 0, {"epochs": 3})
    assert PROBLEM.default_model == "negative_sampling"
    assert (
        config.settings["data"]["min_count"],
        config.settings["data"]["window"],
        config.settings["training"]["epochs"],
    ) == (1, 5, 3)
    said = config.make_problem().describe()[-1]
    assert said.startswith("for so much text the defaults are batch_size=16 epochs=20 learning_rate=0.01 min_count=1")
    config = resolve_config("skipgram", "softmax", dataset, 0, {})
    assert config.settings["data"]["window"] == 2 and config.settings["data"]["examples"] == "windows"
    assert not any("so much text" in line for line in config.make_problem().describe())


def test_a_data_set_is_the_same_for_any_number_of_cpus(cluster, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n\n".join(sentences(400)), encoding="utf-8")
    source = sources.resolve(path, suffixes=WordVectorsPreprocessor.suffixes)
    identity = {"task": "skipgram", "problem": "word_vectors", "name": "made"}
    preparation, _ = WordVectorsPreprocessor(unit="sentence").infer(source.files)
    digests = []
    for cpus in (None, 1, 4):
        made = build(preparation, source, tmp_path / f"cpus-{cpus}", identity, cpus=cpus)
        digests.append([hashlib.sha256(buffer).hexdigest() for buffer in made.buffers()])
    assert digests[0] == digests[1] == digests[2]
    assert made.rows == 400


@pytest.mark.parametrize(
    ("name", "content", "settings", "said"),
    [
        ("empty.txt", b"", {}, "empty|no texts|no documents"),
        ("signs.txt", b"... !!! ???\n\n---\n", {}, "has a word"),
        ("texts.csv", b"text,split\na b c,test\nd e f,test\n", {}, "there are none to train on; --set parts=join"),
        ("texts.txt", b"a b c", {"test": 1.0}, "test must be a share"),
        ("texts.txt", b"a b c", {"excerpt": -1}, "excerpt must be a number"),
        ("texts.txt", b"a b c", {"unit": "word"}, "unit must be one of"),
    ],
)
def test_raw_texts_that_cannot_be_used_are_told(tmp_path, name, content, settings, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises((DataError, UsageError, raysq.RaysqError), match=said):
        raysq.prepare("cbow", tmp_path / name, settings=settings, quiet=True)


def test_texts_of_which_some_say_their_part_are_told():
    note = {"documents": 20, "assigned": 20, "first_unassigned": None, "tokens": 80, "parts": [20, 0]}
    WordVectorsPreprocessor().validate_stats([note, note])
    with pytest.raises(DataError, match="20 texts say .* 20 do not, the first is more:1.*parts=join"):
        WordVectorsPreprocessor().validate_stats([note, {**note, "assigned": 0, "first_unassigned": "more:1"}])


def test_parts_can_be_joined(tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text("text,split\n" + "".join(f"some words here,{('train', 'test')[n % 2]}\n" for n in range(20)))
    kept = raysq.prepare("cbow", path, name="kept", quiet=True)
    assert datasets.find_dataset("skipgram", "kept").directory == kept.directory, "of the same kind"
    joined = raysq.prepare("cbow", path, settings={"parts": "join"}, quiet=True)
    assert kept.manifest.report["parts"] == [10, 10, 0] and joined.manifest.report["parts"] == [20, 0, 0]
    lines = WordVectorsPreprocessor().describe(kept.manifest.report)
    assert any("parts=join takes all" in line for line in lines)


def test_the_sample_is_the_same_everywhere(tmp_path):
    path = sample(tmp_path, "200")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "6eeaaea9b42fcbaca0384766f5b1c22258fc8cf0375ff06f65ccdac652de8c7f"
    assert sentences(50) == sentences(90)[:50] and sample(tmp_path, "200") == path
    for wrong in ("99", "many", "-5", "1e9"):
        with pytest.raises(UsageError, match="number of sentences from 100"):
            sample(tmp_path, wrong)
