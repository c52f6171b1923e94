"""Types, roles and shards of tables: what is inferred and said, and which bytes are written."""

import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from problems.arrays.tables import bound, house_table, make_dataset

from raysq.errors import DataError, UsageError
from raysq.problems.arrays.encode import row_keys
from raysq.problems.arrays.preprocessor import TablePreprocessor
from raysq.problems.arrays.sample import sample


def kinds(dataset):
    return {column["name"]: column["kind"] for column in dataset.manifest.report["columns"]}


def left_out(dataset):
    return {column["name"]: column["why"] for column in dataset.manifest.report["left_out"]}


def told(dataset):
    return TablePreprocessor().describe(dataset.manifest.report)


def stored(dataset, name):
    return dataset.column(name).slice(0, dataset.rows)


def test_types_are_inferred_and_told(tmp_path):
    table = house_table().append_column(
        "note", pa.array([f"a long text about house number {n} " * 3 for n in range(200)])
    )
    table = table.append_column("country", pa.array(["CH"] * 200)).append_column(
        "code", pa.array([f"k{n}" for n in range(200)])
    )
    table = table.append_column("built", pa.array([datetime.date(2000, 1, 1 + n % 28) for n in range(200)]))
    dataset = make_dataset(table, tmp_path / "d", target="price")
    assert kinds(dataset) == {
        "area": "number",
        "rooms": "number",
        "city": "category",
        "garden": "number",
        "price": "value",
        "sold": "category",
    }
    assert left_out(dataset) == {
        "id": "it numbers the rows",
        "note": "free text",
        "country": "the same in all rows",
        "code": "nearly every row has a value of its own",
        "built": "times",
    }
    lines = told(dataset)
    assert "predicts price, a number (--categories price predicts classes)" in lines
    assert any(line.startswith("leaves out code: nearly every row") and "--categories code" in line for line in lines)
    assert len(lines) == 1 + 2 + 5 + 1


def test_what_is_left_out_can_be_forced(tmp_path):
    table = house_table().append_column("code", pa.array([f"k{n}" for n in range(200)]))
    table = table.append_column("built", pa.array([datetime.date(2000, 1, 1 + n % 28) for n in range(200)]))
    dataset = make_dataset(
        table, tmp_path / "d", target="price", numbers="id,built", categories="code,rooms", ignore="sold"
    )
    assert kinds(dataset) == {
        "id": "number",
        "area": "number",
        "rooms": "category",
        "city": "category",
        "garden": "number",
        "price": "value",
        "code": "category",
        "built": "number",
    }
    assert stored(dataset, "x:built")[0] == datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC).timestamp()


def test_columns_are_narrow_and_lossless(tmp_path):
    table = pa.table(
        {
            "tiny": pa.array([1, -5, 100], pa.int64()),
            "big": pa.array([1, 2, 3_000_000_000], pa.int64()),
            "hole": pa.array([1, None, 70_000], pa.int64()),
            "precise": pa.array([1e9 + 0.5, 1e9 + 0.75, 1e9], pa.float64()),
            "plain": pa.array([0.5, 2.25, -3.0]),
            "y": pa.array([0.5, 1.5, 2.5]),
        }
    )
    dataset = make_dataset(table, tmp_path / "d")
    types = {entry["name"]: entry["type"] for entry in dataset.manifest.schema}
    assert types == {
        "x:tiny": "int8",
        "x:big": "double",
        "x:hole": "float",
        "x:precise": "double",
        "x:plain": "float",
        "y:y": "float",
        "part": "int8",
        "key": "uint32",
    }
    for name in ("tiny", "big", "precise", "plain"):
        assert stored(dataset, f"x:{name}").tolist() == table.column(name).to_pylist()
    assert np.isnan(stored(dataset, "x:hole")[1])


def test_csv_and_parquet_give_the_same_shards(tmp_path):
    table = house_table()
    pa.csv.write_csv(table.set_column(4, "garden", table.column("garden").cast(pa.int8())), tmp_path / "t.csv")
    table = pa.csv.read_csv(tmp_path / "t.csv")
    pa.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=37)
    made = [
        make_dataset(source, tmp_path / f"d{n}", target="price", shard_rows=64)
        for n, source in enumerate((tmp_path / "t.csv", tmp_path / "t.parquet", table))
    ]
    checksums = [[shard.sha256 for shard in dataset.manifest.files] for dataset in made]
    assert checksums[0] == checksums[1] == checksums[2]


