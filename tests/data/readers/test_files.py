"""Only regular files are opened, and what libraries raise of damaged ones is one line that names the file."""

import gzip
import os
import socket
import struct
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pytest

from raysq import cli
from raysq.data import sources
from raysq.data.readers.files import check_file, damages, open_file
from raysq.errors import DataError, SourceError, UsageError
from raysq.inference.translate import _lines
from raysq.tasks.prepare import prepare
from raysq.text.embeddings import read_vectors

LONG = "n" * 300  # longer than any file's name can be


@pytest.fixture(params=["a named pipe", "a socket", "a folder", "a device"])
def other(request, tmp_path):
    """What is no file: its sort, and its path."""
    path = tmp_path / "x.csv"
    if request.param == "a named pipe":
        os.mkfifo(path)
    elif request.param == "a socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    elif request.param == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    return request.param, path


def test_only_files_are_opened(other):
    sort, path = other
    uses = [open_file, check_file, lambda path: read_vectors(path, ["a"]), lambda path: next(_lines(path, "utf-8"))]
    if sort != "a folder":
        uses += [sources.resolve, lambda path: prepare("classify", path, quiet=True)]
    for use in uses:
        with pytest.raises(SourceError, match=f"x.csv is {sort}, and only files are read"):
            use(path)


def test_what_is_no_file_in_a_folder_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    os.mkfifo(tmp_path / "b.csv")
    assert sources.resolve(tmp_path).messages == ("left out, as they are no files: b.csv",)


def test_names_that_are_too_long_are_told(tmp_path, capsys):
    for path in (tmp_path / LONG, tmp_path / f"{LONG}.csv", Path(LONG) / "x.csv"):
        with pytest.raises(SourceError, match=r"\.\.\. does not exist"):
            sources.resolve(path)
        with pytest.raises(SourceError, match=r"\.\.\. cannot be read: File name too long"):
            open_file(path)
    table = tmp_path / "x.csv"
    table.write_text("text,label\n" + "a b,x\nc d,y\n" * 20)
    for command in (
        ["prepare", "classify", "--source", LONG],
        ["prepare", "classify", "--source", str(table), "--name", LONG],
        ["prepare", "classify", "--source", str(table), "--set", f"vectors={LONG}"],
        ["prepare", "classify", "--source", str(table), "--text", LONG],
        ["train", "classify", "--data", LONG],
        ["train", "classify", "--config", LONG],
        ["verify", LONG],
        ["evaluate", LONG],
        ["report", LONG],
        ["rm", LONG],
        ["predict", LONG, "--input", str(table)],
        ["translate", LONG, "--input", LONG],
    ):
        assert cli.main(command) in (1, 2), command
        *_, line = capsys.readouterr().err.splitlines()  # prepare tells first what it has found
        assert line.startswith("raysq: "), command


def test_classes_and_columns_may_have_long_names(tmp_path):
    table = tmp_path / "x.csv"
    table.write_text("text,label\n" + f"a b,{LONG}\nc d,y\n" * 20)
    dataset = prepare("classify", table, quiet=True)
    assert LONG in dataset.manifest.report["classes"]


@pytest.mark.parametrize(
    "error",
    [
        zlib.error("x"),
        zipfile.BadZipFile("x"),
        EOFError("x"),
        gzip.BadGzipFile("x"),
        OSError(22, "Invalid argument"),
        struct.error("x"),
        NotImplementedError("x"),
        MemoryError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
        pa.ArrowInvalid("x\ny"),
        pa.ArrowKeyError("x"),
        pa.ArrowException("x"),
    ],
)
def test_what_libraries_raise_names_the_file(error):
    message = r"^x\.zip is damaged or cut short \(.+\); fetch or write it again$"
    with pytest.raises(DataError, match=message), damages(Path("/a/x.zip")):
        raise error


def test_other_errors_stay_what_they_are():
    for error in (ValueError("ours"), KeyError("ours"), UsageError("ours"), DataError("ours")):
        with pytest.raises(type(error), match="ours"), damages("x.zip"):
            raise error
    with pytest.raises(SourceError, match=r"^x\.zip cannot be read: denied$"), damages("x.zip"):
        raise PermissionError(13, "denied")
