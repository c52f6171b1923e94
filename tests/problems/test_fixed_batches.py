"""Batches of one size: the last is filled up with its last row."""

import numpy as np
import pytest

from raysq.problems.fixed_batches import example_batches, fixed_batches, padded
from raysq.problems.splits import with_val_text


@pytest.mark.parametrize("rows", [np.arange(7), np.arange(21, dtype=np.uint8).reshape(7, 3)])
@pytest.mark.parametrize("size", [1, 3, 7, 10])
def test_all_batches_have_the_size_and_hold_the_rows_in_order(rows, size):
    batches = list(fixed_batches(rows, size))
    assert len(batches) == -(-7 // size)
    for batch, count in batches:
        assert batch.shape == (size, *rows.shape[1:]) and batch.dtype == rows.dtype
        assert (batch[count:] == batch[count - 1]).all()
    np.testing.assert_array_equal(np.concatenate([batch[:count] for batch, count in batches]), rows)
    assert list(fixed_batches(rows[:0], size)) == []


def test_a_full_batch_is_as_it_was():
    np.testing.assert_array_equal(padded(np.arange(4), 4), np.arange(4))


def test_examples_are_gathered_by_whole_rows():
    class Split:
        def mapped(self):
            return {"x": np.arange(10).reshape(5, 2)}

        def gather(self, indices, arrays, take):
            return take(arrays["x"], indices), indices

    (x, y, count), (last, _, one) = example_batches(Split(), np.array([3, 0, 4]), 2)
    assert (x.tolist(), y.tolist(), count) == ([[6, 7], [0, 1]], [3, 0], 2)
    assert (last.tolist(), one) == ([[8, 9], [8, 9]], 1)


@pytest.mark.parametrize(("given", "text"), [(0.2, "0.2"), (10000, "10000"), ("0.1", "0.1"), (None, None)])
def test_val_is_text_wherever_it_comes_from(given, text):
    assert with_val_text({"val": given, "val_selection": "hash"}) == {"val": text, "val_selection": "hash"}
