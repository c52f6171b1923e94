"""Preparing images: exact shards in order, the same bytes on any number of CPUs, equal images on one side."""

import json

import numpy as np
import pytest
from problems.images.made import (
    NAMES,
    ids_of,
    labels_of,
    make_dataset,
    marks,
    pixels_of,
    tree_files,
    write_npz,
    write_tree,
)

import raysq
from raysq import cli
from raysq.config import make_settings
from raysq.data.dataset import Dataset
from raysq.data.pipeline import fingerprint
from raysq.data.sources import resolve
from raysq.errors import UsageError
from raysq.problems.images.preprocessor import ImagePreprocessor
from raysq.problems.images.validation import describe


def test_the_same_bytes_by_threads_and_by_ray(cluster, tmp_path):
    from raysq.problems.images.readers import files

    tree = write_tree(tmp_path / "tree", tree_files(60))
    kept, files._MOST = files._MOST, 7
    try:
        made = [make_dataset(tree, tmp_path / f"out-{cpus}", cpus, shard_rows=16) for cpus in (None, 1, 4)]
    finally:
        files._MOST = kept
    for dataset in made[1:]:
        manifest, first = dataset.manifest, made[0].manifest
        assert [shard.sha256 for shard in manifest.shards] == [shard.sha256 for shard in first.shards]
        assert manifest.report == first.report
    assert [shard.rows for shard in made[0].manifest.shards] == [16, 16, 16, 12]
    assert [(column["name"], column["type"]) for column in made[0].manifest.schema] == [
        ("pixels", "fixed_size_list<item: uint8>[64]"),
        ("label", "int32"),
        ("part", "int8"),
        ("key", "uint64"),
        ("id", "large_string"),
    ]
    made[0].verify()
    pixels, labels = marks(60)
    order = np.argsort([ids_of(made[0]).index(name.removeprefix("set/")) for name in tree_files(60)])
    assert np.array_equal(pixels_of(made[0])[..., 0], pixels[order])
    assert labels_of(made[0]) == [NAMES[label] for label in labels[order]]


def test_shards_open_where_they_lie(tmp_path):
    dataset = make_dataset(write_npz(tmp_path / "x.npz"), tmp_path / "out", shard_rows=50)
    matrix = Dataset.open(dataset.directory).matrix("pixels")
    pixels = matrix.slice(0, 240)
    assert pixels.shape == (240, 64) and pixels.dtype == np.uint8 and len(matrix) == 240 and matrix.inner == (64,)
    assert not matrix.slice(0, 50).flags.writeable, "it was copied from the map"
    rows = np.random.RandomState(0).randint(0, 240, (5, 7))
    assert np.array_equal(matrix.take(rows), pixels[rows])
    assert matrix.take(np.empty(0, int)).shape == (0, 64)
    many = make_dataset(tmp_path / "x.npz", tmp_path / "many", shard_rows=8).matrix("pixels")  # sorted, not masked
    assert np.array_equal(many.take(rows), pixels[rows])
    with pytest.raises(IndexError):
        matrix.take(np.array([240]))


def test_rows_of_a_shard_follow_from_the_size():
    assert ImagePreprocessor(size="28", color="gray").shard_rows == 16384
    assert ImagePreprocessor(size="32", color="rgb").shard_rows == 16384
    assert ImagePreprocessor(size="224", color="rgb").shard_rows == 256
    assert ImagePreprocessor(size="4096", color="rgb").shard_rows == 1


