"""From raw files to shards: what is read, which part it is of, and that the bytes are always the same."""

import json

import numpy as np
import pandas
import pytest
from problems.translation.pairs_corpus import prepared, sentences, write_aligned, write_tabbed

from raysq.cli import main
from raysq.errors import DataError, SourceError, UsageError
from raysq.problems.translation.preprocessor import TranslationPredictionPreprocessor, TranslationPreprocessor
from raysq.problems.translation.validation import describe


def rows(dataset):
    """Each row as source words, target words, part and id; `*` for a word that the vocabulary lacks."""
    sides = []
    for side in ("source", "target"):
        vocabulary = [*dataset.extra(f"{side}_vocabulary").column("word").to_pylist(), "*"]
        tokens = dataset.ragged(f"{side}_tokens")
        sides.append([[vocabulary[code] for code in tokens.row(row)] for row in range(dataset.rows)])
    part = dataset.column("part").slice(0, dataset.rows).tolist()
    ids = [one for array in dataset.arrow("id") for one in array.to_pylist()]
    return list(zip(*sides, part, ids, strict=True))


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_aligned_files_with_parts_marks_and_empty_lines(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "train.en").write_bytes(b"\xef\xbb\xbfGo on.\r\n\r\nA dog, a cat.\r\nStop!\r\n")
    (folder / "train.fr").write_bytes("Continue.\nrien\n  \nArr\u00eate !\n\n\n".encode())
    (folder / "dev.en").write_text("go\n")
    (folder / "dev.fr").write_text("va\n")
    (folder / "test.en").write_text("stop now")  # without a line end
    (folder / "test.fr").write_text("arr\u00eate maintenant")
    (folder / "train.de").write_text("and another language\n")
    dataset = prepared(folder, tmp_path / "out", source="en", target="fr")
    said = "left out, as they end neither in .en nor in .fr: train.de"
    assert said in TranslationPreprocessor(source="en", target="fr").infer(sorted(folder.iterdir()))[1]
    assert rows(dataset) == [
        (["go"], ["*"], 2, "dev.en:1"),
        (["stop", "*"], ["arr\u00eate", "*"], 1, "test.en:1"),
        (["go", "on", "."], ["continue", "."], 0, "train.en:1"),
        (["stop", "!"], ["arr\u00eate", "!"], 0, "train.en:4"),
    ]
    report = dataset.manifest.report
    assert report["parts"] == {"train": 2, "test": 1, "validation": 1} and not report["drawn"]
    assert report["empty"] == {"count": 2, "names": ["train.en:2", "train.en:3"]}
    assert report["longest"] == [3, 2] and report["words"] == [5, 4]
    texts = [one for array in dataset.arrow("target") for one in array.to_pylist()]
    assert texts[-1] == "Arr\u00eate !", "the text itself is kept for references"


