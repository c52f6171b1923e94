"""The picture of a run's history: a PNG in the colors of the lines, whatever was measured."""

import io

import numpy as np
import pytest
from PIL import Image

from raysq.report.history import plot_history

TRAINING, VALIDATION = (0, 114, 178), (194, 78, 0)


def colors(path) -> set[tuple[int, int, int]]:
    pixels = np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))
    assert pixels.shape[0] > 300 and pixels.shape[1] > 600
    return {tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()}


def test_training_and_validation_are_drawn(tmp_path):
    records = [{"epoch": epoch, "loss": 1 / epoch, "val_loss": 1.2 / epoch} for epoch in (1, 2, 3)]
    plot_history(records, tmp_path / "history.png", title="a <run> & its name", synthetic=True)
    assert {TRAINING, VALIDATION, (255, 255, 255)} <= colors(tmp_path / "history.png")
    plot_history(records, tmp_path / "again.png", title="a <run> & its name", synthetic=True)
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "history.png").read_bytes()


@pytest.mark.parametrize("loss", [None, float("nan"), float("inf")])
def test_a_loss_that_was_not_measured_is_not_drawn(tmp_path, loss):
    records = [{"epoch": 1, "val_loss": 0.5, **({} if loss is None else {"loss": loss})}]
    plot_history(records, tmp_path / "history.png", title="one")
    found = colors(tmp_path / "history.png")
    assert VALIDATION in found and (loss is not None or TRAINING not in found)
