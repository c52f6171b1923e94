"""A trained language model: its figures, what it predicts, and its report."""

import json
import math
import shutil

import keras
import numpy as np
import pytest

import raysq
from raysq import cli
from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.language_modeling.report import measure_surprises
from raysq.problems.splits import SPLITS
from raysq.training.evaluation import evaluate_in_detail


@pytest.fixture(scope="module")
def evaluated(runs):
    return evaluate_in_detail(runs["every"], ("val", "test"))[0]


def splits_of(run):
    return run.config.make_problem().splits(Dataset.open(run.config.data))


def test_it_beats_the_bigrams_by_remembering(evaluated):
    for split in ("val", "test"):
        assert evaluated["lstm_every"][f"{split}_perplexity"] < 0.9 * evaluated["baseline"][f"{split}_perplexity"]


def test_perplexity_is_exp_of_the_loss_of_every_epoch_and_model(runs, evaluated):
    for record in runs["every"].metrics():
        assert record["val_perplexity"] == pytest.approx(math.exp(record["val_loss"]), rel=1e-5)
        assert record["perplexity"] == pytest.approx(math.exp(record["loss"]), rel=1e-5)
    for metrics in evaluated.values():
        assert metrics["test_perplexity"] == pytest.approx(math.exp(metrics["test_loss"]), rel=1e-5)


@pytest.mark.parametrize("name", ["every", "last"])
def test_the_figures_are_those_of_the_exported_model_counted_by_hand(runs, name):
    run = runs[name]
    model = keras.models.load_model(run.directory / "model.keras")
    assert {type(layer).__module__.partition(".")[0] for layer in model.layers} == {"keras"}
    positions = splits_of(run)["test"]
    found = measure_surprises(positions, model.predict_on_batch)
    metrics = run.result()["metrics"]
    assert len(found.ids) == positions.targets == run.problem.metadata.targets["test"]
    assert -found.values.mean() == pytest.approx(metrics["test_loss"], rel=1e-4)
    assert found.right.mean() == pytest.approx(metrics["test_accuracy"], abs=2e-3)


def test_the_baseline_is_measured_on_the_same_positions(runs, evaluated):
    from raysq.problems.language_modeling.report import pair_values

    positions = splits_of(runs["every"])["val"]
    found = measure_surprises(
        positions, keras.models.load_model(runs["every"].directory / "model.keras").predict_on_batch
    )
    values = pair_values(positions.sentences.bigrams(), found.before, found.ids)
    assert -values.mean() == pytest.approx(evaluated["baseline"]["val_loss"], rel=1e-5)


def test_bits_of_a_character(runs):
    metrics = runs["char"].result()["metrics"]
    assert metrics["test_bits"] == pytest.approx(metrics["test_loss"] / math.log(2))
    assert "test_bits" not in runs["every"].result()["metrics"]


@pytest.mark.parametrize("name", ["every", "last"])
def test_a_texts_probability_is_the_product_over_its_words(runs, name):
    predictor = raysq.load(runs[name])
    texts = ["The queen was tired.", "The queen was tired. The king", "", "Zyxw qqq", "The zyxw"]
    rows = predictor.predict(texts).to_pylist()
    assert [row["words"] for row in rows] == [4, 6, 0, 2, 2]
    assert [row["unknown"] for row in rows] == [0, 0, 0, 2, 1]
    assert [row["remark"] for row in rows] == [None, None, "no words", "no known words", None]
    assert rows[2]["log_probability"] is None and rows[2]["next"]
    for row in (rows[0], rows[1], rows[4]):
        assert row["perplexity"] == pytest.approx(math.exp(-row["log_probability"] / row["words"]))
    # What one text adds to another is its own: sentences begin anew.
    alone = predictor.predict(["The king"]).to_pylist()[0]
    assert rows[1]["log_probability"] == pytest.approx(rows[0]["log_probability"] + alone["log_probability"], rel=1e-6)
    # The likeliest words after a beginning are what the chain rule says.
    words = dict(pair.rsplit(" ", 1) for pair in alone["next"].split(", "))
    word = next(one for one in words if one != "<end>")
    longer = predictor.predict([f"The king {word}"]).to_pylist()[0]
    step = math.exp(longer["log_probability"] - alone["log_probability"])
    assert step == pytest.approx(float(words[word]), abs=6e-4)


def test_a_file_is_predicted_by_sentence_and_a_table_by_row(runs, tmp_path):
    (tmp_path / "a.txt").write_text("The queen was tired. The king ran.\n\nThe baker sang.\n")
    (tmp_path / "a.csv").write_text('text\n"The queen was tired. The king ran."\n')
    for name, count in (("a.txt", 3), ("a.csv", 1)):
        output = tmp_path / f"{name}.parquet"
        assert raysq.predict_file(runs["every"], tmp_path / name, output)["rows"] == count
    with pytest.raises(DataError, match="lack a column 'text'"):
        raysq.load(runs["every"]).predict({"other": ["a"]})


class Weights:
    """A model as reports see it."""

    def __init__(self, model):
        self.predict = model.predict_on_batch
        self.embedding = lambda: np.asarray(model.layers[1].embeddings)


def test_the_report_has_all_its_parts(runs):
    run = runs["every"]
    model = keras.models.load_model(run.directory / "model.keras")
    found = run.problem.report(Dataset.open(run.config.data), Weights(model), {})
    assert [section.title for section in found] == [
        "How surprised it is",
        "Where it is surprised",
        "Least and most surprising sentences",
        "What it writes",
        "What it expects",
        "Nearest in the embedding",
    ]
    table = found[0].items[1]
    assert sum(row[1] for row in table.rows[1:]) == table.rows[0][1] == run.problem.metadata.targets["test"]
    assert table.rows[0][2] == pytest.approx(run.result()["metrics"]["test_perplexity"], rel=1e-3)


def test_the_page_is_written(runs):
    page = raysq.write_report(runs["char"]).read_text()
    assert "What it writes" in page and "Test perplexity" in page and "known characters" in page


def test_messages_say_what_is_counted(runs):
    problem = runs["every"].problem
    lines = problem.describe()
    assert any("unknown:" in line for line in lines) and any("positions to predict" in line for line in lines)
    for name in SPLITS:
        assert f"{problem.metadata.targets[name]:,}" in lines[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": "many"}, 'words: expected a whole number, received "many"'),
        ({"unknown": {"train": 0.1, "val": 0.1}}, "unknown: 'test' is missing"),
        ({"targets": {"train": 1, "val": 1, "test": 0.5}}, "targets.test: expected a whole number"),
        ({"longer": ...}, "'longer' is missing"),
        ({"more": 1}, "'more' is unknown"),
        ({"preprocessor": {"unit": "page"}}, "preprocessor: setting unit must be one of sentence"),
    ],
)
def test_metadata_that_were_edited_are_one_line(runs, tmp_path, capsys, changes, message):
    shutil.copytree(runs["char"].directory, tmp_path / "copy")
    path = tmp_path / "copy" / "config.json"
    values = {name: value for name, value in json.loads(path.read_text()).items() if name != "checksum"}
    values["metadata"] |= changes
    values["metadata"] = {name: value for name, value in values["metadata"].items() if value is not ...}
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=f"the metadata of a run of language_modeling cannot be used: {message}"):
        raysq.load(tmp_path / "copy").predict(["The queen"])
    assert cli.main(["generate", str(tmp_path / "copy")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
