"""Names of data sets, runs and searches: they stand in commands, on terminals, on pages and in file names."""

import pytest

import raysq
from raysq.display.terminal import visible
from raysq.errors import UsageError
from raysq.storage.paths import check_name


@pytest.mark.parametrize("name", ["a", "7", "run-1_b.c", "Grün", "走る", "x" * 100])
def test_what_is_a_name(name):
    check_name(name, "run")


@pytest.mark.parametrize(
    "name",
    ["", "<b>x", "a\nb", "a\n", "a\x1b[31m", "a b", "a/b", "a\\b", "..", ".a", "-a", "_a", "a\u202eb", "a:b", 'a"'],
)
def test_what_is_none(name):
    with pytest.raises(UsageError, match="a run's name is letters, digits, '.', '-' and '_'") as caught:
        check_name(name, "run")
    assert visible(str(caught.value)) == str(caught.value)


@pytest.mark.parametrize("name", ["x" * 101, "ü" * 51, "x" * 100_000])
def test_a_name_is_short(name):
    with pytest.raises(UsageError, match="at most 100 bytes, received") as caught:
        check_name(name, "run")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["<b>x", "a\nb", "x" * 101])
def test_data_sets_runs_and_searches_have_names(name):
    with pytest.raises(UsageError, match="--name: a data set's name"):
        raysq.prepare("jena", "sample:20d", name=name, quiet=True)
    data = raysq.prepare("jena", "sample:20d", quiet=True).directory
    small = {"epochs": 1, "lookback": 6, "delay": 2}
    with pytest.raises(UsageError, match="--name: a run's name"):
        raysq.train("jena", data=data, model="dense", name=name, settings=small, quiet=True)
    with pytest.raises(UsageError, match="--name: a search's name"):
        raysq.tune("jena", data=data, model="dense", name=name, search={"units": [2]}, settings=small, quiet=True)
