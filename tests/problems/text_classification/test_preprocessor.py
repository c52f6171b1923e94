"""Preparing documents: one vocabulary, exact shards in order, the same bytes on any number of CPUs."""

import json
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from problems.text_classification.corpus import bind

from raysq.config import make_settings
from raysq.data.dataset import SHARD_ROWS, Dataset
from raysq.data.pipeline import build, fingerprint, read_table
from raysq.data.sources import resolve
from raysq.errors import DataError, SourceError, UsageError
from raysq.problems.text_classification.preprocessor import TextClassificationPreprocessor
from raysq.tasks.prepare import prepare
from raysq.text.documents import DocumentPredictionPreprocessor

pytestmark = pytest.mark.usefixtures("cluster")
IDENTITY = {"task": "classify", "problem": "text_classification", "name": "x"}


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def some_rows(seed: int, count: int, **more) -> list[dict]:
    source = np.random.RandomState(seed)
    rows = []
    for number in range(count):
        words = [f"W{rank}" for rank in source.zipf(1.5, source.randint(0, 30)) if rank < 200]
        rows.append({"text": " ".join(words) + ".", "label": ("b", "a", "c")[number % 3], **more})
    return rows


def make_dataset(
    source: Path, target: Path, cpus: int | None = None, shard_rows: int | None = None, **settings
) -> Dataset:
    found = resolve(source, suffixes=TextClassificationPreprocessor.suffixes, trees=True)
    preparation, told = make_settings(TextClassificationPreprocessor, settings).infer(found.files)
    return build(preparation, found, target, IDENTITY, messages=told, shard_rows=shard_rows, cpus=cpus)


def documents(dataset: Dataset) -> list[list[str | None]]:
    """The words of every document, None for those that the vocabulary lacks."""
    words = [*dataset.extra("vocabulary").column("word").to_pylist(), None]
    tokens = dataset.ragged("tokens")
    return [[words[token] for token in tokens.row(row)] for row in range(dataset.rows)]


def test_documents_become_words_of_one_vocabulary(tmp_path):
    rows = some_rows(0, 500)
    dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out", excerpt=5)
    assert [(column["name"], column["type"]) for column in dataset.manifest.schema] == [
        ("tokens", "large_list<item: int32>"),
        ("label", "int32"),
        ("part", "int8"),
        ("key", "uint32"),
        ("id", "large_string"),
        ("text", "large_string"),
    ]
    assert dataset.manifest.shard_rows == TextClassificationPreprocessor.shard_rows != SHARD_ROWS
    texts = [row["text"] for row in rows]
    key = dataset.column("key").slice(0, 500)
    assert key.tolist() == [zlib.crc32(text.encode()) for text in texts]
    part = dataset.column("part").slice(0, 500)
    assert part.tolist() == (key < 0.1 * 2**32).tolist()
    assert [array.to_pylist() for array in dataset.arrow("text")] == [[text[:5] for text in texts]]
    classes = dataset.manifest.report["classes"]
    assert classes == ["a", "b", "c"]
    assert [classes[label] for label in dataset.column("label").slice(0, 500)] == [row["label"] for row in rows]
    # Counted in the train part alone, as a Counter does: by count, ties in order of first appearance.
    split = [text.lower().replace(".", " ").split() for text in texts]
    counts = Counter(word for words, side in zip(split, part, strict=True) if side == 0 for word in words)
    vocabulary = dataset.extra("vocabulary")
    assert vocabulary.column("word").to_pylist() == [word for word, _ in counts.most_common()]
    assert vocabulary.column("count").to_pylist() == [count for _, count in counts.most_common()]
    assert documents(dataset) == [[word if word in counts else None for word in words] for words in split]
    assert None in {word for words in documents(dataset) for word in words}
    report = dataset.manifest.report
    assert report["counts"] == {
        side: [sum(row["label"] == name and p == number for row, p in zip(rows, part, strict=True)) for name in classes]
        for number, side in enumerate(("train", "test", "validation"))
    }
    assert report["empty"] == sum(not words for words in split) > 0
    assert (report["tokens"], report["longest"]) == (sum(map(len, split)), max(map(len, split)))
    assert (report["documents"], report["words"], report["parts"]) == (500, len(counts), "drawn")
    remarks = TextClassificationPreprocessor().describe(report)
    assert remarks[0] == "500 documents of 3 classes: a 167, b 167, c 166"
    assert any("drawn by the texts' checksums" in line for line in remarks)
    assert any(f"{report['empty']} documents have no words" in line for line in remarks)


