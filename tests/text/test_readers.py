"""Reading documents: every format gives the same documents, and what cannot be read is said with its place."""

import csv
import gzip
import io
import itertools
import json
import pickle
import sys
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from raysq.data.readers import streams, tar
from raysq.data.readers.limits import LIMITS
from raysq.errors import DataError, UsageError
from raysq.text import readers
from raysq.text.readers import DocumentFormat, partition, read, words_of
from raysq.text.readers import csv as quoted
from raysq.text.readers import format as form_module
from raysq.text.readers import json as objects

COLUMNS = {"text": pa.large_string(), "label": pa.large_string(), "part": pa.int8(), "id": pa.large_string()}
ROWS = [
    ("plain words", "pos", "train"),
    ("one, two", "neg", "test"),
    ("two\nlines\r\nand more", "pos", "train"),
    ('he said "no"', "neg", "train"),
    ('"all of it"', "pos", "test"),
    ("", "neg", "train"),
    ("nul \0 inside", "pos", "val"),
    ("größer als 日本 🎬", "neg", "train"),
    ("\t tab and space ", "pos", "train"),
    ('",\n', "neg", "test"),
]


def infer(files, **known):
    """What is found in files: text, label, delimiter, messages and layout."""
    form, messages, layout = readers.infer(files, DocumentFormat(**known))
    return form.text, form.label, form.delimiter, messages, layout


def everything(files, form=None):
    """All rows of the files as lists, and all notes; columns found where they are not given."""
    form = form or DocumentFormat()
    if form.text is None:
        form = readers.infer(files, form).format
    tables, stats = [], []
    for part in partition(files, form):
        part = pickle.loads(pickle.dumps(part))
        for table, chunk in read(part, form):
            assert {field.name: field.type for field in table.schema} == COLUMNS
            table.validate(full=True)
            assert table.column("text").null_count == 0
            assert chunk["documents"] == table.num_rows
            assert json.loads(json.dumps(chunk)) == chunk
            tables.append(table)
            stats.append(chunk)
    return pa.concat_tables(tables).to_pydict(), stats


def write_csv(path, rows, delimiter=",", end="\r\n", **how):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, **how)
        writer.writerow(["id", "text", "label", "split"])
        for number, row in enumerate(rows):
            writer.writerow([number, *row])


