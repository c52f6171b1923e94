"""Images whose classes stand in a table beside them, and what of their folder is left out."""

import json

import numpy as np
import pytest
from problems.images.made import ids_of, labels_of, make_dataset, pixels_of, png, write_tree

from raysq.errors import DataError


def picture(number):
    """A gray image of its own, 4 x 4."""
    return np.full((4, 4), 5 * number, np.uint8) + np.arange(16, dtype=np.uint8).reshape(4, 4)


def pictures(folder, count=12, ending=".png"):
    return {f"{folder}{number}{ending}": png(picture(number)) for number in range(count)}


def table(rows, header="file,label", sign=","):
    return "\n".join([header.replace(",", sign), *(sign.join(map(str, row)) for row in rows)]).encode() + b"\n"


LABELS = ["cat" if number % 3 else "dog" for number in range(12)]


@pytest.mark.parametrize(
    ("files", "rows", "header", "sign"),
    [
        ("img/", [(f"{number}.png", LABELS[number]) for number in range(12)], "file,label", ","),
        ("img/", [(f"img/{number}.png", LABELS[number]) for number in range(12)], "path,category", ";"),
        ("", [(LABELS[number], f"{number}.png") for number in range(12)], "breed,filename", ","),
        ("img/", [(number, LABELS[number], 7) for number in range(12)], "id,class,size", ","),
    ],
)
def test_a_table_names_the_images_and_their_classes(tmp_path, files, rows, header, sign):
    data = {**pictures(files), "labels.csv": table(rows, header, sign), "notes.txt": b"x", ".DS_Store": b"x"}
    dataset = make_dataset(write_tree(tmp_path / "set", data), tmp_path / "out")
    assert ids_of(dataset) == [f"{files}{number}.png" for number in range(12)]
    assert labels_of(dataset) == LABELS
    assert np.array_equal(pixels_of(dataset)[..., 0], np.stack([picture(number) for number in range(12)]))
    messages = dataset.manifest.preparation["messages"]
    assert any("labels.csv" in line and "names the images" in line for line in messages)
    assert "left out, as they are no images by their names: notes.txt" in messages
    assert "left out, as they are hidden or written by the system: .DS_Store" in messages


def test_jsonl_of_the_hub_and_parts(tmp_path):
    data = {}
    for part, low in (("train", 0), ("validation", 6), ("test", 9)):
        numbers = range(low, {0: 6, 6: 9, 9: 12}[low])
        data |= {f"{part}/{number}.png": png(picture(number)) for number in numbers}
        lines = [json.dumps({"file_name": f"{number}.png", "label": LABELS[number]}) for number in numbers]
        data[f"{part}/metadata.jsonl"] = "\n".join(lines).encode()
    dataset = make_dataset(write_tree(tmp_path / "set", data), tmp_path / "out")
    order = [int(name.split("/")[1].removesuffix(".png")) for name in ids_of(dataset)]
    assert sorted(order) == list(range(12))
    part = dataset.column("part").slice(0, 12).tolist()
    assert part == [0 if number < 6 else 2 if number < 9 else 1 for number in order]
    assert labels_of(dataset) == [LABELS[number] for number in order]


def test_a_table_and_a_folder_that_disagree(tmp_path):
    rows = [(f"{number}.png", LABELS[number]) for number in range(12)]
    files = {**pictures("img/"), "labels.csv": table([*rows, ("gone.png", "cat")])}
    folder = write_tree(tmp_path / "set", files)
    with pytest.raises(DataError, match=r"1 rows of the table name no image .* labels\.csv:14 \(gone"):
        make_dataset(folder, tmp_path / "out")
    dataset = make_dataset(folder, tmp_path / "out", damaged="drop")
    assert dataset.rows == 12
    assert "left out, as there are no such images: labels.csv:14 (gone.png)" in dataset.manifest.preparation["messages"]
    fewer = write_tree(tmp_path / "fewer", {**pictures("img/"), "labels.csv": table(rows[:10])})
    dataset = make_dataset(fewer, tmp_path / "fewer-out")
    assert dataset.rows == 10
    assert (
        "left out, as labels.csv does not name them: img/10.png, img/11.png" in dataset.manifest.preparation["messages"]
    )
    twice = write_tree(tmp_path / "twice", {**pictures("img/"), "labels.csv": table([*rows, ("0.png", "cat")])})
    with pytest.raises(DataError, match=r"labels\.csv:14 names 0\.png again, with another class"):
        make_dataset(twice, tmp_path / "twice-out")
    two = {**pictures("img/"), "labels.csv": table(rows), "sample.csv": table(rows[:6])}
    with pytest.raises(DataError, match=r"labels\.csv and sample\.csv all name images and classes: keep one"):
        make_dataset(write_tree(tmp_path / "two", two), tmp_path / "two-out")
    unlabeled = write_tree(tmp_path / "none", {**pictures("img/"), "labels.csv": table([*rows[:11], ("11.png", "")])})
    with pytest.raises(DataError, match=r"labels\.csv:13 has no class in column 'label'"):
        make_dataset(unlabeled, tmp_path / "none-out")


