"""One damaged file of a search is one line with the way out; lists and reports go on without it."""

import json
from types import SimpleNamespace

import pytest

from raysq import cli
from raysq.errors import DamagedError
from raysq.storage.atomic import write_json
from raysq.training import domains
from raysq.tuning import results
from raysq.tuning.experiment import Experiment, experiments
from raysq.tuning.refit import is_done
from raysq.tuning.run_trial import write_failure
from raysq.tuning.running_search import HowToRun, RunningSearch
from raysq.tuning.space import Space
from raysq.tuning.trial_queue import TrialQueue

DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "another type": lambda content: b'"text"\n',
    "no keys": lambda content: b"{}\n",
    "a list": lambda content: b"[{}]\n",
    "no UTF-8": lambda content: content[:9] + b"\xff" + content[9:],
    "a digit": lambda content: content.replace(b"1", b"7", 1),
}
SPACE = Space({"units": [4, 8, 16]}, {"units": 4})
FILES = {"trials.json": "trials", "best.json": "best", "refit.json": "refit", "clock.json": "seconds"}


@pytest.fixture
def searched(raysq_home):
    """A search with all its files, written by hand, and another one beside it."""
    about = {
        "id": "searched",
        "task": "jena",
        "problem": "forecasting",
        "model": "rnn",
        "data": "/nowhere",
        "seed": 0,
        "synthetic": True,
        "space": dict(SPACE.domains),
        "fixed": {},
        "defaults": {"units": 4},
        "requested": {"trials": 2, "searcher": "random"},
    }
    trials = [
        {
            "number": number,
            "settings": {"units": 4 * number},
            "state": "finished",
            "epochs": 1,
            "run": None,
            "val_loss": 1 / number,
            "metrics": {},
            "seconds": 1.5,
            "error": None,
        }
        for number in (2, 1)
    ]
    best = {key: about[key] for key in ("task", "model", "seed", "data", "synthetic")}
    best |= {"settings": {"model": {"units": 8}}, "metrics": {"val_loss": 0.5}, "run": "/gone/trial-02", "seconds": 3.1}
    figures = {"test_mae": {"mean": 0.5, "std": 0.1, "values": [0.4, 0.6]}}
    rows = [{"name": "best", "settings": {"units": 8}, "runs": ["a", "b"], "metrics": figures}]
    for name in ("hurt", "sound"):
        experiment = Experiment.create(raysq_home / "experiments", name, about)
        experiment.begin()
        write_json(experiment.directory / "trials.json", trials)
        write_json(experiment.directory / "best.json", best)
        write_json(experiment.directory / "refit.json", {"seeds": [0, 1], "rows": rows})
        experiment.write_seconds(3.1)
    return Experiment.open("hurt")


@pytest.fixture(params=DAMAGES)
def damage(request, searched):
    """Damages a file of the search."""

    def change(name):
        path = searched.directory / name
        path.write_bytes(DAMAGES[request.param](path.read_bytes()))
        return path

    return change


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_with_the_way_out(searched, damage, name, capsys):
    assert getattr(searched, FILES[name])
    path = damage(name)
    with pytest.raises(DamagedError, match=f"{name} is damaged .*; (remove it|`raysq tune`)"):
        getattr(searched, FILES[name])
    assert cli.main(["runs"]) == 0
    found = capsys.readouterr()
    assert "sound" in found.out and "2/2" in found.out
    if name in ("trials.json", "best.json"):
        assert "damaged" in found.out and f"{path} is damaged" in found.err


def test_a_damaged_search_is_left_out_and_searched_anew(searched, damage, capsys):
    path = damage("experiment.json")
    assert cli.main(["runs"]) == 0
    found = capsys.readouterr()
    assert "damaged" in found.out and f"{path} is damaged" in found.err and "sound" in found.out
    with pytest.warns(UserWarning, match=f"a search is left out: {path} is damaged"):
        assert [one.name for one in experiments()] == ["sound"]
    assert cli.main(["report", "hurt"]) == 1
    assert "--fresh searches anew" in capsys.readouterr().err
    with pytest.raises(DamagedError, match="--fresh searches anew"):
        searched.begin()
    searched.begin(fresh=True)
    assert Experiment.open("hurt").trials == []


