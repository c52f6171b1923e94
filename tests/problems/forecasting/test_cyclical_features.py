"""Cyclical features are the positions of timestamps on circles."""

import numpy as np
import pytest
from problems.forecasting.series_files import make_times

from raysq.errors import UsageError
from raysq.problems.forecasting.cyclical_features import CALENDAR, check_calendar, cyclical_features


def test_cyclical_features():
    waves = cyclical_features(
        make_times("2024-01-01T00", "1h", 24 * 366).astype("datetime64[us]").astype(np.int64), CALENDAR
    )
    assert waves.shape == (24 * 366, 10)
    assert waves.dtype == np.float32
    np.testing.assert_allclose(np.hypot(waves[:, ::2], waves[:, 1::2]), 1, rtol=1e-6)
    np.testing.assert_allclose(waves[6, :2], [1, 0], atol=1e-6)  # six o'clock
    np.testing.assert_allclose(waves[0, 2:4], [0, 1], atol=1e-6)  # a Monday, first of the month and of the year
    assert len(np.unique(waves[:, 2])) == 7
    assert len(np.unique(np.round(waves[:, 6:8], 5), axis=0)) == 366
    with pytest.raises(UsageError, match="received 'weekdays': did you mean weekday"):
        check_calendar(["weekdays"])
