"""The built-in sample: always the same, prepared without a remark, and something to learn."""

import json

import numpy as np
import pytest

from raysq.errors import UsageError
from raysq.problems.text_classification.sample import reviews, sample


def test_it_is_written_once_and_always_the_same(tmp_path):
    first = sample(tmp_path / "a", "100")
    before = first.stat().st_mtime_ns
    assert sample(tmp_path / "a", " 0100 ") == first
    assert first.stat().st_mtime_ns == before
    assert sample(tmp_path / "b", "100").read_bytes() == first.read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == [first.name]
    rows = [json.loads(line) for line in first.read_text().splitlines()]
    assert len(rows) == 100 and {tuple(row) for row in rows} == {("text", "label", "split")}
    assert sum(row["split"] == "test" for row in rows) == 20
    assert sample(tmp_path / "a").name.startswith("sample-4000-")
    assert reviews(30) == reviews(100)[:30]


@pytest.mark.parametrize("spec", ["8", "0", "2k", "1.5", "-300", "300 texts", "200001", "../x", "²00"])
def test_what_is_not_a_number_of_documents(tmp_path, spec):
    with pytest.raises(UsageError, match="sample:2000"):
        sample(tmp_path, spec)


def accuracy(longest):
    """Of naive Bayes on runs of up to so many words, on reviews that it was not fitted on."""
    made = [(text.lower().replace(".", "").replace("!", "").split(), label == "pos") for text, label in reviews(4000)]
    held = [
        ({tuple(words[at : at + n]) for n in range(1, longest + 1) for at in range(len(words) - n + 1)}, label)
        for words, label in made
    ]
    counts = {}
    for grams, label in held[:3000]:
        for gram in grams:
            counts.setdefault(gram, np.ones(2))[int(label)] += 1
    shares = np.bincount([label for _, label in held[:3000]])
    weights = {gram: np.log(both[1] / shares[1]) - np.log(both[0] / shares[0]) for gram, both in counts.items()}
    right = [(sum(weights.get(gram, 0) for gram in grams) > 0) == label for grams, label in held[3000:]]
    return np.mean(right)


def test_words_tell_the_class_and_their_order_tells_more():
    words, runs = accuracy(1), accuracy(2)
    assert 0.7 < words < 0.85
    assert words + 0.03 < runs < 0.95
    labels = [label for _, label in reviews(4000)]
    assert 0.47 < np.mean([label == "pos" for label in labels]) < 0.53
    assert 150 < len({word for text, _ in reviews(4000) for word in text.lower().strip(".!").split()}) < 1000
