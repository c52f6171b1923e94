"""Durations that people write, for searches and for series alike."""

import pytest

from raysq.data import durations
from raysq.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (90, 90), (0.5, 0.5), ("30m", 1800), ("30 min", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400)],
)
def test_they_are_read(text, seconds):
    assert durations.seconds(text, "--time") == seconds


@pytest.mark.parametrize("text", ["soon", "", "5M", "5 parsecs", "-3", "nan", "inf", "1h30", "1y3d", "m"])
def test_what_is_none_is_refused(text):
    assert durations.parse(text) is None
    with pytest.raises(UsageError, match="--time is seconds, or written like 30m, 2h or 1h30m, received"):
        durations.seconds(text, "--time")


def test_no_time_at_all_is_refused():
    with pytest.raises(UsageError, match="--time must be above 0, received '0h'"):
        durations.seconds("0h", "--time")


def test_the_former_name_of_the_option_gives_the_new_one(capsys):
    from raysq.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["tune", "jena", "--budget", "30m"])
    assert ended.value.code == 2
    assert "--budget is now --time" in capsys.readouterr().err
