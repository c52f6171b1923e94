"""What is said where a run, or what is taken for one, cannot do what a command asks of it."""

import json

import pytest

from raysq import problems, tasks
from raysq.cli import main
from raysq.errors import DataError, UsageError
from raysq.inference.commands import COMMANDS, require, require_finished
from raysq.training.backtest import backtest
from raysq.training.run import Run
from raysq.training.run_config import RunConfig

CAN = {
    "forecasting": "evaluate, predict, report, export",
    "text_classification": "evaluate, predict, predict --text, neighbors, report, export",
    "language_modeling": "evaluate, predict, predict --text, generate, neighbors, report, export",
    "translation": "evaluate, predict, predict --text, translate, report, export",
    "word_vectors": "evaluate, predict, predict --text, neighbors, report, export",
    "images": "evaluate, predict, report, export",
    "arrays": "evaluate, predict, report, export",
}
TASKS = {
    "forecasting": "jena",
    "text_classification": "imdb",
    "language_modeling": "alice",
    "translation": "translation",
    "word_vectors": "cbow",
    "images": "images",
    "arrays": "arrays",
}


def made(problem, name=None, folder=None, model="lstm"):
    """A run that was asked for and not trained."""
    parts = {"fingerprint": "", "synthetic": True, "seed": 0, "settings": {"data": {}, "model": {}, "training": {}}}
    config = RunConfig(task=TASKS[problem], problem=problem, model=model, data="", metadata={}, versions={}, **parts)
    return Run.create(config, name=name or f"some-{problem}", folder=folder)


@pytest.mark.parametrize("problem", problems.REGISTRY.names())
def test_a_run_of_the_wrong_problem_is_told_what_it_can_do(problem):
    run = made(problem)
    can = CAN[problem].split(", ")
    for command in COMMANDS:
        if command.name in can:
            require(run, command.name)
            continue
        with pytest.raises(UsageError) as refused:
            require(run, command.name)
        said = str(refused.value)
        assert said.startswith(
            f"run some-{problem} ({run.config.task}, model lstm) is {problems.get(problem).noun} and cannot "
        )
        assert said.endswith(f"; it can: {CAN[problem]}")
        able = said.split("(runs of ")[1].split(" can)")[0].split(", ")
        assert able == [name for name in tasks.names() if command.name in CAN[tasks.get(name).problem].split(", ")], (
            "other tasks are named than those that can"
        )


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["generate", "RUN"], "text_classification"),
        (["translate", "RUN", "--text", "a"], "language_modeling"),
        (["neighbors", "RUN", "a"], "images"),
        (["predict", "RUN", "--text", "a"], "forecasting"),
    ],
)
def test_the_commands_say_so_in_one_line(capsys, command, problem):
    run = made(problem)
    assert main([run.name if part == "RUN" else part for part in command]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"run some-{problem} (" in line and line.endswith(f"it can: {CAN[problem]}")


@pytest.mark.parametrize(
    "command",
    [
        ["generate", "some-language_modeling"],
        ["predict", "some-language_modeling", "--text", "a"],
        ["predict", "some-language_modeling", "--input", "missing.txt"],
        ["export", "some-language_modeling"],
        ["neighbors", "some-language_modeling", "a"],
        ["evaluate", "some-language_modeling"],
    ],
)
def test_a_run_that_is_not_trained_yet(capsys, command):
    made("language_modeling")
    assert main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    name = "some-language_modeling"
    assert f"{name} has not been trained yet" in line or f"{name} has no finished epoch yet" in line


def test_a_run_says_where_it_stands():
    run = made("language_modeling")
    with run.lock(), pytest.raises(DataError, match="is being trained by another process: wait"):
        require_finished(run)
    (run.directory / "metrics.jsonl").write_text('{"epoch": 1, "step": 1, "val_loss": 1.0, "seconds": 1}\n')
    with pytest.raises(DataError, match="the same `raysq train` command continues it"):
        require_finished(run)
    run.finish({"metrics": {}, "steps": 1, "seconds": 1, "best_epoch": 1, "epochs": 1, "parameters": 1})
    with pytest.raises(DataError, match="has lost its model.keras: train it again with --fresh"):
        require_finished(run)
    (run.directory / "model.keras").write_text("PK no model")
    require_finished(run)
    from raysq.inference.predictor import load

    with pytest.raises(DataError, match="some-language_modeling has a model.keras that cannot be read"):
        load(run)


def test_names_that_are_no_runs(raysq_home, tmp_path, capsys):
    for name in ("imdb-lstm-0123456789", "imdb-gru-abcdef0123", "alice-lstm"):
        made("text_classification", name)
    for typed, code, said in (
        ("imbd-lstm", 1, "no run 'imbd-lstm': did you mean imdb-lstm-0123456789"),
        ("alise-lstm", 1, "did you mean alice-lstm? `raysq runs`"),
        ("imdb", 1, "2 runs begin with 'imdb'"),
        ("zzz", 1, "no run 'zzz': `raysq runs` lists them"),
        ("", 2, "received an empty name"),
    ):
        for command in (["evaluate", typed], ["generate", typed], ["export", typed]):
            assert main(command) == code
            (line,) = capsys.readouterr().err.splitlines()
            assert said in line


def test_a_search_or_a_data_set_in_the_place_of_a_run(raysq_home, tmp_path, capsys):
    search = raysq_home / "experiments" / "bags"
    search.mkdir(parents=True)
    (search / "experiment.json").write_text("{}")
    for name in ("bags", str(search)):
        assert main(["evaluate", name]) == 1
        assert "but a search of that name, which `raysq report` shows" in capsys.readouterr().err
    (search / "best.json").write_text(json.dumps({"run": "trials/imdb-1"}))
    assert main(["generate", "bags"]) == 1
    assert "its best run is trials/imdb-1" in capsys.readouterr().err
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "manifest.json").write_text("{}")
    assert main(["predict", str(tmp_path / "made"), "--text", "a"]) == 1
    assert "but a data set: `raysq train TASK --data" in capsys.readouterr().err
    assert main(["report", "bgas"]) == 1
    assert "did you mean the search bags?" in capsys.readouterr().err


def test_tasks_without_an_order_in_time_name_those_with_one():
    with pytest.raises(UsageError, match="gives a text classifier.* tasks that have: jena, beijing, forecast"):
        backtest("imdb")
