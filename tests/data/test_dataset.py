"""The shard set: what is written is what is read, by row and in statistics, and damage is named."""

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from raysq.data.dataset import FORMAT_VERSION, Dataset, Manifest, schema_entries, write_manifest, write_shard
from raysq.data.moments import merge, moments
from raysq.errors import DataError

ROWS, SHARD_ROWS = 2_350, 100


@pytest.fixture(scope="module")
def table() -> pa.Table:
    random = np.random.RandomState(0)
    stamps = np.datetime64("2020-01-01", "us") + np.arange(ROWS) * np.timedelta64(600, "s")
    return pa.table({"time": stamps, "x": random.randn(ROWS).astype("f4") + 1000, "y": np.arange(ROWS, dtype="f4")})


def write(directory: Path, table: pa.Table, shard_rows: int = SHARD_ROWS) -> Dataset:
    directory.mkdir(exist_ok=True)
    shards = [
        write_shard(directory, number, table.slice(begin, shard_rows))
        for number, begin in enumerate(range(0, table.num_rows, shard_rows))
    ]
    manifest = Manifest(
        task="t",
        problem="forecasting",
        name="n",
        rows=table.num_rows,
        bytes=sum(shard.bytes for shard in shards),
        schema=schema_entries(table.schema),
        shard_rows=shard_rows,
        shards=shards,
        source={"label": "x.csv", "synthetic": True, "files": []},
        preparation={},
        report={},
        fingerprint="f",
    )
    write_manifest(directory, manifest)
    return Dataset.open(directory)


@pytest.mark.parametrize("rows", [7, 16])
def test_the_same_rows_are_the_same_bytes_however_they_were_cut(rows, tmp_path):
    """Threads write slices of a table, and Ray copies of them."""
    number = np.arange(24)
    pixels = pa.FixedSizeListArray.from_arrays(pa.array((np.arange(24 * 30) % 251).astype(np.uint8)), 30)
    tokens = pa.LargeListArray.from_arrays(pa.array(np.arange(25) * 2), pa.array(np.arange(48)))
    columns = {"pixels": pixels, "part": (number % 3).astype(np.int8), "weight": number.astype(np.float32)}
    table = pa.table({**columns, "tokens": tokens, "id": [f"x_train:{each}" for each in number]})
    for begin in range(0, 24, rows):
        part = table.slice(begin, rows)
        copies = [part, part.take(np.arange(len(part))), pa.concat_tables([part.slice(0, 3), part.slice(3)])]
        shards = [write_shard(tmp_path, copy, cut) for copy, cut in enumerate(copies)]
        assert len({shard.sha256 for shard in shards}) == 1
        assert pa.ipc.open_file((tmp_path / shards[0].file).read_bytes()).read_all().equals(part)


@pytest.mark.parametrize("shard_rows", [1, 7, 100, ROWS, 10_000])
def test_take_equals_indexing(tmp_path, table, shard_rows):
    table = table.slice(0, 300) if shard_rows == 1 else table
    column = write(tmp_path, table, shard_rows).column("x")
    values = table.column("x").to_numpy()
    random = np.random.RandomState(1)
    assert len(column) == len(values)
    assert column.dtype == np.float32
    for shape in ((), (5,), (16, 12), (0,), (2, 0), (3, 4, 5)):
        rows = random.randint(0, len(values), shape)
        taken_rows = column.take(rows)
        assert taken_rows.shape == shape
        np.testing.assert_array_equal(taken_rows, values[rows])
    near = np.arange(3) + len(values) - 3  # one shard only
    np.testing.assert_array_equal(column.take(near), values[near])


@pytest.mark.parametrize("rows", [[-1], [ROWS], [0, 5 * ROWS]])
def test_take_refuses_rows_that_are_not_there(tmp_path, table, rows):
    with pytest.raises(IndexError, match=f"of {ROWS} rows"):
        write(tmp_path, table).column("x").take(np.array(rows))


def test_slice_is_the_map_inside_a_shard_and_a_copy_across(tmp_path, table):
    column = write(tmp_path, table).column("y")
    inside = column.slice(120, 180)
    assert not inside.flags.owndata
    assert not inside.flags.writeable
    np.testing.assert_array_equal(inside, np.arange(120, 180))
    np.testing.assert_array_equal(column.slice(50, 1234), np.arange(50, 1234))
    np.testing.assert_array_equal(column.slice(0, ROWS), np.arange(ROWS))
    assert len(column.slice(7, 7)) == 0


def test_time_column_is_microseconds(tmp_path, table):
    column = write(tmp_path, table).column("time")
    assert column.dtype == np.dtype("datetime64[us]")
    assert column.take(np.array([0, ROWS - 1]))[0] == np.datetime64("2020-01-01")


