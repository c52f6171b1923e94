"""The files of a data set are as they were written, which is checked as often as needed and no more."""

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from limited import run_limited
from training.series import write_series

from raysq import cli
from raysq.data import integrity
from raysq.data.dataset import Dataset, Manifest, schema_entries, write_extra, write_manifest, write_shard
from raysq.errors import DamagedError, DataError

ROWS, SHARD_ROWS = 250, 100


def write(directory: Path) -> Dataset:
    """Texts as codes, lists of two lengths, and a vocabulary beside them."""
    source = np.random.RandomState(0)
    lengths = source.randint(0, 9, ROWS)
    codes = pa.array([source.randint(0, 40, length).astype("u2") for length in lengths], pa.large_list(pa.uint16()))
    pixels = pa.FixedSizeListArray.from_arrays(pa.array(source.randint(0, 255, 3 * ROWS).astype("u1")), 3)
    ids = pa.array([f"row {number}" for number in range(ROWS)], pa.large_string())
    table = pa.table({"x": source.randn(ROWS).astype("f4"), "codes": codes, "pixels": pixels, "id": ids})
    directory.mkdir(parents=True)
    begins = range(0, ROWS, SHARD_ROWS)
    shards = [write_shard(directory, number, table.slice(begin, SHARD_ROWS)) for number, begin in enumerate(begins)]
    words = pa.table({"word": pa.array([f"w{number}" for number in range(40)]), "count": np.arange(40)})
    manifest = Manifest(
        task="t",
        problem="language_modeling",
        name=directory.name,
        rows=ROWS,
        bytes=sum(shard.bytes for shard in shards),
        schema=schema_entries(table.schema),
        shard_rows=SHARD_ROWS,
        shards=shards,
        source={"label": "made", "synthetic": True, "files": []},
        preparation={},
        report={"seen": [1, 2.5]},
        fingerprint="f",
        extras=[write_extra(directory, "vocabulary", words)],
    )
    write_manifest(directory, manifest)
    return Dataset.open(directory)


