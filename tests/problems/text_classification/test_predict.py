"""Classes for raw texts: as the model answers on the prepared documents, here and in a pool."""

import json
import shutil

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest
from problems.text_classification.corpus import SMALL, documents, write_corpus

from raysq.cli import main
from raysq.errors import DataError, UsageError
from raysq.inference.batch import predict_file
from raysq.inference.predictor import load
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

SETTINGS = {"sequence": {}, "bag": {"vectorization": "count", "ngrams": 2, "max_features": 90}}


def trained(folder, dataset, name, model="average", **settings):
    config = resolve_config(
        "classify", f"problems.text_classification.small_models:{model}", dataset, 0, {**SMALL, "epochs": 2, **settings}
    )
    run = Run.create(config, name=name, folder=folder)
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks())
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("classify")


@pytest.fixture(scope="module")
def found():
    return documents(count=300, classes=("bad", "fair", "good"), tests=60)


@pytest.fixture(scope="module")
def dataset(folder, found):
    return write_corpus(folder / "made", found)


@pytest.fixture(scope="module")
def runs(folder, dataset):
    models = {"sequence": "average", "bag": "summed"}
    return {name: trained(folder, dataset, name, models[name], **SETTINGS[name]) for name in SETTINGS}


@pytest.fixture
def run(runs):
    return runs["sequence"]


@pytest.mark.parametrize("name", SETTINGS)
def test_texts_are_answered_as_the_prepared_documents_are(name, runs, dataset, found):
    predictor = load(runs[name])
    table = predictor.predict([one.raw for one in found])
    assert table.column_names == ["row", "label", "probability", "p_bad", "p_fair", "p_good", "remark"]
    splits = predictor.problem.splits(dataset)
    for examples in splits.values():
        x, _ = examples.gather(np.arange(len(examples)), examples.arrays(), lambda array, at: array.take(at))
        wanted = np.asarray(predictor.model(x))
        shares = np.stack([table[f"p_{one}"].to_numpy() for one in ("bad", "fair", "good")], 1)[examples.rows]
        np.testing.assert_allclose(shares, wanted, atol=1e-6)
        names = np.array(["bad", "fair", "good"])[wanted.argmax(1)]
        assert np.array(table["label"].to_pylist())[examples.rows].tolist() == names.tolist()
        np.testing.assert_allclose(table["probability"].to_numpy()[examples.rows], wanted.max(1), atol=1e-6)


@pytest.mark.parametrize("name", SETTINGS)
def test_an_answer_does_not_depend_on_its_neighbors(name, runs, found):
    predictor = load(runs[name])
    texts = [one.raw for one in found]
    together = predictor.predict(texts).drop_columns(["row"]).to_pylist()
    assert predictor.predict(texts[::-1]).drop_columns(["row"]).to_pylist() == together[::-1]
    for number in (0, 7, 30):
        assert predictor.predict([texts[number]]).drop_columns(["row"]).to_pylist() == [together[number]]


def test_lists_tables_and_frames_give_the_same(run, found):
    texts = [one.raw for one in found[:20]]
    predictor = load(run)
    table = predictor.predict(texts)
    assert predictor.predict({"text": texts}).equals(table)
    frame = predictor.predict(pandas.DataFrame({"id": range(20), "text": texts}))
    assert frame["id"].tolist() == list(range(20)) and frame["label"].tolist() == table["label"].to_pylist()
    coded = predictor.predict(pa.table({"text": pa.array(texts).dictionary_encode()}))
    assert coded.equals(table)
    assert predictor.predict([]).num_rows == 0
    with pytest.raises(DataError, match="lack a column 'text' of texts; there are words"):
        predictor.predict({"words": texts})
    with pytest.raises(DataError, match="column 'text' holds int64, not texts"):
        predictor.predict({"text": [1, 2]})
    with pytest.raises(UsageError, match="or a list of texts, received int"):
        predictor.predict(3)
    series = predictor.predict(pandas.Series(texts))
    assert series.equals(table)
    assert [row["remark"] for row in predictor.predict([None, "w1 \ud800", float("nan")]).to_pylist()] == [
        "no words",
        None,
        "no words",
    ]
    with pytest.raises(UsageError, match="takes a list of texts, and number 1 of it is 7"):
        predictor.predict(["w1", 7])


def test_texts_without_a_known_word_get_the_models_answer_and_a_remark(run):
    found = load(run).predict(["w1 w2", "", "  \n", "nothing known here", "unknown w3"]).to_pylist()
    assert [row["remark"] for row in found] == [None, "no words", "no words", "no known words", None]
    assert found[1]["p_bad"] == found[2]["p_bad"] and found[1]["probability"] > 0