def test_a_column_that_turns_to_text_late_is_read_as_text(tmp_path, monkeypatch):
    monkeypatch.setattr("raysq.data.readers.tables.RANGE", 200)
    lines = [f"{n % 7:03d},{n}.5" for n in range(100)] + ["abc,1.5", "003,2.5"]
    (tmp_path / "t.csv").write_text("code,y\n" + "\n".join(lines) + "\n")
    dataset = make_dataset(tmp_path / "t.csv", tmp_path / "d")
    assert kinds(dataset) == {"code": "category", "y": "value"}
    values = dataset.extra("values").column("value").to_pylist()
    assert values == ["000", "001", "002", "003", "004", "005", "006", "abc"]


def test_a_text_is_constant_over_all_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("raysq.data.readers.tables.RANGE", 200)
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"same,{n % 7}.5,{n}.5\n" for n in range(100)))
    dataset = make_dataset(tmp_path / "t.csv", tmp_path / "d")
    assert left_out(dataset) == {"a": "the same in all rows"}


def test_damaged_rows_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("raysq.data.readers.tables.RANGE", 200)
    (tmp_path / "t.csv").write_text("a,y\n" + "1,2\n" * 100 + "1,2,3\n")
    with pytest.raises(DataError, match=r"t\.csv, line 102 has 3 cells and line 1 has 2"):
        make_dataset(tmp_path / "t.csv", tmp_path / "d")


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({}, "which column is to be predicted"),
        ({"target": "prize"}, "no column 'prize'.*did you mean price"),
        ({"target": "price", "inputs": "built"}, "'built' of --inputs cannot be used: times"),
        ({"target": "price", "numbers": "city"}, "'city' of --numbers holds '[ABC]\\w+', which is no number"),
        (
            {"target": "price", "ignore": "id,area,rooms,city,garden,sold,code,built,country"},
            "no column for the model to see",
        ),
        ({"target": "code"}, "own in nearly every row"),
        ({"target": "country"}, "'country' has one class only"),
        ({"target": "price", "weight": "city"}, "weight column 'city'"),
        ({"target": "price", "split_column": "city"}, "'city' of --split-column says 'Aarau'"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path, settings, error):
    table = house_table().append_column("code", pa.array([f"k{n}" for n in range(200)]))
    table = table.append_column("built", pa.array([datetime.date(2000, 1, 1)] * 200))
    table = table.append_column("country", pa.array(["CH"] * 200))
    with pytest.raises(DataError, match=error):
        make_dataset(table, tmp_path / "d", **settings)


def test_contradicting_settings_are_refused():
    with pytest.raises(UsageError, match="'a' is in --target and in --inputs"):
        TablePreprocessor(target=("a",), inputs=("a",))


@pytest.mark.parametrize(
    ("values", "settings", "kind"),
    [
        ([0, 1] * 20, {}, "class"),
        ([1, 2, 3, 1] * 10, {}, "class"),
        ([3, 5, 8, 9] * 10, {}, "value"),
        ([1, 2, 3, 1] * 10, {"numbers": "y"}, "value"),
        ([3, 5, 8, 9] * 10, {"categories": "y"}, "class"),
        ([True, False] * 20, {}, "class"),
        (["a", "b"] * 20, {}, "class"),
        ([0.5, 1.5] * 20, {}, "value"),
    ],
)
def test_targets_are_classes_or_numbers(tmp_path, values, settings, kind):
    table = pa.table({"x": np.arange(40) % 7 + 0.5, "y": values})
    if kind == "value" and len(set(values)) == 2:
        table = pa.table({"x": np.arange(40) % 7 + 0.5, "y": np.arange(40) + 0.25})
    dataset = make_dataset(table, tmp_path / "d", **settings)
    assert kinds(dataset)["y"] == kind


def test_files_called_train_and_test_are_the_parts(tmp_path):
    for name, rows in (("train", 30), ("test", 7), ("val", 5)):
        pa.csv.write_csv(house_table(rows, seed=rows), tmp_path / f"{name}.csv")
    dataset = make_dataset(tmp_path, tmp_path / "d", target="price", numbers="id")
    assert np.bincount(stored(dataset, "part")).tolist() == [30, 7, 5]
    assert dataset.manifest.report["parts"] == "given"


