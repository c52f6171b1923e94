"""Documents with several labels or none: read in every form, trained, evaluated, predicted and reported."""

import json

import numpy as np
import pandas as pd
import pytest

import raysq
from raysq.data.columns import take_rows
from raysq.errors import DataError, UsageError
from raysq.problems.label_report import label_report, label_thresholds
from raysq.problems.text_classification.problem import TextClassification
from raysq.training.evaluation import evaluate_in_detail

LABELS = ("fire", "rain", "snow")
SMALL = {"epochs": 30, "batch_size": 16, "learning_rate": 0.03, "max_features": 60, "eval_batch_size": 64}


def rows(count=240, seed=0):
    """Documents that name their labels among other words; some have none."""
    random = np.random.RandomState(seed)
    given = random.rand(count, 3) < [0.5, 0.3, 0.4]
    texts, sets = [], []
    for number, row in enumerate(given):
        words = [name for name, there in zip(LABELS, row, strict=True) if there for _ in range(2)]
        words += [*random.choice([f"w{n}" for n in range(12)], 4).tolist(), f"n{number}"]
        texts.append(" ".join(random.permutation(words)))
        sets.append([name for name, there in zip(LABELS, row, strict=True) if there])
    return texts, sets, given


TEXTS, SETS, GIVEN = rows()


def sources(folder):
    """The same documents as text with a separator, as lists, and as columns of 0 and 1."""
    frame = pd.DataFrame({"text": TEXTS, "tags": ["|".join(reversed(names)) for names in SETS]})
    frame.to_csv(folder / "text.csv", index=False)
    with open(folder / "lists.jsonl", "w") as file:
        file.writelines(json.dumps({"text": t, "tags": s}) + "\n" for t, s in zip(TEXTS, SETS, strict=True))
    (folder / "list.json").write_text(json.dumps([{"text": t, "tags": s} for t, s in zip(TEXTS, SETS, strict=True)]))
    pd.DataFrame({"text": TEXTS, "tags": SETS}).to_parquet(folder / "lists.parquet")
    flags = pd.DataFrame({"text": TEXTS, **{name: GIVEN[:, n].astype(int) for n, name in enumerate(LABELS)}})
    flags.to_csv(folder / "flags.csv", index=False)
    return {
        **dict.fromkeys(("text.csv", "lists.jsonl", "list.json", "lists.parquet"), "tags"),
        "flags.csv": "snow, fire,rain",
    }


def prepared(path, label, **settings):
    settings = {"text": "text", "label": label, "label_separator": "|", **settings}
    return raysq.prepare("classify", str(path), settings=settings, name=path.stem + path.suffix[1:], quiet=True)


def test_every_form_gives_the_same_labels(tmp_path):
    for name, label in sources(tmp_path).items():
        dataset = prepared(tmp_path / name, label)
        report = dataset.manifest.report
        assert report["classes"] == list(LABELS) and report["documents"] == 240
        assert report["without"] == int((~GIVEN.any(1)).sum()) > 0
        totals = np.sum([report["counts"][part] for part in ("train", "test")], axis=0)
        assert totals.tolist() == GIVEN.sum(0).tolist()
        sources_of = TextClassification.from_dataset(dataset, {}).splits(dataset)
        for source in sources_of.values():
            _, y = source.gather(np.arange(len(source)), source.arrays(), take_rows)
            np.testing.assert_array_equal(y, GIVEN[source.rows])
            _, mapped = source.gather(np.arange(3), source.mapped(), take_rows)
            np.testing.assert_array_equal(mapped, y[:3])


@pytest.mark.parametrize(
    ("rows", "label", "separator", "message"),
    [
        ({"tags": [["a", "b"], ["b"], []]}, "tags", None, "not one label for each document; .* --label-separator"),
        ({"tags": [["a|b"], ["b"], []]}, "tags", "|", "labels that hold '|'; give another --label-separator"),
        ({"tags": ["a", "a", ""]}, "tags", "|", "have 1 label in all"),
        ({"a": [0, 1, 2], "b": [1, 0, 1]}, "a,b", "|", "column 'a' holds '2', where a label's column has 0 or 1"),
        ({"a": [0, 1, 1], "b": [1, 0, 1]}, "a,c", "|", "has no column 'c'"),
    ],
)
def test_wrong_labels_are_one_clear_line(rows, label, separator, message):
    frame = pd.DataFrame({"text": ["one x", "two x", "three x"], **rows})
    with pytest.raises((DataError, UsageError), match=message):
        raysq.prepare("classify", frame, settings={"text": "text", "label": label, "label_separator": separator})


def test_labels_that_no_document_has_are_named(tmp_path, capsys):
    random = np.random.RandomState(0)
    texts = [f"w{number} w{number % 7}" for number in range(40)]
    frame = pd.DataFrame({"text": texts, "a": random.randint(0, 2, 40), "b": 0, "c": 0, "part": "train"})
    frame.loc[30:, ["a", "part"]] = 1, "test"
    frame.loc[:5, "b"] = 1
    raysq.prepare("classify", frame, settings={"text": "text", "label": "a,b,c", "label_separator": "|"})
    text = capsys.readouterr().err
    assert "1 label is left out, which no document has: c" in text
    assert "1 label has no document in the test part: b" in text and "one class only" not in text


