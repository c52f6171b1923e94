"""Texts of plain values: equal for equal values, whatever the process."""

import subprocess
import sys

import numpy as np

from raysq.training.plain_values import plain_text


def test_texts_are_those_of_the_values():
    values = [1, True, 1.0, "1", b"1", None, (1,), [1], {1}, {1: 2}, np.arange(3), np.arange(3.0), np.float32(1)]
    texts = [plain_text(value) for value in values]
    assert None not in texts and len(set(texts)) == len(values)
    assert plain_text({"a": [np.arange(3)]}) == plain_text({"a": [np.arange(3)]})
    assert plain_text({"b", "a"}) == plain_text({"a", "b"})


def test_what_is_not_plain_has_no_text():
    circle = []
    circle.append(circle)
    for value in (object(), print, [print], {"a": test_texts_are_those_of_the_values}, np.array([print]), circle):
        assert plain_text(value) is None


def test_a_set_has_the_same_text_in_every_process():
    code = "from raysq.training.plain_values import plain_text; print(plain_text({'a', 'b', 'c', 'd', 'e'}))"
    texts = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": str(seed)}, capture_output=True).stdout
        for seed in range(3)
    }
    assert len(texts) == 1 and b"a" in texts.pop()
