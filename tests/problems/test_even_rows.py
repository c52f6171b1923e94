"""Rows at even distances."""

from raysq.problems.even_rows import evenly


def test_rows_are_evenly_spaced():
    assert [evenly(count, 3).tolist() for count in (0, 2, 101)] == [[], [0, 1], [0, 50, 100]]