def test_folders_of_classes_say_more_than_a_table(tmp_path):
    rows = [(f"a{number}.png", "cat" if number % 2 else "dog", number) for number in range(6)]
    files = {f"{'one' if number < 3 else 'two'}/a{number}.png": png(picture(number)) for number in range(6)}
    folder = write_tree(tmp_path / "set", {**files, "meta.csv": table(rows, "file,label,size")})
    dataset = make_dataset(folder, tmp_path / "out")
    assert dataset.manifest.report["classes"] == ["one", "two"]
    assert "left out, as they are no images by their names: meta.csv" in dataset.manifest.preparation["messages"]
    assert make_dataset(folder, tmp_path / "named", label="label").manifest.report["classes"] == ["cat", "dog"]
    with pytest.raises(DataError, match=r"meta\.csv has no column 'kind'|no table in it names its images"):
        make_dataset(folder, tmp_path / "wrong", label="kind")


def test_a_validation_part_of_ones_own_is_kept(tmp_path):
    from raysq.problems.images.problem import Images

    files = {}
    for number in range(12):
        part = "train" if number < 6 else "val" if number < 9 else "test"
        files[f"{part}/{'ab'[number % 2]}/{number}.png"] = png(picture(number))
    dataset = make_dataset(write_tree(tmp_path / "set", files), tmp_path / "out")
    names = np.array([int(name.split("/")[-1].removesuffix(".png")) for name in ids_of(dataset)])
    splits = Images.from_dataset(dataset, {"val": 0.5}).splits(dataset)
    rows = {name: sorted(names[np.asarray(split.rows)].tolist()) for name, split in splits.items()}
    assert rows == {"train": [0, 1, 2, 3, 4, 5], "val": [6, 7, 8], "test": [9, 10, 11]}
    assert dataset.manifest.report["counts"] == {"train": [3, 3], "test": [1, 2], "validation": [2, 1]}
    from raysq.problems.images.validation import describe

    assert "train part 6, validation part 3, test part 3, as the source says" in describe(dataset.manifest.report)


def test_parts_that_hold_images_alone_are_no_classes(tmp_path):
    files = {**pictures("train/", 4), **{f"test/x{number}.png": png(picture(number)) for number in range(3)}}
    with pytest.raises(DataError, match="has no folders of classes; .* or a csv file beside them"):
        make_dataset(write_tree(tmp_path / "set", files), tmp_path / "out")


def test_the_same_image_in_two_classes_is_told(tmp_path):
    from raysq.problems.images.validation import describe

    files = {f"{'ab'[number % 2]}/{number}.png": png(picture(number)) for number in range(10)}
    files |= {"a/again.png": png(picture(3)), "b/twice.png": png(picture(5)), "b/3too.png": png(picture(3))}
    dataset = make_dataset(write_tree(tmp_path / "set", files), tmp_path / "out", shard_rows=4)
    report = dataset.manifest.report
    # 3 lies twice in b and once in a; 5 twice in the same class.
    assert report["contradictions"] == {"count": 3, "names": ["a/again.png", "b/3.png", "b/3too.png"]}
    (line,) = [line for line in describe(report) if "another class" in line]
    assert line.startswith("3 images have the same pixels as one of another class (a/again.png, b/3.png, b/3too.png)")
