"""Little files that claim to be, or are unpacked to, far more than there is memory for."""

import gzip
import io
import json
import os
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from data.readers.sources import tarred, zipped
from limited import run_limited

from raysq.data.readers.csv.format import CsvFormat
from raysq.errors import DataError, UsageError
from raysq.inference import translate
from raysq.tasks.prepare import prepare

BLOCK = gzip.compress(b"a" * (1 << 20))
GIGABYTE = BLOCK * 1024  # in a megabyte
RECORD, OBJECT = "max_record_bytes", "max_object_bytes"


def packed(begin: bytes, middle: bytes = GIGABYTE) -> bytes:
    """A gz file of a gigabyte below a beginning."""
    return gzip.compress(begin) + middle


def claiming(shape: tuple[int, ...]) -> bytes:
    """An npy file that claims a shape and has few values."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(1000)


def png(width: int, height: int) -> bytes:
    """A PNG of that many pixels, all black."""
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(1 + 3 * width)) for _ in range(height)) + rows.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def bombs() -> dict[str, tuple[str, bytes | dict[str, bytes], str]]:
    """Task, content and what is said, by the file's name."""
    table = b"text,label\n" + b"a b,x\nc d,y\n" * 20
    huge = zipped({"x_train.npy": claiming((1 << 40, 8, 8)), "y_train.npy": claiming((1 << 40,))})
    idx = struct.pack(">I3I", 0x803, 2, 65535, 65535) + bytes(100)
    labels = struct.pack(">II", 0x801, 2) + b"\0\1"
    tar = tarred({"a/1.txt": b"x", "b/1.txt": b"y"})[:2048]
    header = bytearray(tar[:512])
    header[124:136] = b"%011o\0" % (1 << 30)
    header[148:156] = b"%06o\0 " % (sum(header[:148] + header[156:512]) + 8 * 32)
    return {
        "cell.csv.gz": ("classify", packed(table), RECORD),
        "header.csv.gz": ("classify", packed(b"text,"), "line 1 does not end within"),
        "quoted.csv.gz": ("classify", packed(table + b'"'), RECORD),
        "line.jsonl.gz": ("classify", packed(b'{"text": "a", "label": "x"}\n{"text": "'), RECORD),
        "first.jsonl.gz": ("classify", packed(b'{"text": "'), RECORD),
        "series.csv.gz": ("forecast", packed(b"time,a\n2020-01-01,1\n2020-01-02,2\n"), RECORD),
        "images.csv.gz": ("images", packed(b"label," + b",".join(b"p%d" % n for n in range(64)) + b"\n"), RECORD),
        "document.tar.gz": ("classify", packed(tar + header) + gzip.compress(bytes(1024)), RECORD),
        "claims.npz": ("images", huge, "claims the shape"),
        "claims.zip": ("classify", _lying(zipped({"x.csv": table})), "claims|damaged"),
        "idx": ("images", {"train-images-idx3-ubyte": idx, "train-labels-idx1-ubyte": labels}, OBJECT),
        "pixels": ("images", {"a/1.png": png(20000, 8000), "b/1.png": png(8, 8)}, "are the most"),
    }


def _lying(archive: bytes) -> bytes:
    """A zip whose directory claims that its member has four gigabytes."""
    at = archive.rindex(b"PK\x01\x02") + 24
    return archive[:at] + struct.pack("<I", 0xFFFFFFF0) + archive[at + 4 :]


def refuse(directory: str) -> None:
    """Prepare every bomb, and check what is said."""
    os.environ["RAYSQ_HOME"] = tempfile.mkdtemp(dir=directory)
    for name, (task, content, reason) in bombs().items():
        path = Path(directory) / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            for inner, data in content.items():
                (path / inner).parent.mkdir(parents=True, exist_ok=True)
                (path / inner).write_bytes(data)
        settings = {"max_record_bytes": 1 << 24, **({"targets": "a"} if task == "forecast" else {})}
        with pytest.raises(DataError, match=reason) as caught:
            prepare(task, path, settings=settings, quiet=True)
        assert "\n" not in str(caught.value), name


def refuse_by_default(directory: str) -> None:
    """Prepare the cell of a gigabyte of issue 15, with the limits as they are."""
    path = Path(directory) / "x.csv.gz"
    path.write_bytes(packed(b"text,label\n" + b"a b,x\nc d,y\n" * 20))
    with pytest.raises(DataError, match="line 42 has more than 67,108,864 bytes.*--set max_record_bytes=NUMBER"):
        prepare("classify", path, quiet=True)


@pytest.mark.parametrize("function", [refuse, refuse_by_default])
def test_bombs_are_refused_in_little_memory(tmp_path, function):
    run_limited(function, tmp_path, seconds=300)


ROW = 20 << 20  # bytes, longer than what is read at a time


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.jsonl", "x.jsonl.gz", "tree", "x.tar"])
def test_a_long_record_is_read_where_the_setting_allows_it(tmp_path, name):
    texts = ["a b", "c d"] * 20
    texts[7] = "e " * (ROW // 2)
    rows = list(zip(texts, ["x", "y"] * 20, strict=True))
    tree = {f"{label}/{number}.txt": text.encode() for number, (text, label) in enumerate(rows)}
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows).encode()
    csv = "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows)
    content = lines if "json" in name else csv.encode()
    if name == "tree":
        for inner, text in tree.items():
            (tmp_path / name / inner).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / inner).write_bytes(text)
    elif name == "x.tar":
        (tmp_path / name).write_bytes(tarred(tree))
    else:
        (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    with pytest.raises(DataError, match=r"has more than 12,000,000 bytes.*--set max_record_bytes"):
        prepare("classify", tmp_path / name, settings={"max_record_bytes": 12_000_000}, quiet=True)
    allowed = prepare("classify", tmp_path / name, settings={"max_record_bytes": 1 << 27}, quiet=True)
    assert allowed.rows == 40
    if name == "x.csv":
        default = prepare("classify", tmp_path / name, name="d", quiet=True)
        assert default.rows == 40
        assert "max_record_bytes" not in default.manifest.preparation["settings"]  # as before there were limits


def test_limits_are_numbers_of_bytes():
    with pytest.raises(UsageError, match="max_record_bytes must be a number of bytes, 1 at least, received 0"):
        CsvFormat(max_record_bytes=0).validate()


@pytest.mark.parametrize("name", ["pairs.txt", "pairs"])
def test_a_sentence_is_a_record(tmp_path, name):
    sides = ["a b\n" * 30 + "e " * 4000 + "\n" + "c d\n" * 30, "x y\n" * 61]
    path = tmp_path / name
    if name == "pairs":
        path.mkdir()
        for side, text in zip(("de", "en"), sides, strict=True):
            (path / f"train.{side}").write_text(text)
    else:
        path.write_text("".join(f"{left}\t{right}\n" for left, right in zip(*map(str.splitlines, sides), strict=True)))
    assert prepare("pairs", path, quiet=True).rows == 61
    with pytest.raises(DataError, match=r"a line near line \d+ has more than 5,000 bytes.*--set max_record_bytes"):
        prepare("pairs", path, settings={"max_record_bytes": 5000}, quiet=True)


def test_a_line_to_translate_is_a_record(tmp_path, monkeypatch):
    monkeypatch.setattr(translate, "_LONGEST", 100)
    path = tmp_path / "x.txt"
    path.write_text("a b\n" + "c " * 60)
    lines = translate._lines(path, "utf-8")
    assert next(lines) == "a b"
    with pytest.raises(DataError, match=r"x\.txt, line 2 has more than 100 bytes"):
        next(lines)
