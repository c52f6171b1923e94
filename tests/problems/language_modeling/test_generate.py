"""Writing text: the same for the same seed, with as many words as asked for, and only known ones."""

import json

import numpy as np
import pytest

import raysq
from raysq.cli import main
from raysq.errors import UsageError
from raysq.problems.language_modeling.prefixes import fitted, windows
from raysq.problems.language_modeling.sampling import Sampling, choose
from raysq.problems.language_modeling.settings import END, START, UNKNOWN, LanguageModelingSettings


@pytest.fixture(scope="module", params=["every", "last"])
def predictor(request, runs):
    return raysq.load(runs[request.param])


def test_the_same_seed_gives_the_same_text(predictor):
    one, same, other = (predictor.generate("The queen", words=20, seed=seed) for seed in (1, 1, 2))
    assert one["samples"] == same["samples"] != other["samples"]
    several = predictor.generate("The queen", words=20, seed=1, samples=3)["samples"]
    assert len(set(several)) == 3


def test_every_sample_has_its_words_and_none_that_is_unknown(predictor):
    for words in (1, 7, 70):
        found = predictor.generate("", words=words, samples=2, temperature=2.0)
        assert [len(text.split()) for text in found["samples"]] == [words, words]
        assert not any("<" in text for text in found["samples"])
        assert found["words_per_second"] > 0


def test_greedy_takes_the_likeliest_word_each_time(predictor):
    greedy = predictor.generate("The queen", words=6, temperature=0, stop=True)["samples"][0]
    for chosen in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        assert predictor.generate("The queen", words=6, stop=True, seed=3, **chosen)["samples"][0] == greedy
    text = "The queen"
    for word in greedy.split():
        likely = predictor.predict([text]).to_pylist()[0]["next"].split(", ")[0]
        assert likely.split(" ")[0] == word
        text += f" {word}"


def test_unknown_words_of_the_prompt_are_named_and_long_prompts_are_taken(predictor):
    assert predictor.generate("The zyxw met QQQ!", words=2)["unknown"] == ["zyxw", "met", "qqq"]
    long = "the queen " * 500
    assert predictor.generate(long, words=3, seed=5)["unknown"] == []
    # Only the last sentence is looked at.
    one, other = (predictor.generate(begun + "The king", words=9)["samples"] for begun in ("", "The baker sang. "))
    assert one == other


def test_stop_ends_with_the_first_sentence(predictor):
    found = predictor.generate("The queen", words=500, samples=5, stop=True)["samples"]
    assert all("\n" not in text for text in found) and max(len(text.split()) for text in found) < 500


@pytest.mark.parametrize(
    "wrong",
    [
        {"words": 0},
        {"words": 10**6},
        {"samples": 0},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 1.5},
        {"seed": -1},
        {"prompt": 5},
        {"prompt": None},
    ],
)
def test_values_out_of_range_are_refused(runs, wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        raysq.load(runs["last"]).generate(**wrong)


def test_characters_are_written_as_they_are(runs):
    found = raysq.load(runs["char"]).generate("The ki", words=25, samples=2)
    assert found["unknown"] == [] and all(len(text) >= 20 for text in found["samples"])


def test_the_choice_is_a_draw_from_the_softmax():
    shares = np.array([0.5, 0.3, 0.15, 0.05])
    rows = 20_000
    scores = np.log(np.repeat(shares[None], rows, 0)).astype(np.float32)

    def drawn(temperature=1.0, top_k=0, top_p=1.0):
        chosen = choose(scores, np.float32(temperature), np.int32(top_k), np.float32(top_p), [1, 2])
        return np.bincount(np.asarray(chosen), minlength=4) / rows

    close = {"atol": 0.015}
    np.testing.assert_allclose(drawn(), shares, **close)
    np.testing.assert_allclose(drawn(temperature=0.5), shares**2 / (shares**2).sum(), **close)
    np.testing.assert_allclose(drawn(top_k=2), [0.625, 0.375, 0, 0], **close)
    np.testing.assert_allclose(drawn(top_p=0.6), [0.625, 0.375, 0, 0], **close)
    np.testing.assert_allclose(drawn(top_p=0.5), [1, 0, 0, 0], **close)
    np.testing.assert_allclose(drawn(temperature=0), [1, 0, 0, 0])


def test_windows_keep_the_last_words():
    settings = LanguageModelingSettings(maxlen=4, sequence_targets=True)
    left = windows([np.array([], np.int32), np.array([7, 8]), np.arange(5, 12)], settings)
    assert left.tolist() == [[0, 0, 0, START], [0, START, 7, 8], [8, 9, 10, 11]]
    x, places = fitted(left, settings)
    assert x.tolist() == [[START, 0, 0, 0], [START, 7, 8, 0], [8, 9, 10, 11]] and places.tolist() == [0, 2, 3]
    assert {START, UNKNOWN, END} == {1, 2, 3}


def test_sampling_says_what_is_wrong():
    with pytest.raises(UsageError, match="temperature must be 0"):
        Sampling(temperature=-0.1)


def test_the_command_prints_text_or_one_json_object(runs, monkeypatch, capsys):
    monkeypatch.setenv("RAYSQ_HOME", str(runs["last"].directory.parents[1]))
    assert main(["generate", "last", "--prompt", "The zyxw", "--words", "5", "--greedy"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("The zyxw ") and "the model does not know 'zyxw' of the prompt" in shown.err
    assert main(["generate", "last", "--words", "5", "--samples", "2", "--top-k", "9", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["synthetic"] and len(found["samples"]) == 2 and found["run"].endswith("last")
    assert main(["generate", "last", "--greedy", "--temperature", "1"]) == 2
    assert "give one of them" in capsys.readouterr().err
    assert main(["generate", "nothing"]) == 1
    assert "no run 'nothing'" in capsys.readouterr().err


def test_a_model_without_vectors_of_words_has_no_neighbors(runs):
    bigrams = raysq.load(runs["char"])
    with pytest.raises(UsageError, match=r"cannot tell .* \(this model has no vectors of words\); it can: "):
        bigrams.neighbors("a")
    with pytest.raises(UsageError, match=r"it can: evaluate, predict, predict --text, generate, report, export$"):
        bigrams.translate(["a"])
    assert len(raysq.load(runs["last"]).neighbors("queen", top=3)) == 3
