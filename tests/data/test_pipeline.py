"""The preparation pipeline: exact shards in order on any number of CPUs, all of a data set or nothing."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from raysq import tasks
from raysq.config import make_settings
from raysq.data.pipeline import build, run
from raysq.data.readers import tables
from raysq.data.sources import resolve
from raysq.distributed.executor import ThreadExecutor
from raysq.distributed.ray_data import RayExecutor
from raysq.errors import DataError, ResourceError, SourceError, UsageError
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.tasks.datasets import find_dataset, open_datasets
from raysq.tasks.prepare import prepare
from raysq.training import train

pytestmark = pytest.mark.usefixtures("cluster")
IDENTITY = {"task": "forecast", "problem": "forecasting", "name": "x"}


def write_csv(path: Path, rows: int = 5000) -> Path:
    random = np.random.RandomState(0)
    stamps = np.datetime64("2020-01-01", "s") + np.arange(rows) * np.timedelta64(600, "s")
    cells = random.randint(-99999, 99999, (rows, 2))
    lines = [f"{stamp},{a / 100:.2f},{b}" for stamp, (a, b) in zip(stamps, cells, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("time,a,b\n" + "\n".join(lines) + "\n")
    return path


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_same_bytes_on_1_2_and_6_cpus(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RANGE", 12_345)  # a dozen pieces that end anywhere
    source = resolve(write_csv(tmp_path / "x.csv"))
    settings = SeriesPreprocessor()
    built = [
        build(settings, source, tmp_path / str(cpus), IDENTITY, shard_rows=700, cpus=cpus) for cpus in (1, 2, 6, None)
    ]
    with monkeypatch.context() as alone:  # without a cluster a small source is prepared by threads
        alone.setattr("raysq.distributed.executor.has_cluster", lambda: False)
        alone.setattr("raysq.distributed.ray_data.ensure_ray", lambda: pytest.fail("Ray was started"))
        built.append(build(settings, source, tmp_path / "here", IDENTITY, shard_rows=700))
    assert len(settings.partition(source.files)) > 10
    first = contents(built[0].directory)
    assert sorted(first) == ["manifest.json", *(f"shard-{number:05d}.arrow" for number in range(8))]
    for dataset in built:
        assert contents(dataset.directory) == first
        dataset.verify()
    assert [shard.rows for shard in built[0].manifest.shards] == [700] * 7 + [100]
    raw = np.loadtxt(source.files[0], delimiter=",", skiprows=1, usecols=(1, 2))
    assert built[0].column("a").slice(0, 5000).tolist() == raw[:, 0].astype(np.float32).tolist()
    assert built[0].column("b").slice(0, 5000).tolist() == raw[:, 1].tolist()
    assert built[0].statistics("a", 123, 4567) == pytest.approx(
        (raw[123:4567, 0].mean(), raw[123:4567, 0].std()), rel=1e-7
    )
    assert str(tmp_path) not in first["manifest.json"].decode()


@pytest.mark.parametrize("shard_rows", [131_072, 1000, 1])
def test_shards_of_any_size(tmp_path, shard_rows):
    rows = 40 if shard_rows == 1 else 3000
    source = resolve(write_csv(tmp_path / "x.csv", rows))
    dataset = build(SeriesPreprocessor(), source, tmp_path / "out", IDENTITY, shard_rows=shard_rows)
    assert [shard.rows for shard in dataset.manifest.shards] == [min(shard_rows, rows)] * -(-rows // shard_rows)


def test_folder_with_rows_dropped_and_repairs_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RANGE", 2000)
    write_csv(tmp_path / "in" / "1.csv", 500)
    text = (tmp_path / "in" / "1.csv").read_text().replace("2020-01", "2020-02")
    (tmp_path / "in" / "2.csv").write_text(re.sub("(T05:00:00),[^,]*,", r"\1,,", text))
    source = resolve(tmp_path / "in")
    drop, fill = (
        make_settings(SeriesPreprocessor, values)
        for values in ({"missing": "drop"}, {"missing": "interpolate", "gaps": "fill"})
    )
    dropped = build(drop, source, tmp_path / "d", IDENTITY, shard_rows=99)
    assert dropped.rows == 1000 - 4
    assert {shard.rows for shard in dropped.manifest.shards[:-1]} == {99}
    filled = build(fill, source, tmp_path / "f", IDENTITY, shard_rows=99)
    steps = np.diff(filled.column("time").slice(0, filled.rows))
    assert (steps == np.timedelta64(600, "s")).all()
    assert filled.rows > 4000
    assert filled.manifest.report["repairs"]["gap_rows_filled"] == filled.rows - 1000
    assert filled.manifest.report["repairs"]["cells_filled"] == {"a": 4}
    assert {shard.rows for shard in filled.manifest.shards[:-1]} == {99}


def test_prepare_jena_sample(raysq_home, capsys):
    dataset = prepare("jena", "sample:3d", quiet=True)
    assert capsys.readouterr() == ("", "")
    assert dataset.synthetic
    assert dataset.rows == 3 * 144
    assert dataset.columns == ("time", *tasks.get("jena").preparation["columns"])
    assert dataset.directory == raysq_home / "data" / "jena" / dataset.fingerprint[:12]
    assert dataset.manifest.preparation["version"] == SeriesPreprocessor.version
    assert dataset.manifest.preparation["settings"]["time_format"] == "%d.%m.%Y %H:%M:%S"


def test_prepared_once_until_something_changes(tmp_path, capsys, monkeypatch):
    path = write_csv(tmp_path / "x.csv", 300)
    settings = {"time": "time", "time_format": "none", "columns": "a,b"}
    first = prepare("jena", path, settings=settings)
    output = capsys.readouterr()
    assert output.out == ""
    assert "x.csv: 300 rows" in output.err
    with monkeypatch.context() as patch:
        patch.setattr("raysq.tasks.prepare.build", lambda *_, **__: pytest.fail("prepared again"))
        same = prepare("jena", path, settings=settings)
        moved = tmp_path / "elsewhere" / "y.csv"
        moved.parent.mkdir()
        path.rename(moved)
        assert prepare("jena", moved, settings=settings).directory == same.directory == first.directory
    assert "nothing to do" in capsys.readouterr().err
    other = prepare("jena", moved, settings=settings | {"columns": "a"}, quiet=True)
    assert other.directory != first.directory
    assert [dataset.directory for dataset in open_datasets("jena")] == [other.directory, first.directory]
    assert find_dataset("jena").directory == other.directory
    prepare("jena", moved, settings=settings, quiet=True)  # asked for again: now it is the newest
    assert find_dataset("jena").directory == first.directory


def test_a_data_set_with_a_flipped_bit_is_prepared_again(tmp_path):
    path = write_csv(tmp_path / "x.csv", 300)
    settings = {"time": "time", "time_format": "none", "columns": "a,b"}
    first = prepare("jena", path, settings=settings, quiet=True)
    good = contents(first.directory)
    bad = bytearray(good["shard-00000.arrow"])
    bad[len(bad) // 2] ^= 1
    (first.directory / "shard-00000.arrow").write_bytes(bad)
    second = prepare("jena", path, settings=settings, quiet=True)
    assert second.directory == first.directory and contents(second.directory) == good


def test_a_name_stands_for_one_data_set(tmp_path):
    path = write_csv(tmp_path / "x.csv", 300)
    settings = {"time": "time", "time_format": "none", "columns": "a,b"}
    mine = prepare("jena", path, name="mine", settings=settings, quiet=True)
    assert prepare("jena", path, settings=settings, quiet=True).directory == mine.directory
    with pytest.raises(DataError, match=r"data set mine of jena was made from other data .*x\.csv.*--name, or --fresh"):
        prepare("jena", path, name="mine", settings=settings | {"columns": "a"}, quiet=True)
    replaced = prepare("jena", path, name="mine", settings=settings | {"columns": "a"}, fresh=True, quiet=True)
    assert replaced.columns == ("time", "a")
    assert find_dataset("jena", "mine").columns == ("time", "a")
    assert find_dataset("jena", str(replaced.directory)).rows == 300
    (replaced.directory / "shard-00000.arrow").write_bytes(b"damaged")
    assert prepare("jena", path, name="mine", settings=settings | {"columns": "a"}, quiet=True).rows == 300
    with pytest.raises(DataError, match="no data set 'yours' for jena.*there is: mine"):
        find_dataset("jena", "yours")
    for name in ("../x", ".x", "", "a/b"):
        with pytest.raises(UsageError, match="data set's name"):
            prepare("jena", path, name=name, quiet=True)


def test_a_damaged_data_set_is_named_and_no_other_is_taken(tmp_path):
    path = write_csv(tmp_path / "x.csv", 300)
    settings = {"time": "time", "time_format": "none", "columns": "a,b"}
    old = prepare("jena", path, settings=settings, quiet=True)
    new = prepare("jena", path, settings=settings | {"columns": "a"}, quiet=True)
    shard = new.directory / "shard-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-1])
    for take in (lambda: find_dataset("jena"), lambda: train.find_or_prepare("jena")):
        with pytest.raises(DataError, match=rf"{new.directory.name}/shard-00000.arrow has .* bytes.*--fresh"):
            take()
    assert [dataset.directory for dataset in open_datasets("jena")] == [old.directory]
    (new.directory / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=re.escape(new.directory.name)):
        find_dataset("jena")
    assert prepare("jena", path, settings=settings | {"columns": "a"}, quiet=True).rows == 300
    assert find_dataset("jena").directory == new.directory


def test_nothing_is_prepared_yet():
    assert open_datasets("jena") == []
    with pytest.raises(DataError, match="nothing is prepared for jena; `raysq prepare jena` does it"):
        find_dataset("jena")


def test_an_interrupted_run_leaves_no_data_set_and_is_cleaned_up(tmp_path, raysq_home, monkeypatch):
    path = write_csv(tmp_path / "x.csv", 300)
    settings = {"time": "time", "time_format": "none", "columns": "a,b"}
    folder = raysq_home / "data" / "jena"

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("raysq.data.pipeline.write_manifest", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare("jena", path, settings=settings, quiet=True)
    assert [file.name for file in folder.iterdir()] == [".lock"]
    # What a killed process leaves behind:
    with monkeypatch.context() as patch:
        patch.setattr("raysq.data.pipeline.write_manifest", interrupt)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            prepare("jena", path, settings=settings, quiet=True)
    assert next(file.name for file in folder.iterdir() if file.name != ".lock").startswith(".unfinished-")
    assert open_datasets("jena") == []
    dataset = prepare("jena", path, settings=settings, quiet=True)
    name = dataset.manifest.name
    assert {file.name for file in folder.iterdir()} == {".lock", name, f".{name}.verified.json"}


@pytest.mark.parametrize(
    ("change", "settings", "match"),
    [
        (
            lambda text: text.replace(b"T03:20:00,", b"T03:20:00,x"),
            {},
            r"^x\.csv, line 22, column 'a': 'x.*' is not a number",
        ),
        (lambda text: text + b"2021-01-01,1\n", {}, r"^x\.csv, line 302 has 2 cells"),
        (lambda text: text + b"2019-01-01,1,1\n", {}, r"^x\.csv, line 302: stamp .*--set order=sort"),
        (lambda text: text + b"2021-01-01,,1\n", {}, r"^x\.csv, line 302, column 'a': the cell is missing"),
        (lambda text: b"time,a,b\n\n", {}, r"^x\.csv has no rows"),
        (lambda text: b"time,a,b\n,,\n", {"order": "sort"}, r"has no rows"),
    ],
)
def test_bad_data_are_one_line_and_no_data_set(tmp_path, raysq_home, monkeypatch, change, settings, match):
    monkeypatch.setattr(tables, "RANGE", 1500)
    path = write_csv(tmp_path / "x.csv", 300)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=match) as caught:
        prepare("jena", path, settings={"time": "time", "time_format": "none", "columns": "a,b"} | settings, quiet=True)
    assert "\n" not in str(caught.value)
    assert [file.name for file in (raysq_home / "data" / "jena").iterdir()] == [".lock"]


def test_an_error_inside_a_task_comes_without_rays_words(tmp_path):
    import gzip

    data = gzip.compress(write_csv(tmp_path / "x.csv", 3000).read_bytes())
    (tmp_path / "x.csv.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(
        DataError, match=r"^x\.csv\.gz is damaged or cut short \(.*\); fetch or write it again$"
    ) as caught:
        build(SeriesPreprocessor(), resolve(tmp_path / "x.csv.gz"), tmp_path / "out", IDENTITY)
    assert type(caught.value) is DataError
    assert not (tmp_path / "out").exists()


def test_a_home_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(SourceError, match="cannot be written .*RAYSQ_HOME"):
        prepare("jena", write_csv(tmp_path / "x.csv", 300), quiet=True)


def test_a_cluster_that_is_not_there(monkeypatch):
    import ray

    from raysq.distributed.cluster import ensure_ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr("raysq.distributed.cluster._REACH_SECONDS", 0.1)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # nobody listens there
    with pytest.raises(ResourceError, match=r"no Ray cluster answers at RAY_ADDRESS=127.0.0.1:1 .*refused.*; unset it"):
        ensure_ray()
    # One that Ray itself has to find out about.
    monkeypatch.setattr(ray, "init", lambda **_: (_ for _ in ()).throw(ConnectionError("nobody\nthere")))
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(ResourceError, match=r"no Ray cluster answers at RAY_ADDRESS=auto \(nobody\)"):
        ensure_ray()


def test_real_jena_2020(real):
    dataset = prepare("jena", real("jena/jena_climate_2020.csv.zip"), quiet=True)
    report = dataset.manifest.report
    assert dataset.rows == 52_696
    assert not dataset.synthetic
    assert report["repeated_stamps"]["count"] == 1
    assert report["gaps"] == {
        "count": 1,
        "longest_seconds": 6000.0,
        "first": {"stamp": "2020-05-29T11:10:00", "file": "jena_climate_2020.csv.zip", "line": 21516},
    }
    assert report["sentinels"]["wv (m/s)"]["count"] == 1
    assert dataset.manifest.source["files"][0]["sha256"].startswith("0b51a375c2ee7618")


def test_tasks_do_not_import_tensorflow(tmp_path):
    import ray

    build(SeriesPreprocessor(), resolve(write_csv(tmp_path / "x.csv", 300)), tmp_path / "out", IDENTITY)

    @ray.remote
    def loaded() -> bool:
        import sys

        return "tensorflow" in sys.modules or "keras" in sys.modules

    assert not ray.get(loaded.remote())
    assert os.environ.get("RAYSQ_HOME")


@pytest.mark.parametrize("executor", [ThreadExecutor(2), RayExecutor(2)])
def test_a_full_disk_is_one_line(tmp_path, executor, monkeypatch):
    source = resolve(write_csv(tmp_path / "x.csv", 300))
    preprocessor = SeriesPreprocessor()
    partitions = preprocessor.partition(source.files)
    # In a worker of Ray nothing can be patched: a file stands where the first shard would be written.
    (tmp_path / "out" / "scratch" / "shard-00000.arrow").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", lambda *_, **__: None)
        with pytest.raises(
            ResourceError, match="cannot be written: Is a directory; make room or set RAYSQ_HOME"
        ) as caught:
            run(preprocessor, partitions, tmp_path / "out", 1000, executor)
    assert "\n" not in str(caught.value)


def test_a_bug_is_one_line(tmp_path):
    class Buggy(SeriesPreprocessor):
        def read(self, piece):
            raise ZeroDivisionError("a bug")

    source = resolve(write_csv(tmp_path / "x.csv", 300))
    with pytest.raises(ResourceError, match="preparing failed in Ray: .*a bug.*raysq doctor") as caught:
        build(Buggy(), source, tmp_path / "out", IDENTITY)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_settings_of_examples_are_kept_with_the_data(capsys):
    plain = prepare("jena", "sample:30d", quiet=True)
    assert plain.manifest.settings == {}
    given = {"delay": "6h", "lookback": "1d"}
    kept = prepare("jena", "sample:30d", settings=given)
    assert "its settings are changed: delay default -> 6h, lookback default -> 1d" in capsys.readouterr().err
    assert (kept.directory, kept.fingerprint) == (plain.directory, plain.fingerprint)
    assert find_dataset("jena").manifest.settings == given
    with pytest.raises(UsageError, match="delay=7min is not a multiple of the series' 10min between rows"):
        prepare("jena", "sample:30d", settings={"delay": "7min"}, quiet=True)
    with pytest.raises(UsageError, match="unknown setting 'dellay' of prepare: did you mean delay"):
        prepare("jena", "sample:30d", settings={"dellay": 1}, quiet=True)
    assert find_dataset("jena").manifest.settings == given
