"""Objects of Ray Tune in a search: searchers, schedulers, stoppers and callbacks."""

from types import SimpleNamespace

import pytest
from ray import tune
from ray.tune.schedulers import (
    ASHAScheduler,
    FIFOScheduler,
    HyperBandForBOHB,
    HyperBandScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
    ResourceChangingScheduler,
    TrialScheduler,
)
from ray.tune.search import BasicVariantGenerator, ConcurrencyLimiter, Repeater
from ray.tune.search.hyperopt import HyperOptSearch
from ray.tune.search.optuna import OptunaSearch

from raysq.errors import UsageError
from raysq.training.goal import LOWEST_LOSS, Goal
from raysq.tuning.describe import describe_object
from raysq.tuning.experiment import Experiment
from raysq.tuning.guarded_scheduler import EndedTrial, GuardedScheduler
from raysq.tuning.running_search import HowToRun, RunningSearch
from raysq.tuning.schedulers import check_scheduler, is_population
from raysq.tuning.searchers import RaySearcher, check_searcher
from raysq.tuning.space import Space
from raysq.tuning.stoppers import check_stop, make_condition, parse_stop
from raysq.tuning.trial_queue import TrialQueue

SPACE = Space(
    {"units": ("qrandint", 4, 64, 4), "rate": ("loguniform", 1e-4, 1e-2), "dropout": ("uniform", 0.0, 0.5)},
    {"units": 4, "rate": 0.001, "dropout": 0.0},
)
ACCURACY = Goal("val_accuracy", "max")


def record(number, settings, accuracy, state="finished"):
    metrics = {"val_accuracy": accuracy}
    return {"number": number, "settings": settings, "state": state, "val_loss": 1.0, "metrics": metrics}


@pytest.mark.parametrize("make", [lambda: OptunaSearch(seed=3), lambda: HyperOptSearch(random_state_seed=3)])
def test_a_searcher_suggests_points_of_the_space_and_learns_which_are_better(make):
    given = make()
    searcher = RaySearcher(given, SPACE, ACCURACY, 0, [])
    found = []
    for number in range(2, 32):
        point = searcher.suggest(number)
        assert SPACE.contains(point) and list(point) == list(SPACE.domains)
        found.append(point)
        searcher.tell(record(number, point, 0.9 - abs(point["dropout"] - 0.4)))
    late = [abs(point["dropout"] - 0.4) for point in found[-8:]]
    assert sum(late) / len(late) < 0.1
    again = RaySearcher(given, SPACE, ACCURACY, 0, [])  # the object itself is not changed
    assert again.suggest(2) == found[0]


def test_a_searcher_that_takes_no_earlier_trials_says_so():
    earlier = [record(2, {"units": 8, "rate": 0.002, "dropout": 0.1}, 0.5)]
    assert RaySearcher(HyperOptSearch(), SPACE, ACCURACY, 0, earlier).is_forgetful
    assert not RaySearcher(OptunaSearch(), SPACE, ACCURACY, 0, earlier).is_forgetful


@pytest.mark.parametrize(
    ("searcher", "scheduler", "told"),
    [
        ("random", "asha", []),
        ("optuna", ASHAScheduler(), []),
        (OptunaSearch(), "pbt", ["the scheduler begins anew: it does not know the 2 trials that have ended"]),
        (HyperOptSearch(), FIFOScheduler(), ["the searcher takes no results of earlier sessions"]),
        ("random", HyperBandScheduler(), ["the scheduler begins anew"]),
    ],
)
def test_what_does_not_know_the_trials_of_earlier_sessions_is_told(searcher, scheduler, told):
    proposals = SimpleNamespace(is_forgetful=False)
    if searcher != "random":
        proposals = RaySearcher(
            searcher, SPACE, ACCURACY, 0, [record(1, {"units": 8, "rate": 0.002, "dropout": 0.1}, 0.5)]
        )
    queue = SimpleNamespace(proposals=proposals, ended_trials=lambda: {"trial-01": [], "trial-02": []})
    found = RunningSearch(None, queue, None, None, HowToRun(scheduler=scheduler))._begins_anew()
    assert len(found) == len(told) and all(text in message for text, message in zip(told, found, strict=True))


def test_a_searcher_that_waits_lets_the_search_wait(tmp_path):
    experiment = Experiment.create(tmp_path, "made", {"id": "made"})
    experiment.begin()
    searcher = ConcurrencyLimiter(OptunaSearch(seed=0), max_concurrent=1)
    queue = TrialQueue(experiment, SPACE, trials=4, seed=0, fixed={}, searcher=searcher)
    assert queue.next_trial().searched == SPACE.defaults
    assert queue.next_trial().name == "trial-02" and queue.next_trial() is None and len(queue.records) == 2


@pytest.mark.parametrize(
    ("searcher", "message"),
    [
        ("optna", "unknown --searcher 'optna': did you mean optuna"),
        (BasicVariantGenerator(), "give searcher='random'"),
        (object(), "or a ray.tune.search.Searcher, received object"),
        (Repeater(OptunaSearch()), "refit=SEEDS"),
    ],
)
def test_searchers_that_cannot_be_used_are_named(searcher, message):
    with pytest.raises(UsageError, match=message):
        check_searcher(searcher)


