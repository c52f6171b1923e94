"""Predictions for files: the same in this process and by a pool of actors, in order, all or nothing."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from training.series import SMALL, write_series

from raysq.cli import main
from raysq.data.pipeline import read_table
from raysq.errors import DataError, ResourceError, UsageError
from raysq.inference.batch import predict_file
from raysq.inference.predictor import load
from raysq.tasks.prepare import prepare
from raysq.training import train
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    settings = {**SMALL, "epochs": 1, "units": 4, "delay": "2,6", "calendar": "hour"}
    run = Run.create(resolve_config("jena", "dense", data, 0, settings), folder=tmp_path_factory.mktemp("runs"))
    configure(run.config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks(tensorboard=False))
    return run


@pytest.fixture(scope="module")
def table(data):
    values = {name: data.column(name).slice(0, 700) for name in data.columns}
    # As float64 a csv holds them in full.
    return pa.table({name: value if name == "time" else value.astype(np.float64) for name, value in values.items()})


def test_a_file_is_predicted_alike_here_and_by_a_pool(cluster, run, table, tmp_path, monkeypatch):
    pa.csv.write_csv(table, tmp_path / "new.csv")
    pa.parquet.write_table(table, tmp_path / "new.parquet", row_group_size=300)
    here = predict_file(run, tmp_path / "new.csv", tmp_path / "here.parquet")
    expected = pa.parquet.read_table(tmp_path / "here.parquet")
    assert here["rows"] == expected.num_rows == (700 - 24 + 1) * 2
    frame = load(run).predict(table)
    for name in ("row", "from", "horizon", "T (degC)"):
        assert expected[name].to_pylist() == frame[name].to_pylist()
    # A file tells the cadence, so that what lies beyond its end has stamps too.
    beyond = np.array(expected["row"]) == 706
    assert expected["time"].to_numpy()[beyond] == table["time"][699].as_py() + 7 * np.timedelta64(10, "m")
    monkeypatch.setattr("raysq.inference.ranges._ROWS", 100)
    # From the other form of the file: what they are read from is prepared alike.
    predict_file(run, tmp_path / "new.parquet", tmp_path / "pool.parquet", actors=2)
    found = pa.parquet.read_table(tmp_path / "pool.parquet")
    assert found.column_names == expected.column_names
    for name in found.column_names:
        assert found.column(name).to_pylist() == expected.column(name).to_pylist(), name
    predict_file(run, tmp_path / "new.csv", tmp_path / "here.csv")
    read = pa.csv.read_csv(tmp_path / "here.csv")
    np.testing.assert_allclose(read["T (degC)"].to_numpy(), expected["T (degC)"].to_numpy(), rtol=1e-6)
    assert not list((tmp_path / "raysq-home" / "tmp").iterdir()), "the temporary data set is left"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_rows_are_read_alike_from_a_csv_a_parquet_and_a_frame(run, table, tmp_path, dtype):
    """To the bit, before a forecast is rounded: a step of float32 in a cell is one in the forecast."""
    random = np.random.RandomState(0)
    rows = pa.table(
        {
            name: value if name == "time" else (value.to_numpy() + random.standard_normal(700) / 7).astype(dtype)
            for name, value in zip(table.column_names, table.columns, strict=True)
        }
    )
    pa.csv.write_csv(rows, tmp_path / "new.csv")
    pa.parquet.write_table(rows, tmp_path / "new.parquet", row_group_size=300)
    preparation = run.problem.prediction_preprocessor()
    sources = [tmp_path / "new.csv", tmp_path / "new.parquet", rows]
    first, *others = (read_table(preparation, [source])[0] for source in sources)
    assert first.num_rows == 700 and all(other.equals(first) for other in others)


def test_the_command_line_writes_a_file_or_standard_output(run, table, tmp_path, capsysbinary):
    pa.csv.write_csv(table.slice(0, 60), tmp_path / "new.csv")
    assert main(["predict", str(run.directory), "--input", str(tmp_path / "new.csv")]) == 0
    printed = capsysbinary.readouterr()
    lines = printed.out.decode().splitlines()
    assert lines[0].startswith('"row","time","from","horizon"') and len(lines) == 1 + 2 * 37
    assert b"74 predictions" in printed.err
    output = tmp_path / "out.parquet"
    predict = ["predict", str(run.directory), "--input", str(tmp_path / "new.csv")]
    assert main([*predict, "--output", str(output), "--json"]) == 0
    said = json.loads(capsysbinary.readouterr().out)
    assert said["rows"] == 74 == pa.parquet.read_table(output).num_rows and said["output"] == str(output)


def test_what_cannot_be_predicted_is_one_line_and_leaves_nothing(cluster, run, table, tmp_path):
    short = tmp_path / "short.csv"
    pa.csv.write_csv(table.slice(0, 10), short)
    for actors in (None, 1):
        with pytest.raises(DataError, match="needs 24 rows of history"):
            predict_file(run, short, tmp_path / "out.csv", actors=actors)
    pa.csv.write_csv(table.drop_columns(["rh (%)"]), tmp_path / "less.csv")
    with pytest.raises(DataError, match=r"lacks columns 'rh \(%\)'"):
        predict_file(run, tmp_path / "less.csv", tmp_path / "out.csv")
    with pytest.raises(UsageError, match=r"must end in .csv or .parquet, received .*out.txt"):
        predict_file(run, short, tmp_path / "out.txt")
    with pytest.raises(ResourceError, match="100 CPUs"):
        predict_file(run, short, tmp_path / "out.csv", actors=100)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["less.csv", "short.csv"]


def test_rows_out_of_order_or_of_another_cadence_are_refused(run, table, tmp_path, monkeypatch):
    monkeypatch.setitem(run.config.metadata, "cadence_seconds", 600.0)
    assert load(run).predict(table).num_rows
    other = table.take(np.arange(0, 700, 2))
    pa.csv.write_csv(other, tmp_path / "other.csv")
    with pytest.raises(DataError, match="the rows are 20min apart, those that the run was trained on 10min"):
        load(run).predict(other)
    with pytest.raises(DataError, match="the rows are 20min apart"):
        predict_file(run, tmp_path / "other.csv", tmp_path / "out.csv")
    order = np.arange(700)
    order[[300, 301]] = 301, 300
    with pytest.raises(DataError, match=r"the frame, row 302: stamp .* is before that of the row above"):
        load(run).predict(table.take(order))


def test_cells_without_a_number_are_named(run, table):
    frame = table.to_pydict()
    frame["rh (%)"][50] = float("nan")
    with pytest.raises(
        DataError, match=r"the frame, row 51, column 'rh \(%\)': the cell is missing; frames for predict have"
    ):
        load(run).predict(frame)
    with pytest.raises(DataError, match="the frame has no time column 'time'"):
        load(run).predict(table.drop_columns(["time"]))


def test_several_series_are_predicted_each_for_itself_and_measured_as_by_hand(cluster, tmp_path, capsys):
    """From the raw file to the figure: prepare with ids, train, predict the same file, join, and compare the error."""
    random = np.random.RandomState(0)
    rows = []
    for name, level, count in (("north", 10.0, 200), ("south", 100.0, 160), ("tiny", 5.0, 20)):
        stamps = np.datetime64("2024-01-01T00", "s") + np.arange(count) * np.timedelta64(1, "h")
        values = level + 3 * np.sin(np.arange(count) / 4) + random.standard_normal(count)
        rows.append(pa.table({"when": stamps, "site": [name] * count, "temp": values}))
    table = pa.concat_tables(rows)
    order = random.permutation(table.num_rows)  # the series are mixed in the file
    table = table.take(pa.array(np.sort(order)))
    pa.csv.write_csv(table, tmp_path / "sites.csv")
    settings = {"targets": "temp", "id": "site", "lookback": 24, "delay": 2, "season": 24}
    data = prepare("forecast", tmp_path / "sites.csv", settings=settings, quiet=True)
    training = {"epochs": 1, "steps_per_epoch": 5, "units": 4}
    run = train.train("forecast", data=data.directory, model="dense", settings=training)
    capsys.readouterr()
    predict_file(run, tmp_path / "sites.csv", tmp_path / "out.parquet", quiet=False)
    assert "no prediction for tiny: fewer than 24 rows" in capsys.readouterr().err
    found = pa.parquet.read_table(tmp_path / "out.parquet").to_pydict()
    errors = []
    for name, count in (("north", 200), ("south", 160)):
        mine = [place for place, series in enumerate(found["site"]) if series == name]
        assert [found["row"][place] for place in mine] == list(range(26, count + 3))
        truth = rows[0 if name == "north" else 1]["temp"].to_numpy()
        # The last quarter of each is tested on, with windows that lie in it as a whole.
        for place in mine:
            row = found["row"][place]
            if count * 3 // 4 + 26 <= row < count:
                errors.append(abs(found["temp"][place] - truth[row]))
    assert run.result()["metrics"]["test_mae_original"] == pytest.approx(np.mean(errors), rel=1e-4)
    frame = load(run).predict(table)
    assert frame.column_names == list(found) and all(frame[name].to_pylist() == found[name] for name in found)
    with pytest.raises(DataError, match="the frame has no time column 'when'"):
        load(run).predict({"temp": np.arange(50.0)})
    with pytest.raises(DataError, match=r"^sites2.csv (has|lacks).*; files for predict have the form"):
        pa.csv.write_csv(table.drop_columns(["site"]), tmp_path / "sites2.csv")
        predict_file(run, tmp_path / "sites2.csv", tmp_path / "out.csv")
    with pytest.raises(UsageError, match="no folder"):
        predict_file(run, tmp_path / "sites.csv", tmp_path / "nowhere" / "out.csv")
