"""The shortest window that convolutions take is the one that their error names."""

import re

import pytest

from raysq import backend
from raysq.errors import UsageError
from raysq.problems.specs import InputSpec


@pytest.mark.parametrize(("kernel_size", "pool"), [(5, 3), (3, 2), (2, 4)])
@pytest.mark.parametrize("name", ["conv1d", "conv1d_gru"])
def test_the_shortest_window_of_convolutions_is_named(name, kernel_size, pool):
    backend.load()
    from raysq.problems.forecasting import models

    def build(steps):
        return getattr(models, name)(InputSpec((steps, 2), 1), filters=2, kernel_size=kernel_size, pool=pool)

    with pytest.raises(UsageError, match="too short for convolutions") as refused:
        build(1)
    needed = int(re.search(r"need (\d+)", str(refused.value))[1])
    with pytest.raises(UsageError, match=f"they need {needed}"):
        build(needed - 1)
    assert build(needed).output_shape == (None, 1)
