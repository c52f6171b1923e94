"""Running text to sentences of words: what is read, parted, drawn and refused."""

import gzip
import json
import re

import numpy as np
import pytest

import raysq
from raysq.errors import DataError, SourceError, UsageError
from raysq.problems.language_modeling.batches import Sentences
from raysq.problems.language_modeling.settings import LanguageModelingSettings
from raysq.problems.language_modeling.validation import describe
from raysq.problems.splits import SPLITS

from .corpus import TEXT, prepared, spoken

BOOK = "\u201cOh! It\u2019s Tom\u2019s,\u201d said Ann\u2014softly\u2026 \u2018Yes.\u2019"


def test_words_keep_their_apostrophes_and_lose_the_marks_of_print(tmp_path):
    assert spoken(prepared(tmp_path, BOOK, test=0))[:2] == [["oh"], ["it's", "tom's", "said", "ann", "softly"]]


def test_a_text_without_capitals_is_parted_and_told(tmp_path):
    (tmp_path / "low.txt").write_text("the red cup is near. a big chair was old. " * 30)
    dataset = raysq.prepare("text", tmp_path / "low.txt", quiet=True)
    assert dataset.rows == 60
    assert dataset.manifest.preparation["settings"]["starts"] == "any"
    said = "sentences: no capital letters follow full stops, so that small ones begin sentences too"
    assert f"{said} (--set starts=capital changes it)" in dataset.manifest.preparation["messages"]
    kept = raysq.prepare("text", tmp_path / "low.txt", settings={"starts": "capital", "test": 0.0}, quiet=True)
    assert kept.rows == 1


def test_a_text_that_is_one_sentence_says_what_parts_it(tmp_path):
    thai = "\u0e41\u0e21\u0e27\u0e14\u0e33 \u0e1a\u0e49\u0e32\u0e19\u0e2a\u0e27\u0e22 " * 200
    (tmp_path / "thai.txt").write_text(thai, encoding="utf-8")
    said = "the source is one sentence, and a model needs two .*--unit line, --unit paragraph .*--level char"
    with pytest.raises(DataError, match=said) as caught:
        raysq.prepare("text", tmp_path / "thai.txt", settings={"test": 0.999999}, quiet=True)
    assert "--test" not in str(caught.value)
    dataset = raysq.prepare("text", tmp_path / "thai.txt", settings={"test": 0.0}, quiet=True)
    assert any(re.match(said, line) for line in describe(dataset.manifest.report))
    assert any("of a script without spaces between words" in line for line in dataset.manifest.preparation["messages"])
    lines = raysq.prepare("text", tmp_path / "thai.txt", settings={"level": "char", "cut": 100}, quiet=True)
    assert lines.rows > 10 and not any("script" in line for line in lines.manifest.preparation["messages"])


def test_characters_keep_everything(tmp_path):
    dataset = prepared(tmp_path, BOOK, test=0, level="char", lower=False, unit="document")
    assert "".join(spoken(dataset)[0]) == BOOK


def test_no_sentence_lies_on_two_sides_however_it_is_written(tmp_path):
    random = np.random.RandomState(0)
    words = [f"w{number}" for number in range(6)]
    said = []
    for _ in range(300):
        chosen = random.choice(words, 2).tolist()
        said.append(" ".join(chosen).capitalize() + random.choice([".", "!", "?"]))
        said.append("\u201c" + " ".join(chosen).upper() + ".\u201d")
    dataset = prepared(tmp_path, " ".join(said), shard_rows=64)
    for val_selection in ("hash", "first", "last"):
        split = Sentences(dataset, LanguageModelingSettings(val="0.2", val_selection=val_selection)).split
        rows = spoken(dataset)
        sides = [{tuple(rows[row]) for row in getattr(split, name).tolist()} for name in SPLITS]
        assert all(sides) and not (
            sides[0] & sides[1] or sides[0] & sides[2] or (val_selection == "hash" and sides[1] & sides[2])
        )