def test_files_are_predicted_alike_here_and_by_a_pool(cluster, run, found, tmp_path, monkeypatch, capsys):
    texts = [one.raw.replace("w1 ", 'w1,"\n') for one in found] * 3
    frame = pandas.DataFrame({"stars": 1, "text": texts})
    frame.to_csv(tmp_path / "new.csv", index=False)
    frame.to_json(tmp_path / "new.jsonl", orient="records", lines=True)
    for number, text in enumerate(texts[:50]):
        (tmp_path / "new" / "any").mkdir(parents=True, exist_ok=True)
        (tmp_path / "new" / "any" / f"{number:03d}.txt").write_text(text)
    monkeypatch.setattr("raysq.inference.stream.BLOCK_BYTES", 4096)
    wanted = load(run).predict(texts)
    here, pool = tmp_path / "here.parquet", tmp_path / "pool.parquet"
    for source in ("new.csv", "new", "new.jsonl"):
        told = predict_file(run, tmp_path / source, here)
        table = pa.parquet.read_table(here)
        assert told["rows"] == table.num_rows == (50 if source == "new" else len(texts))
        assert table["row"].to_pylist() == list(range(len(table))) and len(set(table["id"].to_pylist())) == len(table)
        assert table.drop_columns(["id"]).equals(wanted.slice(0, len(table))), source
    predict_file(run, tmp_path / "new.jsonl", pool, actors=1, quiet=False)
    assert pa.parquet.read_table(pool).equals(table)
    assert "3 of 900 rows: no words" in capsys.readouterr().err
    assert not list((tmp_path / "raysq-home" / "tmp").iterdir()), "a temporary folder is left"


def test_the_input_is_never_the_output(run, tmp_path, monkeypatch):
    path, link = tmp_path / "new.csv", tmp_path / "link.csv"
    path.write_text("text\nw1 w2\n")
    link.symlink_to(path)
    monkeypatch.chdir(tmp_path)
    for output in (path, link, "new.csv"):
        with pytest.raises(UsageError, match="is the input, which would be lost"):
            predict_file(run, path, output)
    assert path.read_text() == "text\nw1 w2\n"


def test_a_delimiter_that_the_run_did_not_have_is_found(run, tmp_path):
    answers = []
    for name, text in (("tab.tsv", "n\ttext\n1\tw1 w2\n2\tw3\n"), ("semi.csv", "n;text\n1;w1 w2\n2;w3\n")):
        (tmp_path / name).write_text(text)
        predict_file(run, tmp_path / name, tmp_path / "out.parquet")
        answers.append(pa.parquet.read_table(tmp_path / "out.parquet").drop_columns("id"))
    assert answers[0].equals(answers[1]) and answers[0].num_rows == 2


def test_quotes_that_part_no_cells_swallow_no_rows(run, tmp_path):
    texts = [f"w{number % 9} w{number % 4}" for number in range(40)]
    texts[7], texts[16] = '"w1 w2', 'w3 w4"'
    (tmp_path / "new.tsv").write_text("n\ttext\n" + "".join(f"{n}\t{text}\n" for n, text in enumerate(texts)))
    said = r"^new\.tsv, line 9 opens a quote that closes in line 18, .* --set quoting=none reads quotes as text, [^;]*$"
    with pytest.raises(DataError, match=said):
        predict_file(run, tmp_path / "new.tsv", tmp_path / "out.parquet")
    told = predict_file(run, tmp_path / "new.tsv", tmp_path / "out.parquet", settings={"quoting": "none"})
    assert told["rows"] == 40
    found = pa.parquet.read_table(tmp_path / "out.parquet").drop_columns("id")
    assert found.equals(load(run).predict(texts))
    with pytest.raises(UsageError, match="unknown setting 'test'"):
        predict_file(run, tmp_path / "new.tsv", tmp_path / "out.parquet", settings={"test": 0})


def test_errors_in_a_pool_are_one_line(cluster, run, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": "w1"}\n{"text": \n')
    for actors in (None, 1):
        with pytest.raises(DataError, match="bad.jsonl"):
            predict_file(run, tmp_path / "bad.jsonl", tmp_path / "out.csv", actors=actors)
    (tmp_path / "bad.csv").write_text("text,more\nw1,w2,w3\n")
    for actors in (None, 1):
        with pytest.raises(DataError, match=r"bad\.csv, line 2 has 3 cells and line 1 has 2; put quotes"):
            predict_file(run, tmp_path / "bad.csv", tmp_path / "out.csv", actors=actors)
    assert not (tmp_path / "out.csv").exists()


def test_the_command_line_takes_texts(run, capsys):
    name = str(run.directory)
    assert main(["predict", name, "--text", "w1 [bold]w2[/bold]", "--text", "never"]) == 0
    shown = capsys.readouterr().out
    assert "w1 [bold]w2[/bold]" in shown and "no known words" in shown
    assert main(["predict", name, "--text", "w1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["run"] == name and len(said["predictions"]) == 1
    row = said["predictions"][0]
    assert row["text"] == "w1" and row["label"] in ("bad", "fair", "good")
    assert row["probability"] == max(row["p_bad"], row["p_fair"], row["p_good"])
    assert main(["predict", name, "--text", "w1", "--output", "out.csv"]) == 2
    assert "--output goes with --input" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["predict", name, "--text", "w1", "--input", "file.csv"])


def test_without_its_vocabulary_a_run_says_so(run, tmp_path):
    shutil.copytree(run.directory, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "assets")
    with pytest.raises(DataError, match="vocabulary.txt cannot be read"):
        load(tmp_path / "copy").predict(["w1"])
