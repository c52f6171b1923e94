"""Histograms and counts of overviews have every value, also the outliers."""

import numpy as np

from raysq.problems.overview_items import excerpt, label_bars, spread


def test_every_finite_value_is_in_a_histogram_and_outliers_in_the_last_bin():
    values = np.concatenate([np.random.default_rng(0).normal(size=999), [1e9, np.nan, np.inf]])
    chart = spread("x", values, "x", "rows")
    assert sum(chart.counts) == 1000 and max(chart.edges) < 100
    assert spread("x", np.array([np.nan]), "x", "rows") is None
    assert sum(spread("x", np.full(7, 3.25), "x", "rows").counts) == 7


def test_whole_numbers_have_a_bin_each():
    chart = spread("x", np.array([1, 1, 2, 4] * 100), "x", "rows")
    assert list(chart.counts) == [200, 100, 0, 100] and list(chart.edges) == [0.5, 1.5, 2.5, 3.5, 4.5]
    lengths = spread("x", np.array([0, 3, 3]), "words", "texts", whole=True)
    assert list(lengths.counts) == [1, 0, 0, 2] and list(lengths.edges) == [0, 1, 2, 3, 4]


def test_of_many_classes_the_most_frequent_are_shown():
    labels = np.repeat(np.arange(100), np.arange(100))
    chart = label_bars("classes", [str(number) for number in range(100)], np.append(labels, -1), "rows")
    assert chart.labels[0] == "99" and len(chart.labels) == 40 and "40 most frequent of 100" in chart.title
    assert list(label_bars("classes", ["a", "b"], np.array([0, 1, 1, -1]), "rows").values) == [1, 2]


def test_texts_are_cut():
    assert excerpt("a  b\nc", 10) == "a b c" and excerpt("abcdef", 3) == "abc\u2026"
