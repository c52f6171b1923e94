"""Translations: word by word as by the whole model, whatever stands beside a sentence, from texts and from files."""

import json
import math

import numpy as np
import pandas
import pyarrow as pa
import pytest
import sacrebleu
from problems.translation.conftest import MODELS
from problems.translation.pairs_corpus import sentences

from raysq.cli import main
from raysq.errors import DataError, SourceError, UsageError
from raysq.inference.batch import predict_file
from raysq.inference.predictor import load
from raysq.inference.translate import translate_file
from raysq.problems.translation.beam import SENTENCES, search
from raysq.problems.translation.decoder import Decoder
from raysq.problems.translation.vocabulary import read_vocabularies
from raysq.problems.translation.word_steps import steps_of

LEARNED = [name for name in MODELS if name != "baseline"]


@pytest.fixture(scope="module")
def texts():
    return [source for source, _ in sentences(40, seed=5)]


@pytest.fixture(scope="module")
def predictors(pairs_run):
    made = {}

    def get(name):
        if name not in made:
            made[name] = load(pairs_run(name))
        return made[name]

    return get


def source_of(predictor, texts):
    """Ids as the model takes them."""
    settings = predictor.problem.settings
    metadata = predictor.problem.metadata
    source, _ = read_vocabularies(predictor.run.assets, metadata.source_words, metadata.target_words)
    rows = np.zeros((len(texts), settings.max_source), np.int32)
    for row, text in enumerate(texts):
        ids = source.ids(pa.array(text.split(), pa.large_string())).tolist()
        rows[row, settings.max_source - len(ids) :] = ids[::-1] if settings.reversed else ids
    return rows


def values_of(predictor, source, written):
    """log p of each next word, by the model on the whole beginning: `(n, target words)`."""
    positions = predictor.problem.settings.max_target + 1
    known = np.zeros((len(source), positions), np.int32)
    for row, ids in enumerate(written):
        known[row, : len(ids) + 1] = [2, *ids]
    logits = np.asarray(predictor.model(np.concatenate([source, known], 1)))
    place = [len(ids) if logits.shape[1] > 1 else 0 for ids in written]
    logits = logits[np.arange(len(source)), place].astype(np.float64)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


@pytest.mark.parametrize("name", LEARNED)
def test_words_are_those_of_the_whole_model_one_after_the_other(name, predictors, texts):
    predictor = predictors(name)
    source = source_of(predictor, texts[:8])
    positions = predictor.problem.settings.max_target + 1
    decoder = Decoder(predictor.model, source.shape[1], positions)
    by_layers = type(steps_of(predictor.model, positions)).__name__ != "_WholeModelSteps"
    assert by_layers == (name != "own"), "models of ours are run by their layers"
    found = search(decoder, source, positions, 1, 1.0, unknown=False)
    written, scores, done = [[] for _ in source], np.zeros(len(source)), np.zeros(len(source), bool)
    for _ in range(positions):
        values = values_of(predictor, source, [ids[: positions - 1] for ids in written])
        values[:, [0, 1, 2]] = -np.inf
        for row in np.flatnonzero(~done):
            best = int(values[row].argmax())
            scores[row] += values[row, best]
            done[row] = best == 3 or len(written[row]) == positions - 1
            if best != 3:
                written[row].append(best)
    assert [one.words for one in found] == written
    lengths = [len(one.words) + one.ended for one in found]
    np.testing.assert_allclose([one.score for one in found], scores / lengths, atol=1e-4)


def test_a_beam_finds_what_greedy_search_misses(predictors, texts):
    predictor = predictors("plain")
    source = source_of(predictor, texts)
    positions = predictor.problem.settings.max_target + 1
    decoder = Decoder(predictor.model, source.shape[1], positions)
    part = source[:SENTENCES]
    greedy = search(decoder, part, positions, 1, 0.0, unknown=False)
    wide = search(decoder, part, positions, 5, 0.0, unknown=False)
    total = [one.score * (len(one.words) + one.ended) for one in wide]
    least = [one.score * (len(one.words) + one.ended) for one in greedy]
    assert np.mean(total) > np.mean(least)
    for row in (0, 7, 20):  # the score is that of the model for these very words
        one, value = wide[row], 0.0
        for place in range(len(one.words) + one.ended):
            following = [*one.words, 3][place]
            value += values_of(predictor, part[row : row + 1], [one.words[:place]])[0, following]
        assert total[row] == pytest.approx(value, abs=1e-3)


def test_the_model_has_learned_and_says_where_it_looks(predictors):
    unseen = sentences(80, seed=9)
    found = predictors("attention").translate([source for source, _ in unseen], beam=2)
    right = [one for one, (_, target) in zip(found, unseen, strict=True) if one.text == target]
    assert len(right) > 0.5 * len(unseen)
    for one in found:
        assert one.attention_weights.shape == (len(one.words), len(one.source))
        assert (one.attention_weights.sum(1) <= 1.001).all()
    aligned = [
        [one.source[position][1:] for position in one.attention_weights.argmax(1)] == [word[1:] for word in one.words]
        for one in right
    ]
    assert np.mean(aligned) > 0.3, "words mostly look at those that they come from"


