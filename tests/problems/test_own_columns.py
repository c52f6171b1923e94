"""Columns of splits and groups that begin late, have gaps, or have many values."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from problems.test_own_parts import frame, parts, prepare

from raysq.errors import DataError
from raysq.problems.text_classification.preprocessor import TextClassificationPreprocessor
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