def test_vocabulary_of_all_documents_and_no_test_part(tmp_path):
    path = write_jsonl(tmp_path / "x.jsonl", some_rows(0, 300))
    counted = make_dataset(path, tmp_path / "all", vocabulary_from="all")
    assert None not in {word for words in documents(counted) for word in words}
    none = make_dataset(path, tmp_path / "none", test=0)
    assert not none.column("part").slice(0, 300).any()
    assert none.manifest.report["parts"] == "none"
    assert none.extra("vocabulary").equals(counted.extra("vocabulary"))
    assert any("no test part" in line for line in TextClassificationPreprocessor().describe(none.manifest.report))


def test_same_bytes_on_any_number_of_cpus_and_shards_of_any_size(tmp_path, monkeypatch):
    for number in range(13):
        write_jsonl(tmp_path / "in" / f"{number:02d}.jsonl", some_rows(number, 5 + 11 * number))
    rows = sum(5 + 11 * number for number in range(13))
    built = [make_dataset(tmp_path / "in", tmp_path / str(cpus), cpus, 100) for cpus in (1, None)]
    with monkeypatch.context() as alone:  # without a cluster a small source is prepared by threads
        alone.setattr("raysq.distributed.executor.has_cluster", lambda: False)
        alone.setattr("raysq.distributed.ray_data.ensure_ray", lambda: pytest.fail("Ray was started"))
        # Before Python 3.11.8 threads that parse at once end in a SystemError; `np.load` parses.
        alone.setattr("ast.parse", lambda *_, **__: pytest.fail("a thread parsed Python"))
        built.append(make_dataset(tmp_path / "in", tmp_path / "here", None, 100))
    first = {path.name: path.read_bytes() for path in built[0].directory.iterdir()}
    shards = [f"shard-{number:05d}.arrow" for number in range(-(-rows // 100))]
    assert sorted(first) == ["manifest.json", *shards, "vocabulary.arrow"]
    for dataset in built:
        assert {path.name: path.read_bytes() for path in dataset.directory.iterdir()} == first
        dataset.verify()
    assert str(tmp_path) not in first["manifest.json"].decode()
    one = make_dataset(tmp_path / "in", tmp_path / "one", shard_rows=57)
    assert [shard.rows for shard in one.manifest.shards] == [57] * (rows // 57) + [rows % 57]
    assert documents(one) == documents(built[0])
    assert [name for array in one.arrow("id") for name in array.to_pylist()] == [
        name for array in built[0].arrow("id") for name in array.to_pylist()
    ]


def test_empty_documents_are_drawn_for_testing_like_others(tmp_path):
    rows = [*some_rows(3, 40), *({"text": "", "label": "a"} for _ in range(200))]
    dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out", test=0.3)
    assert dataset.manifest.report["empty"] >= 200
    assert 0.15 < dataset.column("part").slice(40, 240).mean() < 0.45


def test_characters_are_tokens(tmp_path):
    rows = [{"text": "Ab a!", "label": "x"}, {"text": "é", "label": "y"}]
    dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out", level="char", test=0)
    assert documents(dataset) == [["a", "b", " ", "a", "!"], ["é"]]
    assert dataset.extra("vocabulary").column("word").to_pylist() == ["a", "b", " ", "!", "é"]


def test_parts_that_the_source_gives(tmp_path):
    for part, label, text in [
        ("train", "neg", "bad b\u00e4d"),
        ("train", "pos", "good"),
        ("test", "neg", "new bad"),
        ("test", "pos", "good good"),
    ]:
        file = tmp_path / "in" / part / label / "0.txt"
        file.parent.mkdir(parents=True)
        file.write_bytes(text.encode("latin-1"))
    dataset = make_dataset(tmp_path / "in", tmp_path / "out")
    report = dataset.manifest.report
    assert (report["parts"], report["counts"]) == ("given", {"train": [1, 1], "test": [1, 1], "validation": [0, 0]})
    assert report["undecodable"]["count"] == 1
    assert report["undecodable"]["names"] == ["train/neg/0.txt"]
    assert any(
        "1 document has bytes that are not of the encoding" in line
        for line in TextClassificationPreprocessor().describe(report)
    )
    by_name = dict(zip(dataset.arrow("id")[0].to_pylist(), documents(dataset), strict=True))
    assert by_name["test/neg/0.txt"] == [None, "bad"]
    assert by_name["test/pos/0.txt"] == ["good", "good"]
    assert by_name["train/neg/0.txt"] == ["bad", "b\ufffdd"]


def test_a_validation_part_of_ones_own_is_kept(tmp_path):
    parts = ["train", "valid", "test", "train", "dev", "train"] * 4
    rows = [{"text": f"text {row}", "label": "xy"[row // 2 % 2], "split": part} for row, part in enumerate(parts)]
    dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out", label="label")
    split = bind(dataset, val="0.5").splits(dataset)
    wanted = {"train": ["train"], "val": ["valid", "dev"], "test": ["test"]}
    for name, said in wanted.items():
        assert split[name].rows.tolist() == [row for row, part in enumerate(parts) if part in said]
    assert dataset.manifest.report["counts"] == {"train": [6, 6], "test": [2, 2], "validation": [4, 4]}
    lines = TextClassificationPreprocessor().describe(dataset.manifest.report)
    assert "train part 12, validation part 8, test part 4, as the source says" in lines
    # Words of the validation part alone are unknown: the vocabulary is of the documents to train on.
    assert "1" not in dataset.extra("vocabulary").column("word").to_pylist()
    with pytest.raises(DataError, match="train_samples=13 is more than the 12 documents there are to train on"):
        bind(dataset, train_samples=13)
    assert len(bind(dataset, train_samples=5).splits(dataset)["train"]) == 5
    message = "validates on the 8 documents that the source has for it: val does not act"
    assert message in bind(dataset).describe()


def test_documents_without_a_label_or_a_text_are_dropped_where_that_is_asked(tmp_path, monkeypatch):
    rows = [{"text": f"text {row} of some words", "label": "xy"[row % 2]} for row in range(40)]
    for row in (3, 17):
        rows[row]["label"] = None
    del rows[20]["label"]
    rows[8]["text"], rows[9]["text"] = "  ", None
    path = write_jsonl(tmp_path / "x.jsonl", rows)
    with pytest.raises(DataError, match="3 of 40 documents have no label.*--set missing=drop leaves them out"):
        make_dataset(path, tmp_path / "out", label="label")
    dataset = make_dataset(path, tmp_path / "out", label="label", missing="drop")
    kept = [row for row in range(40) if row not in (3, 8, 9, 17, 20)]
    assert dataset.arrow("id")[0].to_pylist() == [f"x.jsonl:{row + 1}" for row in kept]
    report = dataset.manifest.report
    assert report["documents"] == 35 and report["missing_text"] == 0
    assert report["dropped"] == {"count": 5, "names": [f"x.jsonl:{row + 1}" for row in (3, 8, 9, 17, 20)]}
    (said,) = [line for line in TextClassificationPreprocessor().describe(report) if "left out" in line]
    assert said == f"5 documents have no label or no text and are left out: {', '.join(report['dropped']['names'])}"
    # A table of which nothing is left tells it too.
    monkeypatch.setattr("raysq.text.readers.json.RANGE", 20)
    parts = make_dataset(path, tmp_path / "parts", label="label", missing="drop")
    assert (
        parts.manifest.report == report
        and len(TextClassificationPreprocessor(label="label", text="text").partition([path])) == 40
    )


def test_a_part_with_one_class_is_told(tmp_path):
    rows = [{"text": f"t {row}", "label": "xy"[row % 2], "split": "train"} for row in range(8)]
    rows += [{"text": f"new {row}", "label": "z", "split": "test"} for row in range(3)]
    rows += [{"text": f"other {row}", "label": "y", "split": "val"} for row in range(3)]
    dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out", label="label")
    lines = TextClassificationPreprocessor().describe(dataset.manifest.report)
    says_nothing = "accuracy on it says nothing of how well classes are told apart"
    assert f"the test part has one class only, z: {says_nothing}" in lines
    assert f"the validation part has one class only, y: {says_nothing}" in lines
    assert "1 class has no document in the train part and cannot be learned: z" in lines
    problem = bind(dataset)
    assert problem.metadata.single_classes == {"val": "y", "test": "z"}
    assert f"the test split has one class only, z: {says_nothing}" in problem.describe()


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([{"text": "a", "label": "x"}] * 3, "all 3 documents have the label 'x': .*two classes.*--label"),
        (
            [{"text": "a", "label": "x"}, {"text": "b", "label": None}, {"text": "b"}],
            r"2 of 3 documents have no label, the first is column 'label' of x\.jsonl:2",
        ),
        (
            some_rows(0, 6, split="test"),
            "all 6 documents are of the test or the validation part, and there are none to train on; give those of the",
        ),
        (
            [{"text": "a", "label": "x", "split": "train"}, {"text": "b", "label": "y", "split": "test"}],
            "the documents to train on have the label 'x' alone: a classifier needs two classes to train on",
        ),
    ],
)
def test_bad_labels_are_one_line_and_no_data_set(tmp_path, rows, match):
    path = write_jsonl(tmp_path / "x.jsonl", rows)
    with pytest.raises(DataError, match=match) as caught:
        make_dataset(path, tmp_path / "home" / "out", label="label")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "home").iterdir()) == []


def test_parts_are_said_of_all_or_of_none(tmp_path):
    write_jsonl(tmp_path / "in" / "a.jsonl", some_rows(0, 5))
    write_jsonl(tmp_path / "in" / "b.jsonl", some_rows(1, 4, split="train"))
    with pytest.raises(DataError, match=r"4 documents say whether .* 5 do not, the first is a\.jsonl:1"):
        make_dataset(tmp_path / "in", tmp_path / "home" / "out")


def test_the_first_error_in_the_order_of_the_source_is_told(tmp_path):
    class Failing(TextClassificationPreprocessor):
        """Two files that cannot be read; the first of them is found out later."""

        def read(self, piece):
            yield from TextClassificationPreprocessor.read(self, piece)
            if piece.name in ("2.jsonl", "4.jsonl"):
                time.sleep(1.0 if piece.name == "2.jsonl" else 0.0)
                raise DataError(f"{piece.name} is damaged")
            if piece.name == "5.jsonl":
                raise PermissionError(13, "Permission denied")

    for number in range(6):
        write_jsonl(tmp_path / "in" / f"{number}.jsonl", some_rows(number, 30))
    found = resolve(tmp_path / "in", suffixes=TextClassificationPreprocessor.suffixes)
    with pytest.raises(DataError, match=r"^2\.jsonl is damaged$"):
        build(Failing(text="text", label="label"), found, tmp_path / "home" / "out", IDENTITY)
    assert list((tmp_path / "home").iterdir()) == []
    last = resolve(tmp_path / "in" / "5.jsonl", suffixes=TextClassificationPreprocessor.suffixes)
    with pytest.raises(SourceError, match=r"5\.jsonl cannot be read: Permission denied$"):
        build(Failing(text="text", label="label"), last, tmp_path / "home" / "out", IDENTITY)


def test_a_label_seen_once_is_a_remark(tmp_path):
    rows = [*some_rows(0, 30), {"text": "once", "label": "rare"}]
    dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out")
    remarks = TextClassificationPreprocessor().describe(dataset.manifest.report)
    assert "1 label is seen once, which cannot be learned and tested both: rare" in remarks


def test_what_is_strange_about_classes_is_told(tmp_path):
    def remarks(rows: list[dict], **settings) -> str:
        dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out", **settings)
        return "\n".join(TextClassificationPreprocessor().describe(dataset.manifest.report))

    parts = [("a", "train"), ("b", "train"), ("B", "train"), ("B", "train"), ("a", "test"), ("new", "test")]
    told = remarks([{"text": f"t {place}", "label": label, "split": part} for place, (label, part) in enumerate(parts)])
    assert "1 class has no document in the train part and cannot be learned: new" in told
    assert "1 class has no document in the test part: B\n" in told  # b is seen once, which is told
    assert "differ by capitals alone are different classes: B and b" in told
    own = [{"text": f"word {place}", "label": f"{place} " + "a text\n" * 50} for place in range(30)]
    told = remarks(own)
    assert "most documents have a label that no other has: are these the labels?" in told
    assert max(map(len, told.splitlines())) < 1500
    assert "no test part: all 30 documents are for training and validation (--test SHARE" in remarks(own, test=0)
    same = [{"text": "same", "label": "ab"[place % 2]} for place in range(9)]
    assert "0.001 of the texts, drawn by their checksums, came to none" in remarks(same, test=0.001)
    told = remarks([{**row, "split": "train"} for row in same])
    assert "no test part: all 9 documents are for training and validation, as the source says of each" in told
    assert "most words occur once" in remarks([{"text": f"今日は{row}", "label": str(row % 2)} for row in range(9)])


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (["10", "9", "1", "-2"], ["-2", "1", "9", "10"]),
        (["2.5", "10.0", "1"], ["1", "2.5", "10.0"]),
        (["10", "9", "nan"], ["10", "9", "nan"]),
        (["b", "10", "a"], ["10", "a", "b"]),
    ],
)
def test_classes_that_are_numbers_stand_by_value(tmp_path, labels, wanted):
    rows = [{"text": f"t{place}", "label": label} for place, label in enumerate(labels * 3)]
    dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out", test=0)
    assert dataset.manifest.report["classes"] == wanted
    numbers = dataset.column("label").slice(0, dataset.rows).tolist()
    assert [wanted[number] for number in numbers] == labels * 3


@pytest.mark.parametrize("first", [0, 400_000])
def test_an_unreadable_row_is_told_and_not_what_the_rest_lacks(tmp_path, first, monkeypatch):
    # What is read before the row has one class only, or is nothing at all.
    path = tmp_path / "x.csv"
    path.write_text("text,label\n" + "one of many words,x\n" * first + "a,b,y\n" + "c,y\n" * 3)
    with pytest.raises(DataError, match=rf"x\.csv, line {first + 2} has 3 cells and line 1 has 2"):
        make_dataset(path, tmp_path / "home" / "out", text="text", label="label")
    assert list((tmp_path / "home").iterdir()) == []


def test_a_huge_document_and_texts_that_are_missing(tmp_path):
    rows = [
        {"text": "word " * 2_000_000, "label": "x"},
        {"text": None, "label": "y"},
        {"text": "a\x00b \u2028 c", "label": "y"},
    ]
    dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out", test=0)
    assert dataset.ragged("tokens").lengths.tolist() == [2_000_000, 0, 3]
    assert documents(dataset)[2] == ["a\x00b", "\u2028", "c"]
    assert dataset.manifest.report["missing_text"] == 1


def test_ranks_of_an_npz_keep_their_numbers(tmp_path):
    lists = np.empty(6, object)
    lists[:] = [[1, 5, 2], [2], [], [3, 3], [1], [2, 2]]
    labels = np.array([0, 1, 1, 0, 1, 0])
    np.savez(tmp_path / "imdb.npz", x_train=lists[:4], y_train=labels[:4], x_test=lists[4:], y_test=labels[4:])
    dataset = make_dataset(tmp_path / "imdb.npz", tmp_path / "out")
    found = {tuple(row.tolist()) for row in (dataset.ragged("tokens").row(row) for row in range(6))}
    assert found == {tuple(rank - 1 for rank in ranks) for ranks in lists}
    counts = Counter(rank for ranks in lists[:4] for rank in ranks)
    vocabulary = dataset.extra("vocabulary").to_pydict()
    assert vocabulary["word"] == ["#1", "#2", "#3", "#4", "#5"]
    assert vocabulary["count"] == [counts[rank] for rank in range(1, 6)]
    assert dataset.manifest.report["parts"] == "given"
    assert dataset.arrow("text")[0].to_pylist() == [""] * 6
    (tmp_path / "imdb_word_index.json").write_text(json.dumps({"e": 5, "d": 4, "c": 3, "b": 2, "a": 1}))
    named = make_dataset(tmp_path / "imdb.npz", tmp_path / "named")
    assert named.extra("vocabulary").column("word").to_pylist() == list("abcde")
    assert named.fingerprint != dataset.fingerprint


def test_vectors_are_aligned_to_the_vocabulary(tmp_path):
    rows = [{"text": "the cat the cat the", "label": "x"}, {"text": "a dog", "label": "y"}]
    path = write_jsonl(tmp_path / "x.jsonl", rows)
    vectors = tmp_path / "glove.txt"
    vectors.write_text("dog 1 2.5\nother 0 0\nthe -1 0.5\n")
    dataset = make_dataset(path, tmp_path / "out", vectors=str(vectors), test=0)
    table = dataset.extra("vectors")
    words = dataset.extra("vocabulary").column("word").to_pylist()
    found = {words[row]: vector for row, vector in zip(*(column.to_pylist() for column in table.columns), strict=True)}
    assert found == {"the": [-1.0, 0.5], "dog": [1.0, 2.5]}
    assert dataset.manifest.report["vectors"] == {
        "name": "glove.txt",
        "dimension": 2,
        "words": 2,
        "share": 0.5,
        "tokens": pytest.approx(4 / 7),
    }
    assert any(
        "vectors of 2 numbers for 50.0%" in line
        for line in TextClassificationPreprocessor().describe(dataset.manifest.report)
    )
    assert str(tmp_path) not in (dataset.directory / "manifest.json").read_text()
    # What counts of the file is what is in it.
    found = resolve(path, suffixes=TextClassificationPreprocessor.suffixes)
    moved = vectors.rename(tmp_path / "moved.txt")
    assert _fingerprint(found, moved.rename(tmp_path / "in.txt").rename(vectors)) == dataset.fingerprint
    vectors.write_text("dog 1 2.5\n")
    assert _fingerprint(found, vectors) != dataset.fingerprint
    with pytest.raises(SourceError, match=r"nowhere\.txt cannot be read: .*vectors=FILE"):
        make_settings(TextClassificationPreprocessor, {"vectors": "nowhere.txt"}).infer(found.files)


def test_what_would_leave_nothing_to_learn_is_refused(tmp_path):
    path = write_jsonl(tmp_path / "x.jsonl", [{"text": "the cat", "label": "x"}, {"text": "a dog", "label": "y"}])
    (tmp_path / "glove.txt").write_text("DOG 1 2.5\nTHE -1 0.5\n")
    with pytest.raises(DataError, match=r"glove\.txt has a vector for none of the 4 words; .*--set lower=false"):
        make_dataset(path, tmp_path / "out", vectors=str(tmp_path / "glove.txt"), test=0)
    marks = write_jsonl(tmp_path / "y.jsonl", [{"text": "!!! ...", "label": "x"}, {"text": "???", "label": "y"}])
    with pytest.raises(DataError, match="none of the 2 documents has words: all is filtered out"):
        make_dataset(marks, tmp_path / "out", test=0)


def _fingerprint(source, vectors: Path) -> str:
    return fingerprint(
        make_settings(TextClassificationPreprocessor, {"vectors": str(vectors), "test": 0}).infer(source.files)[0],
        source,
    )


def test_texts_for_predictions_need_no_label(tmp_path):
    path = write_jsonl(tmp_path / "x.jsonl", [{"text": "One", "other": 1}, {"text": "Two", "other": 2}])
    dataset = make_dataset(write_jsonl(tmp_path / "y.jsonl", some_rows(0, 20)), tmp_path / "out", headers="drop")
    preparation = DocumentPredictionPreprocessor.of(dataset.manifest.preparation["settings"])
    assert preparation == DocumentPredictionPreprocessor(text="text", headers="drop")
    table, report = read_table(preparation, [path])
    assert table.column("text").to_pylist() == ["One", "Two"]
    assert table.column("id").to_pylist() == ["x.jsonl:1", "x.jsonl:2"]
    assert report["documents"] == 2
    assert preparation.describe(report) == ["2 documents"]


@pytest.mark.parametrize(
    "settings", [{"test": 1.0}, {"test": -0.1}, {"excerpt": -1}, {"level": "letters"}, {"split": ""}]
)
def test_settings_that_cannot_be(settings):
    with pytest.raises(UsageError):
        make_settings(TextClassificationPreprocessor, settings)


def _equal_to_keras(dataset: Dataset, texts: list[str]) -> None:
    from keras.src.legacy.preprocessing.text import Tokenizer

    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(texts)
    vocabulary = dataset.extra("vocabulary")
    words = vocabulary.column("word").to_pylist()
    assert words == list(tokenizer.word_index)
    assert vocabulary.column("count").to_pylist() == [tokenizer.word_counts[word] for word in words]
    tokens = dataset.ragged("tokens")
    assert dataset.rows == len(texts)
    for row, sequence in enumerate(tokenizer.texts_to_sequences_generator(texts)):
        assert (tokens.row(row) + 1).tolist() == sequence


def _texts_of(path: Path, most: int | None) -> list[dict]:
    rows: list[dict] = []
    preparation, _ = TextClassificationPreprocessor().infer([path])
    for piece in preparation.partition([path]):
        for table, _ in preparation.documents(piece):
            rows += table.select(["text", "label"]).to_pylist()
            if most is not None and len(rows) >= most:
                return rows[:most]
    return rows


@pytest.mark.parametrize("name", ["imdb/aclImdb_v1.tar.gz", "newsgroups20/news20.tar.gz"])
@pytest.mark.parametrize("most", [2000, pytest.param(None, marks=pytest.mark.slow)])
def test_real_corpora_equal_keras_word_for_word(tmp_path, real, name, most):
    rows = _texts_of(real(name), most)
    if len({row["label"] for row in rows}) == 1:  # the beginning of an archive is one class
        rows[-1]["label"] = "another"
    dataset = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "out", test=0, normalize="none")
    _equal_to_keras(dataset, [row["text"] for row in rows])


