"""Classes for raw images: as the model answers on the prepared ones, from files, archives and arrays."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from problems.images.made import SMALL, make_dataset, marks, png, tree_files, write_npz, write_tree

import raysq
from raysq import cli
from raysq.errors import DataError, UsageError
from raysq.inference.batch import predict_file
from raysq.storage.atomic import write_json
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def dataset(folder):
    return make_dataset(write_npz(folder / "x.npz"), folder / "data", shard_rows=100)


def trained(folder, dataset, model):
    values = {**SMALL, "epochs": 2, "learning_rate": 0.01, **({"code": 9} if model == "autoencoder" else {"units": 16})}
    config = resolve_config("images", model, dataset, 0, values)
    run = Run.create(config, name=model, folder=folder / "runs")
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks())
    return run


@pytest.fixture(scope="module")
def run(folder, dataset):
    return trained(folder, dataset, "mlp")


@pytest.fixture(scope="module")
def again(folder, dataset):
    return trained(folder, dataset, "autoencoder")


def test_files_are_answered_as_the_prepared_images_are(run, dataset, folder, tmp_path):
    from raysq.training import checkpoint

    trainer = open_trainer(run, dataset)
    trainer.restore(checkpoint.load(run.best)[0])
    y, wanted = trainer.predict("test")
    predict_file(run, folder / "x.npz", tmp_path / "out.parquet")
    table = pa.parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["row", "id", "label", "probability", "p_bar", "p_dash", "p_dot"]
    assert table.num_rows == 240 and table["id"][180].as_py() == "x_test:0"
    probabilities = np.stack([table[f"p_{name}"].to_numpy() for name in ("bar", "dash", "dot")], 1)[180:]
    np.testing.assert_allclose(probabilities, wanted, atol=1e-6)
    assert table["label"].to_pylist()[180:] == [("bar", "dash", "dot")[index] for index in wanted.argmax(1)]
    assert np.array_equal(table["probability"].to_numpy()[180:], probabilities.max(1)) and y.shape == (60, 1)


def test_arrays_in_python(run, again):
    predictor = raysq.load(run)
    pixels, _ = marks(10, seed=5)
    table = predictor.predict(pixels)
    assert table.num_rows == 10 and "id" not in table.column_names
    assert predictor.predict(pixels[3]).to_pylist() == [{**table.slice(3, 1).to_pylist()[0], "row": 0}]
    assert predictor.predict(pixels.astype("float32")).equals(table) and predictor.predict(pixels[:0]).num_rows == 0
    assert predictor.predict(np.repeat(pixels[..., None], 3, 3)).equals(table), "gray in three channels"
    assert predictor.predict(np.kron(pixels, np.ones((1, 3, 3), np.uint8))).num_rows == 10, "of another size"
    answers = raysq.load(again).predict(pixels)
    x = pixels[..., None] / np.float32(255)
    given = raysq.load(again).model.predict_on_batch(x)
    np.testing.assert_allclose(answers["error"].to_numpy(), ((x - given) ** 2).mean((1, 2, 3)), rtol=1e-4)
    for wrong in (np.zeros(5), np.zeros((2, 3, 4, 5)), [["a"]], np.zeros((1, 8, 8)) + 0.5):
        with pytest.raises((UsageError, DataError)):
            predictor.predict(wrong)
    with pytest.raises(UsageError, match="no column of images; there are x"):
        predictor.predict({"x": [1]})
    with pytest.raises(DataError, match="64 numbers"):
        predictor.predict({"pixels": [[1, 2], [3, 4]]})
    # A damaged image in rows is not left out: the predictions would no longer be those of the rows.
    good = png(marks(1)[0][0])
    with pytest.raises(DataError, match=r"the rows have an image that cannot be used: 000000001.png is not an image"):
        predictor.predict({"image": pa.array([good, b"<html>", good], pa.binary())})


def test_the_command_line_takes_files_folders_and_archives(run, tmp_path, capsys):
    pixels, _ = marks(30)
    image = tmp_path / "one.png"
    image.write_bytes(png(pixels[0]))
    assert cli.main(["predict", str(run.directory), "--input", str(image)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('"row","id","label"') and '"one.png"' in lines[1] and len(lines) == 2
    tree = write_tree(tmp_path / "tree", tree_files())
    flat = write_tree(tmp_path / "flat", {name.rpartition("/")[2]: raw for name, raw in tree_files().items()})
    large = write_tree(tmp_path / "large", {"a.png": png(np.kron(pixels[0], np.ones((2, 2), np.uint8)))})
    out = tmp_path / "out.parquet"
    probabilities = {}
    for source in (tree, flat, large):
        assert cli.main(["predict", str(run.directory), "--input", str(source), "--output", str(out)]) == 0
        table = pa.parquet.read_table(out)
        probabilities[source.name] = dict(
            zip((name.rpartition("/")[2] for name in table["id"].to_pylist()), table["p_dot"].to_pylist(), strict=True)
        )
    assert probabilities["tree"] == probabilities["flat"] and len(probabilities["tree"]) == 30
    assert "1 image had another size and was resized" in capsys.readouterr().err
    (flat / "bad.png").write_bytes(b"<html>")
    assert cli.main(["predict", str(run.directory), "--input", str(flat), "--output", str(out)]) == 0
    messages = capsys.readouterr().err
    assert "1 file could not be read and was left out: bad.png" in messages and "--set" not in messages
    assert pa.parquet.read_table(out)["p_dot"].to_pylist() == list(probabilities["flat"].values())
    for name in flat.iterdir():
        name.write_bytes(b"<html>")
    assert cli.main(["predict", str(run.directory), "--input", str(flat), "--output", str(out)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_pool_gives_the_same_in_the_same_order(cluster, run, folder, tmp_path):
    predict_file(run, folder / "x.npz", tmp_path / "here.parquet")
    predict_file(run, folder / "x.npz", tmp_path / "pool.parquet", actors=2)
    here, pool = (pa.parquet.read_table(tmp_path / f"{name}.parquet") for name in ("here", "pool"))
    assert pool.equals(here)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "abc"}, "classes: expected a list"),
        ({"shape": [8, "8", 1]}, r"shape\[1\]: expected a whole number"),
        ({"priors": None}, "priors: expected a list"),
        ({"shared": ...}, "'shared' is missing"),
        ({"colour": 1}, "'colour' is unknown"),
        ({"preprocessor": {"size": "x"}}, "preprocessor: setting size must be WIDTHxHEIGHT"),
    ],
)
def test_made_up_metadata_give_one_line(run, tmp_path, capsys, changes, message):
    copy = tmp_path / "copy"
    shutil.copytree(run.directory, copy)
    config = json.loads((copy / "config.json").read_text())
    del config["checksum"]
    metadata = {**config["metadata"], **changes}
    config["metadata"] = {name: value for name, value in metadata.items() if value is not ...}
    write_json(copy / "config.json", config)
    pixels, _ = marks(2)
    with pytest.raises(DataError, match=f"the metadata of a run of images cannot be used: {message}"):
        raysq.load(copy).predict(pixels)
    np.save(tmp_path / "x.npy", pixels)
    assert cli.main(["predict", str(copy), "--input", str(tmp_path / "x.npy")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