def test_the_split_column_says_the_part(tmp_path):
    table = house_table(60).append_column("fold", pa.array(["Train", "val", "test"] * 20))
    dataset = make_dataset(table, tmp_path / "d", target="price", split_column="fold")
    assert stored(dataset, "part").tolist() == [0, 2, 1] * 20
    assert "fold" not in kinds(dataset)


def test_equal_rows_and_groups_stay_together(tmp_path):
    table = pa.table(
        {"x": np.arange(400) % 40 / 8, "who": [f"p{n % 10}" for n in range(400)], "y": np.arange(400) + 0.5}
    )
    dataset = make_dataset(table, tmp_path / "rows", ignore="who", test=0.3)
    part = stored(dataset, "part").reshape(10, 40)
    assert (part == part[0]).all() and 0 < part.sum() < 400
    grouped = make_dataset(table, tmp_path / "groups", group="who", test=0.3)
    part = stored(grouped, "part").reshape(40, 10)
    assert (part == part[0]).all()
    assert "who" not in kinds(grouped)


def test_missing_values_of_csv_and_blank_rows(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n1,x,1.5\nNA,?,2.5\n,,\n3,y,\n4, x ,4.5\n")
    dataset = make_dataset(tmp_path / "t.csv", tmp_path / "d")
    assert dataset.rows == 4
    assert dataset.manifest.report["empty"] == 1
    assert stored(dataset, "x:b").tolist() == [1, 0, 2, 1]
    missing = {column["name"]: column["missing"] for column in dataset.manifest.report["columns"]}
    assert missing == {"a": 1, "b": 1, "y": 1}


def test_tensors_and_lists(tmp_path):
    images = np.arange(5 * 6, dtype=np.uint8)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(images.reshape(5, 2, 3))
    tokens = pa.array([[1, 2], [3], [], [4, 5, 6], [7]])
    vectors = pa.array([[0.5, 1.5]] * 5)
    table = pa.table({"image": tensors, "tokens": tokens, "vector": vectors, "y": ["a", "b", "a", "b", "a"]})
    dataset = make_dataset(table, tmp_path / "d")
    assert kinds(dataset) == {"image": "tensor", "tokens": "sequence", "vector": "tensor", "y": "class"}
    assert dataset.matrix("x:image").take(np.arange(5)).dtype == np.uint8
    assert dataset.matrix("x:vector").take(np.arange(5)).tolist() == [[0.5, 1.5]] * 5
    assert [dataset.ragged("x:tokens").row(n).tolist() for n in range(5)] == tokens.to_pylist()
    shapes = {column["name"]: column["shape"] for column in dataset.manifest.report["columns"]}
    assert shapes["vector"] == [2]


def test_lists_and_booleans_of_text_are_such(tmp_path):
    table = pa.table(
        {"ids": [[1, 2], [3], [], [4]] * 6, "v": [[0.5, 1.0]] * 24, "f": [True, False] * 12, "y": np.arange(24) / 3}
    )
    rows = table.to_pylist()
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = [f'"{row["ids"]}","{row["v"]}",{row["f"]},{row["y"]}\n' for row in rows]
    (tmp_path / "t.csv").write_text("ids,v,f,y\n" + "".join(lines))
    made = [
        make_dataset(source, tmp_path / f"d{n}", inputs="ids,v,f")
        for n, source in enumerate((table, tmp_path / "t.csv", tmp_path / "t.jsonl"))
    ]
    assert kinds(made[0]) == {"ids": "sequence", "v": "tensor", "f": "number", "y": "value"}
    checksums = [[shard.sha256 for shard in dataset.manifest.files] for dataset in made]
    assert checksums[0] == checksums[1] == checksums[2]


def test_the_sample_resembles_a_table(tmp_path):
    dataset = make_dataset(sample(tmp_path, "500"), tmp_path / "d")
    assert kinds(dataset) == {
        "age": "number",
        "income": "number",
        "city": "category",
        "plan": "category",
        "visits": "number",
        "spent": "number",
        "label": "class",
    }
    assert left_out(dataset) == {"customer_id": "it numbers the rows"}
    (tmp_path / "again").mkdir()
    assert sample(tmp_path / "again", "500").read_bytes() == sample(tmp_path, "500").read_bytes()


def test_whole_numbers_beyond_float_and_nanoseconds_are_read(tmp_path):
    table = house_table().append_column("seed", pa.array([2**60 + 1 + 1000 * (n % 90) for n in range(200)]))
    table = table.append_column("large", pa.array([2**63 + 10_000 * (n % 50) for n in range(200)], pa.uint64()))
    table = table.append_column("code", pa.array([2**63 + n % 3 for n in range(200)], pa.uint64()))
    table = table.append_column("at", pa.array([10**18 + 1 + 10**9 * (n % 50) for n in range(200)], pa.timestamp("ns")))
    dataset = make_dataset(table, tmp_path / "d", target="price", categories=["code"], numbers=["at"])
    found = kinds(dataset)
    assert [found[name] for name in ("seed", "large", "code", "at")] == ["number", "number", "category", "number"]
    column = next(column for column in dataset.manifest.report["columns"] if column["name"] == "code")
    assert column["values"] == 3


def test_texts_of_parquet_that_are_numbers_in_some_groups_stay_texts(tmp_path):
    codes = ["10"] * 100 + ["10", "x"] * 50
    table = house_table().append_column("code", pa.array(codes)).append_column("who", pa.array(codes))
    path = tmp_path / "t.parquet"
    pa.parquet.write_table(table, path, row_group_size=50)
    dataset = make_dataset(path, tmp_path / "d", target="price", group="who")
    assert kinds(dataset)["code"] == "category" and "code" not in left_out(dataset)
    assert len(set(stored(dataset, "key").tolist())) == 2


def test_missing_cells_have_one_checksum_in_all_chunks():
    texts = pa.array(["a", None], pa.large_string()).dictionary_encode()
    lists = pa.array([[1], None], pa.large_list(pa.int64()))
    keys = [row_keys([array])[1] for array in (texts, lists, pa.nulls(2), pa.array([1.0, None]))]
    assert len(set(keys)) == 1


def test_rows_without_a_group_are_told(tmp_path):
    who = pa.array([None if n % 4 == 0 else n % 9 for n in range(200)])
    dataset = make_dataset(house_table().append_column("who", who), tmp_path / "d", target="price", group="who")
    lines = TablePreprocessor(target=("price",), group="who").describe(dataset.manifest.report)
    assert "50 rows have no who: they stay together as one group" in lines
    assert len(set(stored(dataset, "key")[::4].tolist())) == 1
    with pytest.raises(DataError, match="val_selection=first would divide rows of one who"):
        bound(dataset, val_selection="first")


def test_a_group_of_another_type_is_refused(tmp_path):
    table = house_table().append_column("who", pa.array([b"\xff%d" % (n % 9) for n in range(200)]))
    with pytest.raises(DataError, match="'who' of --group holds cells of a type that cannot be compared"):
        make_dataset(table, tmp_path / "d", target="price", group="who")


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        ([0.0] * 200, "holds 0 in all rows"),
        ([1.0] * 199 + [1e39], r"holds numbers from 1 to 1e\+39"),
        ([1.0] * 199 + [-1.0], "holds numbers from -1 to 1"),
        ([True] * 200, "holds cells of kind boolean"),
        ([1.0] * 199 + [None], "holds 1 empty cells"),
    ],
)
def test_what_is_no_weight_is_named(tmp_path, weights, found):
    with pytest.raises(DataError, match=f"weight column 'w' {found}, and a weight is"):
        make_dataset(house_table().append_column("w", pa.array(weights)), tmp_path / "d", target="price", weight="w")


@pytest.mark.parametrize("kind", [pa.string(), pa.timestamp("s"), pa.date32()])
def test_times_are_categories_where_they_are_said_to_be(tmp_path, kind):
    days = pa.array([datetime.date(2024, 1, 1 + n % 3) for n in range(200)]).cast(kind)
    table = house_table().append_column("day", days).append_column("due", days)
    dataset = make_dataset(table, tmp_path / "d", target="due", categories=["day", "due"])
    assert (kinds(dataset)["day"], kinds(dataset)["due"]) == ("category", "class")