def everything(directory: Path) -> list:
    """All that a data set holds, read as the kinds do."""
    dataset = Dataset.open(directory)
    ragged = dataset.ragged("codes")
    return [
        dataset.manifest,
        dataset.column("x").slice(0, ROWS).tobytes(),
        ragged.offsets.tolist(),
        [ragged.row(number).tolist() for number in range(len(ragged))],
        dataset.matrix("pixels").take(np.arange(ROWS)).tolist(),
        [text for array in dataset.arrow("id") for text in array.to_pylist()],
        dataset.extra("vocabulary").to_pydict(),
    ]


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files whose checksums are found."""
    names = []
    digest = hashlib.file_digest

    def note(file, kind):
        names.append(Path(file.name).name)
        return digest(file, kind)

    monkeypatch.setattr(integrity.hashlib, "file_digest", note)
    return names


SHARDS = [f"shard-{number:05d}.arrow" for number in range(3)]


def test_small_tables_are_checked_always_and_shards_once(tmp_path, hashed):
    directory = tmp_path / "data"
    write(directory)
    assert not hashed  # opened, not read
    expected = everything(directory)
    assert sorted(hashed) == [*SHARDS, "vocabulary.arrow"]
    assert sorted(path.name for path in directory.iterdir()) == ["manifest.json", *SHARDS, "vocabulary.arrow"]
    hashed.clear()
    assert everything(directory) == expected and hashed == ["vocabulary.arrow"]


@pytest.mark.parametrize("how", ["copied", "touched", "written again", "renamed"])
def test_what_moved_is_checked_again(tmp_path, hashed, how):
    directory = tmp_path / "data"
    expected = [write(directory), everything(directory)][1]
    hashed.clear()
    changed = directory / SHARDS[1]
    if how == "copied":
        directory = shutil.copytree(directory, tmp_path / "copy")
        rechecked = [*SHARDS, "vocabulary.arrow"]
    elif how == "touched":
        os.utime(changed)
        rechecked = [SHARDS[1], "vocabulary.arrow"]
    elif how == "written again":
        times = changed.stat()
        shutil.copy(changed, tmp_path / "other")
        os.replace(tmp_path / "other", changed)
        os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
        rechecked = [SHARDS[1], "vocabulary.arrow"]
    else:
        directory = directory.rename(tmp_path / "moved")
        rechecked = [*SHARDS, "vocabulary.arrow"]
    assert everything(directory) == expected and sorted(hashed) == rechecked
    hashed.clear()
    everything(directory)
    assert hashed == ["vocabulary.arrow"]


def test_a_stamp_that_is_damaged_or_cannot_be_written_is_no_error(tmp_path, hashed, monkeypatch):
    directory = tmp_path / "data"
    expected = [write(directory), everything(directory)][1]
    (stamp,) = (tmp_path / "raysq-home" / "verified").iterdir()
    for content in (b"", b"{", b"[]", b'{"shard-00000.arrow": 1}', stamp.read_bytes().replace(b"1", b"2", 1)):
        stamp.write_bytes(content)
        hashed.clear()
        assert everything(directory) == expected and len(hashed) == 4
    stamp.unlink()
    stamp.mkdir()
    (stamp / "full").write_text("")
    monkeypatch.setattr(
        "raysq.storage.atomic.os.replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "denied"))
    )
    assert everything(directory) == expected


def test_a_flipped_bit_of_a_shard_is_named(tmp_path):
    directory = tmp_path / "data"
    write(directory)
    everything(directory)
    flip(directory / SHARDS[2], 8 * 900)
    dataset = Dataset.open(directory)
    with pytest.raises(DamagedError, match=r"shard-00002\.arrow was changed: sha256 .* --fresh"):
        dataset.column("x")
    with pytest.raises(DamagedError, match=r"shard-00002\.arrow was changed"):
        dataset.extra("vocabulary")


def test_verify_reads_all_again(tmp_path, hashed):
    directory = tmp_path / "data"
    dataset = write(directory)
    everything(directory)
    times = (directory / SHARDS[0]).stat()
    flip(directory / SHARDS[0], 8 * 900)
    os.utime(directory / SHARDS[0], ns=(times.st_atime_ns, times.st_mtime_ns))  # as a disk does that forgets
    with pytest.raises(DamagedError, match=r"shard-00000\.arrow was changed"):
        dataset.verify()


def test_a_manifest_names_files_of_its_folder_and_rows_that_fit(tmp_path):
    directory = tmp_path / "data"
    write(directory)
    manifest = json.loads((directory / "manifest.json").read_text())
    del manifest["checksum"]
    for change, reason in (
        ({"shards": [{**manifest["shards"][0], "file": "../data/shard-00000.arrow"}]}, "none of this folder"),
        ({"shards": [{**manifest["shards"][0], "file": ".."}]}, "none of this folder"),
        ({"shards": manifest["shards"][:2]}, "other rows than it says"),
        ({"shard_rows": 99}, "other rows than it says"),
        ({"rows": "250"}, "rows: expected a whole number"),
        ({"report": None}, "report: expected an object"),
        ({"more": 1}, "'more' is unknown"),
    ):
        (directory / "manifest.json").write_text(json.dumps({**manifest, **change}))
        with pytest.raises(DamagedError, match=f"{reason}.*--fresh"):
            Dataset.open(directory)


def hurt(directory: Path | str, seed: int, flips: int, *, sealed: bool) -> None:
    """Flip one bit after the other, and check that nothing but a clear error, or the same values, comes of it.

    Args:
        directory: of the data set.
        seed: of the bits.
        flips: how many.
        sealed: whether the checksums stay as they were. If not, those of the files are made to fit, as in a data set
            that was written to do harm: then the values may be others.
    """
    directory = Path(directory)
    expected = everything(directory)
    source = random.Random(seed)
    paths = sorted(path for path in directory.iterdir() if sealed or path.suffix == ".arrow")
    for _ in range(flips):
        path = source.choice(paths)
        good = path.read_bytes()
        # Half of them where Arrow's own words are: at the beginning and at the end.
        ends = [source.randrange(min(800, len(good))), len(good) - 1 - source.randrange(min(800, len(good)))]
        bit = 8 * source.choice([source.randrange(len(good)), *ends]) + source.randrange(8)
        flip(path, bit)
        manifest = (directory / "manifest.json").read_bytes()
        if not sealed:
            values = json.loads(manifest)
            del values["checksum"]
            for file in [*values["shards"], *values["extras"]]:
                file["sha256"] = hashlib.sha256((directory / file["file"]).read_bytes()).hexdigest()
            (directory / "manifest.json").write_text(json.dumps(values))
        try:
            contents = everything(directory)
        except DataError as error:
            assert "\n" not in str(error) and "--fresh" in str(error), (path, bit, error)
        else:
            assert not sealed or contents == expected, (path, bit)
        finally:
            if not sealed:
                (directory / "manifest.json").write_bytes(manifest)
            path.write_bytes(good)


@pytest.mark.parametrize("sealed", [True, False])
def test_flipped_bits(tmp_path, sealed):
    write(tmp_path / "data")
    run_limited(hurt, tmp_path / "data", 0, 60, sealed=sealed, seconds=600)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("sealed", [True, False])
def test_many_flipped_bits(tmp_path, sealed, seed):
    write(tmp_path / "data")
    run_limited(hurt, tmp_path / "data", seed, 1000, sealed=sealed, seconds=4000)


def test_commands_name_a_damaged_data_set_and_lists_go_on(tmp_path, raysq_home, capsys):
    directory = raysq_home / "data" / "jena" / "waves"
    write_series(directory)
    write_series(raysq_home / "data" / "jena" / "sound")
    flip(directory / "shard-00001.arrow", 8 * 9000)
    train = ["train", "jena", "--data", "waves", "--set", "lookback=24", "--set", "step=2", "--set", "delay=6"]
    for command in (train, ["verify", "jena/waves"]):
        assert cli.main(command) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "shard-00001.arrow was changed" in line and "--fresh" in line
    manifest = directory / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"1200", b"1201"))
    assert cli.main(["tasks", "--json"]) == 0
    output = capsys.readouterr()
    assert f"a data set is left out: {manifest} is damaged" in output.err
    assert next(row for row in json.loads(output.out) if row["task"] == "jena")["prepared"] == ["sound"]
