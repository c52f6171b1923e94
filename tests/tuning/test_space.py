"""The space of a search: a pure function of the seed, without points twice."""

import pytest
from training.series import SMALL, write_series

from raysq import tasks
from raysq.errors import UsageError
from raysq.training.run_config import resolve_config
from raysq.tuning.make_space import make_space
from raysq.tuning.read_domains import parse_search
from raysq.tuning.space import Space

SPACE = Space(
    {
        "units": [16, 32],
        "dropout": ("uniform", 0.0, 0.5),
        "layers": ("randint", 1, 4),
        "rate": ("loguniform", 1e-4, 1e-2),
    },
    {"units": 64, "dropout": 0.0, "layers": 1, "rate": 0.001},
)


def test_more_points_begin_with_the_same_ones():
    few, many = SPACE.points(5, seed=3), SPACE.points(40, seed=3)
    assert many[:5] == few and few[0] == SPACE.defaults
    assert few[1:] != SPACE.points(5, seed=4)[1:]
    assert all(SPACE.contains(point) for point in many[1:]) and not SPACE.contains(many[0])
    assert {point["layers"] for point in many} == {1, 2, 3}
    assert all(float(f"{point['rate']:.4g}") == point["rate"] for point in many)


def test_a_finite_space_is_searched_once():
    space = Space({"a": [1, 2], "b": ("randint", 0, 3)}, {"a": 1, "b": 0})
    points = space.points(100, seed=0)
    assert len(points) == 6 == len({tuple(point.values()) for point in points})
    assert space.points(4, seed=0) == points[:4]


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("units=16,32", ["16", "32"]),
        ("dropout=uniform(0, 0.5)", ("uniform", 0.0, 0.5)),
        ('calendar=["hour,yearday",""]', ["hour,yearday", ""]),
    ],
)
def test_domains_are_read(text, domain):
    assert list(parse_search([text]).values()) == [domain]


@pytest.mark.parametrize("text", ["units=randint(1", "rate=uniform", "rate=loguniform(1e-4)"])
def test_a_range_that_is_not_one_is_named(text):
    with pytest.raises(UsageError, match="a range is written like"):
        parse_search([text])


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ([0.1, 1.5], "setting dropout must be .*, received 1.5"),
        (("uniform", -0.1, 0.5), "setting dropout must be .*, received -0.1"),
        (("uniform", 0.1, 1.0), "setting dropout must be .*, received 1.0"),
    ],
)
def test_a_domain_beyond_its_setting_is_refused_before_any_trial(tmp_path, domain, message):
    data = write_series(tmp_path / "waves")
    config = resolve_config("jena", "gru", data, 0, SMALL)
    with pytest.raises(UsageError, match=message):
        make_space(config, data, SMALL, {"dropout": domain})
    assert make_space(config, data, SMALL, {"units": ("randint", 1, 3)}).domains == {"units": ("randint", 1, 3)}
    with pytest.raises(UsageError, match="setting units must be .*, received 0"):
        make_space(config, data, SMALL, {"units": ("randint", 0, 3)})


def test_what_is_asked_is_searched_and_nothing_else(tmp_path):
    data = write_series(tmp_path / "waves")
    fixed = {**SMALL, "dropout": 0.1}
    config = resolve_config("jena", "dense", data, 0, fixed)
    asked = make_space(config, data, fixed, {"units": "4,8", "learning_rate": "loguniform(1e-4,1e-2)"})
    assert asked.domains == {"units": [4, 8], "learning_rate": ("loguniform", 1e-4, 1e-2)}
    assert asked.describe() == [
        "units          4, 8; default 32",
        "learning_rate  0.0001 to 0.01 on a log scale; default 0.001",
    ]
    # A setting that cannot act would make every trial the same.
    with pytest.raises(UsageError, match="--search learning_rate: model 'dense' comes compiled"):
        make_space(config, data, fixed, {"learning_rate": [0.1, 0.2]}, ignored=["learning_rate"])
    assert set(make_space(config, data, fixed, ignored=["learning_rate"]).domains) == {"units", "calendar"}
    # Without a wish it is the task's, of which this model has no cells and no layers.
    assert set(make_space(config, data, fixed).domains) == {"units", "learning_rate", "calendar"}
    assert {"cell", "layers"} < set(tasks.get("jena").search)
