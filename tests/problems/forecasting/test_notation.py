"""Numbers as people write them: signs beside them, characters between thousands, decimal commas."""

import pyarrow.compute as pc
import pytest
from problems.forecasting.series_files import infer_file, make_preprocessor

from raysq.config import make_settings
from raysq.data.pipeline import read_table
from raysq.errors import UsageError


def series(cells, delimiter=",", other=None):
    """csv of a month for each cell, and of another column of values."""
    lines = [delimiter.join(["month", "cost", "other"])]
    for number, (cell, beside) in enumerate(zip(cells, other or ["7"] * len(cells), strict=True)):
        lines.append(delimiter.join([f"{2000 + number // 12}-{number % 12 + 1:02}-01", f'"{cell}"', beside]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("cells", "delimiter", "other", "values"),
    [
        (["$10,063.00", "$9.50", "-$1.25", "$-2.00"], ",", None, [10063, 9.5, -1.25, -2]),
        (["85%", "7.5 %", "", "100%"], ",", None, [85, 7.5, 7.5, 100]),
        (["10\u00a0063,00 \u20ac", "950,50 \u20ac", "-1\u00a0000,25 \u20ac"], ";", None, [10063, 950.5, -1000.25]),
        (["10\u202f063", "950", "1\u202f000\u202f000"], ",", None, [10063, 950, 1_000_000]),
        (["10'063.5", "950.25", "1'000"], ",", None, [10063.5, 950.25, 1000]),
        (["10.063", "9.500", "950"], ";", ["0,5", "1,5", "2,5"], [10063, 9500, 950]),
        (["1.234.567,5", "1.000,25", "3,5"], ";", None, [1234567.5, 1000.25, 3.5]),
        # Points alone, or decimals that no thousands could be, stay decimals.
        (["10.063", "9.500", "950"], ";", None, [10.063, 9.5, 950]),
        (["10.063", "0.500", "950"], ",", None, [10.063, 0.5, 950]),
    ],
)
def test_numbers_are_read_as_they_are_meant(tmp_path, cells, delimiter, other, values):
    path = tmp_path / "x.csv"
    settings, messages = infer_file(path, series(cells, delimiter, other))
    table, _ = read_table(settings, [path])
    assert table["cost"].to_pylist() == pytest.approx(values, rel=1e-6)
    assert ("numbers: " in messages) == (settings.notation != make_preprocessor().notation)
    # What was found is kept with the run, and read in the same way.
    again, _ = read_table(make_settings(type(settings), settings.reading(["cost"])), [path])
    assert pc.all(pc.equal(again["cost"], table["cost"])).as_py()


@pytest.mark.parametrize(
    ("cells", "other", "reason"),
    [
        (
            [f"{'$€'[n % 2]}{n}" for n in range(80)],
            None,
            "'\\$0', which are no numbers here: write digits with a point",
        ),
        ([f"{n}.5 kWh" for n in range(80)], None, "'0.5 kWh', which are no numbers here"),
        ([f"{n}.25" for n in range(80)], ["0,5"] * 80, "'0.25', .* with a comma before decimals, as in other columns"),
        ([""] * 80, None, "cost, it is empty"),
    ],
)
def test_a_target_that_is_no_number_is_named_with_the_reason(tmp_path, cells, other, reason):
    settings, messages = infer_file(tmp_path / "x.csv", series(cells, ";", other))
    assert "left out: cost" in messages and settings.columns == ("other",)
    with pytest.raises(UsageError, match=f"target 'cost' is no column of values: .*{reason}"):
        settings.infer_defaults({"targets": "cost"}, {})


def test_signs_are_characters():
    with pytest.raises(UsageError, match="setting signs must be characters such as"):
        make_preprocessor(signs="USD")