def test_a_test_part_is_drawn_and_equal_images_stay_together(tmp_path):
    pixels, labels = marks(300)
    pixels = np.concatenate([pixels, pixels[:150]])
    np.savez(tmp_path / "x.npz", x=pixels, y=np.concatenate([labels, labels[:150]]))
    dataset = make_dataset(tmp_path / "x.npz", tmp_path / "out", test=0.3)
    part = dataset.column("part").slice(0, 450)
    assert np.array_equal(part[:150], part[300:])
    assert 0.2 < part[:300].mean() < 0.4
    keys = dataset.column("key").slice(0, 450)
    assert np.array_equal(keys[:150], keys[300:]) and len(np.unique(keys)) == 300
    assert dataset.manifest.report["parts"] == "drawn"
    none = make_dataset(tmp_path / "x.npz", tmp_path / "none", test=0)
    assert none.manifest.report["parts"] == "none" and any(
        "no test part" in line for line in describe(none.manifest.report)
    )
    for wrong in ({"test": 1}, {"size": "big"}, {"color": "blue"}, {"fit": "x"}, {"pixels": 3}):
        with pytest.raises(UsageError):
            make_settings(ImagePreprocessor, wrong)


def test_what_was_found_is_part_of_the_fingerprint(tmp_path):
    path = write_npz(tmp_path / "x.npz")
    source = resolve(path, suffixes=ImagePreprocessor.suffixes)
    plain, messages = ImagePreprocessor().infer(source.files)
    explicit, _ = ImagePreprocessor(size="8", color="gray", classes=tuple(sorted(NAMES))).infer(source.files)
    assert fingerprint(plain, source) != fingerprint(explicit, source) or plain.size == explicit.size
    assert fingerprint(plain, source) == fingerprint(ImagePreprocessor().infer(source.files)[0], source)
    other, _ = ImagePreprocessor(size="6").infer(source.files)
    assert fingerprint(other, source) != fingerprint(plain, source)
    assert messages == [
        "x_train: 180 images",
        "x_test: 60 images",
        "size: 8x8 (--size WIDTHxHEIGHT resizes)",
        "color: gray (--color rgb changes it)",
    ]


def test_the_command_line(tmp_path, capsys):
    tree = write_tree(tmp_path / "own pictures", tree_files())
    assert cli.main(["prepare", "images", "--source", str(tree), "--size", "6x4", "--color", "rgb", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["rows"] == 30 and result["report"]["shape"] == [4, 6, 3] and result["shards"] == 1
    assert cli.main(["prepare", "images", "--source", str(tree / "set" / "train"), "--test", "0.5"]) == 0
    assert "drawn by the images' checksums" in capsys.readouterr().err
    for option, value in (("--text", "x"), ("--id", "x")):
        assert cli.main(["prepare", "images", "--source", str(tree), option, value]) == 2
        assert "leave it out" in capsys.readouterr().err
    assert cli.main(["prepare", "imdb", "--source", str(tree), "--size", "6"]) == 2
    assert "--size is for images" in capsys.readouterr().err
    assert cli.main(["prepare", "images", "--source", "sample:7"]) == 2
    assert "number of images from 100" in capsys.readouterr().err


def test_mnist_as_keras_ships_it(real):
    dataset = raysq.prepare("mnist", str(real("mnist/mnist.npz")), quiet=True)
    with np.load(real("mnist/mnist.npz")) as file:
        assert np.array_equal(pixels_of(dataset)[:60000, ..., 0], file["x_train"])
        assert np.array_equal(pixels_of(dataset)[60000:, ..., 0], file["x_test"])
        labels = np.concatenate([file["y_train"], file["y_test"]])
    assert np.array_equal(dataset.column("label").slice(0, 70000), labels)
    assert dataset.manifest.bytes < 60e6


def test_cifar_10_as_published(real):
    dataset = raysq.prepare("cifar10", str(real("cifar10/cifar-10-batches-py")), quiet=True)
    counts = dataset.manifest.report["counts"]
    assert counts["train"] == [981, 1008, 996, 996, 1021, 977, 1012, 984, 972, 1053] and counts["test"] == [1000] * 10
    assert dataset.manifest.report["classes"][:3] == ["airplane", "automobile", "bird"]
    pixels = pixels_of(dataset)[10000:]
    np.testing.assert_allclose(pixels.mean((0, 1, 2)) / 255, [0.4942, 0.4851, 0.4504], atol=1e-3)
