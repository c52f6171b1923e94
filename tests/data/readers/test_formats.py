"""The same rows in each format of tables, and each compression, give the same shards."""

import bz2
import gzip
import json
import lzma
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import raysq
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.table_files import open_table
from raysq.data.readers.unpack import COMPRESSIONS
from raysq.errors import DataError, UsageError

RANDOM = np.random.RandomState(2)
SENTENCES = [" ".join(RANDOM.choice(["good", "fine, too", "poor", 'a "plot"', "é"], 6)) for _ in range(200)]
TABLES = {
    "forecast": (
        pd.DataFrame(
            {
                "time": pd.date_range("2024-01-01", periods=200, freq="h"),
                "load": np.sin(np.arange(200)).round(3),
                "count": np.arange(200) % 9,
                "kind": ["a", "b"] * 100,
            }
        ),
        {"targets": "load", "categories": "kind"},
    ),
    "classify": (pd.DataFrame({"text": SENTENCES, "label": ["neg", "pos"] * 100}), {}),
    "text": (pd.DataFrame({"text": SENTENCES}), {}),
    "pairs": (pd.DataFrame({"source": SENTENCES, "target": SENTENCES[::-1]}), {}),
}


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lambda data: lzma.compress(data, preset=0), ".zst": zstd}


def jsonl(frame):
    rows = json.loads(frame.to_json(orient="records", date_format="iso"))
    for row in rows:
        if "time" in row:
            row["time"] = row["time"][:19].replace("T", " ")
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write(frame, path):
    """Write a frame in the format of the path's suffix."""
    name = path.name
    packed = next((end for end in COMPRESSIONS if name.endswith(end)), "")
    name = name.removesuffix(packed)
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl", reason="openpyxl, which writes xlsx files, is not installed")
        pytest.importorskip("python_calamine", reason="python-calamine, which reads xlsx files, is not installed")
        frame.to_excel(path, index=False)
    elif name.endswith(".parquet"):
        frame.to_parquet(path)
    elif name.endswith(".feather"):
        pa.feather.write_feather(frame, path, compression="zstd", chunksize=70)
    elif name.endswith(".arrow"):
        table = pa.Table.from_pandas(frame, preserve_index=False)
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table, 70)
    else:
        separator = "\t" if ".tsv" in name else ","
        data = jsonl(frame) if ".jsonl" in name else frame.to_csv(index=False, sep=separator).encode()
        path.write_bytes(PACK[packed](data) if packed else data)
    return path


def shards(dataset):
    """The stored rows, except for ids, which name the file."""
    tables = [pa.ipc.open_file(str(dataset.directory / shard.file)).read_all() for shard in dataset.manifest.shards]
    return pa.concat_tables(tables).select([name for name in tables[0].column_names if name != "id"])


SUFFIXES = [".tsv", ".jsonl", ".feather", ".arrow", ".xlsx", ".parquet", ".jsonl.zst"]
SUFFIXES += [f".csv{packed}" for packed in COMPRESSIONS]


@pytest.mark.parametrize("task", TABLES)
def test_each_format_gives_the_shards_of_the_csv(task, tmp_path):
    frame, settings = TABLES[task]
    expected = shards(raysq.prepare(task, write(frame, tmp_path / "rows.csv"), settings=settings, quiet=True))
    assert len(expected)
    for suffix in SUFFIXES if task == "forecast" else (".tsv", ".jsonl.zst", ".feather", ".xlsx"):
        path = write(frame, tmp_path / f"rows{suffix}")
        assert shards(raysq.prepare(task, path, settings=settings, quiet=True)).equals(expected), suffix


@pytest.mark.parametrize(
    "suffix", [".csv", ".tsv.xz", ".csv.zst", ".jsonl", ".jsonl.bz2", ".feather", ".arrow", ".xlsx"]
)
def test_columns_of_each_format(suffix, tmp_path):
    frame = pd.DataFrame({"value": [1.5, 2.5], "count": [1, 2], "label": ["a", "b"]})
    table = raysq.read_columns(write(frame, tmp_path / f"rows{suffix}"), "value", "label", "count")
    assert table.to_pydict() == {"value": [1.5, 2.5], "label": ["a", "b"], "count": [1, 2]}
    assert table.schema.field("count").type == pa.int64()
    with pytest.raises(DataError, match="has no column 'x'"):
        raysq.read_columns(tmp_path / f"rows{suffix}", "x")


