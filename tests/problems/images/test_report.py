"""The page about a model of images: its figures are those of `evaluate`, its pictures the images, it stays small."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from problems.images.made import SMALL, make_dataset, pixels_of, write_npz
from report.test_page import VEGA, parsed, table_of, words

from raysq.errors import UsageError
from raysq.problems.charts import Picture
from raysq.problems.images.contact_sheet import channels_sheet, sheet, shrunk, vector_sheet
from raysq.report.page import write_report
from raysq.report.pictures import uri
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.evaluation import evaluate_in_detail
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def dataset(folder):
    return make_dataset(write_npz(folder / "x.npz"), folder / "data", shard_rows=100)


def trained(folder, dataset, model, **settings):
    config = resolve_config("images", model, dataset, 0, {**SMALL, "epochs": 2, **settings})
    run = Run.create(config, name=model, folder=folder / "runs")
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks())
    return run


def picture_of(address: str) -> np.ndarray:
    media_type, _, data = address.removeprefix("data:").partition(";base64,")
    assert media_type in ("image/png", "image/webp")
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return np.asarray(image.convert("RGBA"))


def test_the_page_of_a_classifier(folder, dataset):
    run = trained(folder, dataset, "cnn", units=12, learning_rate=0.0001)
    _, details = evaluate_in_detail(run, ("test",))
    path = write_report(run)
    root = parsed(path)
    counts = table_of(root, "Right and wrong")
    assert [[int(cell) for cell in row[1:]] for row in counts[1:]] == details["test"]["confusion"]
    text = words(root)
    for title in ("Sample inputs", "How sure it is", "Most confident mistakes", "What the layers see"):
        assert title in text
    assert "conv_1_2, 4 of 10 channels" in text.partition("The same channels of several images")[2]
    for layer in (
        "conv_1_1: 10 channels of 6 x 6",
        "conv_1_2: 10 channels of 4 x 4",
        "pool_1: 10 channels",
        "dense: 12 units",
    ):
        assert layer in text, layer
    assert "flatten" not in text.partition("What the layers see")[2].partition("Model")[0]
    images = list(root.iter("img"))
    assert all(image.get("alt") and int(image.get("width")) > 0 for image in images)
    mistakes = [image for image in images if "taken for" in image.get("alt")]
    wrong = sum(map(sum, details["test"]["confusion"])) - sum(details["test"]["confusion"][n][n] for n in range(3))
    assert len(mistakes) == min(24, wrong) > 0
    for image in mistakes:
        number = int(re.search(r"x_test:(\d+)", image.get("alt"))[1])
        assert np.array_equal(picture_of(image.get("src"))[..., 0], pixels_of(dataset)[180 + number, ..., 0])
    assert path.stat().st_size < 300_000 + VEGA
    (run.best / "state.json").rename(run.best / "state.kept")  # a second report needs no model
    try:
        (run.best / "state.json").write_text((run.best / "state.kept").read_text())
        assert len(list(parsed(write_report(run)).iter("img"))) == len(images)
    finally:
        (run.best / "state.kept").unlink()
    with pytest.raises(UsageError, match="has no option 'week'"):
        write_report(run, week="2014-05-05")


def test_the_page_of_an_autoencoder(folder, dataset):
    run = trained(folder, dataset, "autoencoder", code=9)
    root = parsed(write_report(run))
    text = words(root)
    metrics, _ = evaluate_in_detail(run, ("test",))
    assert (
        "Images, codes and reconstructions" in text and "codes, 9 numbers" in text and "Worst reconstructions" in text
    )
    reported = float(re.search(r"Mean squared error\s*([0-9.]+)", text.partition("How well images")[2])[1])
    assert reported == pytest.approx(metrics["autoencoder"]["test_mse"], rel=0.01)
    assert metrics["baseline"]["test_mse"] > 0
    rows = [image for image in root.iter("img") if image.get("alt") == "10 images"]
    drawn = picture_of(rows[0].get("src"))
    assert np.array_equal(drawn[:8, :8, 0], pixels_of(dataset)[180, ..., 0])


def test_sheets_by_hand():
    images = [np.full((2, 3, 1), value, np.uint8) for value in (10, 20, 30)]
    grid = sheet(images, 2, gap=1)
    assert grid.shape == (5, 7, 2)
    assert grid[:2, :3, 0].tolist() == [[10] * 3] * 2 and grid[3:, :3, 0].tolist() == [[30] * 3] * 2
    assert grid[..., 1].tolist() == [[255] * 3 + [0] + [255] * 3] * 2 + [[0] * 7] + [[255] * 3 + [0] * 4] * 2
    values = np.dstack([np.array([[0.0, 2.0]]), np.array([[5.0, 5.0]])])
    assert channels_sheet(values, 2).tolist() == [[64, 192, 0, 1, 1]], "mean and deviation; a dead channel is dark"
    assert vector_sheet(np.array([0.0, 1.0, 0.5])).tolist() == [[1, 255], [128, 0]]
    large = np.arange(64).reshape(1, 8, 8, 1).astype(np.uint8)
    assert shrunk(large, 8) is large
    assert shrunk(large, 4)[0, :, :, 0].tolist() == large.reshape(4, 2, 4, 2).mean((1, 3)).round().astype(int).tolist()


def test_pictures_are_written_without_loss_where_they_are_small():
    random = np.random.RandomState(0)
    gray = random.randint(0, 256, (5, 6)).astype(np.uint8)
    assert np.array_equal(picture_of("data:" + uri(Picture(gray)))[..., 0], gray)
    colors = random.randint(0, 256, (5, 6, 4)).astype(np.uint8)
    assert np.array_equal(picture_of("data:" + uri(Picture(colors)))[colors[..., 3] > 0], colors[colors[..., 3] > 0])
    colored = picture_of("data:" + uri(Picture(np.array([[0, 1, 255]], np.uint8), colored=True)))
    assert colored[0, :, 3].tolist() == [0, 255, 255], "nothing is drawn where it is 0"
    assert colored[0, 1, :3].sum() < colored[0, 2, :3].sum(), "from dark to bright"
    smooth = np.dstack([np.add.outer(np.arange(300), np.arange(300)) % 256] * 3).astype(np.uint8)
    noisy = np.clip(smooth + random.randint(-9, 9, smooth.shape), 0, 255).astype(np.uint8)
    assert len(uri(Picture(noisy))) < 0.5 * noisy.size