def test_equal_texts_of_different_classes_are_told(tmp_path):
    rows: list[dict] = [{"text": f"text {number}", "label": "ab"[number % 2]} for number in range(60)]
    rows += [{"text": "the same words", "label": "a"}, {"text": "the same words", "label": "a"}]
    plain = make_dataset(write_jsonl(tmp_path / "x.jsonl", rows), tmp_path / "plain")
    assert plain.manifest.report["contradictions"] == {"count": 0, "first": None}
    rows += [{"text": "the same words", "label": "b"}, {"text": "", "label": "a"}, {"text": "", "label": "b"}]
    dataset = make_dataset(write_jsonl(tmp_path / "y.jsonl", rows), tmp_path / "twins")
    assert dataset.manifest.report["contradictions"] == {"count": 3, "first": "y.jsonl:61"}
    lines = TextClassificationPreprocessor().describe(dataset.manifest.report)
    assert any(line.startswith("3 documents have the same text as one of another class") for line in lines)


def test_settings_of_csv_files_are_refused_for_others(tmp_path):
    path = write_jsonl(tmp_path / "x.jsonl", some_rows(0, 20))
    with pytest.raises(UsageError, match=r"setting quoting says how a csv is written, and x\.jsonl is none"):
        TextClassificationPreprocessor(quoting="none").infer([path])


def test_texts_of_the_test_part_that_are_trained_on_too_are_told(tmp_path):
    for part, names in (("train", range(12)), ("test", range(8, 16))):
        for number in names:
            folder = tmp_path / "set" / part / ("good", "bad")[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.txt").write_text(f"text of number {number}")
    dataset = prepare("classify", tmp_path / "set", quiet=True)
    report = dataset.manifest.report
    assert report["leaked"] == {"count": 4, "first": "test/bad/11.txt"}
    told = "\n".join(TextClassificationPreprocessor().describe(report))
    assert "4 documents of the test or validation part have the same text as one to train on" in told