def write_jsonl(path, rows, opener=open):
    with opener(path, "wt", encoding="utf-8") as file:
        file.write("".join(json.dumps(dict(zip(("text", "label", "split"), row, strict=True))) + "\n" for row in rows))


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of some bytes, so that rows lie across their borders."""
    monkeypatch.setattr(form_module, "RANGE", 64)
    for module in (quoted, objects):
        monkeypatch.setattr(module, "RANGE", 64)
    monkeypatch.setattr(streams, "CHUNK", 7)
    monkeypatch.setattr(objects, "_PARSED", 16)


TABLES = {
    "r.csv": lambda path: write_csv(path, ROWS),
    "unix.csv": lambda path: write_csv(path, ROWS, end="\n", quoting=csv.QUOTE_ALL),
    "r.tsv": lambda path: write_csv(path, ROWS, delimiter="\t"),
    "semicolon.csv": lambda path: write_csv(path, ROWS, delimiter=";"),
    "r.jsonl": lambda path: write_jsonl(path, ROWS),
    "r.ndjson": lambda path: write_jsonl(path, ROWS),
    "lines.json": lambda path: write_jsonl(path, ROWS),
    "r.jsonl.gz": lambda path: write_jsonl(path, ROWS, gzip.open),
    "list.json": lambda path: path.write_text(
        json.dumps([dict(zip(("text", "label", "split"), row, strict=True)) for row in ROWS], indent=1)
    ),
    "r.parquet": lambda path: pa.parquet.write_table(
        pa.table(dict(zip(("text", "label", "split"), map(list, zip(*ROWS, strict=True)), strict=True))),
        path,
        row_group_size=3,
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_format_gives_the_same_documents(tmp_path, name, small_blocks):
    path = tmp_path / name
    TABLES[name](path)
    columns, stats = everything([path])
    assert columns["text"] == [row[0] for row in ROWS]
    assert columns["label"] == [row[1] for row in ROWS]
    numbers = {"train": 0, "test": 1, "val": 2, "dev": 2, "validation": 2}
    assert columns["part"] == [numbers[row[2]] for row in ROWS]
    assert len(set(columns["id"])) == len(ROWS)
    assert sum(chunk["missing_label"] for chunk in stats) == 0


def test_csv_in_gzip_and_zip(tmp_path):
    write_csv(tmp_path / "r.csv", ROWS)
    plain = everything([tmp_path / "r.csv"])[0]
    with gzip.open(tmp_path / "r.csv.gz", "wb") as file:
        file.write((tmp_path / "r.csv").read_bytes())
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.write(tmp_path / "r.csv", "data/r.csv")
    for name in ("r.csv.gz", "r.zip"):
        columns = everything([tmp_path / name])[0]
        assert columns["text"] == plain["text"]
        assert [id.rsplit(":")[-1] for id in columns["id"]] == [id.rsplit(":")[-1] for id in plain["id"]]


def test_ids_are_line_numbers(tmp_path, small_blocks):
    write_csv(tmp_path / "r.csv", ROWS, end="\n")
    lines = (tmp_path / "r.csv").read_bytes().split(b"\n")
    for name, begin in zip(everything([tmp_path / "r.csv"])[0]["id"], range(len(ROWS)), strict=True):
        assert lines[int(name.removeprefix("r.csv:")) - 1].startswith(b"%d," % begin)
    (tmp_path / "b.jsonl").write_text('{"text": "a", "label": 1}\n\n \n{"text": "b", "label": 2}\n')
    assert everything([tmp_path / "b.jsonl"])[0]["id"] == ["b.jsonl:1", "b.jsonl:4"]


def test_lines_of_any_length_in_parsed_parts(tmp_path):
    source = np.random.RandomState(0)
    longest = [3_000_000, 1 << 20, (1 << 20) - 28, 0]  # more than is parsed at a time, about as much, and none
    sizes = [*source.randint(0, 3000, 900), *longest, *source.randint(0, 3000, 900)]
    lines = [json.dumps({"text": "é " * (int(size) // 8), "label": number % 3}) for number, size in enumerate(sizes)]
    lines[1:1] = [""] * 1_500_000
    lines += [" \r"] * 2 + [""] * 1_500_000
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    columns, _ = everything([tmp_path / "r.jsonl"], DocumentFormat("text", "label"))
    assert columns["text"] == ["é " * (int(size) // 8) for size in sizes]
    assert columns["label"] == [str(number % 3) for number in range(len(sizes))]
    assert columns["id"][:2] == ["r.jsonl:1", "r.jsonl:1500002"]


def test_lines_that_end_in_carriage_returns_alone_are_refused_in_one_line(tmp_path):
    (tmp_path / "r.csv").write_bytes(b"text,label\rgood film,pos\rbad film,neg\r")
    with pytest.raises(DataError, match="end in carriage returns alone"):
        everything([tmp_path / "r.csv"])


def test_a_carriage_return_inside_of_a_line_is_told(tmp_path):
    rows = "good film,pos\nbad film,neg\n" * 20
    for line in ("a\rb,pos\n", "a,pos\rb,neg\n"):
        (tmp_path / "r.csv").write_bytes(("text,label\n" + rows + line + rows).encode())
        with pytest.raises(DataError, match="line 42 holds a carriage return without a line feed"):
            everything([tmp_path / "r.csv"])
    (tmp_path / "r.csv").write_bytes(("text,label\n" + rows + '"a\rb",pos\n').encode())
    assert everything([tmp_path / "r.csv"])[0]["text"][-1] == "a\rb"
    (tmp_path / "r.csv").write_bytes(("text,label\n" + rows).replace("\n", "\r\r\n").encode())
    assert everything([tmp_path / "r.csv"])[0]["text"] == ["good film", "bad film"] * 20


def test_a_block_is_held_by_its_reader_alone(tmp_path):
    path = tmp_path / "r.txt"
    path.write_bytes(b"line of text\n" * 1000)
    stream = streams.blocks(streams.chunks(path, begin=0, end=13_000), 13_001, LIMITS, "x")
    block = next(stream)
    assert sys.getrefcount(block) <= 2  # the name here, and the argument
    assert (len(block), list(stream)) == (13_000, [])


@pytest.mark.parametrize("seed", range(30))
def test_csv_as_pythons_reader_reads_it(tmp_path, seed, small_blocks):
    """Random rows, written with quotes where they must be, and with stray ones."""
    random = np.random.RandomState(seed)
    signs = ["a", "b", '"', ",", "\n", " ", "ü", "\r\n"]
    rows = [
        ("".join(random.choice(signs, random.randint(0, 30))), "xy"[random.randint(2)])
        for _ in range(random.randint(1, 60))
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=[csv.QUOTE_MINIMAL, csv.QUOTE_ALL][seed % 2])
    writer.writerow(["text", "label"])
    writer.writerows(rows)
    data = text.getvalue()
    if seed % 3 == 0:  # cells with quotes in them that nobody quoted
        data += 'say "hi" now,x\n5" wide,y\n"quoted" ,x\n'
    if seed % 5 == 0:
        data = data.rstrip("\n")
    path = tmp_path / "r.csv"
    path.write_bytes(data.encode())
    wanted = [row for row in csv.reader(io.StringIO(data, newline="")) if row][1:]
    columns = everything([path], DocumentFormat("text", "label", quoting="minimal"))[0]
    assert list(zip(columns["text"], columns["label"], strict=True)) == [tuple(row) for row in wanted]


def test_columns_of_a_csv_without_names_are_given_by_number(tmp_path):
    rows = [("2", "Title", "a good film"), ("1", 'A "bad"', "bad, of course"), ("2", "Title 3", "two\nlines")]
    with open(tmp_path / "r.csv", "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    form, messages, _ = readers.infer([tmp_path / "r.csv"], DocumentFormat("3", "1"))
    assert (form.text, form.label, form.header) == ("3", "1", False)
    assert messages == ["no line of names: columns are called by their numbers (--set header=true says otherwise)"]
    columns = everything([tmp_path / "r.csv"], form)[0]
    assert (columns["text"], columns["label"]) == ([row[2] for row in rows], [row[0] for row in rows])
    assert columns["id"] == ["r.csv:1", "r.csv:2", "r.csv:3"]
    with pytest.raises(DataError, match=r"line 1 must name the columns.*--set header=false --text 1 --label 2"):
        infer([tmp_path / "r.csv"])
    write_csv(tmp_path / "named.csv", ROWS)
    assert infer([tmp_path / "named.csv"], text="2", label="3")[:2] == ("text", "label")
    with pytest.raises(DataError, match="no column '5'"):
        infer([tmp_path / "named.csv"], text="5")


@pytest.mark.parametrize("name", ["r.csv", "r.tsv.gz"])
def test_quotes_and_escapes_as_they_are_said_to_be(tmp_path, name, small_blocks):
    def documents(text, **settings):
        data = text.replace(",", "\t").encode() if ".tsv" in name else text.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return everything([tmp_path / name], DocumentFormat("text", "label", **{"delimiter": sign, **settings}))[0][
            "text"
        ]

    sign = "tab" if ".tsv" in name else ","
    some = "text,label\n" + "a film,x\nsome play,y\n" * 10
    assert documents(some + '"six" inch,x\n"open,y\n', quoting="none")[-2:] == ['"six" inch', '"open']
    assert documents(some + '"a \\"b\\", c",x\nd \\\\ e,y\n', escape="backslash")[-2:] == [
        f'a "b"{"," if sign == "," else chr(9)} c',
        "d \\ e",
    ]
    assert documents(some.replace("text,label\n", "text,label\nwords,kinds\n-,-\n"), skip=2)[:2] == [
        "a film",
        "some play",
    ]
    # The cell is taken as it is where it is said to be one.
    stray = some + '"open,x\nfilm,y\nplay",x\n'
    tab = "," if sign == "," else "\t"
    assert documents(stray, quoting="minimal")[-1] == f"open{tab}x\nfilm{tab}y\nplay"
    for text, match in (
        (stray, "line 22 opens a quote that closes in line 24, and without it each of these lines has 2 cells"),
        (some + '"six" inch,x\n', "line 22 opens a quote that closes there before text"),
        (some + 'an "inch",x\n"six, inch,x\n', "line 23 opens a quote that no line closes"),
        (some + '"a \\"b\\" c",x\n', "line 22 opens .*--set escape=backslash reads"),
    ):
        with pytest.raises(DataError, match=match) as caught:
            documents(text)
        assert "put quotes around" not in str(caught.value)


def test_a_csv_of_another_code_page_is_told_and_read(tmp_path):
    (tmp_path / "r.csv").write_bytes("text,label\nnaïve café,x\nGröße,y\n".encode("cp1252"))
    assert infer([tmp_path / "r.csv"])[3][0].startswith("encoding: cp1252, as the files are not UTF-8")
    assert everything([tmp_path / "r.csv"])[0]["text"] == ["naïve café", "Größe"]


def test_pieces_of_a_file_are_read_by_several(tmp_path, small_blocks):
    write_csv(tmp_path / "r.csv", ROWS * 20)
    write_jsonl(tmp_path / "r.jsonl", ROWS * 20)
    for name in ("r.csv", "r.jsonl"):
        partitions = partition([tmp_path / name], DocumentFormat("text", "label"))
        assert len(partitions) > 20
        assert all(part.end == following.begin for part, following in itertools.pairwise(partitions))
        assert everything([tmp_path / name])[0]["text"] == [row[0] for row in ROWS * 20]


@pytest.mark.parametrize("size", [1, 5, 64])
def test_ranges_are_the_whole_file_and_end_at_lines(tmp_path, monkeypatch, size):
    monkeypatch.setattr(streams, "CHUNK", 7)
    source = np.random.RandomState(0)
    for count in range(80):
        data = source.choice(list(b"ab\n"), count, p=[0.5, 0.3, 0.2]).astype(np.uint8).tobytes()
        path = tmp_path / "lines"
        path.write_bytes(data)
        ranges = streams.ranges(path, size, LIMITS)
        assert b"".join(data[begin:end] for begin, end, _ in ranges) == data
        for begin, end, above in ranges:
            assert above == data.count(b"\n", 0, begin)
            assert end == len(data) or (end - begin >= size and data[end - 1 : end] == b"\n")


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ([1, 0, 1], ["1", "0", "1"]),
        ([True, False, True], ["true", "false", "true"]),
        ([1.0, 0.0, 2.0], ["1", "0", "2"]),
        ([0.5, 1.0, 2.0], ["0.5", "1", "2"]),
        (["a ", " b", "a"], ["a", "b", "a"]),
        ([1, "b", True], ["1", "b", "true"]),
        ([None, "b", " "], [None, "b", None]),
        ([2**60, 1, 2], [str(2**60), "1", "2"]),
    ],
)
def test_labels_become_text(tmp_path, labels, wanted):
    path = tmp_path / "r.jsonl"
    path.write_text("".join(json.dumps({"text": "t", "label": label}) + "\n" for label in labels))
    columns, stats = everything([path], DocumentFormat("text", "label"))
    assert columns["label"] == wanted
    assert stats[0]["missing_label"] == wanted.count(None)
    assert stats[0]["first_missing_label"] == ("r.jsonl:1" if None in wanted else None)
    kinds = {type(label) for label in labels}
    if len(kinds - {type(None)}) == 1 and 0.5 not in labels:
        pa.parquet.write_table(pa.table({"text": ["t"] * 3, "label": labels}), tmp_path / "r.parquet")
        assert everything([tmp_path / "r.parquet"], DocumentFormat("text", "label"))[0]["label"] == wanted
        coded = pa.table(
            {"text": pa.array(["t"] * 3).dictionary_encode(), "label": pa.array(labels).dictionary_encode()}
        )
        pa.parquet.write_table(coded, tmp_path / "r.parquet")
        assert everything([tmp_path / "r.parquet"], DocumentFormat("text", "label"))[0]["label"] == wanted


def tree_of(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


NEWS = {
    f"{label}/{number}": f"{label} {number}\n".encode() for label in ("alt.atheism", "sci.med") for number in range(5)
}
IMDB = {
    f"{part}/{label}/{number}_7.txt": f"{part} {label} {number}".encode()
    for part in ("test", "train")
    for label in ("neg", "pos")
    for number in range(3)
} | {"README": b"x", "train/unsup/0_0.txt": b"x", "train/urls_pos.txt": b"x"}


def packed(path, files, mode="w:gz", form=tarfile.GNU_FORMAT):
    with tarfile.open(path, mode, format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("root", ["", "all/"])
@pytest.mark.parametrize("form", ["folder", "x.tar", "x.tar.gz", "x.tgz"])
def test_classes_and_parts_in_folders_and_archives(tmp_path, root, form, monkeypatch):
    from raysq.text.readers import archive

    monkeypatch.setattr(archive, "RANGE", 2000)
    for name, files in (("classes", NEWS), ("parts", IMDB)):
        files = {root + path: data for path, data in files.items()}
        files |= {root + ".hidden/x": b"x", "__MACOSX/sci.med/._1": b"x"}
        if form == "folder":
            path = tree_of(tmp_path / f"{name}-tree", files)
        else:
            path = packed(tmp_path / f"{name}-{form}", files, "w:" if form == "x.tar" else "w:gz")
        _, _, _, messages, layout = infer([path])
        assert layout == name
        columns, stats = everything([path])
        wanted = NEWS if name == "classes" else IMDB
        documents = sorted(id for id in wanted if "/" in id and "unsup" not in id and "urls" not in id)
        assert sorted(columns["id"]) == documents
        assert dict(zip(columns["id"], columns["text"], strict=True)) == {id: wanted[id].decode() for id in documents}
        folders = [id.split("/") for id in columns["id"]]
        assert columns["label"] == [names[-2] for names in folders]
        assert columns["part"] == [{"train": 0, "test": 1}.get(names[0], -1) for names in folders]
        if form == "folder":
            assert columns["id"] == documents
        elif name == "parts":
            assert sum(chunk["ignored"] for chunk in stats) == 5
        if form == "x.tar" and name == "classes":
            assert len(partition([path], DocumentFormat())) > 3
        if form == "folder" and name == "parts":
            assert any("README" in line and "unsup" in line for line in messages)


def test_a_tree_tells_what_is_strange(tmp_path):
    folder = tree_of(tmp_path / "in", {"a/1": b"x", "a/2": b"", "b/1": b"y"})
    (folder / "c").mkdir()
    assert infer([folder])[3] == ["layout: CLASS/FILE, 2 classes (a, b)", "folders without files: c"]
    assert everything([folder])[0]["text"] == ["x", "", "y"]
    single = tree_of(tmp_path / "one", {"a/1": b"x"})
    flat = tree_of(tmp_path / "flat", {"1.txt": b"x", "2.txt": b"y"})
    for read_path in (lambda path: infer([path]), lambda path: partition([path], DocumentFormat())):
        with pytest.raises(DataError, match="one has one class only, 'a'.* add a folder"):
            read_path(single)
        with pytest.raises(DataError, match="flat has no folders of classes"):
            read_path(flat)
        with pytest.raises(DataError, match="different sorts"):
            tar_file = packed(tmp_path / "x.tar", NEWS, "w:")
            infer([tar_file, TABLES["r.jsonl"](tmp_path / "r.jsonl") or tmp_path / "r.jsonl"])
    columns, _ = everything([flat], DocumentFormat(labels=False))
    assert (columns["id"], columns["label"]) == (["1.txt", "2.txt"], [None, None])
    deep = tree_of(tmp_path / "deep", {"a/x/1": b"x", "a/2": b"y", "b/y/z/1": b"z"})
    assert infer([deep])[3][1:] == ["files in folders below those of the classes are documents of these classes"]


@pytest.mark.parametrize("form", ["folder", "x.tar", "x.tar.gz"])
def test_files_that_hold_no_text_are_no_documents(tmp_path, form):
    files = {"a/1.txt": b"one", "a/photo": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "b/2.txt": "z\u00e9ro".encode()}
    files |= {"b/Thumbs.db": b"x", "b/desktop.ini": b"x", "a/.DS_Store": b"x"}
    if form == "folder":
        path = tree_of(tmp_path / "in", files)
    else:
        path = packed(tmp_path / form, files, "w:" if form == "x.tar" else "w:gz")
    columns, stats = everything([path])
    assert sorted(zip(columns["id"], columns["text"], strict=True)) == [("a/1.txt", "one"), ("b/2.txt", "z\u00e9ro")]
    assert [name for chunk in stats for name in chunk["not_text"]] == ["a/photo"]
    if form != "folder":  # of a folder its source tells it
        message = "left out, as they are hidden or written by the system: b/Thumbs.db, b/desktop.ini, a/.DS_Store"
        assert message in infer([path])[3]
    wide = tree_of(tmp_path / "wide", {"a/1.txt": "one".encode("utf-16"), "b/1.txt": "two".encode("utf-16")})
    assert everything([wide], DocumentFormat(encoding="utf-16"))[0]["text"] == ["one", "two"]
    with pytest.raises(DataError, match="a/1.txt begins as UTF-16 does, not utf-8; --set encoding=utf-16 reads it"):
        everything([wide])


def test_parts_that_hold_files_alone_are_no_classes(tmp_path):
    folder = tree_of(tmp_path / "in", {"train/1.txt": b"x", "test/2.txt": b"y"})
    with pytest.raises(DataError, match="has the folders test, train and no folders of classes in them"):
        infer([folder])


@pytest.mark.parametrize("form", ["folder", "x.tar", "x.tar.gz"])
def test_for_predictions_every_file_is_a_document(tmp_path, form):
    files = {"all/1.txt": b"one", "all/more/2.txt": b"two", "3.txt": b"three", "all/.hidden": b"no"}
    if form == "folder":
        path = tree_of(tmp_path / "in", files)
    else:
        path = packed(tmp_path / form, files, "w:" if form == "x.tar" else "w:gz")
    left_out = ["left out, as they are hidden or written by the system: all/.hidden"] if form != "folder" else []
    assert infer([path], labels=False)[3:] == (["layout: files alone", *left_out], "files")
    columns, _ = everything([path], DocumentFormat(labels=False))
    texts = dict(zip(columns["id"], columns["text"], strict=True))
    assert texts == {"all/1.txt": "one", "all/more/2.txt": "two", "3.txt": "three"}


FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


@pytest.mark.parametrize("form", FORMATS)
def test_archives_as_tarfile_reads_them(tmp_path, form):
    long = "/".join(["folder" * 4] * 6) + "/" + "n" * 60
    files = {
        "a/1": b"",
        "a/2": b"x" * 511,
        "a/3": b"y" * 512,
        "./b/4": b"z" * 513,
        long: b"long",
        "ü/日本.txt": "größer".encode() * 1000,
    }
    if form != "ustar":
        files["c/" + "m" * 300] = b"longer"
        files["ж" * 200 + "/" + "ж" * 60] = b"both"
    for name, mode in (("x.tar", "w:"), ("x.tar.gz", "w:gz")):
        path = packed(tmp_path / name, files, mode, FORMATS[form])
        with tarfile.open(path) as archive:
            wanted = [(member.name, archive.extractfile(member).read()) for member in archive if member.isfile()]
        members = list(tar.members(tar.Chunks(streams.chunks(path)), path, lambda name: True, LIMITS.check_record))
        assert [(member.name.removeprefix("./"), member.data) for member in members] == [
            (name.removeprefix("./"), data) for name, data in wanted
        ]
        assert len(members) == len(files)


def test_archives_that_are_cut_or_changed_are_never_read_in_part(tmp_path):
    whole = packed(tmp_path / "x.tar", NEWS, "w:").read_bytes()

    def names(data):
        path = tmp_path / "y.tar"
        path.write_bytes(data)
        return [
            member.name
            for member in tar.members(tar.Chunks(streams.chunks(path)), path, lambda name: True, LIMITS.check_record)
        ]

    assert names(whole) == list(NEWS)
    for cut in range(0, 1024 * len(NEWS) + 1, 100):
        with pytest.raises(DataError, match=r"y\.tar is damaged or cut short"):
            names(whole[:cut])
    random = np.random.RandomState(0)
    for _ in range(50):
        position = 1024 * random.randint(len(NEWS)) + random.randint(512)
        changed = bytearray(whole)
        changed[position] ^= 1 << random.randint(1, 7)
        with pytest.raises(DataError):
            names(bytes(changed))
    with pytest.raises(DataError, match="goes on after the mark of its end"):
        names(whole + whole)
    path = packed(tmp_path / "x.tar.gz", NEWS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"x\.tar\.gz is damaged or cut short"):
        infer([path])


@pytest.mark.parametrize(
    ("name", "kind", "match"),
    [
        ("a/../../x", tarfile.REGTYPE, r"member a/\.\./\.\./x leads out"),
        ("/etc/x", tarfile.REGTYPE, r"member /etc/x leads out"),
        ("a/x", tarfile.SYMTYPE, r"member a/x is a symbolic link to /etc/passwd"),
        ("a/x", tarfile.LNKTYPE, r"member a/x is a hard link to /etc/passwd"),
        ("a/x", tarfile.CHRTYPE, r"member a/x is a device"),
        ("a/x", tarfile.FIFOTYPE, r"member a/x is a named pipe"),
    ],
)
def test_archives_that_may_do_harm(tmp_path, name, kind, match):
    path = packed(tmp_path / "x.tar", NEWS, "w:")
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.linkname = "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DataError, match=match):
        infer([path])


def test_bytes_that_are_not_of_the_encoding(tmp_path):
    files = dict(NEWS) | {"sci.med/latin": "größer".encode("latin-1"), "sci.med/bom": b"\xef\xbb\xbfwith a mark"}
    folder = tree_of(tmp_path / "in", files)
    columns, stats = everything([folder])
    text = dict(zip(columns["id"], columns["text"], strict=True))
    assert text["sci.med/latin"] == "gr\ufffd\ufffder"
    assert text["sci.med/bom"] == "with a mark"
    assert [name for chunk in stats for name in chunk["undecodable"]] == ["sci.med/latin"]
    columns, stats = everything([folder], DocumentFormat(encoding="latin-1"))
    assert dict(zip(columns["id"], columns["text"], strict=True))["sci.med/latin"] == "größer"
    assert stats[0]["undecodable"] == []


@pytest.mark.parametrize("name", ["r.csv", "stray.csv", "r.jsonl", "list.json"])
def test_undecodable_rows_of_tables_are_named(tmp_path, name):
    rows = [("gut", "a"), ("größer", "b"), ("日本", "a")]
    lines = {
        "csv": [f'"{text}",{label}\n' for text, label in rows],
        "jsonl": [f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in rows],
        "json": [f'{{"text": "{text}", "label": "{label}"}},' for text, label in rows],
    }[name.split(".")[1]]
    before, after = {"csv": ("text,label\n", ""), "jsonl": ("", ""), "json": ("[", '{"text": "", "label": "b"}]')}[
        name.split(".")[1]
    ]
    if name == "stray.csv":
        after = 'so "called",b\n'
    path = tmp_path / name
    path.write_bytes(
        before.encode() + lines[0].encode() + lines[1].encode("latin-1") + lines[2].encode() + after.encode()
    )
    columns, stats = everything([path])
    assert columns["text"][:3] == ["gut", "gr\ufffd\ufffder", "日本"]
    assert [len(chunk["undecodable"]) for chunk in stats] == [1]
    assert stats[0]["undecodable"] == [columns["id"][1]]
    for encoding in ("latin-1", "utf-16", "shift-jis"):
        text = "äö" if encoding == "latin-1" else "日本"
        path.write_bytes((before + lines[0] + lines[0].replace("gut", text) + after).encode(encoding))
        columns, stats = everything([path], DocumentFormat(encoding=encoding))
        assert columns["text"][:2] == ["gut", text]
        assert stats[0]["undecodable"] == []


def test_half_a_surrogate_pair_is_replaced(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"text": "cut \\ud83d", "label": "a"}\n{"text": "whole \\ud83c\\udfac", "label": "b"}\n')
    columns, stats = everything([path])
    assert columns["text"][0].startswith("cut \ufffd")
    assert columns["text"][1] == "whole 🎬"
    assert stats[0]["undecodable"] == ["r.jsonl:1"]


def test_a_byte_order_mark_is_dropped(tmp_path):
    (tmp_path / "r.csv").write_bytes(b"\xef\xbb\xbftext,label\na,x\nb,y\n")
    (tmp_path / "r.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n')
    for name in ("r.csv", "r.jsonl"):
        assert everything([tmp_path / name])[0]["text"] == ["a", "b"]


def test_headers_of_posts_are_dropped(tmp_path):
    post = b"From: a\nSubject: b\n\nbody\n\nmore"
    folder = tree_of(tmp_path / "in", {"a/1": post, "b/1": b"From: a\r\n\r\nbody\r\n", "b/2": b"no headers"})
    assert everything([folder], DocumentFormat(headers="drop"))[0]["text"] == ["body\n\nmore", "body\r\n", "no headers"]
    assert everything([folder])[0]["text"][0] == post.decode()


def test_missing_text_is_an_empty_document(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"text": null, "label": "x"}\n{"label": "x"}\n{"text": "a", "label": "y"}\n')
    columns, stats = everything([tmp_path / "r.jsonl"])
    assert columns["text"] == ["", "", "a"]
    assert stats[0]["missing_text"] == 2


def test_a_document_of_ten_megabytes(tmp_path):
    text = 'a "big", one\n' * 800_000
    write_csv(tmp_path / "r.csv", [(text, "a", "train"), ("small", "b", "train")])
    write_jsonl(tmp_path / "r.jsonl", [(text, "a", "train"), ("small", "b", "train")])
    for name in ("r.csv", "r.jsonl"):
        assert everything([tmp_path / name])[0]["text"] == [text, "small"]
    path = packed(tmp_path / "x.tar.gz", {"a/1": text.encode(), "b/1": b"small"})
    assert everything([path])[0]["text"] == [text, "small"]


def test_columns_are_found_and_told(tmp_path):
    path = tmp_path / "r.csv"

    def columns(header, rows, **given):
        path.write_text(header + "\n" + "\n".join(rows) + "\n")
        text, label, delimiter, messages, layout = infer([path], **given)
        assert layout == "table"
        return text, label, delimiter, messages

    few = [f"{row},a nice film {row},{'pos' if row % 2 else 'neg'}" for row in range(10)]
    text, label, delimiter, messages = columns("id,Review,Sentiment", few)
    assert (text, label, delimiter) == ("Review", "Sentiment", ",")
    assert messages == [
        "text: column 'Review' (--text NAME names another)",
        "label: column 'Sentiment' (--label NAME names another)",
    ]
    assert columns("id,words,kind", few)[:2] == ("words", "kind")
    assert columns("id,words,kind", few, text="words", label="kind")[3] == []
    assert columns("id;text;y", [row.replace(",", ";") for row in few])[:3] == ("text", "y", ";")
    assert columns("id,text,kind", few, labels=False)[:2] == ("text", None)
    with pytest.raises(DataError, match=r"no column 'txt' \(did you mean text\?\); --text names another"):
        columns("id,text,label", few, text="txt")
    with pytest.raises(DataError, match=r"no column 'labels' \(did you mean label\?\); --label names another"):
        columns("id,text,label", few, label="labels")
    with pytest.raises(DataError, match=r"several that could be \(a, b\); --label NAME"):
        columns("a,b,text", ["x,y,one", "y,x,two"] * 5)
    with pytest.raises(DataError, match=r"no column named like a label, and it has id, text"):
        columns("id,text", [f"{row},text {row}" for row in range(10)])
    with pytest.raises(DataError, match=r"line 1 must name the columns, and it seems to hold values \(1, a nice film"):
        columns("1,a nice film,pos", few)
    for order in (1, -1):
        with pytest.raises(DataError, match=r"line 1 must name the columns, and it seems to hold values \("):
            columns(",".join(["a nice film", "pos"][::order]), [",".join(row.split(",")[1:][::order]) for row in few])
    assert columns("film,pos", [row.partition(",")[2] for row in few], label="pos")[:2] == ("film", "pos")
    with pytest.raises(DataError, match="no column of text; it has a, label"):
        (tmp_path / "n.jsonl").write_text('{"a": 1, "label": 1}\n')
        infer([tmp_path / "n.jsonl"])


def test_names_of_files_are_no_texts(tmp_path):
    folder = tree_of(tmp_path / "in", {"txt/1.txt": b"one", "txt/2.txt": b"two"})
    (folder / "labels.csv").write_text("file,label\n1.txt,x\n2.txt,y\n")
    with pytest.raises(DataError, match=r"labels\.csv: column 'file' names files, such as 1\.txt, and does not hold"):
        infer([folder / "labels.csv"])
    assert infer([folder / "labels.csv"], text="file")[0] == "file"  # who says so has it
    (folder / "labels.csv").write_text("file,label\n1.txt,x\nsome words,y\n")
    assert infer([folder / "labels.csv"])[0] == "file"


def test_a_column_or_file_names_say_what_is_test(tmp_path):
    few = [("a", "x", "train"), ("b", "y", "Test"), ("c", "x", "validation")]
    write_csv(tmp_path / "r.csv", few)
    assert "train, validation and test: as column 'split' says" in infer([tmp_path / "r.csv"])[3]
    assert everything([tmp_path / "r.csv"])[0]["part"] == [0, 1, 2]
    write_csv(tmp_path / "r.csv", [("a", "x", "left"), ("b", "y", "right")])
    assert everything([tmp_path / "r.csv"])[0]["part"] == [-1, -1]
    write_jsonl(tmp_path / "late.jsonl", [*few * 500, ("a", "x", "left")])
    with pytest.raises(DataError, match=r"late\.jsonl:1501: column 'split' says 'left'"):
        everything([tmp_path / "late.jsonl"])
    for name in ("test-00000.jsonl", "train-00000.jsonl"):
        (tmp_path / name).write_text(f'{{"text": "{name}", "label": "x"}}\n{{"text": "b", "label": "y"}}\n')
    files = [tmp_path / "test-00000.jsonl", tmp_path / "train-00000.jsonl"]
    assert "train, validation and test: as the names of the files say" in infer(files)[3]
    assert everything(files)[0]["part"] == [1, 1, 0, 0]
    assert everything(files[:1])[0]["part"] == [-1, -1]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("r.csv", "text,label\na,x\nb,c,y\nd,x\n", r"r\.csv, line 3 has 3 cells and line 1 has 2"),
        ("r.csv", 'text,label\na,x\n"b\nc",y\nd\n', r"r\.csv, line 5 has 1 cells"),
        ("r.csv", 'text,label\na "b",x\nb,c,y\n', r"r\.csv, line 3 has 3 cells"),
        ("r.csv", 'text,label\na,x\n"b,y\nc,x\n', r"r\.csv, line 3 opens a quote that no line closes"),
        ("r.csv", 'text,label\na "b",x\n"c,y\nd,x\n', r"r\.csv, line 3 opens a quote that no line closes"),
        ("r.csv", "text,label\n", r"r\.csv has a header and no rows"),
        ("r.csv", "text,label,text\na,b,c\n", r"line 1 names column 'text' twice"),
        ("r.csv", "\na,b\n", r"r\.csv, line 1 is empty"),
        (
            "r.json",
            '{"n": 5,\n"data": {"text": "a"}\n}',
            r"r\.json, line 1 is not JSON .* \(or the file a list of objects\)$",
        ),
        ("r.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"\n', r"r\.jsonl, line 2 is not JSON"),
        ("r.jsonl", '{"text": "a", "label": "x"}\n[1]\n', r"r\.jsonl, line 2 is list, not an object"),
        ("r.jsonl", '{"text": "a", "label": "x"}\n{"text": ["b"], "label": "x"}\n', r"line 2: column 'text' is a list"),
        ("r.jsonl", "\n\n", r"r\.jsonl has no rows"),
        ("r.json", '[{"text": "a", "label": "x"} {"text": "b"}]', r"r\.json, item 2 is not JSON \(no comma"),
        ("r.json", '[{"text": "a", "label": "x"}, 2]', r"r\.json, item 2 is int, not an object"),
        ("r.json", '[{"text": "a", "label": "x"}, ', r"r\.json, item 2 is not JSON"),
        ("r.json", "[]", r"r\.json has no rows"),
        ("README", "a text", r"README must end in \.csv, .*, or be a folder"),
        ("r.parquet", "PAR1", r"r\.parquet is not a readable Parquet file"),
        ("r.csv.gz", "text,label", r"r\.csv\.gz is damaged or cut short"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, name, text, match):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=match):
        everything([tmp_path / name])


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl"])
def test_utf16_is_known_by_its_mark(tmp_path, name):
    TABLES[name](tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes().decode().encode("utf-16"))
    if name == "r.csv":
        assert infer([tmp_path / name])[3][0].startswith("encoding: utf-16, as the files are not UTF-8")
        assert everything([tmp_path / name])[0]["text"] == [row[0] for row in ROWS]
    with pytest.raises(DataError, match="begins as UTF-16 does, not utf-8; --set encoding=utf-16 reads it"):
        partition([tmp_path / name], DocumentFormat("text", "label")) if name == "r.csv" else infer([tmp_path / name])
    assert infer([tmp_path / name], encoding="utf-16")[0] == "text"


def test_settings_of_form_are_checked():
    with pytest.raises(UsageError, match="one that Python knows"):
        DocumentFormat(encoding="utf-9")
    with pytest.raises(UsageError, match="delimiter must be one character"):
        DocumentFormat(delimiter="::")
    with pytest.raises(UsageError, match="ASCII"):
        DocumentFormat(delimiter="§")


def npz(path, **arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, rows in arrays.items():
            data = io.BytesIO()
            if isinstance(rows, bytes):
                np.lib.format.write_array_header_1_0(data, {"descr": "|O", "fortran_order": False, "shape": (2,)})
                data.write(rows)
            else:
                np.save(data, rows, allow_pickle=True)
            archive.writestr(f"{name}.npy", data.getvalue())
    return path


def lists(rows):
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def test_ranks_in_kerass_order(tmp_path):
    random = np.random.RandomState(0)
    train, test = ([random.randint(1, 99, 1 + random.randint(9)).tolist() for _ in range(size)] for size in (40, 30))
    y_train, y_test = random.randint(0, 2, 40), random.randint(0, 2, 30)
    path = npz(tmp_path / "imdb.npz", x_train=lists(train), y_train=y_train, x_test=lists(test), y_test=y_test)
    assert infer([path])[-1] == "ranks"
    tables = [table for part in partition([path], DocumentFormat()) for table, _ in read(part, DocumentFormat())]
    rows = pa.concat_tables(tables)
    assert rows.schema.field("ranks").type == pa.large_list(pa.int32())
    # As keras.datasets.imdb.load_data shuffles both, one after the other.
    state = np.random.RandomState(113)
    first, second = np.arange(40), np.arange(30)
    state.shuffle(first)
    state.shuffle(second)
    assert rows.column("ranks").to_pylist() == [train[row] for row in first] + [test[row] for row in second]
    assert rows.column("label").to_pylist() == [str(y) for y in [*y_train[first], *y_test[second]]]
    assert rows.column("part").to_pylist() == [0] * 40 + [1] * 30
    assert rows.column("id")[0].as_py() == f"imdb.npz:x_train:{first[0]}"
    assert words_of([path]) is None
    index = tmp_path / "imdb_word_index.json"
    index.write_text('{"b": 2, "a": 1, "c": 3}')
    assert words_of([path]) == words_of([index, path]) == ["a", "b", "c"]
    assert len(partition([path, index], DocumentFormat())) == 2
    index.write_text('{"b": 2, "a": 2}')
    with pytest.raises(DataError, match="must say the rank of each word"):
        words_of([path])


class Harm:
    def __init__(self, call, *given):
        self.reduced = call, given

    def __reduce__(self):
        return self.reduced


def test_an_npz_cannot_run_code(tmp_path):
    import os

    ran = tmp_path / "ran"
    other = {"y_train": np.zeros(2, int), "x_test": lists([[1], [2]]), "y_test": np.zeros(2, int)}

    def rows(x_train, **more):
        path = npz(tmp_path / "imdb.npz", x_train=x_train, **{**other, **more})
        return [table for part in partition([path], DocumentFormat()) for table, _ in read(part, DocumentFormat())]

    assert len(rows(lists([[1], [2, 3]]))) == 2
    harms = [
        Harm(os.mkdir, str(ran)),
        Harm(eval, "1"),
        Harm(getattr, [], "append"),
        Harm(np.load, "x"),
        Harm(np.array, 1),
    ]
    for harm in harms:
        for stream in (pickle.dumps(harm, 2), pickle.dumps(lists([harm, [1]]), 4)):
            with pytest.raises(DataError, match=r"imdb\.npz: x_train asks for .*do not trust the file"):
                rows(stream)
    assert not ran.exists()
    whole = pickle.dumps(lists([[1, 2], [3]]), 2)
    for wrong, match in [
        (pickle.dumps([[1], [2]]), "not an array of lists"),
        (lists([[1], [2], [3]]), "y_train must be one whole number for each"),
        (lists([[1], ["a"]]), "something else than ranks"),
        (lists([[1], [0]]), "something else than ranks"),
        (lists([[1], [2**40]]), "something else than ranks"),
        (lists([[1], [1.5]]), "something else than ranks"),
        (whole[:-5], "x_train is damaged"),
        (b"", "x_train is damaged"),
    ]:
        with pytest.raises(DataError, match=match):
            rows(wrong)
    with pytest.raises(DataError, match="y_train must be one whole number"):
        rows(lists([[1], [2]]), y_train=np.array(["a", "b"]))
    with pytest.raises(DataError, match=r"mnist\.npz has no x_train: it must hold"):
        partition([npz(tmp_path / "mnist.npz", x=np.zeros(3))], DocumentFormat())


def test_real_reviews_as_tarfile_reads_them(real):
    """The first 2,000 members of the archive; all of them are compared by hand, which takes longer."""
    path = real("imdb/aclImdb_v1.tar.gz")
    members = tar.members(tar.Chunks(streams.chunks(path)), path, lambda name: True, LIMITS.check_record)
    with tarfile.open(path, "r|gz") as archive:
        files = (member for member in archive if member.isfile())
        for member, mine in itertools.islice(zip(files, members, strict=True), 2000):
            assert (mine.name, mine.data) == (member.name, archive.extractfile(member).read())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["imdb/aclImdb_v1.tar.gz", "newsgroups20/news20.tar.gz"])
def test_real_archives_as_tarfile_reads_them(real, name):
    path = real(name)
    members = tar.members(tar.Chunks(streams.chunks(path)), path, lambda name: True, LIMITS.check_record)
    with tarfile.open(path, "r|gz") as archive:
        files = (member for member in archive if member.isfile())
        for member, mine in zip(files, members, strict=True):
            assert (mine.name, mine.data) == (member.name, archive.extractfile(member).read())


def test_real_posts(real):
    columns, stats = everything([real("newsgroups20/news20.tar.gz")])
    assert len(columns["text"]) == 19997
    assert len(set(columns["label"])) == 20
    assert sum(len(chunk["undecodable"]) for chunk in stats) == 72
    assert set(columns["part"]) == {-1}


def test_real_ranks_are_the_books(real):
    path = real("imdb/imdb.npz")
    train, test = ([table for table, _ in read(part, DocumentFormat())] for part in partition([path], DocumentFormat()))
    first = train[0]
    # What `keras.datasets.imdb.load_data` gives, less its start mark and its offset of 3.
    assert first.column("label").to_pylist()[:10] == list("1001001010")
    assert [len(row) + 1 for row in first.column("ranks").to_pylist()[:5]] == [218, 189, 141, 550, 147]
    assert [rank + 3 for rank in first.column("ranks")[0].as_py()[:5]] == [14, 22, 16, 43, 530]
    assert test[0].column("label").to_pylist()[:10] == list("0110111001")
    assert [len(row) + 1 for row in test[0].column("ranks").to_pylist()[:5]] == [68, 260, 603, 181, 108]
    words = words_of([path])
    assert len(words) == 88584
    assert words[:3] == ["the", "and", "a"]