def test_same_bytes_on_any_number_of_cpus(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("raysq.problems.translation.partitions.LINES", 37)
    write_aligned(tmp_path / "in", "all", sentences(300))
    halves = {"target_level": "subword", "vocab_size": 20}  # the other side in words
    built = [prepared(tmp_path / "in", tmp_path / f"cpus{cpus}", cpus=cpus, **halves) for cpus in (1, 3)]
    with monkeypatch.context() as alone:
        alone.setattr("raysq.distributed.executor.has_cluster", lambda: False)
        alone.setattr("ast.parse", lambda *_, **__: pytest.fail("a thread parsed Python"))
        built.append(prepared(tmp_path / "in", tmp_path / "here", **halves))
    first, *others = [
        {name: data for name, data in contents(one.directory).items() if name != "manifest.json"} for one in built
    ]
    # Three shards, two vocabularies, and what splits the target's words.
    assert len(first) == 6 and all(other == first for other in others)
    monkeypatch.setattr("raysq.problems.translation.partitions.LINES", 1 << 16)
    whole = prepared(tmp_path / "in", tmp_path / "whole", **halves)
    assert rows(whole) == rows(built[0]), "the pieces change nothing"


def test_drawn_parts_keep_equal_sources_together_and_count_words_to_train_on_alone(tmp_path):
    made = sentences(500)
    twice = [(source.upper(), f"other{number}") for number, (source, _) in enumerate(made[:200])]
    dataset = prepared(write_tabbed(tmp_path / "in.txt", made + twice), tmp_path / "out", test=0.3)
    found = rows(dataset)
    part = {}
    for (source, _), one in zip(made + twice, found, strict=True):
        assert part.setdefault(source.lower(), one[2]) == one[2]
    share = np.mean([one[2] == 1 for one in found])
    assert 0.2 < share < 0.4
    trained = {word for one in found if one[2] == 0 for word in one[1]}
    assert set(dataset.extra("target_vocabulary").column("word").to_pylist()) == trained
    assert dataset.manifest.report["shared"] == 0
    assert any("*" in one[1] for one in found if one[2] == 1), "words of test targets alone are unknown"


def test_tables_of_all_sorts_give_the_same_pairs(tmp_path):
    made = [("Caf\u00e9, s'il vous pla\u00eet", 'He said "no"'), ("Un\nchat", "A cat"), ("le chien", "the dog")] * 4
    frame = pandas.DataFrame({"id": range(12), "fr": [a for a, _ in made], "en": [b for _, b in made]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False, encoding="latin-1", sep=";")
    frame.to_json(tmp_path / "c.jsonl", orient="records", lines=True, force_ascii=False)
    frame.to_parquet(tmp_path / "d.parquet", row_group_size=5)
    found = {}
    for name in ("a.csv", "b.csv", "c.jsonl", "d.parquet"):
        settings = {"encoding": "latin-1"} if name == "b.csv" else {}
        dataset = prepared(tmp_path / name, tmp_path / name[0], source="fr", target="en", test=0.0, **settings)
        found[name] = [one[:3] for one in rows(dataset)]
    first = found["a.csv"]
    assert first[0][0] == ["caf\u00e9", ",", "s'il", "vous", "pla\u00eet"] and first[0][1][2:] == ['"', "no", '"']
    assert first[1][0] == ["un", "chat"] and all(other == first for other in found.values())


def test_lines_with_tabs_need_no_names(tmp_path):
    lines = ["Go.\tVa !\tCC-BY 1", '"Hi," he said.\tSalut.\tCC-BY 2']
    (tmp_path / "fra.txt").write_text("\n".join(lines) + "\n")
    dataset = prepared(tmp_path / "fra.txt", tmp_path / "out", test=0.0)
    assert [one[:2] for one in rows(dataset)] == [
        (["go", "."], ["va", "!"]),
        (['"', "hi", ",", '"', "he", "said", "."], ["salut", "."]),
    ]
    assert "column 1 to column 2" in dataset.manifest.preparation["messages"][0]
    (tmp_path / "quoted.tsv").write_text('go\tva\n"say ""hi"""\tdis\n')
    told = prepared(tmp_path / "quoted.tsv", tmp_path / "quoted", test=0.0).manifest.preparation["messages"]
    assert told[1].startswith("line 2 has a cell in quotes") and len(dataset.manifest.preparation["messages"]) == 2
    turned = prepared(tmp_path / "fra.txt", tmp_path / "turned", test=0.0, source="2", target="1")
    assert rows(turned)[0][:2] == (["va", "!"], ["go", "."])
    (tmp_path / "long.tsv").write_text("go " * 50_000 + "\tva\nstop\tarrete\n")  # longer than csv's own limit
    assert prepared(tmp_path / "long.tsv", tmp_path / "long", test=0.0).rows == 2
    (tmp_path / "named.tsv").write_text("en\tfr\ngo\tva\nstop\tarrete\n")
    named = prepared(tmp_path / "named.tsv", tmp_path / "named", test=0.0, source="fr", target="en")
    assert [one[0] for one in rows(named)] == [["va"], ["arrete"]]


def test_csv_files_without_names_or_with_quotes_of_their_own(tmp_path):
    (tmp_path / "bare.csv").write_text('7,"Go, now",va\n8,stop,arrete\n')
    bare = prepared(tmp_path / "bare.csv", tmp_path / "bare", test=0.0, source="2", target="3")
    assert [one[:2] for one in rows(bare)] == [(["go", ",", "now"], ["va"]), (["stop"], ["arrete"])]
    named = [f"go {number}\tva {number}" for number in range(30)]
    named[4], named[9] = '"go 4\tva 4', 'go 9\tva 9"'
    (tmp_path / "named.tsv").write_text("en\tfr\n" + "\n".join(named) + "\n")
    with pytest.raises(DataError, match=r"named\.tsv, line 6 opens a quote that "):
        prepared(tmp_path / "named.tsv", tmp_path / "named", test=0.0, source="en", target="fr")
    found = prepared(tmp_path / "named.tsv", tmp_path / "named", test=0.0, source="en", target="fr", quoting="none")
    assert found.rows == 30 and rows(found)[4][0] == ['"', "go", "4"]


def test_lines_of_other_numbers_of_cells_are_told(tmp_path):
    lines = ["go\tva\tCC-BY 1", "a\ttab\tva\tCC-BY 2", "", "stop\tarrete", "no\tnon\tCC-BY 3"]
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n")
    dataset = prepared(tmp_path / "in.txt", tmp_path / "out", test=0.0)
    report = dataset.manifest.report
    assert report["uneven"] == {"count": 2, "names": ["in.txt:2", "in.txt:4"]} and report["empty"]["count"] == 1
    (said,) = [line for line in describe(report) if "cells than most" in line]
    assert said.startswith("2 lines have more or fewer cells") and said.endswith("in.txt:2, in.txt:4")


@pytest.mark.parametrize(("layout", "read"), [("aligned", "one\ttwo"), ("tabbed", "one")])
def test_a_sentence_to_translate_ends_at_a_tab_only_where_the_pairs_did(tmp_path, layout, read):
    (tmp_path / "in.txt").write_text("one\ttwo\nthree\n")
    reading = TranslationPredictionPreprocessor.of(TranslationPreprocessor(source="1", target="2", layout=layout))
    (piece,) = reading.partition([tmp_path / "in.txt"])
    (chunk,) = reading.read(piece)
    assert chunk.table["source"].to_pylist() == [read, "three"]


def test_utf_16_is_read_when_it_is_said(tmp_path):
    for side, text in (("en", "go\nstop\n"), ("fr", "va\narr\u00eate\n")):
        (tmp_path / f"in.{side}").write_text(text, encoding="utf-16")
    with pytest.raises(DataError, match=r"in\.en begins as UTF-16 does, not utf-8; --set encoding=utf-16 reads it"):
        prepared(tmp_path, tmp_path / "out", source="en", target="fr")
    dataset = prepared(tmp_path, tmp_path / "out", source="en", target="fr", encoding="utf-16", test=0.0)
    assert [one[1] for one in rows(dataset)] == [["va"], ["arr\u00eate"]]


def test_bytes_of_another_encoding_are_replaced_and_told(tmp_path):
    (tmp_path / "in.en").write_text("go\nstop\n")
    (tmp_path / "in.fr").write_bytes(b"va\narr\xeate\n")
    dataset = prepared(tmp_path, tmp_path / "out", source="en", target="fr", test=0.0)
    assert dataset.manifest.report["undecodable"] == {"count": 1, "names": ["in.en:2"]}
    assert rows(dataset)[1][1] == ["arr\ufffdte"]


@pytest.mark.parametrize(
    ("files", "settings", "said"),
    [
        ({"a.en": "x\ny\n", "a.fr": "x\n"}, {}, "a.en has 2 lines and a.fr has 1"),
        ({"train.en": "x\n", "dev.fr": "x\n"}, {}, "dev.fr has no dev.en beside it"),
        ({"a.en": "x\n", "a.fr": "x\n", "a.de": "x\n"}, {}, "say which two are meant"),
        ({"a.en": "x\n", "a.fr": "x\n"}, {"target": "xx", "source": "en"}, r"no file ends in .xx"),
        ({"a.en": "x\n", "a.fr": "x\n"}, {"target": "en", "source": "en"}, "both 'en'; a pair has two sides"),
        ({"a.en": "\n \n", "a.fr": "x\n\n"}, {}, "none of 2 pairs has words on both sides"),
        ({"train.en": "x\n", "train.fr": "x\n", "b.en": "x\n", "b.fr": "x\n"}, {}, "1 pairs say whether they are of"),
        ({"test.en": "x\n", "test.fr": "x\n"}, {}, "none to train on; give those of the train part too"),
        ({"a.txt": "one\ttwo\nthree\n"}, {}, "a.txt, line 2 has 1 cell and 2 are needed; .* by a tab$"),
        ({"a.tsv": 'one\ttwo\n"three\nlines"\tfour\n'}, {}, "name the columns in a first line .* quotes are read$"),
        ({"a.tsv": "one\ttwo\rthree\tfour\r"}, {}, r"a.tsv has carriage returns \(\\r\) where lines end"),
        ({"a.en": "one\rtwo\r", "a.fr": "un\rdeux\r"}, {}, r"a.en has carriage returns"),
        ({"a.jsonl": '{"en": ["x"], "fr": "y"}\n{"en": "x", "fr": "y"}\n'}, {}, "of pairs --from and --to"),
        ({"a.csv": "id,a,b,c\n1,x,y,z\n"}, {}, "has the columns id, a, b, c; say which hold the sentences"),
        ({"a.csv": "en,fr\nx,y\n"}, {"source": "em", "target": "fr"}, "no column 'em'"),
        ({"a.en": "x\n", "b.csv": "en,fr\nx,y\n"}, {}, "a.en and b.csv are different sorts of files"),
        ({"a.en": "x\n"}, {}, "a.en is one side only"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(tmp_path, files, settings, said):
    (tmp_path / "in").mkdir()
    for name, text in files.items():
        (tmp_path / "in" / name).write_text(text)
    with pytest.raises(DataError, match=said):
        prepared(tmp_path / "in", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_settings_out_of_range_are_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x\ty\n")
    for settings, said in (
        ({"test": 1.0}, "test must be a share"),
        ({"encoding": "foo"}, "encoding must be one"),
        ({"level": "subword", "vocab_size": 0}, "vocab_size must be at least 1, received 0"),
        ({"vocab_size": 100}, "vocab_size is for level=subword, received 100"),
        ({"level": "subword", "source_level": "char"}, "level=subword is that of both .* source_level=char too"),
    ):
        with pytest.raises(UsageError, match=said):
            prepared(tmp_path / "in", tmp_path / "out", **settings)
    (tmp_path / "in" / "a.txt").rename(tmp_path / "in" / "README.md")
    with pytest.raises(SourceError, match=r"no file that ends in .*\.\.\.: there is README.md"):
        prepared(tmp_path / "in", tmp_path / "out")


def test_the_command_line_takes_sides(tmp_path, capsys):
    write_aligned(tmp_path / "in", "all", sentences(30))
    source = str(tmp_path / "in")
    assert main(["prepare", "pairs", "--source", source, "--from", "tgt", "--to", "src", "--test", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 30 and told["report"]["parts"] == {"train": 30, "test": 0, "validation": 0}
    assert main(["prepare", "classify", "--source", source, "--from", "tgt"]) == 2
    assert "--from is for translation; task classify is for text_classification" in capsys.readouterr().err


def test_pairs_inside_of_an_object(tmp_path):
    pairs = [{"id": str(row), "translation": {"en": f"a {row}", "fr": f"un {row}"}} for row in range(20)]
    (tmp_path / "hub.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    for sides in (("en", "fr"), ("translation.en", "translation.fr")):
        source, target = sides
        dataset = prepared(tmp_path / "hub.jsonl", tmp_path / source, source=source, target=target)
        wanted = [(f"a {row}", f"un {row}") for row in range(20)]
        found = [[one for array in dataset.arrow(side) for one in array.to_pylist()] for side in ("source", "target")]
        assert list(zip(*found, strict=True)) == wanted
    with pytest.raises(DataError, match=r"hub\.jsonl has no column 'de' .*--to names another"):
        prepared(tmp_path / "hub.jsonl", tmp_path / "de", source="en", target="de")