def test_occurrences_are_counted_by_label(tmp_path):
    dataset = prepared(tmp_path / "flags.csv", sources(tmp_path)["flags.csv"])
    problem = TextClassification.from_dataset(dataset, {"vectorization": "count", "special_tokens": False})
    source = problem.splits(dataset)["train"]
    x, y = source.gather(np.arange(len(source)), source.arrays(), take_rows)
    counts = np.zeros((len(x), problem.metadata.features))
    for row, (ids, numbers) in enumerate(x):
        counts[row, ids[ids > 0]] = numbers[ids > 0]
    found = problem.input_spec(dataset).extra["class_counts"]()
    np.testing.assert_array_equal(found, np.stack([(1 - y.astype(float)).T @ counts, y.T @ counts]))


def test_labels_that_join_others_are_named(tmp_path, capsys):
    frame = pd.DataFrame({"text": TEXTS, "tags": ["|".join(names) or "none" for names in SETS]})
    raysq.prepare("classify", frame, settings={"text": "text", "label": "tags"})
    text = " ".join(capsys.readouterr().err.split())
    assert "labels that hold '|' are classes of their own: fire|rain" in text and "--label-separator '|' takes" in text
    raysq.prepare("classify", frame, settings={"text": "text", "label": "tags", "label_separator": "|"})
    assert "classes of their own" not in capsys.readouterr().err


def test_labels_in_folders_are_classes_alone(tmp_path):
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.txt").write_text("text")
    with pytest.raises(UsageError, match="is for a column of labels, and data has no columns"):
        raysq.prepare("classify", str(tmp_path / "data"), settings={"label_separator": "|"})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    sources(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYSQ_HOME", str(folder / "home"))
        dataset = prepared(folder / "text.csv", "tags", test=0.3)
        yield raysq.train("classify", data=dataset, model="fasttext", settings={**SMALL, "ngrams": 1}, name="run")


def test_a_model_learns_them_and_references_stand_beside_it(run):
    metrics, details = evaluate_in_detail(run, ("val", "test"))
    assert list(metrics) == ["fasttext", "baseline", "naive_bayes"]
    assert metrics["fasttext"]["test_f1"] > 0.9 > metrics["baseline"]["test_f1"]
    assert metrics["naive_bayes"]["test_f1"] > metrics["baseline"]["test_f1"] + 0.2
    figures = details["test"]
    assert figures["exact"] == pytest.approx(metrics["fasttext"]["test_exact_accuracy"])
    assert set(figures["per_class"]) == set(LABELS) and figures["macro"]["auc"] > 0.95
    assert figures["at_threshold"]["thresholds"] == details["val"]["at_threshold"]["thresholds"]
    titles = list(run.problem.evaluation_tables(figures, "test"))
    assert "with the thresholds that the validation split chose" in titles[1].text


def test_predictions_name_all_labels(run):
    found = raysq.load(run).predict(["fire w1 snow fire snow", "w1 w2 w3", "zzz"])
    assert found.column("labels").to_pylist()[:2] == ["fire|snow", ""]
    assert found.column("remark").to_pylist() == [None, None, "no known words"]
    assert found.column("p_fire")[0].as_py() > 0.5 and "label" not in found.column_names
    output = run.problem.interface().output  # what the page of a server shows
    assert output.kind == "values" and output.targets == tuple(found.column_names[1:-1])
    with pytest.raises(UsageError, match="names one class, and these documents have several labels"):
        run.problem.signature(True)


def test_the_page_shows_each_label(run, tmp_path):
    text = raysq.write_report(run, output=tmp_path / "page.html").read_text()
    assert "F1 with it" in text and "labels right in" in text


def test_class_weights_are_refused(run):
    with pytest.raises(UsageError, match="class_weight is for one class each"):
        raysq.train("classify", data=run.config.data, settings={"class_weight": "balanced"})


def test_the_report_is_that_of_counts_by_hand():
    y = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], np.uint8)
    p = np.array([[0.9, 0.2], [0.4, 0.4], [0.3, 0.1], [0.2, 0.3]])
    thresholds = label_thresholds(y, p)
    assert thresholds == pytest.approx([0.35, 0.25])
    found = label_report(y, p, ["a", "b"], thresholds)
    assert found["exact"] == 0.5 and found["at_threshold"]["exact"] == 1.0
    assert found["per_class"]["a"] == {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2, "auc": 1.0}
    assert found["per_class"]["b"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 2, "auc": 1.0}
    assert found["micro"] == {"precision": 1.0, "recall": 0.25, "f1": 0.4} and found["macro"]["f1"] == 1 / 3
    assert found["at_threshold"]["macro"]["f1"] == 1.0
    assert label_thresholds(np.zeros((3, 1)), np.full((3, 1), 0.2)) == [0.5]
    assert json.loads(json.dumps(found)) == found
