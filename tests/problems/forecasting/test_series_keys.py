"""Several series in one file: the columns that part them are asked for, and kept apart by all of them."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from problems.forecasting.series_files import infer_file, make_preprocessor, write_text

from raysq.data.pipeline import read_table
from raysq.errors import DataError


def panel(lengths, names=("store",), start="2024-01-01"):
    """csv of series of so many days each: {(keys): days}."""
    days = np.datetime64(start) + np.arange(max(lengths.values()))
    lines = [f"when,load,{','.join(names)}"]
    for place, (keys, count) in enumerate(lengths.items()):
        lines += [f"{days[n]},{10 * place + n % 7}.5,{','.join(keys)}" for n in range(count)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("lengths", "names", "asked"),
    [
        ({("a",): 60, ("b",): 40}, ("store",), "'store' tells them apart (a, b); give --id store,"),
        ({("a",): 60, ("b",): 60}, ("store",), "give --id store,"),
        ({("a",): 60, ("b",): 3}, ("store",), "give --id store,"),
        (
            {key: 30 + 5 * n for n, key in enumerate(itertools.product("ns", ("tea", "soap")))},
            ("shop no", "item"),
            "columns 'shop no' and 'item' together tell them apart (n tea, n soap, s tea, s soap); give --id "
            "'shop no,item'",
        ),
        # A column that says the same again is not asked for.
        ({("1", "one"): 40, ("2", "two"): 30}, ("store", "name"), "'store' tells them apart (1, 2); give --id store,"),
    ],
)
def test_the_fewest_columns_that_part_the_series_are_named(tmp_path, lengths, names, asked):
    path = write_text(tmp_path / "x.csv", panel(lengths, names))
    with pytest.raises(DataError) as error:
        infer_file(path)
    assert asked in str(error.value)


def test_a_key_that_is_not_enough_is_asked_for_the_other(tmp_path):
    lengths = {key: 30 + 5 * n for n, key in enumerate(itertools.product("ns", ("tea", "soap")))}
    path = write_text(tmp_path / "x.csv", panel(lengths, ("store", "item")))
    with pytest.raises(DataError, match=r"of the same item, .*column 'store' tells .*give --id item,store"):
        infer_file(path, id="item")
    settings, messages = infer_file(path, id="store,item")
    assert settings.columns == ("load",) and "4 series by store, item (n, tea, n, soap, s, tea, s, soap)" in messages


def test_rows_logged_twice_are_no_series(tmp_path):
    """A clock change, a restart, the weather of the hour: the rows lie one after the other, not beside each other."""
    random = np.random.RandomState(3)
    hours = np.datetime64("2024-03-01T00", "h") + np.arange(400)
    twice = np.sort(np.concatenate([np.arange(400), [50, 51, 52, 200, 201, 300]]))
    summer = (twice > 200).astype(int)
    summer[np.flatnonzero(np.diff(twice) == 0) + 1] ^= 1
    wind = random.choice(["NE", "SW"], len(twice))
    lines = [f"{hours[n]},{n % 24}.25,{wind[p]},{summer[p]}" for p, n in enumerate(twice)]
    _, messages = infer_file(write_text(tmp_path / "x.csv", "when,load,wind,dst\n" + "\n".join(lines) + "\n"))
    assert "6 repeated stamps" in messages


def test_series_of_two_keys_are_put_together_by_both(tmp_path):
    text = "a,date,b,v\n" + "".join(
        f"{a},2020-01-0{day},{b},{100 * (a == 'y') + 10 * (b == 'q') + day}\n"
        for day in (1, 2, 3)
        for a, b in (("y", "p"), ("x", "q"), ("x", "p"))
    )
    table, report = read_table(make_preprocessor(id="a,b"), [write_text(tmp_path / "x.csv", text)])
    assert [(one["keys"], one["rows"]) for one in report["series"]] == [
        (["y", "p"], 3),
        (["x", "q"], 3),
        (["x", "p"], 3),
    ]
    assert table["v"].to_pylist() == [101, 102, 103, 11, 12, 13, 1, 2, 3]
    assert table.schema.names == ["time", "v"] and isinstance(table["v"], pa.ChunkedArray)
    with pytest.raises(DataError, match=r"line 4, column 'b': the cell is missing, it must name the series"):
        bad = "a,date,b,v\nx,2020-01-01,p,1\nx,2020-01-02,p,1\nx,2020-01-03,,1\n"
        read_table(make_preprocessor(id="a,b"), [write_text(tmp_path / "y.csv", bad)])
