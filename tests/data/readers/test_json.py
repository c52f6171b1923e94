"""JSON in all forms in which tables are written: a column a key, rows in lists, objects inside of objects."""

import gzip
import json

import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest

from raysq.data.readers import tables
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.json import cell, flat, is_columnar
from raysq.errors import DataError
from raysq.text.readers import DocumentFormat, infer, partition, read

TEXTS = ["one, two", "zwei \u201edrei\u201c", "", "line\nbreak"] * 5
LABELS = ["pos", "neg"] * 10
FRAME = pandas.DataFrame({"text": TEXTS, "label": LABELS})


def everything(path, **columns):
    """Texts, labels and ids of a file, its columns found where they are not given."""
    form = infer([path], DocumentFormat(**columns))[0]
    tables = [table for part in partition([path], form) for table, _ in read(part, form)]
    return [pa.concat_tables(tables).column(name).to_pylist() for name in ("text", "label", "id")]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("orient", ["columns", "split", "records", "index", "table", "list"])
def test_tables_in_every_form_of_pandas(tmp_path, orient, indent):
    path = tmp_path / "x.json"
    written = FRAME.to_dict("list") if orient == "list" else json.loads(FRAME.to_json(orient=orient))
    path.write_text(json.dumps(written, indent=indent))
    texts, labels, ids = everything(path)
    assert (texts, labels) == (TEXTS, LABELS)
    assert ids == [f"x.json:{number}" for number in range(1, 21)]
    with gzip.open(tmp_path / "x.json.gz", "wt") as file:
        file.write(path.read_text())
    assert everything(tmp_path / "x.json.gz")[:2] == [TEXTS, LABELS]


def test_a_table_longer_than_what_is_looked_at(tmp_path):
    rows = 60_000
    long = {"text": ["some words of a text"] * rows, "label": ["a", "b"] * (rows // 2)}
    (tmp_path / "x.json").write_text(json.dumps(long))
    texts, labels, _ = everything(tmp_path / "x.json")
    assert (len(texts), labels) == (rows, long["label"])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            {"text": ["a", "b"], "label": ["x"]},
            r"column 'text' has 2 values and 'label' has 1; give each row",
        ),
        ({"data": {"text": "a"}, "more": ["x"], "n": 1}, r"x\.json holds one object with data, more, n, and no rows"),
        ({"a": {"x": 1}, "b": {"x": 2}}, r"x\.json holds one object with a, b, and no rows; give one object a line"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, value, reason):
    (tmp_path / "x.json").write_text(json.dumps(value, indent=2))
    with pytest.raises(DataError, match=reason):
        infer([tmp_path / "x.json"], DocumentFormat())


def test_an_object_a_line_is_no_table(tmp_path):
    lines = [json.dumps({"text": text, "label": label}) for text, label in zip(TEXTS, LABELS, strict=True)]
    (tmp_path / "x.json").write_text("\n".join(lines))
    assert everything(tmp_path / "x.json")[:2] == [TEXTS, LABELS]
    assert not is_columnar(b'{"spans": [1], "text": "a"}\n{"spans": [2], "text": "b"}\n', True)
    assert not is_columnar(b'{"translation": {"en": "a", "fr": "b"}}\n', True)
    assert is_columnar(b'{\n "text": ["a"],\n', False) and is_columnar(b'{"text": ["a", "b', False)
    (tmp_path / "broken.json").write_text('{"text": "a", "label": "x"}\n{"text": "b", "label"\n')
    with pytest.raises(DataError, match=r"broken\.json, line 2 is not JSON .*each line must hold one object"):
        everything(tmp_path / "broken.json")


def nested(number):
    return {"id": number, "doc": {"text": f"text {number}", "meta": {"label": "ab"[number % 2]}}}


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "slow.jsonl", "x.parquet"])
def test_columns_inside_of_objects(tmp_path, name):
    rows = [nested(number) for number in range(30)]
    path = tmp_path / name
    if name == "x.parquet":
        pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    elif name == "x.json":
        path.write_text(json.dumps(rows))
    else:
        if name == "slow.jsonl":  # labels of several types, which Arrow does not read
            rows[7]["doc"]["meta"]["label"] = 3
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    form = infer([path], DocumentFormat())[0]
    assert (form.text, form.label) == ("doc.text", "doc.meta.label")
    texts, labels, _ = everything(path)
    assert texts == [f"text {number}" for number in range(30)]
    assert labels == [str(row["doc"]["meta"]["label"]) for row in rows]
    assert everything(path, text="text", label="label")[:2] == [texts, labels]


def test_names_with_dots_are_names(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"doc.text": text, "label": label}) + "\n" for text, label in ("ax", "by")))
    assert everything(path)[:2] == [["a", "b"], ["x", "y"]]
    row = {"a": {"b": {"c": 1}, "d": 2}, "a.d": 3, "e": 4}
    assert flat(row) == {"a.b.c": 1, "a.d": 3, "e": 4}
    assert [cell(row, name) for name in ("a.b.c", "a.d", "e", "a.x", "x", "a.b.c.d")] == [1, 3, 4, None, None, None]


@pytest.mark.parametrize("odd", [False, True], ids=["one type a column", "several types"])
def test_columns_that_begin_late_are_read(tmp_path, odd):
    """Each block of 1 MB is looked at, with Arrow where the values of a column have one type."""
    rows = [{"a": number, "text": "x" * 600} for number in range(5000)]
    rows[4000] |= {"late": 2.5, "in": {"deep": "yes"}}
    if odd:
        rows[4001]["a"] = "many"
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    partitions = tables.partition([path], CsvFormat())
    assert partitions[0].columns == ("a", "text", "late", "in.deep")
    read = [chunk.table for one in partitions for chunk in tables.read(one, ["in.deep"], ["late"], CsvFormat())]
    late = [value for table in read for value in table.column("late").to_pylist()]
    assert len(late) == 5000 and late[4000] == 2.5 and late.count(None) == 4999


def test_a_damaged_line_far_below_is_named(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1, "text": "%s"}\n' % ("x" * 600) * 4000 + "{broken\n")
    with pytest.raises(DataError, match="x.jsonl, line 4001 is not JSON"):
        tables.partition([path], CsvFormat())