@pytest.mark.parametrize("name", MODELS)
def test_a_translation_does_not_depend_on_its_neighbors(name, predictors, texts):
    predictor = predictors(name)
    many = [*texts, "", "  ", texts[0]]
    together = [(one.text, one.score, one.remark) for one in predictor.translate(many, beam=3)]
    turned = [(one.text, one.score, one.remark) for one in predictor.translate(many[::-1], beam=3)]
    assert repr(turned[::-1]) == repr(together)
    for place in (0, 17, 40):
        (alone,) = predictor.translate(many[place : place + 1], beam=3)
        assert repr((alone.text, alone.score, alone.remark)) == repr(together[place])
    assert together[40][0] == "" and math.isnan(together[40][1]) and together[40][2] == "no words"
    assert together[42] == together[0]


def test_unknown_and_long_sentences_have_a_remark(predictors):
    for name in ("attention", "baseline"):
        found = predictors(name).translate(["w1 zebra", "zebra", "w1 " * 9, "w1 w2"])
        assert [one.remark for one in found][:2] == ["unknown words", "no known words"]
        assert found[2].remark.startswith("cut to its first 6 of 9 words") and found[3].remark is None
        assert not any("unknown" in one.text for one in found)
    (copied,) = predictors("baseline").translate(["w1 zebra w2"], unknown="copy")
    assert copied.words == ["t1", "zebra", "t2"]
    with pytest.raises(UsageError, match="copied from where a model with attention looks"):
        predictors("plain").translate(["w1"], unknown="copy")
    with pytest.raises(UsageError, match="beam must be from 1 to"):
        predictors("plain").translate(["w1"], beam=0)
    with pytest.raises(UsageError, match="takes a list of sentences, received 'w1'"):
        predictors("plain").translate("w1")


def test_unknown_words_are_copied_from_where_the_model_looks(predictors):
    predictor = predictors("attention")
    bias = predictor.model.get_layer("output").bias
    before = bias.numpy()
    try:
        bias.assign(before + 1e3 * (np.arange(len(before)) == 1))  # it says "unknown" only
        (one,) = predictor.translate(["w1 w2 zebra"], unknown="copy", beam=1)
        assert one.words == [one.source[place] for place in one.attention_weights.argmax(1)]
        assert not any(word.startswith("<") for word in predictor.translate(["w1 w2"], beam=1)[0].words)
        bias.assign(before + 1e3 * (np.arange(len(before)) == 3))  # it ends at once
        (one,) = predictor.translate(["w1 w2"])
        assert (one.text, one.remark) == ("", "the model has nothing to say")
    finally:
        bias.assign(before)


def test_files_are_translated_line_by_line(predictors, pairs_run, texts, tmp_path):
    run = pairs_run("attention")
    made = sentences(70, seed=11)
    lines = [source for source, _ in made]
    lines[3] = ""
    (tmp_path / "in.txt").write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())
    (tmp_path / "ref.txt").write_text("".join(f"{target}\n" for _, target in made))
    told = translate_file(run, tmp_path / "in.txt", tmp_path / "out.txt", reference=tmp_path / "ref.txt", beam=1)
    written = (tmp_path / "out.txt").read_text().split("\n")
    wanted = [one.text for one in load(run).translate(lines, beam=1)]
    assert written == [*wanted, ""] and written[3] == "" and told["lines"] == 70
    references = [target for _, target in made]
    assert told["bleu"] == pytest.approx(sacrebleu.corpus_bleu(wanted, [references], lowercase=True).score)
    (tmp_path / "short.txt").write_text("t1\n")
    with pytest.raises(DataError, match=r"short.txt has 1 lines and the input has 70"):
        translate_file(run, tmp_path / "in.txt", tmp_path / "no.txt", reference=tmp_path / "short.txt", beam=1)
    (tmp_path / "bad.txt").write_bytes(b"w1\nw\xff\n")
    with pytest.raises(DataError, match="bad.txt, line 2 is not utf-8"):
        translate_file(run, tmp_path / "bad.txt", tmp_path / "no.txt")
    with pytest.raises(SourceError, match="missing.txt cannot be read"):
        translate_file(run, tmp_path / "missing.txt")
    assert sorted(path.name for path in tmp_path.glob("*no*")) == []


