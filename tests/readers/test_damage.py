"""A damaged source gives a clear error, or rows that can be read, in little memory: of every form that is read."""

import os
import random
import tempfile
from pathlib import Path

import pytest
from limited import run_limited
from readers.sources import WORDS, Source, write_sources

from raysq import preparation
from raysq.corpus.vectors import read_vectors
from raysq.errors import DataError, RaysqError, SourceError, UsageError

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


def read(task: str, settings: dict, path: Path) -> None:
    """Prepare a source, and check that what comes of it is whole; or read it as vectors."""
    if task == "vectors":
        rows, matrix = read_vectors(path, WORDS)
        assert matrix.shape[0] == len(rows) <= len(WORDS)
        return
    dataset = preparation.prepare(task, path, settings=settings, name="x", fresh=True, quiet=True)
    assert dataset.rows > 0
    dataset.verify()


def hurt(directory: Path | str, seed: int, count: int) -> None:
    """Damage one source after the other, and check what comes of it."""
    directory = Path(directory)
    os.environ["RAYSQ_HOME"] = tempfile.mkdtemp(dir=directory)
    sources = write_sources(directory)
    for one in sources.values():
        read(*one)
    numbers = random.Random(seed)
    names = sorted(sources)
    for number in range(count):
        name = names[number % len(names)]
        _hurt_once(sources[name], numbers, (seed, number, name))


def _hurt_once(one: Source, numbers: random.Random, about: tuple) -> None:
    path = one[2]
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    file = numbers.choice(files)
    good = file.read_bytes()
    file.write_bytes(damage(good, numbers))
    try:
        read(*one)
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
