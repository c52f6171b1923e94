"""What runs, data sets and experiments show of themselves, and the trials as a table."""

import math
import os
import pickle
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

import raysq
from raysq.report.inline import Report
from raysq.storage.atomic import write_json
from raysq.training import train
from raysq.training.evaluation import Metrics
from raysq.training.run import Run
from raysq.tuning.experiment import Experiment

ABOUT = {
    "id": "s",
    "task": "jena",
    "problem": "forecasting",
    "model": "dense",
    "data": '<b>&"data"',
    "synthetic": True,
    "seed": 0,
    "space": {"units": [8, 16]},
    "fixed": {},
    "defaults": {"units": 16},
    "requested": {"trials": 4},
}


def cells(html: str) -> dict[str, str]:
    root = ElementTree.fromstring(html)
    return {row[0].text: row[1].text for row in root.iter("tr")}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYSQ_HOME", str(tmp_path_factory.mktemp("home")))
        yield raysq.prepare("jena", source="sample:8d", name="small", quiet=True)


def test_a_data_set(dataset):
    assert repr(dataset) == f"Dataset({str(dataset.directory)!r}, task=jena, rows=1,152, columns=15)"
    shown = cells(dataset._repr_html_())
    assert (
        shown["rows"] == "1,152" and "(synthetic)" in shown["source"] and shown["directory"] == str(dataset.directory)
    )
    assert "T (degC) (float)" in shown["columns"] and shown["columns"].endswith(", and 3 more")


def test_a_run(dataset):
    config = train.resolve("jena", data=str(dataset.directory), model="dense", settings={"lookback": 12, "step": 1})
    run = Run.create(config, name="one")
    assert repr(run) == "Run('one', task=jena, model=dense, state=new)"
    result = {"steps": 3, "seconds": 1.0, "best_epoch": 1, "epochs": 0, "parameters": 9}
    run.finish({**result, "metrics": {"val_loss": 0.28713, "test_loss": 0.3, "val_mae": 2.0}})
    assert repr(run) == "Run('one', task=jena, model=dense, state=finished, val_loss=0.2871, test_loss=0.3)"
    shown = cells(run._repr_html_())
    assert shown["metrics"] == "val_loss 0.2871, test_loss 0.3, val_mae 2" and shown["best epoch"] == "1 of 0"
    assert shown["directory"] == str(run.directory)
    (run.directory / "result.json").write_text("{")
    assert "state=damaged" in repr(run) and "damaged" in cells(run._repr_html_())["state"]


def test_an_experiment_and_its_trials(tmp_path):
    experiment = Experiment.create(tmp_path, "s", ABOUT)
    experiment.begin()
    assert repr(experiment) == "Experiment('s', task=jena, model=dense, trials=0/4)"
    assert experiment.dataframe().empty and list(experiment.dataframe().columns)[:2] == ["state", "epochs"]
    common = {"epochs": 2, "seconds": 1.5, "run": "r", "error": None}
    trials = [
        {
            **common,
            "number": 2,
            "settings": {"units": 8},
            "state": "finished",
            "val_loss": 0.25,
            "metrics": {"val_mae": 1.0},
        },
        {**common, "number": 1, "settings": {"units": 16}, "state": "failed", "val_loss": None, "error": "no"},
    ]
    trials[0]["metrics"] = {"val_mae": 1.0}
    write_json(experiment.directory / "trials.json", trials)
    frame = experiment.dataframe()
    assert list(frame.columns) == ["state", "epochs", "seconds", "val_loss", "config/units", "val_mae", "run", "error"]
    assert frame.index.tolist() == [2, 1] and frame.index.name == "trial"
    assert frame.loc[2, "config/units"] == 8 and frame.loc[2, "val_mae"] == 1.0 and frame.loc[2, "seconds"] == 1.5
    assert math.isnan(frame.loc[1, "val_mae"]) and frame.loc[1, "error"] == "no"
    assert repr(experiment) == "Experiment('s', task=jena, model=dense, trials=2/4, val_loss=0.25)"
    shown = cells(experiment._repr_html_())
    assert shown["data"] == ABOUT["data"] and shown["best settings"] == "units 8"
    (experiment.directory / "trials.json").write_text("[")
    assert "damaged" in repr(experiment) and "damaged" in cells(experiment._repr_html_())["state"]


def test_lists_of_runs_and_searches(dataset, tmp_path, raysq_home):
    config = train.resolve("jena", data=str(dataset.directory), model="dense", settings={"lookback": 12, "step": 1})
    run = Run.create(config, name="one")
    run.append({"epoch": 1, "step": 3, "val_loss": 0.28713, "seconds": 1.0})
    Experiment.create(raysq_home / "experiments", "s", {**ABOUT, "task": "<jena>"}).begin()
    runs, searches = raysq.runs(), raysq.experiments()
    assert [each.name for each in runs] == ["one"] and isinstance(runs, list)
    rows = [[cell.text for cell in row] for row in ElementTree.fromstring(runs._repr_html_()).iter("tr")]
    assert rows == [
        ["run", "state", "epochs", "best val_loss", "data"],
        ["one", "interrupted", "1", "0.2871", "synthetic"],
    ]
    rows = [[cell.text for cell in row] for row in ElementTree.fromstring(searches._repr_html_()).iter("tr")]
    assert rows[1] == ["s", "<jena>", "dense", "interrupted", "0", "val_loss -"]
    (run.directory / "metrics.jsonl").write_text("{")
    assert "damaged" in raysq.runs()._repr_html_()
    assert type(pickle.loads(pickle.dumps(raysq.runs()))) is list


def test_metrics_of_a_run():
    metrics = Metrics({"gru": {"val_loss": 0.5}, "base<line>": {"val_loss": 1.0, "val_mae": 2.0}})
    rows = [[cell.text for cell in row] for row in ElementTree.fromstring(metrics._repr_html_()).iter("tr")]
    assert rows == [["metric", "gru", "base<line>"], ["val_loss", "0.5000", "1.0000"], ["val_mae", "-", "2.0000"]]


def test_a_report_is_a_frame_that_holds_the_page(tmp_path):
    path = tmp_path / "report.html"
    path.write_text('<!DOCTYPE html><p title="a&quot;b">1 &lt; 2</p><script>if (1 < 2) {}</script>')
    frame = {}
    parser = HTMLParser()
    parser.handle_starttag = lambda name, attributes: frame.update(attributes)
    parser.feed(Report(path)._repr_html_())
    assert frame["srcdoc"] == path.read_text() and frame["sandbox"] == "allow-scripts"
    assert os.fspath(Report(path)) == str(path)
