"""Values keep their digits: what float32 would damage is stored as float64, and comes back in full."""

import json

import numpy as np
import pyarrow as pa
import pytest

from raysq.config import make_settings
from raysq.data.moments import moments
from raysq.data.pipeline import build, read_table, run
from raysq.data.sources import resolve
from raysq.distributed.executor import ThreadExecutor
from raysq.distributed.ray_data import RayExecutor
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.readers.precision import rounding, wide_columns
from raysq.tasks.prepare import prepare
from raysq.training.run_config import resolve_config

OFFSET = [1_600_000_000 + row % 24 for row in range(400)]
METER = [round(123456789.01 + 0.97 * row, 2) for row in range(400)]


def lines(**columns) -> str:
    names = ",".join(columns)
    hours = np.datetime64("2023-03-01T00") + np.arange(len(next(iter(columns.values()))))
    cells = zip(*columns.values(), strict=True)
    return f"time,{names}\n" + "".join(
        f"{at}:00,{','.join(map(str, row))}\n" for at, row in zip(hours, cells, strict=True)
    )


def is_wide(*parts) -> bool:
    measured = [rounding(np.asarray(part, np.float64)) for part in parts]
    return bool(wide_columns([{"a": one} for one in measured if one is not None]))


@pytest.mark.parametrize(
    ("values", "wide"),
    [
        (np.random.default_rng(0).normal(1000, 15, 5000).round(2), False),  # a pressure
        (np.random.default_rng(0).normal(10, 5, 5000), False),
        (np.arange(5000), False),
        (np.full(50, 0.1), False),  # seven digits give it back
        (np.full(50, 123456793.66), True),
        (OFFSET, True),
        (METER, True),
        ([*METER, 0.1, *METER], True),  # its spread says that eight units are nothing, its steps that they are all
        (np.arange(10) * 1e39, True),
        (np.arange(1, 10) * 1e-47, True),
        (np.arange(1, 10) * 1e-9, False),
        ([np.nan, *OFFSET, np.nan], True),
        ([np.nan, np.nan], False),
    ],
)
def test_what_float32_would_damage(values, wide):
    assert is_wide(values) is wide


def test_all_rows_decide():
    low, high = np.arange(100) + 0.1, np.arange(100) + 1e9 + 0.1
    assert not is_wide(low)
    assert is_wide(low, high)
    noise = np.random.default_rng(0).normal(0, 1e9, 100)  # its steps are as large
    assert is_wide(noise[:50], noise[50:]) is False


def test_sentinels_do_not_widen_the_spread():
    values = np.array([52.5200066, 52.5200077, 52.5200088, -9999.5])
    assert rounding(values, (-9999.5,))["low"] > 52


def test_a_constant_has_no_deviation():
    assert moments(np.full(1000, 123456793.66)) == (1000, 123456793.66, 0.0)
    assert moments(np.array([1.0, np.nan, 3.0])) == (2, 2.0, 2.0)


@pytest.mark.parametrize("rows_per_shard", [1000, 150])
def test_the_digits_are_stored(tmp_path, rows_per_shard):
    """Of a file whose layout is given, and which is read once more for it; the other column stays float32."""
    (tmp_path / "x.csv").write_text(lines(load=OFFSET, reading=METER, t=[row % 7 / 8 for row in range(400)]))
    source = resolve(str(tmp_path / "x.csv"), url=None, sha256=None, sample=None, suffixes=(".csv",))
    identity = {"task": "forecast", "problem": "forecasting"}
    data = build(SeriesPreprocessor(), source, tmp_path / "d", identity, shard_rows=rows_per_shard)
    assert data.column("load").slice(0, 400).tolist() == OFFSET
    assert data.column("reading").slice(0, 400).tolist() == METER
    assert [column["type"] for column in data.manifest.schema] == ["timestamp[us]", "double", "double", "float"]
    assert data.manifest.report["float64"] == ["load", "reading"]
    assert len(data.manifest.shards) == -(-400 // rows_per_shard)
    assert {path.name for path in data.directory.iterdir()} == {
        "manifest.json",
        *(shard.file for shard in data.manifest.shards),
    }


def test_both_executors_decide_alike(tmp_path, cluster):
    for number in range(3):  # files are pieces: the last one alone tells
        values = [row % 24 + (number == 2) * 1_600_000_000 for row in range(400)]
        hours = np.datetime64("2023-03-01T00") + 400 * number + np.arange(400)
        text = "".join(f"{at}:00,{value}\n" for at, value in zip(hours, values, strict=True))
        (tmp_path / f"{number}.csv").write_text("time,load\n" + text)
    preparation = SeriesPreprocessor()
    pieces = preparation.partition(sorted(tmp_path.glob("*.csv")))
    written = []
    for name, executor in (("threads", ThreadExecutor(2)), ("ray", RayExecutor(2))):
        (tmp_path / name).mkdir()
        data = run(preparation, pieces, tmp_path / name, 500, executor)
        assert data.report["float64"] == ["load"]
        written.append([shard.sha256 for shard in data.shards])
    assert written[0] == written[1]


def test_what_is_told_and_what_a_run_knows(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path / "home"))
    (tmp_path / "x.csv").write_text(lines(load=OFFSET))
    data = prepare("forecast", str(tmp_path / "x.csv"))
    told = capsys.readouterr().err
    assert "never changes" not in told
    assert "float64: load, whose values float32 would change" in told
    config = resolve_config("forecast", "baseline", data, 0, {"lookback": 24, "delay": 0})
    train = np.array(OFFSET[:200], np.float64)
    assert config.metadata["mean"] == pytest.approx([train.mean()], rel=1e-15)
    assert config.metadata["std"] == pytest.approx([train.std()], rel=1e-12)
    windows = config.make_problem().splits(data)["val"]
    _, y = windows.gather(np.arange(10), windows.arrays(), lambda array, rows: array[rows])
    y = y.astype(np.float64)[:, 0] * config.metadata["std"][0] + config.metadata["mean"][0]
    np.testing.assert_allclose(y, OFFSET[224:234], rtol=0, atol=1e-5)
    # What is read for predictions is as it was written, whatever a few rows of it would say.
    table, _ = read_table(config.make_problem().prediction_preprocessor(), [tmp_path / "x.csv"])
    assert table.schema.field("load").type == pa.float64()
    assert table.column("load").to_pylist() == OFFSET


def test_numbers_beyond_float32(tmp_path):
    (tmp_path / "x.csv").write_text(lines(load=[f"{row + 1}e39" for row in range(50)]))
    table, report = read_table(make_settings(SeriesPreprocessor, {}), [tmp_path / "x.csv"])
    assert table.column("load").to_pylist() == [float(f"{row + 1}e39") for row in range(50)]
    assert report["not_numbers"] == {}
    json.dumps(report, allow_nan=False)