def test_a_column_of_a_table_is_translated_and_nothing_else(pairs_run, texts, tmp_path, capsys):
    run = pairs_run("baseline")
    wanted = [one.text for one in load(run).translate(texts)]
    rows = [text.replace(" ", "\n", 1) if number == 1 else text for number, text in enumerate(texts)]
    frame = pandas.DataFrame({"nr": range(len(texts)), "sentence": rows})
    frame.to_csv(tmp_path / "in.csv", index=False)
    frame.assign(note="t1 t2").to_csv(tmp_path / "two.csv", index=False, sep=";")
    frame.to_json(tmp_path / "in.jsonl", orient="records", lines=True)
    for name, options in (("in.csv", {}), ("in.jsonl", {}), ("two.csv", {"column": "sentence"})):
        found = translate_file(run, tmp_path / name, tmp_path / "out.txt", **options)
        assert (tmp_path / "out.txt").read_text().split("\n") == [*wanted, ""] and found["lines"] == len(texts)
    frame.rename(columns={"sentence": "words"}).assign(note="t1 t2").to_csv(tmp_path / "asked.csv", index=False)
    with pytest.raises(DataError, match=r"several columns of text \(words, note\).*; --column NAME names that of"):
        translate_file(run, tmp_path / "asked.csv", tmp_path / "no.txt")
    with pytest.raises(DataError, match=r"two\.csv has no column 'words'.*--column NAME"):
        translate_file(run, tmp_path / "two.csv", tmp_path / "no.txt", column="words")
    (tmp_path / "in.txt").write_text("w1\n")
    with pytest.raises(UsageError, match="--column is for tables"):
        translate_file(run, tmp_path / "in.txt", column="words")
    with pytest.raises(UsageError, match=r"--reference takes a text file, a translation a line; received .*in\.csv"):
        translate_file(run, tmp_path / "in.csv", reference=tmp_path / "in.csv")
    with pytest.raises(SourceError, match=r"gone\.csv cannot be read"):
        translate_file(run, tmp_path / "gone.csv")
    assert main(["translate", str(run.directory), "--input", str(tmp_path / "in.csv")]) == 0
    shown = capsys.readouterr()
    assert shown.out.split("\n") == [*wanted, ""] and f"{len(texts)} sentences" in shown.err


def test_predict_takes_tables_and_lines(predictors, pairs_run, texts, tmp_path):
    run = pairs_run("baseline")
    wanted = [one.text for one in load(run).translate(texts)]
    (tmp_path / "in.txt").write_text("\n".join(texts))
    pandas.DataFrame({"source": texts, "n": 1}).to_csv(tmp_path / "in.csv", index=False)
    pandas.DataFrame({"note": "long remarks", "SRC": texts, "tgt": "x"}).to_json(
        tmp_path / "named.jsonl", orient="records", lines=True
    )
    pandas.DataFrame({"n": 1, "words": texts}).to_csv(tmp_path / "only.csv", index=False, sep=";")
    for name in ("in.txt", "in.csv", "named.jsonl", "only.csv"):
        predict_file(run, tmp_path / name, tmp_path / "out.parquet")
        table = pandas.read_parquet(tmp_path / "out.parquet")
        assert table["translation"].tolist() == wanted and table["row"].tolist() == list(range(len(texts)))
        assert list(table) == ["row", "id", "source", "translation", "score", "remark"]
    frame = load(run).predict(["w1", ""])
    assert frame["translation"].to_pylist() == ["t1", ""] and frame["score"].to_pylist()[1] is None
    with pytest.raises(DataError, match="lack a column 'source'"):
        load(run).predict({"n": [1]})
    (tmp_path / "pairs.tsv").write_text("one thing\tanother\n" * 9)
    with pytest.raises(DataError, match=r"pairs.tsv has several columns of text .*call that of the sentences"):
        predict_file(run, tmp_path / "pairs.tsv", tmp_path / "out.parquet")
    with pytest.raises(UsageError, match="is the input, which would be lost"):
        translate_file(run, tmp_path / "in.txt", tmp_path / "in.txt")


def test_the_command_line_translates(pairs_run, tmp_path, capsys):
    name = str(pairs_run("attention").directory)
    assert main(["translate", name, "--text", "w1 w2", "--text", "", "--beam", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 2 and "no words" in err
    assert main(["translate", name, "--text", "w1 w2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["translations"][0]["source"] == "w1 w2" and told["translations"][0]["score"] < 0
    (tmp_path / "in.txt").write_text("w1\n\nw2 w3\n")
    output = str(tmp_path / "out.txt")
    assert main(["translate", name, "--input", str(tmp_path / "in.txt"), "--output", output, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lines"] == 3
    assert (tmp_path / "out.txt").read_text().split("\n")[1] == ""
    for arguments, said in (
        (["--text", "w1", "--beam", "0"], "--beam must be at least 1"),
        (["--text", "w1", "--output", "x"], "--output goes with --input"),
        (["--input", "x", "--json"], "translate --json needs --output"),
        (["--text", "w1", "--beam", "1000"], "beam must be from 1 to"),
    ):
        assert main(["translate", name, *arguments]) == 2
        assert said in capsys.readouterr().err
    assert main(["predict", name, "--text", "w1 w2"]) == 0
    assert "translation" in capsys.readouterr().out


def test_without_its_words_a_run_says_so(pairs_run, tmp_path):
    import shutil

    shutil.copytree(pairs_run("plain").directory, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "assets")
    with pytest.raises(DataError, match=r"words.json cannot be read"):
        load(tmp_path / "copy").translate(["w1"])