@pytest.mark.parametrize("name", ["trials.json", "best.json", "refit.json"])
def test_a_report_goes_on_without_a_damaged_file_and_says_so(searched, name, capsys):
    """Each damage is the same error (`test_a_damaged_file_is_named_with_the_way_out`), and a report takes seconds."""
    path = searched.directory / name
    path.write_bytes(DAMAGES["cut"](path.read_bytes()))
    assert cli.main(["report", "hurt", "--json"]) == 0
    found = capsys.readouterr()
    assert f"{path} is damaged" in found.err
    assert f"{path} is damaged" in (searched.directory / "report.html").read_text()
    assert json.loads(found.out)["report"] == str(searched.directory / "report.html")


def test_best_json_is_checked_where_it_is_trained_from(damage, capsys):
    path = damage("best.json")
    assert cli.main(["train", "jena", "--config", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--config {path} is no file of settings: {path} is damaged" in line


def test_what_follows_from_others_is_written_again(searched, damage, monkeypatch):
    assert is_done(searched, 2)
    damage("refit.json")
    assert not is_done(searched, 2)
    damage("best.json")
    written = []
    monkeypatch.setattr(results, "is_exported", lambda directory: True)
    monkeypatch.setattr(results, "write_best", lambda *_: written.append("best.json"))
    scheduler = TrialQueue(searched, SPACE, trials=2, seed=0, fixed={}, searcher="random")
    RunningSearch(searched, scheduler, SimpleNamespace(), None, HowToRun()).finalize()
    assert written == ["best.json"]


def test_a_trial_whose_record_is_damaged_has_failed(searched):
    scheduler = TrialQueue(searched, SPACE, trials=3, seed=0, fixed={}, searcher="random")
    name = scheduler.next_trial().name
    (scheduler.folder / name).mkdir(parents=True)
    (scheduler.folder / name / "metrics.jsonl").write_text('{"epoch": 1, "val_lo')
    result = scheduler.on_trial_end(name, None, None)
    assert result.state == "failed" and "metrics.jsonl is damaged (line 1" in result.error
    write_failure(scheduler.folder / name, "no memory")
    (scheduler.folder / name / "failure.json").write_text("{")
    scheduler.records[3]["error"] = None
    assert "the reason is not known" in scheduler.on_trial_end(name, None, None).error
    (searched.directory / "trials.json").unlink()
    again = TrialQueue(searched, SPACE, trials=3, seed=0, fixed={}, searcher="random")
    assert [again.next_trial().searched for _ in range(3)] == scheduler.proposals.begun[0].points


@pytest.mark.parametrize(
    ("file", "change", "error"),
    [
        ("experiment.json", lambda about: about["requested"].update(metric=3), "requested.metric: expected a text"),
        ("experiment.json", lambda about: about["requested"].update(workers="two"), "requested.workers: expected a"),
        ("trials.json", lambda trials: trials[0].update(schedule=[{}]), r"\[0\].schedule\[0\]: 'epoch' is missing"),
        (
            "trials.json",
            lambda trials: trials[0]["settings"].update(units={}),
            r"\[0\].settings.units: expected a text",
        ),
    ],
)
def test_values_of_another_type_are_named(searched, file, change, error):
    values = json.loads((searched.directory / file).read_text())
    for value in values if isinstance(values, list) else [values]:
        value.pop("checksum", None)
    change(values)
    (searched.directory / file).write_text(json.dumps(values))
    with pytest.raises(DamagedError, match=error):
        Experiment.open(searched.directory).trials  # noqa: B018


@pytest.mark.parametrize(
    "domain",
    [["loguniform", -1, 1], ["quniform", 0, 1, 0], ["uniform", 1, 0], ["uniform", 0, float("inf")], ["randint", 3, 3]],
)
def test_a_range_without_numbers_is_none(domain):
    assert domains.from_json(domain) == domain and domains.choices(domains.from_json(domain)) == domain
    assert domains.from_json(["loguniform", 1e-3, 1]) == ("loguniform", 1e-3, 1)
