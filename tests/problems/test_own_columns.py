"""Columns of splits and groups that begin late, have gaps, or have many values."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from problems.test_own_parts import frame, image_parts, parts, pictures, prepare

import raysq
from raysq.errors import DataError, UsageError
from raysq.problems.arrays.problem import Tables
from raysq.problems.text_classification.preprocessor import TextClassificationPreprocessor
from raysq.problems.text_classification.problem import TextClassification
from raysq.text.documents import DocumentPredictionPreprocessor
from raysq.text.fit_vocabulary import group_keys

TEXTS = ["classify", "pairs", "text", "skipgram"]
ALIKE = ["2b3a4a4a65", "e4fde20248"]  # with the same CRC-32
LATE = 1100  # rows; columns are looked for in the first 1,000


def late(ending, path, **columns):
    """Rows of which only the last 50 have the columns."""
    rows = frame(LATE).drop(columns="who").to_dict("records")
    for number, row in enumerate(rows[-50:]):
        row |= {name: value(number) for name, value in columns.items()}
    path = path / f"late.{ending}"
    lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) if ending == "jsonl" else f"[{','.join(lines)}]")
    return path


@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_a_split_column_that_begins_late_is_an_error(ending, tmp_path):
    path = late(ending, tmp_path, Split=lambda number: "test")
    with pytest.raises(DataError, match=rf"^late.{ending}:1051: column 'Split' says 'test', and the first rows"):
        prepare("classify", path)
    assert sum(parts(prepare("classify", late(ending, tmp_path, part=lambda number: "of a book")))) == LATE


def test_named_columns_may_begin_late(tmp_path):
    path = late("jsonl", tmp_path, fold=lambda number: "val", who=lambda number: f"p{number // 10}")
    with pytest.raises(DataError, match="^late.jsonl:1: column 'fold' says '', and train, val or test elsewhere"):
        prepare("classify", path, split_column="fold")
    dataset = prepare("classify", path, group="who")
    assert dataset.manifest.report["ungrouped"] == LATE - 50
    with pytest.raises(DataError, match="late.jsonl has no column 'whom'"):
        prepare("classify", late("jsonl", tmp_path, who=str), group="whom")


@pytest.mark.parametrize("task", TEXTS)
def test_a_split_column_with_a_gap_is_an_error_that_names_the_row(task):
    table = frame(split=["train", "test"] * 29 + [None, "train"])
    with pytest.raises(DataError, match="^row 59 of the frame: column 'split' says '', and train, val or test elsewh"):
        prepare(task, table)
    assert sum(parts(prepare(task, frame(split=None)))) == sum(parts(prepare(task, frame(split="left")))) == 60


def test_predictions_do_without_parts(tmp_path):
    rows = frame(split=["train", "test"] * 29 + [None, "train"])
    rows.to_csv(tmp_path / "t.csv", index=False)
    preprocessor = DocumentPredictionPreprocessor.of(vars(TextClassificationPreprocessor(text="text", label="label")))
    settings, _ = preprocessor.infer([tmp_path / "t.csv"])
    (chunk,) = settings.read(*settings.partition([tmp_path / "t.csv"]))
    assert chunk.table.num_rows == 60


@pytest.mark.parametrize("task", ["classify", "pairs", "text"])
def test_rows_without_a_group_train(task):
    assert parts(prepare(task, frame(who=[None] * 40 + list("abcd") * 5), group="who", test=0.9))[0] >= 40


@pytest.mark.parametrize("task", ["classify", "pairs", "text", "arrays"])
def test_two_groups_with_one_key_are_told_apart(task):
    first, second = ALIKE
    assert np.unique(group_keys(pa.array(ALIKE, pa.large_string()))).size == 1
    table = pd.concat([frame(who=first, fold="train"), frame(20, "v", who=second, fold="test")])
    assert parts(prepare(task, table, group="who", split_column="fold")) == [60, 20, 0]
    with pytest.raises(DataError, match="rows with the same who are to train on and of the test part"):
        prepare(task, table.assign(who=first), group="who", split_column="fold")


def test_a_column_of_parts_that_is_not_named_is_told():
    dataset = prepare("arrays", frame(part=["train", "val"] * 30), inputs=())
    lines = Tables.Preprocessor().describe(dataset.manifest.report)
    assert "column 'part' says train, val or test, and rows are not split by it (--split-column part does)" in lines
    named = prepare("arrays", frame(part=["train", "val"] * 30), inputs=(), split_column="part")
    assert parts(named) == [30, 0, 30] and "unsplit" not in named.manifest.report
    table = series(60, "1h").assign(split=["train", "val"] * 30)
    messages = raysq.prepare("forecast", table, quiet=True).manifest.preparation["messages"]
    assert any("split holds text (train, val); --split-column split splits the rows by it" in line for line in messages)


def test_files_of_series_that_are_called_as_parts_are_told(tmp_path):
    for name in ("train", "val"):
        series(40, "1h", f"2020-0{1 + (name == 'val')}-01").to_csv(tmp_path / f"{name}.csv", index=False)
    messages = raysq.prepare("forecast", tmp_path, quiet=True).manifest.preparation["messages"]
    assert any("rows are split in time all the same: --validation FILE" in line for line in messages)


def series(rows, step, begin="2020-01-01"):
    time = pd.date_range(begin, periods=rows, freq=step)
    return pd.DataFrame({"time": time, "load": np.sin(np.arange(rows) / 3)})


def test_rows_to_validate_on_have_the_steps_of_those_to_train_on():
    settings = {"targets": "load", "lookback": 6, "horizon": 1}
    with pytest.raises(DataError, match="rows of the validation part come every 10min, and those to train on every 1h"):
        raysq.prepare("forecast", series(60, "1h"), validation=series(60, "10min", "2021"), settings=settings)
    assert (
        raysq.prepare("forecast", series(60, "1h"), validation=series(30, "1h", "2021"), settings=settings).rows == 90
    )


@pytest.mark.parametrize("task", ["classify", "arrays", "text", "pairs"])
def test_errors_of_a_validation_say_so_and_advise_nothing_that_breaks_the_source(task, tmp_path):
    frame(20, "v").to_csv(tmp_path / "v.csv", sep=";", index=False)
    message = "^--validation: v.csv, line 1 has no ',' between its cells; bring it to the form of the source"
    with pytest.raises(DataError, match=message):
        prepare(task, frame(), tmp_path / "v.csv")
    with pytest.raises(UsageError, match="^--validation: the name of the source is empty; --validation takes a path"):
        prepare(task, frame(), "")
    with pytest.raises(UsageError, match="^the name of the source is empty; --source takes a path"):
        prepare(task, " ")


def test_stratified_validation_leaves_a_row_of_each_class_to_train_on():
    label = ["rare", *["a", "b"] * 25, *["same"] * 9]
    number = [*np.arange(51) / 7, *[99.0] * 9]
    text = [*frame(51)["text"], *["one text"] * 9]
    for task in ("classify", "arrays"):
        dataset = prepare(task, frame(label=label, number=number, text=text), test=0)
        problem = (Tables if task == "arrays" else TextClassification).from_dataset(
            dataset, {"val": "0.8", "val_selection": "stratified"}
        )
        splits = problem.splits(dataset)
        labels = np.array(label)
        assert set(labels[splits["train"].rows]) == {"rare", "a", "b", "same"}
        assert set(labels[splits["val"].rows]) == {"a", "b"}


@pytest.mark.parametrize("task", ["classify", "pairs", "text", "arrays"])
def test_whole_numbers_are_the_same_groups_with_decimals(task, tmp_path):
    """Pandas reads whole numbers as decimals where one is missing."""
    frame(who=np.arange(60) // 5).to_csv(tmp_path / "t.csv", index=False)
    frame(20, "v", who=[None] + [3.0] * 19).to_csv(tmp_path / "v.csv", index=False)
    with pytest.raises(DataError, match="rows with the same who are to train on and of the validation part"):
        prepare(task, tmp_path / "t.csv", tmp_path / "v.csv", group="who")


def test_classes_in_numbers_of_another_type_are_the_same():
    dataset = prepare("arrays", frame(label=[1, 2] * 30), frame(20, "v", label=[1.0, 2.0] * 10))
    assert parts(dataset) == [60, 0, 20]
    with pytest.raises(DataError, match="has 1 class that the train part lacks, so that no model can learn it: 3"):
        prepare("arrays", frame(label=[1, 2] * 30), frame(20, "v", label=[1.0, 3.0] * 10))


def test_groups_of_images_are_whole_numbers_and_their_arrays_are_used(tmp_path):
    large = 9007199254740992  # the first whole number that a float does not tell from the next
    who = [None, None, *([large, large + 1] * 11)]
    dataset = image_parts({**pictures(24), "who": who}, group="who")
    assert len(np.unique(dataset.column("key").slice(0, 24))) == 3 and dataset.manifest.report["ungrouped"] == 2
    arrays = {"x_train": pictures()["image"], "y_train": pictures()["label"], "w_train": np.ones(24), "who_train": who}
    np.savez(tmp_path / "x.npz", **{**arrays, "who_train": np.arange(24), "more": np.ones(3)})
    messages = image_parts(tmp_path / "x.npz", weight="w", group="who").manifest.preparation["messages"]
    assert "left out, as they are called neither as images nor as labels: more" in messages


def test_an_empty_draw_of_groups_says_what_was_drawn():
    dataset = prepare("classify", frame(who="one"), group="who", test=0.001)
    lines = TextClassification.Preprocessor().describe(dataset.manifest.report)
    assert any("0.001 of the texts, drawn by the checksums of who, came to none" in line for line in lines)
