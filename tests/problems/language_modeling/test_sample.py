"""The built-in stories: the same everywhere, and with something to remember."""

import pytest

from raysq.errors import UsageError
from raysq.problems.language_modeling.sample import _PEOPLE, sample, stories


def test_the_sample_is_the_same_everywhere_and_a_longer_one_goes_on(tmp_path):
    one, other = sample(tmp_path / "a", "60"), sample(tmp_path / "b", "60")
    assert one.read_bytes() == other.read_bytes() and one.name == "sample-60-v1.txt"
    assert stories(80)[:60] == stories(60)
    assert max(map(len, one.read_text().split("\n"))) <= 72


def test_the_end_of_a_sentence_follows_from_its_beginning():
    things = {who: thing for who, _, thing, _ in _PEOPLE}
    told = [story.lower().rstrip(".").split() for story in stories(500) if " with " in story]
    assert told and all(words[-1] == things[words[1]] for words in told)


@pytest.mark.parametrize("spec", ["10", "x", "-5", "1000000"])
def test_lengths_out_of_range_are_refused(tmp_path, spec):
    with pytest.raises(UsageError, match="number of sentences from 50 to 200000"):
        sample(tmp_path, spec)
