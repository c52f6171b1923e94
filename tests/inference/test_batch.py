"""Predictions for files: the same in this process and by a pool of actors, in order, all or nothing."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from training.series import SMALL, write_series

from raysq.cli import main
from raysq.errors import DataError, ResourceError, UsageError
from raysq.inference.batch import predict_file
from raysq.inference.load import load
from raysq.training import api


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture
def run(data):
    settings = {**SMALL, "epochs": 1, "units": 4, "delay": "2,6", "calendar": "hour"}
    return api.train("jena", data=data.directory, model="dense", settings=settings)


@pytest.fixture(scope="module")
def table(data):
    return pa.table({name: data.column(name).slice(0, 700) for name in data.columns})


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
    monkeypatch.setattr("raysq.inference.batch._ROWS", 100)
    for source in ("new.csv", "new.parquet"):
        predict_file(run, tmp_path / source, tmp_path / "pool.parquet", actors=2)
        found = pa.parquet.read_table(tmp_path / "pool.parquet")
        assert found.column_names == expected.column_names
        for name in found.column_names:
            assert found.column(name).to_pylist() == expected.column(name).to_pylist(), (source, name)
    predict_file(run, tmp_path / "new.csv", tmp_path / "here.csv")
    read = pa.csv.read_csv(tmp_path / "here.csv")
    np.testing.assert_allclose(read["T (degC)"].to_numpy(), expected["T (degC)"].to_numpy(), rtol=1e-6)
    assert not list((tmp_path / "raysq-home" / "tmp").iterdir()), "the temporary data set is left"


def test_the_command_line_writes_a_file_or_standard_output(run, table, tmp_path, capsysbinary):
    pa.csv.write_csv(table.slice(0, 60), tmp_path / "new.csv")
    assert main(["predict", run.name, "--input", str(tmp_path / "new.csv")]) == 0
    printed = capsysbinary.readouterr()
    lines = printed.out.decode().splitlines()
    assert lines[0].startswith('"row","time","from","horizon"') and len(lines) == 1 + 2 * 37
    assert b"74 predictions" in printed.err
    output = tmp_path / "out.parquet"
    assert main(["predict", run.name, "--input", str(tmp_path / "new.csv"), "--output", str(output), "--json"]) == 0
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


def test_cells_without_a_number_are_named(run, table):
    frame = table.to_pydict()
    frame["rh (%)"][50] = float("nan")
    with pytest.raises(DataError, match=r"column 'rh \(%\)' has no number in row 50"):
        load(run).predict(frame)
    with pytest.raises(DataError, match="sees the calendar"):
        load(run).predict(table.drop_columns(["time"]))