def test_word_and_character_level_draw_the_same_sentences(tmp_path):
    sides = []
    for level in ("word", "char"):
        dataset = prepared(tmp_path / level, level=level)
        split = Sentences(dataset, LanguageModelingSettings(val="0.2", min_count=1)).split
        ids = [one.as_py() for shard in dataset.arrow("id") for one in shard]
        sides.append([[ids[row] for row in getattr(split, name).tolist()] for name in SPLITS])
    assert sides[0] == sides[1]


PARAGRAPHS = [part.strip() for part in TEXT.split("\n\n")]
CSV = "text,n\n" + "".join('"{}",1\n'.format(part.replace('"', '""')) for part in PARAGRAPHS)
JSONL = "".join(json.dumps({"text": part}) + "\n" for part in PARAGRAPHS)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.txt.gz", gzip.compress(TEXT.encode())), ("a.csv", CSV.encode()), ("a.jsonl", JSONL.encode())],
)
def test_every_form_of_file_gives_the_same_sentences(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    found = raysq.prepare("text", tmp_path / name, settings={"test": 0}, quiet=True)
    assert spoken(found) == spoken(prepared(tmp_path / "plain", test=0))


def test_folders_are_read_with_the_folders_in_them(tmp_path):
    for name in ("b/two.txt", "a/deep/one.txt"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True)
        (tmp_path / "tree" / name).write_text(f"{name[0]} file. Its end.")
    found = raysq.prepare("text", tmp_path / "tree", settings={"test": 0}, quiet=True)
    assert spoken(found) == [["a", "file"], ["its", "end"], ["b", "file"], ["its", "end"]]


def test_the_bytes_do_not_depend_on_the_number_of_cpus(tmp_path, cluster, monkeypatch):
    monkeypatch.setattr("raysq.text.readers.text.RANGE", 40)
    text = TEXT * 4
    alone, many = (prepared(tmp_path / str(cpus), text, cpus=cpus) for cpus in (None, 3))
    assert [shard.sha256 for shard in alone.manifest.files] == [shard.sha256 for shard in many.manifest.files]


def test_the_vocabulary_counts_the_train_part_alone(tmp_path):
    dataset = prepared(tmp_path, test=0.4)
    part = dataset.column("part").slice(0, dataset.rows)
    words = [word for row in np.flatnonzero(part == 0).tolist() for word in spoken(dataset)[row]]
    table = dataset.extra("vocabulary")
    found = dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))
    assert part.any() and found == {word: words.count(word) for word in set(words)}


@pytest.mark.parametrize(
    ("content", "settings", "error", "message"),
    [
        (b"", {}, SourceError, "is empty"),
        (b" \n\n \n", {}, DataError, "no documents"),
        (b"... --- !!!", {}, DataError, "no words: all of its 1 sentences are filtered out"),
        (b"Hi.", {"test": 1.5}, UsageError, "test must be a share from 0 to below 1, received 1.5"),
        (b"Hi.", {"unit": "chapter"}, UsageError, "unit must be one of sentence, line, paragraph, document"),
        (b"Hi.", {"level": "byte"}, UsageError, "level must be one of word, char"),
        (b"Hi.", {"excerpt": -1}, UsageError, "excerpt must be a number of characters"),
        (b"Hi.", {"encoding": "klingon"}, UsageError, "klingon"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, content, settings, error, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(error, match=message) as caught:
        raysq.prepare("text", path, settings=settings, quiet=True)
    assert "\n" not in str(caught.value)


def test_too_little_to_train_on_is_said(tmp_path):
    dataset = prepared(tmp_path, "One word. Two words.", test=0)
    with pytest.raises(DataError, match="lower min_count"):
        _ = Sentences(dataset, LanguageModelingSettings(val="1", min_count=5)).vocabulary
    with pytest.raises(DataError, match="leaves no sentence to train on"):
        Sentences(dataset, LanguageModelingSettings(val="2"))
