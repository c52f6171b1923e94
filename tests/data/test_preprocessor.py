"""The protocol of preprocessing, by a preprocessor that no problem knows: numbers in text files."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from raysq.data.pipeline import load, read_table, run
from raysq.data.preprocessor import Chunk, Preprocessor, Transform
from raysq.distributed.executor import ThreadExecutor
from raysq.errors import DataError, SourceError


def make(**settings):
    """A preprocessor of a local class, which Ray's workers need not import."""

    @dataclass(frozen=True)
    class Numbers(Preprocessor):
        way: str = "as they are"
        wide: bool = False

        version = 1
        suffixes = (".txt",)

        @property
        def one_pass(self):
            return self.way in ("as they are", "wider")

        def partition(self, files):
            return files

        def read(self, partition):
            kind = pa.int64() if self.wide else pa.int32()
            for line in partition.read_text().splitlines():
                values = [int(value) for value in line.split()]
                top = pa.table({"top": [max(values, default=0)]})
                yield Chunk(
                    pa.table({"n": pa.array(values, kind)}), {"sum": sum(values), "damaged": 13 in values}, {"top": top}
                )

        def validate_stats(self, stats):
            if any(one["damaged"] for one in stats):
                raise DataError("there is a 13")

        def fit_stats(self, stats, scratch=None):
            records = [record for partition in stats for record in partition.chunks]
            self.validate_stats([record.stats for record in records])
            if self.way == "wider" and not self.wide:
                return Transform(preprocessor=dataclasses.replace(self, wide=True))
            if self.way == "below the top":
                top = max(record.read("top")["top"][0].as_py() for record in records if record.rows)

                def below(slices):
                    assert all(part.chunk.stats["sum"] for part in slices)
                    return pa.table({"n": pc.subtract(top, pa.concat_tables([part.read() for part in slices])["n"])})

                return Transform(below, extras={"top": pa.table({"top": [top]})}, summary={"top": top})
            if self.way == "sorted":

                def ordered(table):
                    table = table.sort_by("n").slice(1)
                    return table, {"first": table.slice(0, 1)}, {"lost": 1}

                return Transform(all_rows=ordered)
            return Transform()

        def summarize(self, stats, summary=None):
            return {"sum": sum(one["sum"] for one in stats), **(summary or {})}

        def describe(self, report):
            return [f"the sum is {report['sum']}"]

    return Numbers(**settings)


@pytest.fixture(params=["threads", "ray"])
def executor(request, cluster):
    if request.param == "threads":
        return ThreadExecutor(2)
    from raysq.distributed.ray_data import RayExecutor

    return RayExecutor(2)


def files(folder: Path) -> list[Path]:
    for name, text in (("a", "5 3\n\n9"), ("b", ""), ("c", "1 2 8 4\n7")):
        (folder / f"{name}.txt").write_text(text)
    return sorted(folder.glob("*.txt"))


NUMBERS = [5, 3, 9, 1, 2, 8, 4, 7]


@pytest.mark.parametrize("shard_rows", [3, 8])
@pytest.mark.parametrize(
    ("way", "expected", "extras", "report"),
    [
        ("as they are", NUMBERS, {}, {}),
        ("wider", NUMBERS, {}, {}),
        ("below the top", [9 - number for number in NUMBERS], {"top": [9]}, {"top": 9}),
        ("sorted", sorted(NUMBERS)[1:], {"first": [2]}, {"lost": 1}),
    ],
)
def test_every_way_from_partitions_to_shards(tmp_path, executor, way, shard_rows, expected, extras, report):
    preprocessor = make(way=way)
    partitions = preprocessor.partition(files(tmp_path))
    (tmp_path / "out").mkdir()
    written = run(preprocessor, partitions, tmp_path / "out", shard_rows, executor)
    assert [shard.rows for shard in written.shards] == [
        min(shard_rows, len(expected) - begin) for begin in range(0, len(expected), shard_rows)
    ]
    names = [shard.file for shard in written.shards]
    assert names == [f"shard-{number:05d}.arrow" for number in range(len(names))]
    tables = {path.stem: pa.ipc.open_file(path).read_all() for path in (tmp_path / "out").iterdir()}
    assert [value for name in names for value in tables.pop(Path(name).stem)["n"].to_pylist()] == expected
    assert {name: table.column(0).to_pylist() for name, table in tables.items()} == extras
    assert written.report == {"sum": sum(NUMBERS), **report}
    assert written.schema.field("n").type == (pa.int64() if way == "wider" else written.schema.field("n").type)


@pytest.mark.parametrize("way", ["as they are", "below the top", "sorted"])
def test_the_first_file_that_cannot_be_read_is_named(tmp_path, executor, way):
    paths = files(tmp_path)
    preprocessor, lost = make(way=way), tmp_path / "b.txt"
    lost.unlink()
    (tmp_path / "c.txt").write_text("13")  # a whole corpus is validated, and no part of it
    (tmp_path / "out").mkdir()
    with pytest.raises(SourceError, match="b.txt cannot be read: No such file or directory$"):
        run(preprocessor, paths, tmp_path / "out", 3, executor)
    lost.write_text("")
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="^there is a 13$"):
        run(preprocessor, paths, tmp_path / "other", 3, executor)


@pytest.mark.parametrize("way", ["as they are", "below the top", "sorted"])
def test_no_rows_are_no_data_set(tmp_path, executor, way):
    paths = files(tmp_path)[1:2]
    (tmp_path / "out").mkdir()
    if way == "below the top":
        paths[0].write_text("\n\n")
    with pytest.raises((DataError, ValueError), match="no rows|empty"):
        run(make(way=way), paths, tmp_path / "out", 3, executor)


def test_the_same_rows_in_memory(tmp_path):
    paths = files(tmp_path)
    assert read_table(make(), paths)[0]["n"].to_pylist() == NUMBERS
    table, report = read_table(make(way="sorted"), paths)
    assert table["n"].to_pylist() == sorted(NUMBERS)[1:]
    assert report == {"sum": sum(NUMBERS), "lost": 1}
    loaded = load(make(way="wider"), paths)
    assert loaded.preprocessor.wide and loaded.table["n"].type == pa.int64()
    with pytest.raises(DataError, match="the source has no rows"):
        read_table(make(), [])