def test_a_searcher_with_a_space_of_its_own_is_refused():
    searcher = OptunaSearch(OptunaSearch.convert_search_space({"units": tune.choice([1, 2])}), metric="x", mode="min")
    with pytest.raises(UsageError, match="has a space, metric or mode of its own"):
        RaySearcher(searcher, SPACE, ACCURACY, 0, [])
    grid = Space({"units": ("grid_search", [1, 2])}, {"units": 1})
    with pytest.raises(UsageError, match="grid_search needs searcher random"):
        RaySearcher("optuna", grid, ACCURACY, 0, [])


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("pbx", "unknown --scheduler 'pbx': did you mean pbt"),
        (object(), "or a ray.tune.schedulers.TrialScheduler, received object"),
        (ResourceChangingScheduler(), "the resources of a trial do not change"),
        (HyperBandForBOHB(), "with its own searcher alone"),
    ],
)
def test_schedulers_that_cannot_be_used_are_named(scheduler, message):
    with pytest.raises(UsageError, match=message):
        check_scheduler(scheduler)


def reports(scheduler, name, values):
    trial = EndedTrial(name)
    scheduler.on_trial_add(None, trial)
    decisions = []
    for epoch, value in enumerate(values, 1):
        result = {"epoch": epoch, "training_iteration": epoch, "val_accuracy": value, "score": -value}
        decisions.append(scheduler.on_trial_result(None, trial, result))
    return decisions


def test_a_scheduler_takes_the_goal_and_knows_earlier_trials():
    scheduler = GuardedScheduler(ASHAScheduler(max_t=9, reduction_factor=2, grace_period=1), ACCURACY)
    earlier = {f"trial-0{n}": [{"epoch": 1, "val_accuracy": 0.8, "val_loss": 1.0}] for n in (1, 2)}
    scheduler.inform(earlier)
    assert reports(scheduler, "worse", [0.1]) == [TrialScheduler.STOP]
    assert reports(scheduler, "better", [0.9]) == [TrialScheduler.CONTINUE]


def test_a_scheduler_that_compares_what_no_run_records_is_named():
    for scheduler, message in (
        (ASHAScheduler(metric="val_acuracy", mode="max"), "no run records val_acuracy: did you mean val_accuracy"),
        (MedianStoppingRule(time_attr="epochs"), "no run records epochs: did you mean epoch"),
    ):
        with pytest.raises(UsageError, match=message):
            reports(GuardedScheduler(scheduler, ACCURACY), "one", [0.5])
    with pytest.raises(UsageError, match="only one of metric and mode"):
        GuardedScheduler(MedianStoppingRule(metric="val_loss"), ACCURACY)


def test_a_report_of_no_epoch_is_no_result():
    scheduler = GuardedScheduler(PopulationBasedTraining(hyperparam_mutations={"rate": [1, 2]}), ACCURACY)
    assert scheduler.on_trial_result(None, EndedTrial("one"), {"name": "one", "epoch": 0}) == TrialScheduler.CONTINUE


def test_population_based_training_is_known_by_name_and_class():
    assert is_population("pbt") and not is_population("asha") and not is_population(ASHAScheduler())
    assert is_population(PopulationBasedTraining(hyperparam_mutations={"rate": [1, 2]}))


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        ("soon", "stop must be a dict, a function"),
        ({"epoch": "3"}, "the value must be a number, received '3'"),
        ({"val_loss": 0.1}, "would stop trials that are at or above it, and lower is better"),
    ],
)
def test_conditions_that_cannot_be_meant_are_named(stop, message):
    with pytest.raises(UsageError, match=message):
        check_stop(stop, LOWEST_LOSS)


def test_conditions_stop_trials():
    stop, stop_all = make_condition(parse_stop(["val_accuracy=0.9", "epoch=3"]))
    assert [stop("one", {"val_accuracy": a, "epoch": e}) for a, e in ((0.5, 2), (0.95, 2), (0.5, 3))] == [
        False,
        True,
        True,
    ]
    assert not stop_all()
    for text, message in (("val_accuracy", "--stop is written NAME=VALUE"), ("epoch=soon", "must be a number")):
        with pytest.raises(UsageError, match=message):
            parse_stop([text])
    with pytest.raises(UsageError, match="no run records it: did you mean val_accuracy"):
        make_condition({"val_acuracy": 0.9})[0]("one", {"val_accuracy": 0.5})
    function = make_condition(lambda trial, result: result["epoch"] > 1)[0]
    assert function("one", {"epoch": 2}) and not function("one", {"epoch": 1})


def test_an_object_is_known_again_by_its_settings():
    first, same, other = (describe_object(ASHAScheduler(max_t=t)) for t in (9, 9, 10))
    assert first == same != other and first.startswith("AsyncHyperBandScheduler(") and "max_t=9" in first
    mutated = [
        describe_object(PopulationBasedTraining(hyperparam_mutations={"a": tune.uniform(0, x)})) for x in (1, 1, 2)
    ]
    assert mutated[0] == mutated[1] != mutated[2]
