"""Rows in Python, whatever holds them, give the shards and the predictions of a Parquet file of the same rows."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pyarrow as pa
import pyarrow.parquet
import pytest

import raysq
from raysq.errors import UsageError


def hugging_face(columns):
    return pytest.importorskip("datasets", reason="Hugging Face datasets is not installed").Dataset.from_dict(columns)


def polars(columns):
    return pytest.importorskip("polars", reason="polars is not installed").DataFrame(columns)


def tf_data(columns):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(columns)


def rows(columns):
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def batches(columns):
    count = len(next(iter(columns.values())))
    return ({name: values[low : low + 70] for name, values in columns.items()} for low in range(0, count, 70))


HOLDERS = {
    "pandas": pd.DataFrame,
    "polars": polars,
    "arrow": pa.table,
    "dict": dict,
    "hugging_face": hugging_face,
    "tf_data": tf_data,
    "tf_data_batches": lambda columns: tf_data(columns).batch(70),
    "rows": rows,
    "batches": batches,
}
RANDOM = np.random.RandomState(1)
WORDS = ["good", "fine", "poor", "bad", "plot", "é"]
SENTENCES = [" ".join(RANDOM.choice(WORDS, 6)) for _ in range(200)]
TABLES = {
    "forecast": (
        {
            "time": pd.date_range("2024-01-01", periods=200, freq="h").astype(str).tolist(),
            "load": np.sin(np.arange(200)).round(3).tolist(),
            "kind": ["a", "b"] * 100,
        },
        {"targets": "load", "categories": "kind"},
    ),
    "classify": ({"text": SENTENCES, "label": ["neg", "pos"] * 100}, {}),
    "text": ({"text": SENTENCES}, {}),
    "pairs": ({"source": SENTENCES, "target": SENTENCES[::-1]}, {}),
}


def shards(dataset):
    """The stored rows, except for ids, which name the file."""
    tables = [pa.ipc.open_file(str(dataset.directory / shard.file)).read_all() for shard in dataset.manifest.shards]
    return pa.concat_tables(tables).select([name for name in tables[0].column_names if name != "id"])


@pytest.mark.parametrize("task", TABLES)
@pytest.mark.parametrize("holder", HOLDERS)
def test_rows_in_python_give_the_shards_of_their_parquet_file(task, holder, tmp_path):
    columns, settings = TABLES[task]
    pa.parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    given = raysq.prepare(task, HOLDERS[holder](columns), settings=settings, quiet=True)
    expected = raysq.prepare(task, tmp_path / "rows.parquet", settings=settings, quiet=True, fresh=True)
    assert shards(given).equals(shards(expected)) and given.rows == expected.rows > 0


def test_predictions_for_rows_in_python_are_those_for_their_file(tmp_path):
    columns, settings = TABLES["forecast"]
    raysq.prepare("forecast", columns, settings=settings | {"lookback": 12}, name="d", quiet=True)
    run = raysq.train("forecast", data="d", model="baseline", name="run")
    pa.parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    raysq.predict_file(run, tmp_path / "rows.parquet", tmp_path / "expected.parquet")
    expected = pa.parquet.read_table(tmp_path / "expected.parquet")
    model = raysq.load(run)
    for name, hold in HOLDERS.items():
        found = model.predict(hold(columns))
        assert (pa.Table.from_pandas(found) if name == "pandas" else found).to_pydict() == expected.to_pydict(), name
    raysq.predict_file(run, rows(columns), tmp_path / "found.parquet")
    assert pa.parquet.read_table(tmp_path / "found.parquet").equals(expected)


@pytest.fixture(scope="module")
def digits():
    """Images of four classes: pixels, and labels."""
    labels = np.arange(80) % 4
    return RANDOM.randint(0, 60, (80, 8, 8), np.uint8) + (labels * 40).astype(np.uint8)[:, None, None], labels


def png(pixels):
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def test_arrays_of_images_are_prepared_as_their_npz_file_is(digits, tmp_path):
    pixels, labels = digits
    np.savez(tmp_path / "digits.npz", x=pixels, y=labels)
    expected = shards(raysq.prepare("images", tmp_path / "digits.npz", quiet=True))
    columns = {"image": pixels, "label": labels}
    for hold in (
        dict,
        tf_data,
        lambda given: tf_data(given).batch(30),
        rows,
        batches,
        lambda _: tf_data((pixels, labels)),
    ):
        assert shards(raysq.prepare("images", hold(columns), quiet=True)) == expected
    assert shards(raysq.prepare("images", columns | {"label": labels[:, None]}, quiet=True)) == expected
    parts = np.where(np.arange(80) < 60, "train", "test")
    np.savez(tmp_path / "parts.npz", x_train=pixels[:60], y_train=labels[:60], x_test=pixels[60:], y_test=labels[60:])
    given = raysq.prepare("images", columns | {"split": parts}, quiet=True)
    assert shards(given) == shards(raysq.prepare("images", tmp_path / "parts.npz", quiet=True))


def test_encoded_images_are_prepared_as_their_folder_is(digits, tmp_path):
    pixels, labels = digits
    names = np.array(["cat", "dog", "eel", "fox"])[labels]
    for number in np.argsort(names, kind="stable"):
        path = tmp_path / "pets" / names[number] / f"{number:09d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(pixels[number]))
    expected = raysq.prepare("images", tmp_path / "pets", quiet=True)
    order = np.argsort(names, kind="stable")  # of the names of the folders
    encoded = [png(pixels[number]) for number in order]
    given = raysq.prepare("images", {"image": encoded, "label": names[order]}, quiet=True)
    assert shards(given).equals(shards(expected))
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=sorted(set(names)))})
    pictures = datasets.Dataset.from_dict(
        {"image": [PIL.Image.fromarray(pixels[number]) for number in order], "label": names[order]}, features=features
    )
    assert shards(raysq.prepare("images", pictures, quiet=True)) == shards(given)
    paths = sorted(str(path) for path in (tmp_path / "pets").rglob("*.png"))
    named = datasets.Dataset.from_dict({"image": paths, "label": [Path(path).parent.name for path in paths]}, features)
    assert shards(raysq.prepare("images", named, quiet=True)) == shards(given)


def test_images_in_rows_are_predicted_as_their_array_is(digits):
    pixels, labels = digits
    raysq.prepare("images", {"image": pixels, "label": labels}, name="d", quiet=True)
    run = raysq.train("images", data="d", model="baseline", name="run", settings={"epochs": 1})
    model = raysq.load(run)
    expected = (
        model.predict(pixels).drop_columns("id")
        if "id" in model.predict(pixels).column_names
        else model.predict(pixels)
    )
    for given in (
        {"image": pixels},
        {"image": pixels, "label": labels},
        tf_data({"image": pixels}),
        pa.table({"image": [png(one) for one in pixels]}),
    ):
        assert model.predict(given).drop_columns("id").equals(expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": [1, 2]}, "no column of images; there are a"),
        ({"image": np.zeros((2, 8, 8)), "m": np.zeros((2, 8, 8))}, "several columns of images"),
        ({"image": np.zeros((2, 8, 8), np.uint8)}, "no column of labels"),
        ({"image": np.zeros((2, 8, 8), np.uint8), "label": ["a", None]}, "has no value in column 'label'"),
        ({"image": np.zeros((2, 8, 8), np.uint8), "label": [0.5, 1]}, "labels of images are texts or whole numbers"),
        ({"image": [b"\xff", b"\xfe"], "label": ["a/b", "c"]}, "label 'a/b' cannot be the name of a folder"),
        ({"image": [b"\xff", b"\xfe"], "label": ["a", "c"], "split": ["train", "?"]}, "column 'split' says '\\?'"),
    ],
)
def test_rows_that_hold_no_images_are_one_line(given, message):
    with pytest.raises(UsageError, match=message):
        raysq.prepare("images", given, quiet=True)


def test_a_ray_data_set_keeps_its_order(cluster, tmp_path):
    import ray.data

    columns, settings = TABLES["forecast"]
    pa.parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    expected = shards(raysq.prepare("forecast", tmp_path / "rows.parquet", settings=settings, quiet=True))
    dataset = ray.data.from_arrow([pa.table(batch) for batch in batches(columns)]).map_batches(lambda batch: batch)
    assert shards(raysq.prepare("forecast", dataset, settings=settings, quiet=True)) == expected
    tensors = ray.data.from_numpy(np.arange(24).reshape(4, 2, 3)).map_batches(lambda batch: batch)
    from raysq.data.frames import to_table

    assert to_table(tensors).schema.field("data").type == pa.fixed_shape_tensor(pa.int64(), [2, 3])
