"""Cells are parsed to numbers, with a mask of bad cells."""

import numpy as np
import pyarrow as pa

from raysq.problems.forecasting.readers import parsing


def test_numbers_as_text():
    column = pa.chunked_array([["1", " -2.5e1 ", "", "NA", None], [".5", "5.", "1,5", "0x1", "1_0", "nan", "--1"]])
    got, bad = parsing.numbers(column, "x")
    np.testing.assert_array_equal(got, [1, -25, np.nan, np.nan, np.nan, 0.5, 5, np.nan, np.nan, np.nan, np.nan, np.nan])
    assert np.flatnonzero(bad).tolist() == [7, 8, 9, 11]
