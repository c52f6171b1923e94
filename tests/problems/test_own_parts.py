"""A person's own parts, groups and weights, in the same words for all problems of rows."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import raysq
from raysq.cli import main
from raysq.data.dataset import Dataset
from raysq.distributed.executor import ThreadExecutor
from raysq.distributed.ray_data import RayExecutor
from raysq.errors import DataError, SourceError, UsageError
from raysq.problems.arrays.problem import Tables
from raysq.problems.images.problem import Images
from raysq.problems.language_modeling.problem import LanguageModeling
from raysq.problems.text_classification.problem import TextClassification
from raysq.problems.translation.problem import Translation
from raysq.training.run_config import resolve_config

SETTINGS = {
    "classify": {"text": "text", "label": "label"},
    "arrays": {"target": "label", "inputs": "number"},
    "pairs": {"source": "text", "target": "other"},
    "text": {"text": "text"},
    "skipgram": {"text": "text"},
}
PROBLEMS = {"classify": TextClassification, "arrays": Tables, "pairs": Translation, "text": LanguageModeling}
NOUNS = {"classify": "document", "arrays": "row", "pairs": "pair", "text": "sentence", "skipgram": "text"}


def frame(rows=60, name="t", **columns):
    """Rows of three words, of which the last tells the frames apart; groups of five rows and rising weights."""
    number = np.arange(rows)
    words = [f"word{n % 7} place{n % 5} {name}{n}" for n in number]
    return pd.DataFrame(
        {
            "text": words,
            "other": [" ".join(text.split()[::-1]).replace("word", "mot") for text in words],
            "label": np.where(number % 3 == 0, "a", "b"),
            "number": number / 7 + (1000 if name != "t" else 0),
            "who": [f"{name}{n // 5}" for n in number],
            "w": 0.5 + number / rows,
            **columns,
        }
    )


def prepare(task, source, validation=None, **settings):
    return raysq.prepare(task, source, validation=validation, settings={**SETTINGS[task], **settings}, quiet=True)


def parts(dataset: Dataset):
    """Number of rows to train on, to test on and to validate on."""
    return np.bincount(dataset.column("part").slice(0, dataset.rows), minlength=3).tolist()


@pytest.mark.parametrize("task", SETTINGS)
def test_a_second_source_validates_and_touches_no_vocabulary(task):
    dataset = prepare(task, frame(), frame(20, "v"))
    assert parts(dataset) == [60, 0, 20]
    for extra in {"vocabulary", "source_vocabulary", "target_vocabulary"} & set(dataset.extras):
        words = dataset.extra(extra)
        counted = dict(zip(words.column("word").to_pylist(), words.column("count").to_pylist(), strict=True))
        assert not any(count for word, count in counted.items() if word.startswith("v"))
        assert counted["t59"] == 1
    source = dataset.manifest.source
    assert [len(source["files"]), len(source["validation"]["files"])] == [1, 1]
    assert source["validation"]["files"][0]["sha256"] != source["files"][0]["sha256"]
    assert "validates on DataFrame in memory" in dataset.manifest.preparation["messages"]
    if task in PROBLEMS:
        problem = PROBLEMS[task].from_dataset(dataset, {})
        splits = problem.splits(dataset)
        rows = splits["val"].rows
        assert rows.tolist() == list(range(60, 80)) and not len(splits["test"])
    if task == "arrays":
        (number,) = problem.metadata.numbers
        assert number["mean"] == pytest.approx(np.mean(np.arange(60) / 7), rel=1e-6)


@pytest.mark.parametrize("task", SETTINGS)
def test_a_changed_validation_is_another_data_set_and_the_same_is_found_again(task):
    first = prepare(task, frame(), frame(20, "v"))
    assert prepare(task, frame(), frame(20, "v")).directory == first.directory
    assert prepare(task, frame(), frame(21, "v")).fingerprint != first.fingerprint
    assert prepare(task, frame()).fingerprint != first.fingerprint


@pytest.mark.parametrize("task", ["classify", "arrays", "pairs", "text"])
def test_groups_stay_together_and_weights_are_those_of_the_rows(task):
    dataset = prepare(task, frame(), weight="w", group="who", test=0.3)
    problem = PROBLEMS[task].from_dataset(dataset, {"val": "0.3"})
    splits = problem.splits(dataset)
    assert all(len(splits[name]) for name in splits)
    who = np.array([row // 5 for row in range(60)])
    of_split = [set(who[splits[name].rows].tolist()) for name in splits]
    assert sum(map(len, of_split)) == len(set.union(*of_split)) == 12
    expected = np.float32(0.5 + np.arange(60) / 60)
    for examples in splits.values():
        weights = expected[examples.rows]
        if task == "text":  # one example for each word and for the end of the sentence
            weights = np.repeat(weights, 4)
        np.testing.assert_array_equal(examples.weights, weights)
        assert len(examples.weights) == len(examples)


def test_words_of_a_pair_have_its_weight():
    dataset = prepare("pairs", frame(), frame(20, "v"), weight="w")
    examples = Translation.from_dataset(dataset, {"examples": "words"}).splits(dataset)["val"]
    np.testing.assert_array_equal(examples.weights, np.repeat(np.float32(0.5 + np.arange(20) / 20), 4))


@pytest.mark.parametrize("task", ["classify", "arrays", "pairs", "text", "skipgram"])
def test_a_column_says_the_parts(task):
    fold = np.array(["train", "val", "test"])[np.arange(60) % 3]
    assert parts(prepare(task, frame(label=["a", "b"] * 30, fold=fold), split_column="fold")) == [20, 20, 20]


@pytest.mark.parametrize("task", ["classify", "arrays"])
def test_stratified_validation_has_the_share_of_each_class(task):
    table = frame(300, label=np.where(np.arange(300) % 10 == 0, "a", "b"))
    dataset = prepare(task, table, test=0)
    labels = np.arange(300) % 10 == 0
    problem = PROBLEMS[task].from_dataset(dataset, {"val": "0.2", "val_selection": "stratified"})
    splits = problem.splits(dataset)
    assert [int(labels[splits[name].rows].sum()) for name in ("train", "val")] == [24, 6]
    assert [len(splits[name]) for name in ("train", "val")] == [240, 60]
    some = {"val": "0.2", "val_selection": "stratified", "train_samples": 100}
    assert len(PROBLEMS[task].from_dataset(dataset, some).splits(dataset)["train"]) == 100
    with pytest.raises(DataError, match="train_samples=241 is more than the 240"):
        PROBLEMS[task].from_dataset(dataset, {**some, "train_samples": 241})
    with pytest.raises(DataError, match="val=0.0001 leaves no .* to validate on with val_selection=stratified"):
        PROBLEMS[task].from_dataset(dataset, {**some, "val": "0.0001"})


@pytest.mark.parametrize("task", ["classify", "arrays"])
def test_groups_and_classes_do_not_go_together(task):
    dataset = prepare(task, frame(), group="who")
    for selection in ("stratified", "first"):
        with pytest.raises(DataError, match=f"val_selection={selection} would divide .*s of one who"):
            PROBLEMS[task].from_dataset(dataset, {"val_selection": selection})


@pytest.mark.parametrize("task", ["classify", "arrays", "pairs", "text"])
def test_rows_that_are_in_both_parts_are_told(task):
    both = pd.concat([frame(20, "v"), frame(3)])
    dataset = prepare(task, frame(), both)
    problem = PROBLEMS[task]
    lines = problem.Preprocessor().describe(dataset.manifest.report)
    (line,) = [line for line in lines if "learned" in line and line.startswith("3 ")]
    assert "validation" in line


@pytest.mark.parametrize("task", ["classify", "arrays", "pairs", "text"])
@pytest.mark.parametrize(
    ("source", "validation", "settings", "kind", "message"),
    [
        (frame(), frame(), {}, DataError, "the frame.* is given to train on and to validate on"),
        (frame(), frame(20, "v", who="t3"), {"group": "who"}, DataError, "same who are to train on and of the valid"),
        (frame(who="x", fold=["train", "test"] * 30), None, {"group": "who", "split_column": "fold"}, DataError,
         "same who are to train on and of the test part"),
        (frame(w=-1.0), None, {"weight": "w"}, DataError, "weight column 'w' holds .*-1.* and a weight is a num"),
        (frame(w=[None] + [1.0] * 59), None, {"weight": "w"}, DataError, "weight column 'w' h.*, and a weight"),
        (frame(w=0), None, {"weight": "w"}, DataError, "weight column 'w' holds 0"),
        (frame(w="much"), None, {"weight": "w"}, DataError, "weight column 'w' holds"),
        (frame(w=0), frame(20, "v"), {"weight": "w"}, DataError, "weight column 'w' holds 0 for all rows to train on"),
        (frame(), None, {"weight": "v"}, DataError, "the frame has no column 'v'"),
        (frame(), None, {"group": "whom"}, DataError, "no column 'whom'.*--group names another"),
        (frame(), None, {"split_column": "fold"}, DataError, "no column 'fold'.*--split-column names another"),
        (frame(), None, {"split_column": "number"}, DataError, "column 'number'.* says '.*', and"),
        (frame(), frame(20, "v").drop(columns="who"), {"group": "who"}, DataError, "validat.* has no column 'who'"),
        (frame(), frame(0, "v"), {}, DataError, "frame to validate on .*no rows; give another --validation"),
        (frame(fold=["train", "val"] * 30), frame(20, "v", fold="val"), {"split_column": "fold"}, DataError,
         "the source says of 30 .*s that they are to validate on, and another one is given for that"),
        (frame(fold="train"), frame(20, "v", fold="train"), {"split_column": "fold"}, DataError,
         "is given to validate on, and says that it has rows of the train part"),
        (frame(), "/nowhere/x.csv", {}, SourceError, "^--validation: /nowhere/x.csv does not exist; it takes a file,"),
        (frame(), "sample", {}, UsageError, "--validation takes no sample, received 'sample'"),
        (frame(), 5, {}, UsageError, "--validation: .*received int"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(task, source, validation, settings, kind, message):
    with pytest.raises(kind, match=message) as told:
        prepare(task, source, validation, **settings)
    assert "\n" not in str(told.value) and "frame-" not in str(told.value)


@pytest.mark.parametrize("task", ["classify", "arrays"])
def test_classes_of_the_validation_part_alone_are_named(task):
    label = ["a", "b", "new", "odd"] * 5
    with pytest.raises(DataError, match="has 2 classes that the train part lacks.*: new, odd; take these rows out"):
        prepare(task, frame(), frame(20, "v", label=label))
    with pytest.raises(DataError, match="has 1 class that the train part lacks.* it: c"):
        fold = ["train", "train", "val"] * 20
        prepare(task, frame(label=["a", "b", "c"] * 20, fold=fold), split_column="fold")


def test_cells_of_another_kind_do_not_change_those_to_train_on():
    with pytest.raises(DataError, match="holds cells of kind text in column 'number', and the source of kind number"):
        prepare("arrays", frame(), frame(20, "v", number="many"))


@pytest.mark.parametrize(
    ("task", "setting", "reason"),
    [
        ("skipgram", "weight", "word vectors learn from the words of all texts in one stream"),
        ("skipgram", "group", "word vectors learn from the words of all texts in one stream"),
        ("skipgram", "val_selection", "texts have no classes to be stratified by"),
        ("pairs", "val_selection", "pairs have no classes to be stratified by"),
        ("pairs", "class_weight", "pairs have no classes: --weight"),
        ("text", "class_weight", "running text has no classes: --weight"),
        (
            "images",
            "split_column",
            "images are read from files, folders and arrays, which have none; .* the task arrays",
        ),
    ],
)
def test_what_has_no_meaning_has_a_reason(task, setting, reason):
    with pytest.raises(UsageError, match=f"^setting {setting}: .*{reason}"):
        raysq.prepare(task, frame(), settings={setting: "who"}, quiet=True)


def test_what_has_no_meaning_in_a_run_has_a_reason():
    dataset = prepare("pairs", frame())
    with pytest.raises(UsageError, match="has no setting 'val_selection': pairs have no classes to be stratified by"):
        resolve_config("pairs", "baseline", dataset, 0, {"val_selection": "stratified"})


@pytest.mark.parametrize("task", ["classify", "images"])
def test_ray_gives_the_same_bytes(task, cluster, monkeypatch):
    """Problems whose rows wait for a vocabulary, and those whose rows are written as they are read."""
    executors = iter([ThreadExecutor(2), RayExecutor(2)])
    monkeypatch.setattr("raysq.data.pipeline.choose_executor", lambda sizes, cpus: next(executors))
    if task == "classify":
        sources = {"source": frame(), "validation": frame(20, "v"), "settings": {**SETTINGS[task], "weight": "w"}}
    else:
        images, others = ({**pictures(rows, seed), "w": np.ones(rows)} for rows, seed in ((24, 0), (9, 1)))
        sources = {"source": images, "validation": others, "settings": {"weight": "w"}}
    contents = []
    for _ in range(2):
        dataset = raysq.prepare(task, **sources, fresh=True, quiet=True, shard_rows=16)
        files = sorted(dataset.directory.glob("*.arrow"))
        contents.append([path.read_bytes() for path in files])
    assert contents[0] == contents[1] and len(contents[0]) > 1 and parts(dataset)[2] > 0


def test_errors_do_not_name_the_file_of_a_frame():
    with pytest.raises(DataError, match="^the frame has no column 'price'; --target names another"):
        prepare("arrays", frame(), target="price")
    with pytest.raises(DataError, match="^row 3 of the frame: weight column 'w' holds -1.0"):
        prepare("classify", frame(w=[1.0, 1.0, -1.0] * 20), weight="w")


def test_folders_have_no_columns(tmp_path):
    for name in ("a/1.txt", "a/2.txt", "b/1.txt"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_text(f"some words {name}")
    for setting in ("weight", "group", "split_column"):
        option = f"--{setting.replace('_', '-')}"
        with pytest.raises(UsageError, match=f"{option} who names a column, and x has none: give a csv, JSON or Parq"):
            raysq.prepare("classify", tmp_path / "x", settings={setting: "who"}, quiet=True)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "json"])
def test_files_of_all_sorts_give_the_same_rows(ending, tmp_path):
    def written(name, table):
        path = tmp_path / f"{name}.{ending}"
        if ending == "csv":
            table.to_csv(path, index=False)
        elif ending == "parquet":
            table.to_parquet(path)
        else:
            table.to_json(path, orient="records", lines=ending == "jsonl")
        return path

    table = frame(who=np.arange(60) // 5, w=np.arange(60) % 3)
    dataset = prepare("classify", written("t", table), written("v", frame(20, "v", who=99)), weight="w", group="who")
    twin = prepare("classify", table, frame(20, "v", who=99), weight="w", group="who")
    for name in ("weight", "key", "part", "label"):
        values = [data.column(name).slice(0, 80) for data in (dataset, twin)]
        np.testing.assert_array_equal(*values)


def test_the_command_line_takes_a_validation(tmp_path, capsys):
    frame().to_csv(tmp_path / "t.csv", index=False)
    frame(20, "v").to_csv(tmp_path / "v.csv", index=False)
    source = ["prepare", "classify", "--source", str(tmp_path / "t.csv"), "--validation", str(tmp_path / "v.csv")]
    columns = ["--text", "text", "--label", "label", "--weight", "w", "--group", "who"]
    assert main([*source, *columns, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 80
    assert main([*source[:-1], str(tmp_path / "t.csv"), *columns]) == 1
    assert "t.csv is given to train on and to validate on" in capsys.readouterr().err
    assert main(["prepare", "skipgram", *source[2:4], "--weight", "w"]) == 2
    told = capsys.readouterr().err
    assert "--weight is for " in told and "word vectors learn from the words of all texts in one stream" in told


def pictures(rows=24, seed=0, labels="abc"):
    """Small gray images with labels."""
    pixels = np.random.RandomState(seed).randint(0, 256, (rows, 6, 5), np.uint8)
    return {"image": pixels, "label": [labels[row % len(labels)] for row in range(rows)]}


def image_parts(source, validation=None, **settings):
    return raysq.prepare("images", source, validation=validation, settings=settings, quiet=True)


def test_images_take_a_validation_and_its_classes_are_checked(tmp_path):
    dataset = image_parts(pictures(), pictures(9, 1, "b"))
    assert parts(dataset) == [24, 0, 9] and dataset.manifest.report["classes"] == ["a", "b", "c"]
    mean = Images.from_dataset(dataset, {}).input_spec(dataset).extra["mean"]()
    np.testing.assert_allclose(mean[..., 0], pictures()["image"].mean(0) / 255, atol=1e-6)
    assert parts(image_parts(pictures(), pictures(9, 1), test=0.5))[2] == 9
    with pytest.raises(
        DataError, match="has 2 classes that the train part lacks, so that no model can learn them: d, e"
    ):
        image_parts(pictures(), pictures(9, 1, "ade"))
    with pytest.raises(DataError, match="the frame is given to train on and to validate on"):
        image_parts(pictures(), pictures())
    with pytest.raises(
        DataError, match="source says of 12 images that they are to validate on, and another one is given"
    ):
        image_parts({**pictures(), "split": ["train", "validation"] * 12}, pictures(9, 1))
    with pytest.raises(DataError, match="to validate on, and says that it has rows of the train part"):
        image_parts(pictures(), {**pictures(9, 1), "split": ["train"] * 9})
    both = {name: np.concatenate([pictures(9, 1)[name], pictures()[name][:3]]) for name in ("image", "label")}
    problem = Images.from_dataset(image_parts(pictures(), both), {})
    assert any("3 " in line and "validation" in line for line in problem.describe())


def test_images_in_folders_of_parts_and_beside_each_other(tmp_path):
    for number, (pixels, label) in enumerate(zip(*pictures().values(), strict=True)):
        part = ("train", "train", "val", "test")[number // 3 % 4]
        path = tmp_path / "x" / part / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    assert parts(image_parts(tmp_path / "x")) == [12, 6, 6]
    one = image_parts(tmp_path / "x" / "train", tmp_path / "x" / "val")
    assert parts(one) == [12, 0, 6]
    assert one.manifest.source["validation"]["label"] == "val"


def test_images_of_arrays_have_weights_and_groups(tmp_path):
    number = np.arange(60)
    rows = {**pictures(60), "w": 0.5 + number / 60, "who": [f"p{n // 5}" for n in number]}
    dataset = image_parts(rows, weight="w", group="who", test=0.3)
    splits = Images.from_dataset(dataset, {"val": "0.3"}).splits(dataset)
    of_split = [set((splits[name].rows // 5).tolist()) for name in splits]
    assert all(of_split) and sum(map(len, of_split)) == len(set.union(*of_split)) == 12
    for examples in splits.values():
        np.testing.assert_array_equal(examples.weights, np.float32(0.5 + examples.rows / 60))
    other = {**pictures(9, 1), "w": np.ones(9), "who": ["q"] * 9}
    assert parts(image_parts(rows, other, weight="w", group="who")) == [60, 0, 9]
    np.savez(tmp_path / "x.npz", x_train=rows["image"], y_train=rows["label"], w_train=rows["w"], who_train=rows["who"])
    twin = image_parts(tmp_path / "x.npz", weight="w", group="who")
    for name in ("weight", "key"):
        np.testing.assert_array_equal(*(data.column(name).slice(0, 60) for data in (dataset, twin)))
    for settings, validation, message in (
        ({"weight": "v"}, None, "the rows have no column 'v'; --weight names another"),
        (
            {"group": "who"},
            {**pictures(9, 1), "who": ["p3"] * 9},
            "with the same who are to train on and of the valida",
        ),
        ({"weight": "w"}, pictures(9, 1), "the rows have no column 'w'"),
    ):
        with pytest.raises((DataError, UsageError), match=message):
            image_parts(rows, validation, **settings)
    for weights, message in ((-1, "x:0: weight column 'w' holds -1"), (0, "weight column 'w' holds 0 for all rows")):
        with pytest.raises(DataError, match=message):
            image_parts({**rows, "w": [weights] * 60}, weight="w")
    with pytest.raises(DataError, match="x.npz has x_train and no v_train beside it; --weight and --group name arrays"):
        image_parts(tmp_path / "x.npz", weight="v")


def test_images_without_columns_have_neither(tmp_path):
    for label in "ab":
        (tmp_path / "x" / label).mkdir(parents=True)
        Image.fromarray(pictures()["image"][0]).save(tmp_path / "x" / label / "1.png")
    content = (tmp_path / "x" / "a" / "1.png").read_bytes()
    for setting in ("weight", "group"):
        with pytest.raises(UsageError, match=f"--{setting} w names a column or an array, and x has neither"):
            image_parts(tmp_path / "x", **{setting: "w"})
        encoded = {"image": [content] * 4, "label": ["a", "b"] * 2, "w": [1, 2, 3, 4]}
        with pytest.raises(UsageError, match=f"--{setting} needs images that are arrays of one shape"):
            image_parts(encoded, **{setting: "w"})


def test_images_are_stratified(tmp_path):
    dataset = image_parts(pictures(60, labels="aaab"), test=0)
    splits = Images.from_dataset(dataset, {"val": "0.2", "val_selection": "stratified"}).splits(dataset)
    labels = dataset.column("label").slice(0, dataset.rows)
    assert [np.bincount(labels[splits[name].rows]).tolist() for name in ("train", "val")] == [[36, 12], [9, 3]]
