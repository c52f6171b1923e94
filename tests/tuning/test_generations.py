"""Generations of a search: when the next one begins, what it draws, and how it is found again."""

import pytest

from raysq.training import experiment_files as files
from raysq.training.run_files import RunFiles
from raysq.tuning.experiment import Experiment
from raysq.tuning.space import Space
from raysq.tuning.trial_queue import TrialQueue

SPACE = Space({"a": ("uniform", 0.0, 1.0), "b": [1, 2, 3, 4]}, {"a": 0.9, "b": 4})


@pytest.fixture
def experiment(tmp_path):
    made = Experiment.create(tmp_path, "made", {"id": "made"})
    made.begin()
    return made


def queue(experiment, searcher="random", generations=3):
    return TrialQueue(experiment, SPACE, trials=4, seed=0, fixed={}, searcher=searcher, generations=generations)


def end(queue, trial, loss):
    """Ends a trial without a run of its own."""
    record = queue.records[int(trial.name.removeprefix("trial-"))]
    record |= {"state": "finished", "val_loss": loss, "epochs": 1, "metrics": {"val_loss": loss}}
    queue.proposals.tell(record)
    queue.save()


@pytest.mark.parametrize("searcher", ["random", "optuna"])
def test_a_generation_waits_for_the_one_before_and_is_drawn_near_its_best(experiment, searcher):
    trials = queue(experiment, searcher)
    assert trials.trials == 12
    first = [trials.next_trial() for _ in range(4)]
    assert trials.next_trial() is None and first[0].searched == SPACE.defaults
    for trial in first:
        end(trials, trial, abs(trial.searched["a"] - 0.3))
    best = min(first, key=lambda trial: abs(trial.searched["a"] - 0.3)).searched
    second = [trials.next_trial() for _ in range(4)]
    assert trials.next_trial() is None
    low = min(max(best["a"] - 0.25, 0.0), 0.5)
    for trial in second:
        assert low - 0.001 <= trial.searched["a"] <= low + 0.501 and abs(trial.searched["b"] - best["b"]) <= 1
        assert trial.searched not in [one.searched for one in first]
    spaces = files.read_generations(experiment.directory)
    assert [space["first"] for space in spaces] == [1, 5] and spaces[1]["space"]["b"] != [1, 2, 3, 4]
    # Found again from the records.
    if searcher == "random":
        again = queue(experiment)
        assert [again.proposals.begun[1].points[n] for n in range(4)] == [trial.searched for trial in second]
    for trial in second:
        end(trials, trial, 1.0)
    third = [trials.next_trial() for _ in range(4)]
    assert len({trial.name for trial in first + second + third}) == 12
    for trial in third:
        end(trials, trial, 1.0)
    assert trials.next_trial() == "finished" and not trials.undrawn()


def test_a_search_whose_trials_all_failed_has_no_next_generation(experiment):
    trials = queue(experiment)
    while trial := trials.next_trial():
        if trial == "finished":
            break
        trials.records[int(trial.name[-2:])] |= {"state": "failed", "error": "no cable"}
    assert len(trials.records) == 4


def test_records_of_a_generation_that_cannot_have_begun_do_not_hang_it(experiment):
    trials = queue(experiment)
    first = [trials.next_trial() for _ in range(4)]
    for trial in first:
        end(trials, trial, 1.0)
    end(trials, trials.next_trial(), 1.0)
    for record in trials.records.values():
        record |= {"state": "failed", "error": "changed by hand", "val_loss": None}
    trials.save()
    again = queue(experiment)
    assert len(again.proposals.begun) == 1 and again.next_trial() == "finished"


def test_the_best_epoch_of_a_trial_is_none_without_a_loss(experiment):
    trials = queue(experiment)
    trial = trials.next_trial()
    run = RunFiles(experiment.directory / "trials" / trial.name)
    for epoch, loss in enumerate([float("nan"), 0.5, 0.7], 1):
        run.append({"epoch": epoch, "step": epoch, "seconds": 1.0, "val_loss": loss})
    run.finish({"metrics": {}, "steps": 3, "seconds": 1.0, "best_epoch": 2, "epochs": 3, "parameters": 1})
    assert trials.on_trial_end(trial.name, None, None).state == "finished"
    assert trials.records[1]["val_loss"] == 0.5 and trials.best()["number"] == 1
