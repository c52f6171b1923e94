"""Raw files of every format become the same images, or are refused in one line; nothing in a pickle is run."""

import gzip
import io
import os
import pickle
import stat
import zipfile

import numpy as np
import pytest
from problems.images.made import (
    NAMES,
    cifar_files,
    ids_of,
    idx,
    labels_of,
    make_dataset,
    marks,
    pixels_of,
    png,
    tar_of,
    tree_files,
    write_npz,
    write_tree,
)

from raysq.errors import DataError, RaysqError, SourceError, UsageError
from raysq.problems.images.readers.unpickle import read as unpickle


def zip_of(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_a_folder_a_zip_and_a_tar_of_files_are_the_same_images(tmp_path):
    files = tree_files() | {"set/notes.txt": b"x", "set/train/dot/Thumbs.db": b"x", "set/train/.hidden.png": b"x"}
    tree = write_tree(tmp_path / "tree", files)
    sources = [tree, tree / "set", zip_of(tmp_path / "x.zip", files)]
    for name, compressed in (("x.tar", False), ("x.tar.gz", True)):
        (tmp_path / name).write_bytes(tar_of(dict(sorted(files.items())), compressed))
        sources.append(tmp_path / name)
    pixels, labels = marks(30)
    order = np.array(sorted(range(30), key=lambda number: sorted(tree_files()).index(list(tree_files())[number])))
    for number, source in enumerate(sources):
        dataset = make_dataset(source, tmp_path / f"out-{number}")
        row_of = {name.rpartition("/")[2]: index for index, name in enumerate(ids_of(dataset))}
        rows = [row_of[f"{index:03d}.png"] for index in range(30)]
        assert dataset.rows == 30 and np.array_equal(pixels_of(dataset)[rows, ..., 0], pixels), source
        assert [labels_of(dataset)[row] for row in rows] == [NAMES[label] for label in labels]
        assert dataset.column("part").take(np.array(rows)).tolist() == [int(index % 5 == 4) for index in range(30)]
        if source.suffix != ".zip":  # a zip keeps its own order
            assert np.array_equal(pixels_of(dataset)[..., 0], pixels[order]), source
        assert dataset.manifest.report["shape"] == [8, 8, 1] and dataset.manifest.report["classes"] == sorted(NAMES)


def test_a_large_tar_is_read_in_pieces_of_the_same_images(tmp_path, monkeypatch):
    from raysq.problems.images.readers import files as in_files
    from raysq.problems.images.readers import tar

    made = dict(sorted(tree_files().items()))
    for name, compressed in (("x.tar", False), ("x.tar.gz", True)):
        (tmp_path / name).write_bytes(tar_of(made, compressed))
    tree = write_tree(tmp_path / "tree", made)
    wanted = pixels_of(make_dataset(tree, tmp_path / "whole"))
    monkeypatch.setattr(tar, "_HELD", 7 * 64)
    monkeypatch.setattr(in_files, "_HELD", 4 * 64)
    for source in (tmp_path / "x.tar", tmp_path / "x.tar.gz", tree):
        dataset = make_dataset(source, tmp_path / f"out-{source.name}")
        assert np.array_equal(pixels_of(dataset), wanted)


def test_arrays_are_read_as_they_are(tmp_path):
    pixels, labels = marks(50)
    colors = np.random.RandomState(0).randint(0, 256, (50, 5, 6, 3)).astype(np.uint8)
    named = np.array(NAMES)[labels]

    def split(x, y):
        return {x[0]: pixels[:40], y[0]: labels[:40], x[1]: pixels[40:], y[1]: labels[40:]}

    cases = {
        "keras": (split(("x_train", "x_test"), ("y_train", "y_test")), pixels),
        "medical": (split(("train_images", "test_images"), ("train_labels", "test_labels")), pixels),
        "column": ({**split(("x_train", "x_test"), ("y_train", "y_test")), "y_train": labels[:40, None]}, pixels),
        "validation": (
            {
                "x_train": pixels[:20],
                "y_train": labels[:20],
                "x_val": pixels[20:40],
                "y_val": labels[20:40],
                "x_test": pixels[40:],
                "y_test": labels[40:],
            },
            pixels,
        ),
        "all": ({"x": pixels, "y": named}, pixels),
        "wide": ({"images": pixels.astype(np.int64), "labels": labels.astype(float)}, pixels),
        "flat": ({"x": pixels.reshape(50, 64), "y": named.astype("S")}, pixels),
        "colors": ({"x": np.asfortranarray(colors), "y": labels}, colors),
    }
    for save in (np.savez, np.savez_compressed):
        for name, (arrays, wanted) in cases.items():
            path = tmp_path / f"{name}-{save.__name__}.npz"
            save(path, **arrays)
            dataset = make_dataset(path, tmp_path / path.stem)
            assert np.array_equal(pixels_of(dataset).reshape(wanted.shape), wanted), path
            if name not in ("all", "wide", "flat", "colors"):
                second = 2 if name == "validation" else 0
                assert dataset.column("part").slice(0, 50).tolist() == [0] * 20 + [second] * 20 + [1] * 10
            texts = name in ("all", "flat")
            assert labels_of(dataset) == (named.tolist() if texts else [str(label) for label in labels])
            if name == "medical":
                assert ids_of(dataset)[0] == "train_images:0" and ids_of(dataset)[-1] == "test_images:9"


def test_large_arrays_are_read_in_pieces(tmp_path, monkeypatch):
    from raysq.problems.images.readers import npz

    path = write_npz(tmp_path / "x.npz", 100, 30)
    wanted = make_dataset(path, tmp_path / "whole")
    monkeypatch.setattr(npz, "_HELD", 64 * 23)
    monkeypatch.setattr(npz, "_BLOCK", 64 * 9)
    dataset = make_dataset(path, tmp_path / "pieces")
    assert np.array_equal(pixels_of(dataset), pixels_of(wanted)) and ids_of(dataset) == ids_of(wanted)
    assert labels_of(dataset) == labels_of(wanted)


@pytest.mark.parametrize("compressed", [False, True])
def test_idx_files_written_by_hand(tmp_path, compressed):
    pixels, labels = marks(30)
    labels = labels.astype(np.uint8)
    files = {
        "train-images-idx3-ubyte": idx(pixels[:20]),
        "train-labels-idx1-ubyte": idx(labels[:20]),
        "t10k-images-idx3-ubyte": idx(pixels[20:]),
        "t10k-labels-idx1-ubyte": idx(labels[20:]),
    }
    if compressed:
        files = {f"{name}.gz": gzip.compress(data) for name, data in files.items()}
    folder = write_tree(tmp_path / "raw", files)
    for number, source in enumerate((folder, folder.parent)):
        dataset = make_dataset(source, tmp_path.parent / f"{tmp_path.name}-out-{number}")
        assert np.array_equal(pixels_of(dataset)[..., 0], pixels)
        assert labels_of(dataset) == [str(label) for label in labels]
        assert dataset.column("part").slice(0, 30).tolist() == [0] * 20 + [1] * 10
    name, end = "train-images-idx3-ubyte", ".gz" if compressed else ""
    for message, data in {
        "cut short": idx(pixels[:20])[:-5],
        "goes on": idx(pixels[:20]) + b"\0",
        "not an IDX file": b"\x89PNG" + idx(pixels[:20]),
        "20 labels": idx(pixels[:19]),
        "an image has more than": bytes([0, 0, 8, 3]) + b"\xff" * 12,
    }.items():
        (folder / (name + end)).write_bytes(gzip.compress(data) if compressed else data)
        with pytest.raises(DataError, match=message):
            make_dataset(folder, tmp_path / "bad")
    os.unlink(folder / f"train-labels-idx1-ubyte{end}")
    (folder / (name + end)).write_bytes(gzip.compress(idx(pixels)) if compressed else idx(pixels))
    with pytest.raises(DataError, match="train-labels-idx1-ubyte must lie beside it"):
        make_dataset(folder, tmp_path / "bad")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_batches_of_cifar(tmp_path, protocol):
    files = cifar_files(protocol=protocol)
    tree = write_tree(tmp_path / "tree", files)
    (tmp_path / "x.tar.gz").write_bytes(tar_of(files))
    data = np.concatenate(
        [
            pickle.loads(files[f"cifar-10-batches-py/{n}"])[b"data"]
            for n in ("data_batch_1", "data_batch_2", "test_batch")
        ]
    )
    # Red, green and blue planes one after another, each row by row.
    wanted = np.stack([data[:, index * 1024 : (index + 1) * 1024].reshape(-1, 32, 32) for index in range(3)], -1)
    for source in (tree, tree / "cifar-10-batches-py", tmp_path / "x.tar.gz"):
        dataset = make_dataset(source, tmp_path / f"out-{source.name}")
        assert np.array_equal(pixels_of(dataset), wanted)
        assert dataset.manifest.report["classes"] == ["plane", "car", "bird"]
        assert labels_of(dataset) == ["plane", "car", "bird"] * 6
        assert dataset.column("part").slice(0, 18).tolist() == [0] * 12 + [1] * 6
        messages = " ".join(dataset.manifest.preparation["messages"])
        assert "data_batch_3, data_batch_4, data_batch_5 are not there: 20,000 of 50,000 images" in messages


def test_cifar_100_by_its_fine_labels(tmp_path):
    data = np.zeros((4, 3072), np.uint8)
    for name in ("train", "test"):
        batch = {b"data": data, b"fine_labels": [0, 1, 1, 0], b"coarse_labels": [0, 0, 0, 0]}
        write_tree(tmp_path / "c", {f"cifar-100-python/{name}": pickle.dumps(batch, 2)})
    meta = {b"fine_label_names": [b"apple", b"whale"], b"coarse_label_names": [b"all"]}
    write_tree(tmp_path / "c", {"cifar-100-python/meta": pickle.dumps(meta, 2)})
    dataset = make_dataset(tmp_path / "c", tmp_path / "out")
    assert labels_of(dataset) == ["apple", "whale", "whale", "apple"] * 2


class Harm:
    """Its pickle, read as pickles usually are, makes a file."""

    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


def test_nothing_in_a_pickle_is_run(tmp_path):
    sign = tmp_path / "harmed"
    harms = [
        Harm(os.system, f"touch {sign}"),
        Harm(eval, f"open({str(sign)!r}, 'w')"),
        Harm(getattr, "x", "format"),
        Harm(np.fromfile, "/etc/passwd"),
        Harm(open, str(sign), "w"),
    ]
    usual = pickle.dumps(harms[0])
    pickle.loads(usual)
    assert sign.exists(), "the pickle does harm, read as usual"
    sign.unlink()
    for protocol in range(6):
        for harm in harms:
            for holder in (harm, [harm], {b"data": harm}):
                with pytest.raises(DataError, match="nothing of it was run"):
                    unpickle(pickle.dumps(holder, protocol), "data_batch_1")
    assert not sign.exists()
    files = cifar_files()
    files["cifar-10-batches-py/data_batch_1"] = usual
    with pytest.raises(DataError, match="data_batch_1 is a pickle that asks for posix.system"):
        make_dataset(write_tree(tmp_path / "tree", files), tmp_path / "out")
    assert not sign.exists()


def test_pickles_that_are_none_or_hold_something_else_are_refused(tmp_path):
    intact = pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}, 2)
    objects = np.array([{}, []], object)
    for message, raw in {
        "damaged": intact[:-40],
        "damaged or not": b"<html>",
        "not a dictionary": pickle.dumps([1, 2]),
        "asks for": pickle.dumps({b"data": objects}),
        "an array of": pickle.dumps({b"data": np.zeros(3)}),
        "asks for a change": b"cnumpy.core.multiarray\n_reconstruct\n}b.",
        "asks for something outside": b"Pname\n.",
    }.items():
        with pytest.raises(DataError, match=message):
            unpickle(raw, "batch")
    # A size that is claimed is not made room for.
    huge = intact.replace(b"M\x00\x0c", b"J\xff\xff\xff\x7f", 1)
    assert huge != intact
    with pytest.raises(DataError, match="another size"):
        unpickle(huge, "batch")
    tree = cifar_files()
    for message, batch in {
        "must be bytes of shape": {b"data": np.zeros((2, 3000), np.uint8), b"labels": [0, 1]},
        "list of 2 labels": {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]},
    }.items():
        tree["cifar-10-batches-py/data_batch_2"] = pickle.dumps(batch, 2)
        with pytest.raises(DataError, match=message):
            make_dataset(write_tree(tmp_path / "tree", tree), tmp_path / "out")


