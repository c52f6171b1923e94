"""Csv files of pixels: with names and without, labels first or last, and other values of max_pixel than 255."""

import gzip

import numpy as np
import pytest
from problems.images.made import labels_of, make_dataset, marks, pixels_of, write_npz

from raysq.errors import DataError, UsageError
from raysq.problems.images import validation
from raysq.problems.images.preprocessor import ImagePreprocessor


def test_a_csv_of_pixels_as_kaggle_has_it(tmp_path):
    pixels, labels = marks(40)
    header = "label," + ",".join(f"pixel{index}" for index in range(64)) + "\n"
    lines = [
        f"{label}," + ",".join(map(str, image.ravel())) + "\n" for image, label in zip(pixels, labels, strict=True)
    ]
    (tmp_path / "x.csv").write_text(header + "".join(lines))
    (tmp_path / "bare.csv").write_text("".join(lines))
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress((header + "".join(lines)).encode()))
    for name in ("x.csv", "bare.csv", "x.csv.gz"):
        dataset = make_dataset(tmp_path / name, tmp_path / f"out-{name}")
        assert np.array_equal(pixels_of(dataset)[..., 0], pixels), name
        assert labels_of(dataset) == [str(label) for label in labels]
    for message, text in {
        "whole numbers from 0 to 255": header + lines[1] + lines[0].replace(",", ",999,", 1).rsplit(",", 1)[0] + "\n",
        "pixels of a square": "label,a,b,c\n1,2,3,4\n",
        "no column of labels": header[6:] + lines[0].partition(",")[2],
        "empty cells": header + lines[1] + ",".join([lines[0].partition(",")[0], "", *lines[0].split(",")[2:]]),
    }.items():
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            make_dataset(tmp_path / "bad.csv", tmp_path / "bad")


def test_a_csv_without_names_has_its_labels_first_or_last(tmp_path):
    """As scikit-learn and UCI have their digits: pixels from 0 to 16, the label behind them."""
    pixels, labels = marks(40)
    pixels //= 16
    pixels[:, 0, 0] = 0
    lines = [",".join(map(str, [*image.ravel(), label])) for image, label in zip(pixels, labels, strict=True)]
    (tmp_path / "x.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "named.csv").write_text(",".join([*(f"p{n}" for n in range(64)), "digit"]) + "\n" + "\n".join(lines))
    for name, settings in (("x.csv", {}), ("x.csv", {"label": "65"}), ("named.csv", {"label": "digit"})):
        dataset = make_dataset(tmp_path / name, tmp_path / f"out-{name}-{len(settings)}", **settings)
        assert np.array_equal(pixels_of(dataset)[..., 0], pixels), name
        assert labels_of(dataset) == [str(label) for label in labels]
        assert any("max_pixel=15 scales pixels" in line for line in validation.describe(dataset.manifest.report))
    scaled = make_dataset(tmp_path / "x.csv", tmp_path / "scaled", max_pixel=15)
    assert np.array_equal(pixels_of(scaled)[..., 0], pixels * 17)
    descriptions = validation.describe(scaled.manifest.report)
    without = {name: value for name, value in scaled.manifest.report.items() if name != "brightest"}
    assert len(descriptions) == 2 and validation.describe(without) == descriptions
    rows = [
        [*(f"{value / 16:g}" for value in image.ravel()), str(label)]
        for image, label in zip(pixels, labels, strict=True)
    ]
    (tmp_path / "fractions.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    dataset = make_dataset(tmp_path / "fractions.csv", tmp_path / "fractions", max_pixel=1)
    assert np.array_equal(pixels_of(dataset)[..., 0], np.rint(pixels / 16 * 255))
    for name, settings, message in (
        ("x.csv", {"label": "kind"}, "no column 'kind': there are 65, without names: give the number of one"),
        ("named.csv", {"label": "kind"}, "no column 'kind': there are 65, the first are p0"),
        ("named.csv", {}, "no column of labels named label.* --label NAME names it"),
        ("x.csv", {"max_pixel": 9}, "must hold numbers from 0 to 9, as max_pixel=9 says"),
    ):
        with pytest.raises(DataError, match=message):
            make_dataset(tmp_path / name, tmp_path / "bad", **settings)
    (tmp_path / "nothing.csv.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match="nothing.csv.gz is empty"):
        make_dataset(tmp_path / "nothing.csv.gz", tmp_path / "bad")
    with pytest.raises(UsageError, match="max_pixel must be the value of a white pixel"):
        make_dataset(tmp_path / "x.csv", tmp_path / "bad", max_pixel=0)
    with pytest.raises(DataError, match="is no csv file.* leave out --label"):
        make_dataset(write_npz(tmp_path / "x.npz"), tmp_path / "bad", label="digit")


def test_settings_that_came_later_change_no_fingerprint():
    assert not {"label", "max_pixel"} & ImagePreprocessor().to_config().keys()
    assert {"label", "max_pixel"} <= ImagePreprocessor(label="65", max_pixel=16).to_config().keys()


def test_a_csv_of_pixels_however_it_is_written(tmp_path):
    pixels, labels = marks(40)
    names = ["label", *(f"p{index}" for index in range(64))]
    rows = [[f"class {label}", *map(str, image.ravel())] for image, label in zip(pixels, labels, strict=True)]
    for name, text, settings in (
        ("semicolon.csv", "\n".join(map(";".join, [names, *rows])).encode(), {}),
        ("utf16.csv", "\n".join(map(",".join, [names, *rows])).encode("utf-16"), {}),
        (
            "quoted.csv.gz",
            gzip.compress(("\r\n".join('"' + '","'.join(row) + '"' for row in [names, *rows])).encode()),
            {},
        ),
        ("units.csv", "\n".join(map(",".join, [names, ["-"] * 65, *rows])).encode(), {"skip": 1}),
        ("numbers.csv", "\n".join(map(",".join, rows)).encode(), {"header": False, "label": "1"}),
    ):
        (tmp_path / name).write_bytes(text)
        dataset = make_dataset(tmp_path / name, tmp_path / f"out-{name}", **settings)
        assert np.array_equal(pixels_of(dataset)[..., 0], pixels), name
        assert labels_of(dataset) == [f"class {label}" for label in labels]
    rows[3][0], rows[8][0] = '"class 0', 'class 1"'
    (tmp_path / "open.csv").write_text("\n".join(map(",".join, [names, *rows])))
    with pytest.raises(DataError, match=r"^open\.csv, line 5 opens a quote that "):
        make_dataset(tmp_path / "open.csv", tmp_path / "open")