@pytest.mark.parametrize("packed", COMPRESSIONS)
def test_joined_files_are_read_to_the_end_and_cut_ones_refused(packed, tmp_path):
    parts = [b"a,b\n1,2\n", b"3,4\n" * 50_000]
    path = tmp_path / f"rows.csv{packed}"
    path.write_bytes(b"".join(map(PACK[packed], parts)))
    assert raysq.read_columns(path, "a").num_rows == 50_001
    data = path.read_bytes()
    path.write_bytes(data[:-9])
    with pytest.raises(DataError, match=rf"rows.csv{packed} is damaged or cut short"):
        raysq.read_columns(path, "a")


@pytest.mark.parametrize("suffix", [".feather", ".arrow", ".xlsx"])
def test_a_damaged_file_of_a_typed_table_is_one_line(suffix, tmp_path):
    path = write(TABLES["forecast"][0], tmp_path / f"rows{suffix}")
    data = path.read_bytes()
    flipped = np.frombuffer(data, np.uint8).copy()
    flipped[np.random.RandomState(4).randint(0, len(data), len(data) // 50)] ^= 0x55
    for wrong in (data[: len(data) // 2], data[:-3], data[:9], flipped.tobytes()):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=r"^rows\.\w+ is [^\n]*$"):
            raysq.read_columns(path, "load")


@pytest.mark.parametrize("packed", COMPRESSIONS)
@pytest.mark.parametrize("task", ["forecast", "classify"])
def test_a_small_file_that_unpacks_to_a_large_line_is_refused(packed, task, tmp_path):
    path = tmp_path / f"rows.csv{packed}"
    path.write_bytes(PACK[packed](b"text,label\n" + b"x" * (20_000_000 if task == "forecast" else 3_000_000)))
    with pytest.raises(DataError, match="has more than 1,000,000 bytes"):
        raysq.prepare(task, path, settings={"max_record_bytes": 1_000_000}, quiet=True)


def test_numbers_in_jsonl_stay_numbers_and_mixed_columns_are_text(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [
        '{"t": "2024-01-01", "x": 1, "n": {"y": 2.5}, "b": true, "z": null}',
        "",
        '{"t": "2024-01-02", "x": "n/a"}',
    ]
    path.write_text("\ufeff" + "\n".join(lines))
    from raysq.data.readers import tables

    (partition,) = tables.partition([path], CsvFormat())
    assert partition.columns == ("t", "x", "n.y", "b", "z")
    (chunk,) = tables.read(partition, ["t", "x"], ["n.y", "b", "z"], CsvFormat())
    assert chunk.table.to_pydict() == {
        "t": ["2024-01-01", "2024-01-02"],
        "x": ["1", "n/a"],
        "n.y": [2.5, None],
        "b": [True, None],
        "z": [None, None],
    }
    assert chunk.lines.tolist() == [0, 2] and chunk.count == 3
    path.write_bytes(b'{"a": 1, "t": "x"}\n{"a": 2, "t": "\xff"}\n')
    (chunk,) = tables.read(tables.partition([path], CsvFormat())[0], ["t"], ["a"], CsvFormat())
    assert chunk.undecodable == (1, 0xFF) and not chunk.table.num_rows
    with pytest.raises(DataError, match=r"rows.jsonl: column 't' holds text that is not UTF-8"):
        raysq.read_columns(path, "t")
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(DataError, match=r"rows.jsonl, line 2 is not JSON"):
        list(tables.read(tables.partition([path], CsvFormat())[0], [], ["a"], CsvFormat()))


def test_large_jsonl_is_read_in_ranges_of_whole_lines(tmp_path, monkeypatch):
    from raysq.data.readers import tables

    monkeypatch.setattr(tables, "RANGE", 1000)
    monkeypatch.setattr(tables, "_STREAMED", 1000)
    lines = "".join(json.dumps({"a": n, "b": str(n)}) + "\n" for n in range(500))
    for name, pack in (("rows.jsonl", bytes), ("rows.jsonl.gz", gzip.compress)):
        path = tmp_path / name
        path.write_bytes(pack(lines.encode()))
        partitions = tables.partition([path], CsvFormat())
        chunks = [(p, chunk) for p in partitions for chunk in tables.read(p, ["b"], ["a"], CsvFormat())]
        table = pa.concat_tables([chunk.table for _, chunk in chunks])
        assert len(chunks) == (1 if name.endswith("gz") else 12) and table["a"].to_pylist() == list(range(500))
        at = [p.above + line for p, chunk in chunks for line in chunk.lines.tolist()]
        assert at == list(range(500)) and table["b"].to_pylist() == [str(n) for n in range(500)]


@pytest.fixture
def book(tmp_path):
    pytest.importorskip("openpyxl", reason="openpyxl, which writes xlsx files, is not installed")
    pytest.importorskip("python_calamine", reason="python-calamine, which reads xlsx files, is not installed")
    frame, _ = TABLES["forecast"]
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame().to_excel(writer, sheet_name="empty")
        pd.DataFrame({"note": ["x"]}).to_excel(writer, sheet_name="notes", index=False)
        frame.to_excel(writer, sheet_name="Load 2024", index=False)
    return path


def test_a_sheet_is_chosen_by_name_or_number(book, capsys):
    data = raysq.prepare("forecast", book, settings={"targets": "load", "sheet": "Load 2024"})
    assert data.rows == 200 and "sheet:" not in capsys.readouterr().err
    assert data.manifest.preparation["settings"]["sheet"] == "Load 2024"
    by_number = raysq.prepare("forecast", book, settings={"targets": "load", "sheet": "3"}, quiet=True)
    assert shards(by_number).equals(shards(data))
    with pytest.raises(
        DataError, match=r"book.xlsx has no sheet 'load': valid: Load 2024, empty, notes; --set sheet=NAME"
    ):
        raysq.prepare("forecast", book, settings={"targets": "load", "sheet": "load"}, quiet=True)
    with open_table(book, CsvFormat()) as file:
        assert file.schema.names == ["note"], "the first sheet with cells"
    with pytest.raises(DataError, match="setting sheet names a sheet of an xlsx file, and rows.csv is none"):
        raysq.prepare(
            "forecast", write(TABLES["forecast"][0], book.with_name("rows.csv")), settings={"sheet": "x"}, quiet=True
        )


def test_cells_of_a_sheet_keep_their_types(tmp_path, book):
    import datetime as dt

    import openpyxl

    sheet = (workbook := openpyxl.Workbook()).active
    sheet.append(["day", "clock", "span", "mixed", "flag", "whole", None])
    sheet.append([dt.datetime(2024, 1, 1), dt.time(1, 2), dt.timedelta(hours=30), 5, True, 7, 1])
    sheet.append([dt.datetime(2024, 1, 1, 6), dt.time(3, 4), dt.timedelta(minutes=5), "n/a", False, None, 2.5])
    workbook.save(tmp_path / "cells.xlsx")
    with open_table(tmp_path / "cells.xlsx", CsvFormat()) as file:
        table = pa.Table.from_batches(file.batches(0, file.schema.names, 10))
    assert table.to_pydict() == {
        "day": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 6)],
        "clock": ["01:02:00", "03:04:00"],
        "span": ["30:00:00", "0:05:00"],
        "mixed": ["5", "n/a"],
        "flag": [True, False],
        "whole": [7, None],
        "column 7": [1.0, 2.5],
    }


def test_a_sheet_that_would_take_all_memory_is_refused(tmp_path, book):
    import openpyxl

    sheet = (workbook := openpyxl.Workbook()).active
    sheet["A1"], sheet["XFD1048576"] = "a", 1
    workbook.save(tmp_path / "far.xlsx")
    with pytest.raises(DataError, match="far.xlsx: a sheet has more than 268,435,456 bytes"):
        raysq.prepare("forecast", tmp_path / "far.xlsx", quiet=True)
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(book) as before, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            after.writestr(info, before.read(info) + (b" " * 3_000_000 if "sheet" in info.filename else b""))
    with pytest.raises(DataError, match="bomb.xlsx, unpacked, has more than 2,000,000 bytes"):
        raysq.prepare("forecast", bomb, settings={"max_object_bytes": 2_000_000}, quiet=True)


def test_an_arrow_file_that_unpacks_to_much_is_refused(tmp_path):
    table = pa.table({"time": np.arange(400_000), "a": np.zeros(400_000)})
    path = tmp_path / "zeros.feather"
    pa.feather.write_feather(table, path, compression="zstd", chunksize=400_000)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(DataError, match="a record batch has more than 1,000,000 bytes"):
        raysq.prepare("forecast", path, settings={"max_object_bytes": 1_000_000}, quiet=True)
    with open_table(path, CsvFormat()) as file:
        assert file.groups == (400_000,) and file.sizes[0] >= 6_400_000
    path.write_bytes(b"FEA1" + bytes(100))
    with pytest.raises(DataError, match="Feather file of version 1"):
        raysq.read_columns(path, "a")
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)
    with pytest.raises(DataError, match="is not an Arrow file; of a stream of Arrow, write a file"):
        raysq.read_columns(path, "a")


def test_a_dictionary_that_unpacks_to_much_is_refused(tmp_path):
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a" * 3_000_000, "b"]))
    path = tmp_path / "words.arrow"
    with pa.ipc.new_file(path, pa.schema({"w": values.type}), options=pa.ipc.IpcWriteOptions(compression="zstd")) as f:
        f.write_table(pa.table({"w": values}))
    assert path.stat().st_size < 100_000
    with (
        pytest.raises(DataError, match="words.arrow: a dictionary has more than 1,000,000 bytes"),
        open_table(path, CsvFormat(max_object_bytes=1_000_000)),
    ):
        pass


def test_views_and_categories_of_an_arrow_file_are_plain(tmp_path):
    table = pa.table({"s": pa.array(["x", "y"], pa.string_view()), "c": pa.array(["u", "v"]).dictionary_encode()})
    with pa.ipc.new_file(tmp_path / "v.arrow", table.schema) as file:
        file.write_table(table)
    assert raysq.read_columns(tmp_path / "v.arrow", "s", "c").to_pydict() == {"s": ["x", "y"], "c": ["u", "v"]}


def test_settings_of_a_csv_are_refused_for_other_tables(tmp_path):
    path = write(TABLES["forecast"][0], tmp_path / "rows.jsonl")
    with pytest.raises(UsageError, match="setting delimiter says how a csv is written, and rows.jsonl is none"):
        raysq.prepare("forecast", path, settings={"delimiter": ";", "targets": "load"}, quiet=True)


def test_a_workbook_beside_other_tables_is_left_out_and_named(tmp_path, capsys):
    folder = tmp_path / "folder"
    folder.mkdir()
    write(TABLES["forecast"][0], folder / "rows.csv")
    (folder / "rows.xlsx").write_bytes(b"notes")
    assert raysq.prepare("forecast", folder, settings={"targets": "load"}).rows == 200
    assert "rows.xlsx" in capsys.readouterr().err


def test_settings_of_a_csv_do_not_refuse_new_rows_in_another_format():
    format = CsvFormat(delimiter=";", skip=1, sheet="b", encoding="latin-1", max_record_bytes=9)
    plain = CsvFormat(encoding="latin-1", max_record_bytes=9)
    assert format.for_file("new.parquet") == format.for_file("new.jsonl.gz") == plain
    assert format.for_file("new.parquet", ["skip"]).skip == 1, "a setting of these rows is refused later"
    assert format.for_file("new.xlsx") == CsvFormat(sheet="b", encoding="latin-1", max_record_bytes=9)
    assert format.for_file("new.csv.zst") == CsvFormat(delimiter=";", skip=1, encoding="latin-1", max_record_bytes=9)
