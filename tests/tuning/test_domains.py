"""Domains as Ray Tune writes them: read, drawn, and narrowed from one generation to the next."""

import random

import numpy as np
import pytest
from ray import tune
from training.series import SMALL, write_series

from raysq.errors import UsageError
from raysq.training import domains
from raysq.training.run_config import resolve_config
from raysq.tuning.generations import narrow
from raysq.tuning.make_space import make_space
from raysq.tuning.read_domains import parse_search, read_domain
from raysq.tuning.space import Space


@pytest.mark.parametrize(
    ("given", "domain"),
    [
        (tune.choice([16, 32]), [16, 32]),
        (tune.uniform(0, 0.5), ("uniform", 0, 0.5)),
        (tune.quniform(0, 0.5, 0.1), ("quniform", 0, 0.5, 0.1)),
        (tune.loguniform(1e-4, 1e-2), ("loguniform", 1e-4, 1e-2)),
        (tune.qloguniform(1e-4, 1e-2, 1e-4), ("qloguniform", 1e-4, 1e-2, 1e-4)),
        (tune.randint(1, 4), ("randint", 1, 4)),
        (tune.qrandint(4, 16, 4), ("qrandint", 4, 16, 4)),
        (tune.lograndint(1, 100), ("lograndint", 1, 100)),
        (tune.qlograndint(4, 64, 4), ("qlograndint", 4, 64, 4)),
        (tune.grid_search([8, 16]), ("grid_search", [8, 16])),
        (32, [32]),
    ],
)
def test_domains_of_ray_tune_are_read(given, domain):
    assert read_domain("units", given) == domain
    assert domains.from_json(list(domain)) == domain


def test_domains_without_bounds_are_refused():
    with pytest.raises(UsageError, match="normal domain has no bounds"):
        read_domain("dropout", tune.randn(0, 1))


def test_the_command_line_has_them_too():
    text = ["dropout=quniform(0,0.5,0.1)", "units=grid_search(8,16)", "layers=lograndint(1,9)"]
    assert parse_search(text) == {
        "dropout": ("quniform", 0.0, 0.5, 0.1),
        "units": ("grid_search", ["8", "16"]),
        "layers": ("lograndint", 1.0, 9.0),
    }
    with pytest.raises(UsageError, match=r"a range is written like quniform\(0,0.5,0.1\)"):
        parse_search(["dropout=quniform(0,0.5)"])


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (("quniform", 0, 0.5, 0.1), {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}),
        (("qrandint", 4, 16, 4), {4, 8, 12, 16}),
        (("qlograndint", 4, 12, 4), {4, 8, 12}),
        (("lograndint", 1, 4), {1, 2, 3}),
    ],
)
def test_every_value_is_drawn_and_no_other(domain, values):
    generator = np.random.RandomState(0)
    drawn = [domains.draw(domain, generator) for _ in range(300)]
    assert set(drawn) == values == set(domains.values(domain)) if "log" not in domain[0] else set(drawn) == values
    assert all(domains.contains(domain, value) for value in drawn) and domains.count(domain) == len(values)
    assert not domains.contains(domain, 0.05)


def test_whole_numbers_on_a_log_scale_are_drawn_more_often_where_they_are_small():
    generator = np.random.RandomState(0)
    drawn = [domains.draw(("lograndint", 1, 1001), generator) for _ in range(400)]
    assert 150 < sum(value < 32 for value in drawn) < 250


def test_each_combination_of_a_grid_is_trained_in_turn():
    space = Space(
        {"a": ("grid_search", [1, 2]), "b": ("grid_search", ["x", "y"]), "c": ("uniform", 0.0, 1.0)},
        {"a": 1, "b": "x", "c": 0.5},
    )
    points = space.points(9, seed=0)
    assert points == space.points(20, seed=0)[:9] and len({point["c"] for point in points[1:]}) == 8
    for turn in (points[1:5], points[5:9]):
        assert {(point["a"], point["b"]) for point in turn} == {(1, "x"), (1, "y"), (2, "x"), (2, "y")}
    alone = Space({"a": ("grid_search", [1, 2, 3])}, {"a": 1})
    assert [point["a"] for point in alone.points(100, seed=0)] == [1, 2, 3]


def test_a_function_sees_the_other_settings_and_its_draws_are_seeded(tmp_path):
    data = write_series(tmp_path / "waves")
    fixed = {key: value for key, value in SMALL.items() if key != "learning_rate"}
    config = resolve_config("jena", "dense", data, 0, fixed)
    search = {
        "units": [4, 32],
        "learning_rate": tune.sample_from(lambda spec: spec.config.units / 1000),
        "clipnorm": lambda config: tune.uniform(1, 2) if config["units"] == 4 else None,
        "epsilon": tune.sample_from(lambda config: random.uniform(1e-8, 1e-7)),
    }
    space = make_space(config, data, fixed, search)
    state = random.getstate()
    points = space.points(3, seed=1)
    assert points == space.points(3, seed=1) != space.points(3, seed=2) and random.getstate() == state
    for point in points[1:]:
        assert point["learning_rate"] == point["units"] / 1000
        assert point["clipnorm"] is None if point["units"] == 32 else 1 <= point["clipnorm"] <= 2
    assert "a function of the others: lambda spec: spec.config.units / 1000" in space.describe()[1]
    for wrong, message in [
        (lambda config: -1.0, "learning_rate must be above 0, received -1"),
        (lambda config: config["unit"], "--search learning_rate: the function fails: KeyError"),
        (lambda spec: spec.config.unit, "no setting 'unit' is fixed or searched before it"),
    ]:
        with pytest.raises(UsageError, match=message):
            make_space(config, data, fixed, {"units": [4], "learning_rate": wrong}).points(2, seed=0)


@pytest.mark.parametrize(
    ("domain", "best", "second", "third"),
    [
        (("uniform", 0.0, 1.0), 0.5, ("uniform", 0.25, 0.75), ("uniform", 0.375, 0.625)),
        (("uniform", 0.0, 1.0), 1.0, ("uniform", 0.5, 1.0), ("uniform", 0.75, 1.0)),
        (("loguniform", 1e-4, 1.0), 1e-2, ("loguniform", 1e-3, 0.1), ("loguniform", 0.003162, 0.03162)),
        (("randint", 1, 10), 5, ("randint", 3, 8), ("randint", 4, 7)),
        (("qrandint", 4, 32, 4), 16, ("qrandint", 12, 20, 4), [16]),
        ([8, 16, 32, 64], 16, [8, 16, 32], [8, 16, 32]),
        ([8, 16], 64, [16, 64], [16, 64]),
        (["adam", "sgd"], "adam", ["adam", "sgd"], ["adam", "sgd"]),
        (("sample_from", "f"), 1.0, ("sample_from", "f"), ("sample_from", "f")),
    ],
)
def test_a_generation_is_the_neighborhood_of_the_best(domain, best, second, third):
    space = Space({"a": domain}, {"a": best})
    assert narrow(space, {"a": best}, 2).domains["a"] == second
    assert narrow(space, {"a": best}, 3).domains["a"] == third
    assert narrow(space, {"a": best}, 2).defaults == {"a": best}