@pytest.mark.parametrize("bounds", [(0, ROWS), (0, 100), (100, 300), (37, 1999), (120, 121), (2300, ROWS)])
def test_statistics_equal_numpy(tmp_path, table, bounds):
    dataset = write(tmp_path, table)
    values = table.column("x").to_numpy()[slice(*bounds)].astype(np.float64)
    mean, std = dataset.statistics("x", *bounds)
    assert mean == pytest.approx(values.mean(), rel=1e-14)
    assert std == pytest.approx(values.std(), rel=1e-12, abs=1e-15)


def test_statistics_do_not_read_whole_shards(tmp_path, table):
    dataset = write(tmp_path, table)
    shards = [
        dataclasses.replace(shard, statistics={"x": {"count": 100, "mean": 5.0, "m2": 400.0}})
        for shard in dataset.manifest.shards
    ]
    write_manifest(tmp_path, dataclasses.replace(dataset.manifest, shards=shards))
    assert Dataset.open(tmp_path).statistics("x", 100, 400) == (5.0, 2.0)


def test_statistics_of_nothing_are_an_error(tmp_path, table):
    dataset = write(tmp_path, table)
    with pytest.raises(DataError, match="no rows in 5:5"):
        dataset.statistics("x", 5, 5)
    with pytest.raises(DataError, match="has no mean"):
        dataset.statistics("time", 0, 5)


def test_merged_moments_are_those_of_the_whole():
    values = np.random.RandomState(2).randn(1000) + 1e6
    whole, merged = moments(values), merge(moments(values[:317]), moments(values[317:]))
    assert merged[0] == whole[0]
    assert merged[1:] == pytest.approx(whole[1:], rel=1e-10)
    assert merge((0, 0.0, 0.0), whole) == whole == merge(whole, (0, 0.0, 0.0))


def test_same_rows_give_the_same_bytes(tmp_path, table):
    first = write(tmp_path / "one", table)
    chunked = pa.concat_tables([table.slice(0, 333), table.slice(333)]).replace_schema_metadata({"pandas": "x"})
    two = write(tmp_path / "two", chunked)
    assert (first.directory / "manifest.json").read_bytes() == (two.directory / "manifest.json").read_bytes()
    for shard in first.manifest.shards:
        assert (first.directory / shard.file).read_bytes() == (two.directory / shard.file).read_bytes()


def test_a_data_set_travels_by_its_directory(tmp_path, table):
    dataset = pickle.loads(pickle.dumps(write(tmp_path, table)))
    assert dataset.rows == ROWS
    assert dataset.columns == ("time", "x", "y")
    assert dataset.synthetic is True


def test_derived_values_are_made_once_for_the_same_settings(tmp_path, table):
    dataset, calls = write(tmp_path, table), []

    def rows_and(dataset, settings):
        calls.append(settings)
        return [dataset.rows, settings]

    first = dataset.derived(rows_and, "a")
    assert first == [ROWS, "a"] and dataset.derived(rows_and, "a") is first
    assert dataset.derived(rows_and, "b") == [ROWS, "b"] and calls == ["a", "b"]
    pickle.loads(pickle.dumps(dataset)).derived(rows_and, "b")
    assert calls == ["a", "b", "b"], "the values stay in this process"


def test_unknown_column_names_the_nearest(tmp_path, table):
    with pytest.raises(DataError, match="no column 'tme': did you mean time"):
        write(tmp_path, table).column("tme")


def test_no_manifest_is_no_data_set(tmp_path):
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match="no data set in .*raysq prepare"):
            Dataset.open(directory)


def test_newer_format_names_both(tmp_path, table):
    write(tmp_path, table)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": FORMAT_VERSION + 6}))
    with pytest.raises(
        DataError, match=f"format_version {FORMAT_VERSION + 6}, this raysq reads up to {FORMAT_VERSION}"
    ):
        Dataset.open(tmp_path)


def test_older_format_says_to_prepare_again(tmp_path, table):
    write(tmp_path, table)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": FORMAT_VERSION - 1}))
    with pytest.raises(DataError, match=f"format_version {FORMAT_VERSION - 1}, .*prepare the data set again"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format_version": 1}'])
def test_broken_manifest_is_a_clear_error(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="--fresh"):
        Dataset.open(tmp_path)


def test_damage_is_found(tmp_path, table):
    dataset = write(tmp_path, table)
    dataset.verify()
    path = tmp_path / "shard-00001.arrow"
    good = path.read_bytes()
    path.write_bytes(good[:-9])
    with pytest.raises(DataError, match=r"shard-00001\.arrow has .* bytes, its manifest says"):
        Dataset.open(tmp_path)
    changed = bytearray(good)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    with pytest.raises(DataError, match=r"shard-00001\.arrow was changed"):
        Dataset.open(tmp_path).verify()
    path.unlink()
    with pytest.raises(DataError, match=r"lacks shard-00001\.arrow"):
        Dataset.open(tmp_path)