def test_archives_that_are_not_to_be_trusted(tmp_path):
    image = png(np.zeros((8, 8), np.uint8))
    files = {"a/1.png": image, "b/1.png": image}
    for name in ("../c/1.png", "/c/1.png", "a/../../1.png"):
        escaping = {name: image}
        path = zip_of(tmp_path / "x.zip", files | escaping)
        with pytest.raises(DataError, match="leads out of the archive"):
            make_dataset(path, tmp_path / "out")
        (tmp_path / "x.tar.gz").write_bytes(tar_of(files | escaping))
        with pytest.raises(DataError, match="leads out of the archive"):
            make_dataset(tmp_path / "x.tar.gz", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        link = zipfile.ZipInfo("a/2.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        make_dataset(tmp_path / "link.zip", tmp_path / "out")
    intact = zip_of(tmp_path / "cut.zip", files).read_bytes()
    (tmp_path / "cut.zip").write_bytes(intact[: len(intact) // 2])
    with pytest.raises(DataError, match=r"cut\.zip is damaged or cut short"):
        make_dataset(tmp_path / "cut.zip", tmp_path / "out")
    outside = tmp_path / "outside.png"
    outside.write_bytes(image)
    tree = write_tree(tmp_path / "tree", files)
    (tree / "a" / "2.png").symlink_to(outside)
    with pytest.raises(SourceError, match="a link that leads out"):
        make_dataset(tree, tmp_path / "out")


BAD = {
    "objects": ("holds Python objects", {"x": np.array([[{}]], object), "y": [0]}),
    "labels of objects": ("Python objects", {"x": np.zeros((2, 4, 4), np.uint8), "y": np.array(["a", None], object)}),
    "floats": (
        "whole numbers from 0 to 255.*float64 from 0 to 0.5",
        {"x": np.array([[[0.5, 0]] * 2] * 2), "y": [0, 1]},
    ),
    "beyond": ("from 0 to 256", {"x": np.array([[[256, 0]] * 2] * 2), "y": [0, 1]}),
    "shape": ("has shape", {"x": np.zeros((2, 3, 32, 32), np.uint8), "y": [0, 1]}),
    "flat": ("has shape", {"x": np.zeros((2, 65), np.uint8), "y": [0, 1]}),
    "one-hot": ("argmax", {"x": np.zeros((2, 4, 4), np.uint8), "y": np.eye(2)}),
    "too few": ("3 images and y 2 labels", {"x": np.zeros((3, 4, 4), np.uint8), "y": [0, 1]}),
    "none": ("no labels beside it", {"x": np.zeros((2, 4, 4), np.uint8)}),
    "names": ("no arrays of images", {"pictures": np.zeros((2, 4, 4), np.uint8)}),
    "one": ("one class only", {"x": np.zeros((2, 4, 4), np.uint8), "y": [1, 1]}),
    "nan": ("labels are whole numbers or texts", {"x": np.zeros((2, 4, 4), np.uint8), "y": [1.0, np.nan]}),
    "empty": ("no images|one class|no arrays|two", {"x": np.zeros((0, 4, 4), np.uint8), "y": np.zeros(0, int)}),
}


@pytest.mark.parametrize("name", BAD)
def test_arrays_that_cannot_be_used(tmp_path, name):
    message, arrays = BAD[name]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message) as error:
        make_dataset(tmp_path / "bad.npz", tmp_path / "out")
    assert "\n" not in str(error.value)


def test_npz_files_that_are_damaged(tmp_path):
    intact = write_npz(tmp_path / "x.npz").read_bytes()
    for number, raw in enumerate((intact[:-200], b"no zip", intact[:300] + b"\0" * 64 + intact[364:])):
        (tmp_path / f"bad-{number}.npz").write_bytes(raw)
        with pytest.raises(DataError, match="damaged"):
            make_dataset(tmp_path / f"bad-{number}.npz", tmp_path / "out")


def test_folders_that_cannot_be_used(tmp_path):
    image, wide = png(np.zeros((8, 8), np.uint8)), png(np.zeros((8, 80), np.uint8))
    many = {f"{name}/{n}.png": image for name in "ab" for n in range(10)}
    for message, files in {
        "one class only": {"a/1.png": image},
        "no folders of classes": {"1.png": image, "2.png": image},
        "no images": {"a/1.txt": b"x", "b/1.txt": b"x"},
        "different sizes, from 8x8 to 80x8; say to which.*--size 64x64": {"a/1.png": image, "b/1.png": wide},
        "a/x.png is not an image": {**many, "a/x.png": b"<html>"},
        "a/x.png is empty": {**many, "a/x.png": b""},
        "none to train on": {"test/a/1.png": image, "test/b/1.png": image},
    }.items():
        folder = write_tree(tmp_path / str(abs(hash(message))), files)
        with pytest.raises(RaysqError, match=message) as error:
            make_dataset(folder, tmp_path / "out", test=0)
        assert "\n" not in str(error.value)


def test_images_that_are_not_like_the_others_are_told(tmp_path):
    pixels, labels = marks(60)
    files = {
        f"{NAMES[label]}/{number}.png": png(image)
        for number, (image, label) in enumerate(zip(pixels, labels, strict=True))
    }
    files |= {"dot/other.png": png(np.zeros((9, 8), np.uint8)), "dot/bad.png": b"<html>", "dot/worse.jpg": b""}
    dataset = make_dataset(write_tree(tmp_path / "tree", files), tmp_path / "out", damaged="drop", test=0.2)
    report = dataset.manifest.report
    assert report["images"] == 61 and report["resized"] == 1 and report["shape"] == [8, 8, 1]
    assert report["damaged"] == {"count": 2, "names": ["dot/bad.png", "dot/worse.jpg"]}
    from raysq.problems.images.validation import describe

    lines = " ".join(describe(report))
    assert "1 image had another size and was resized" in lines
    assert "2 files could not be read and were left out: dot/bad.png, dot/worse.jpg" in lines


def test_classes_that_a_person_names(tmp_path):
    pixels, labels = marks(30)
    np.savez(tmp_path / "x.npz", x=pixels, y=labels)
    dataset = make_dataset(tmp_path / "x.npz", tmp_path / "out", classes=NAMES)
    assert labels_of(dataset) == [NAMES[label] for label in labels]
    assert dataset.manifest.report["classes"] == list(NAMES)
    with pytest.raises(DataError, match="has the label 2, which is none of the classes"):
        make_dataset(tmp_path / "x.npz", tmp_path / "out", classes=("a", "b"))
    with pytest.raises(UsageError, match="two different names"):
        make_dataset(tmp_path / "x.npz", tmp_path / "out", classes=("a", "a"))


def test_colors_and_sizes_are_found_or_said(tmp_path):
    gray, colors = png(np.full((8, 8), 9, np.uint8)), png(np.full((8, 8, 3), (200, 0, 0), np.uint8))
    mixed = {f"{name}/{n}.png": colors if n == 3 else gray for name in "ab" for n in range(4)}
    tree = write_tree(tmp_path / "tree", mixed)
    assert make_dataset(tree, tmp_path / "rgb").manifest.report["shape"] == [8, 8, 3]
    dataset = make_dataset(tree, tmp_path / "gray", color="gray", size="4x6")
    assert dataset.manifest.report["shape"] == [6, 4, 1]
    assert dataset.manifest.preparation["settings"]["size"] == "4x6"


def test_several_sorts_of_files_are_refused(tmp_path):
    write_npz(tmp_path / "x.npz")
    (tmp_path / "x.csv").write_text("label,a\n")
    with pytest.raises(DataError, match="different sorts"):
        make_dataset(tmp_path, tmp_path / "out")
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    (tmp_path / "x.npy").write_bytes(buffer.getvalue())
    with pytest.raises(SourceError, match="not a file that ends in"):
        make_dataset(tmp_path / "x.npy", tmp_path / "out")
