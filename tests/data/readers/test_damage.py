"""A damaged source gives a clear error, or rows that can be read, in little memory: of every form that is read."""

import os
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from data.readers.sources import WORDS, Source, npz, write_sources, zipped
from limited import run_limited

from raysq.errors import DataError, RaysqError, SourceError, UsageError
from raysq.tasks.prepare import prepare
from raysq.text.embeddings import read_vectors

_LONGEST = 1500  # characters of a message


def damage(content: bytes, source: random.Random) -> bytes:
    """Cut, flip, blank, double or lose some bytes, half of the times near an end, where directories and heads are."""
    changed, size = bytearray(content), len(content)
    if not size:
        return b"\0"
    ends = [source.randrange(min(size, 300)), size - 1 - source.randrange(min(size, 300))]
    begin = source.choice([source.randrange(size), source.randrange(size), *ends])
    part = slice(begin, begin + source.choice([1, 4, 40, 400, size]))
    how = source.choice(["cut", "flip", "flips", "zeros", "ones", "double", "lose"])
    if how == "cut":
        del changed[begin:]
    elif how == "flip":
        changed[begin] ^= 1 << source.randrange(8)
    elif how == "flips":
        for _ in range(source.randrange(1, 20)):
            changed[source.randrange(size)] ^= 1 << source.randrange(8)
    elif how in ("zeros", "ones"):
        changed[part] = (b"\0" if how == "zeros" else b"\xff") * len(changed[part])
    elif how == "double":
        changed[begin:begin] = changed[part]
    else:
        del changed[part]
    return bytes(changed)


def encrypted(archive: bytes) -> bytes:
    """A zip whose directory says that its members are encrypted."""
    changed = bytearray(archive)
    at = changed.find(b"PK\x01\x02")
    while at >= 0:
        changed[at + 8] |= 1
        at = changed.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


def read(task: str, settings: dict, path: Path) -> None:
    """Prepare a source, and check that what comes of it is whole; or read it as vectors."""
    if task == "vectors":
        rows, matrix = read_vectors(path, WORDS)
        assert matrix.shape[0] == len(rows) <= len(WORDS)
        return
    dataset = prepare(task, path, settings=settings, name="x", fresh=True, quiet=True)
    assert dataset.rows > 0
    dataset.verify()


def hurt(directory: Path | str, seed: int, count: int) -> None:
    """Damage one source after the other, and check what comes of it."""
    directory = Path(directory)
    os.environ["RAYSQ_HOME"] = tempfile.mkdtemp(dir=directory)
    sources = write_sources(directory)
    for source in sources.values():
        read(*source)
    numbers = random.Random(seed)
    names = sorted(sources)
    for number in range(count):
        name = names[number % len(names)]
        _hurt_once(sources[name], numbers, (seed, number, name))


def _hurt_once(source: Source, numbers: random.Random, about: tuple) -> None:
    path = source[2]
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    file = numbers.choice(files)
    good = file.read_bytes()
    file.write_bytes(damage(good, numbers))
    try:
        read(*source)
    except RaysqError as error:
        message = str(error)
        assert isinstance(error, (DataError, SourceError, UsageError)), (about, error)
        assert "\n" not in message and len(message) < _LONGEST, (about, message)
    except Exception as error:
        raise AssertionError(f"{about} ends in {error!r}") from error
    finally:
        file.write_bytes(good)


def test_damaged_sources(tmp_path):
    run_limited(hurt, tmp_path, 0, 150, seconds=300)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_damaged_sources(tmp_path, seed):
    run_limited(hurt, tmp_path, seed, 1500, seconds=3000)


@pytest.mark.parametrize(
    ("task", "name", "content", "reason"),
    [
        ("forecast", "x.csv", b"a,b\nc,,d\n", r"x\.csv, line 2 has 3 cells"),
        ("classify", "x.csv", b"a,b\nc,,d\n", r"x\.csv"),
        ("pairs", "x.csv", b"a,b\nc,,d\n", r"x\.csv"),
        ("images", "x.csv", b"a,b\nc,,d\n", r"x\.csv"),
        ("images", "x.csv", b"label,a,b,c,d\n", r"x\.csv has a header and no rows"),
        ("images", "x.csv", b"label,a,b,c,d\n\n\n", r"x\.csv has a header and no rows"),
        ("images", "x.npz", npz(x=np.array([{}, []], object), y=np.arange(2)), r"x\.npz: x holds Python objects"),
        ("images", "x.npz", npz(x=np.zeros((2, 4, 4), "u1"), y=np.array([{}, []], object)), "y holds Python objects"),
        ("images", "x.npz", b"PK\5\6" + bytes(18), "has no arrays of images"),
        ("images", "x.zip", b"PK\5\6" + b"\xff" * 18, r"x\.zip is damaged or cut short"),
        ("classify", "x.zip", b"PK\5\6" + b"\xff" * 18, r"x\.zip is damaged or cut short"),
        ("forecast", "x.zip", encrypted(zipped({"x.csv": b"a,b\n1,2\n"})), r"x\.zip is encrypted"),
        ("images", "x.zip", encrypted(zipped({"a/1.png": b"x", "b/1.png": b"x"})), r"x\.zip is encrypted"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, task, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    settings = {"targets": "b"} if task == "forecast" else {}
    with pytest.raises((DataError, SourceError), match=reason) as caught:
        prepare(task, path, settings=settings, quiet=True)
    assert "\n" not in str(caught.value)


def test_a_row_of_other_bytes_has_its_number(tmp_path, capfd):
    path = tmp_path / "x.csv"
    path.write_bytes(b"text,label\n" + b"a b,x\nc d,y\n" * 20 + b"caf\xe9,x,more\n")
    with pytest.raises(DataError, match="line 42 has 3 cells"):
        prepare("classify", path, quiet=True)
    assert "Traceback" not in capfd.readouterr().err  # which Arrow prints where it cannot hand over the row
