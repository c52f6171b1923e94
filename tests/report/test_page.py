"""Pages about runs and searches: self-contained, escaped, with the numbers of the runs, readable in a browser."""

import errno
import html
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from training.series import SMALL, write_series

import raysq
from raysq import cli
from raysq.display.numbers import number
from raysq.errors import DataError, SourceError, UsageError
from raysq.report.page import write_report
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.evaluation import evaluate
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

VEGA = 420_000  # bytes of every page: the library that draws its charts
HOSTILE = "<script>alert('x')</script>&\x00\"]]>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def trained(folder):
    """A GRU and a dense model on a small series, in a folder that all tests of this file share."""
    data = write_series(folder / "data" / "waves")
    found = {}
    for model, epochs in (("gru", 2), ("dense", 3)):
        config = resolve_config("jena", model, data, 0, {**SMALL, "epochs": epochs, "units": 4, "xla": "false"})
        run = Run.create(config, name=f"tiny-{model}", folder=folder / "runs")
        configure(config.train_settings(), 0, gpu=False)
        run_worker(run, None, TrainingCallbacks())
        found[model] = run
    return found


@pytest.fixture
def gru(trained, tmp_path):
    """A copy of the GRU's run that a test may change."""
    directory = tmp_path / "copy"
    shutil.copytree(trained["gru"].directory, directory)
    return Run.open(directory)


@pytest.fixture
def experiment(trained, tmp_path):
    """A search of four trials, written by hand: two real runs, one that failed, one that is gone."""
    directory = tmp_path / "searched"
    (directory / "trials").mkdir(parents=True)
    trials = []
    for place, (name, loss, state) in enumerate(
        (
            ("gru", 0.31, "finished"),
            ("dense", 0.42, "stopped early"),
            ("gone", 0.5, "finished"),
            ("bad", None, "failed"),
        )
    ):
        if name in trained:
            shutil.copytree(trained[name].directory, directory / "trials" / name)
        trials.append(
            {
                "number": (2, 1, 3, 4)[place],
                "settings": {
                    "units": (8, 4, 16, 8)[place],
                    "learning_rate": (0.002, 0.001, 0.0005, 0.003)[place],
                    "calendar": ("hour", "", "hour,yearday", "")[place],
                },
                "state": state,
                "epochs": 0 if loss is None else 2,
                "val_loss": loss,
                "metrics": {},
                "seconds": 2.5,
                # Another machine wrote it, or the folder was moved.
                "run": f"/somewhere/else/trials/{name}",
                "error": f"TrainingError: {HOSTILE}" if loss is None else None,
            }
        )
    about = {
        "format_version": 4,
        "id": "searched",
        "task": "jena",
        "problem": "forecasting",
        "model": "rnn",
        "data": "/somewhere/" + 12 * "a-long-name",
        "synthetic": True,
        "seed": 0,
        "space": {
            "units": [4, 8, 16],
            "learning_rate": ["loguniform", 3e-4, 3e-3],
            "calendar": ["", "hour", "hour,yearday"],
        },
        "fixed": {"epochs": 2},
        "defaults": {"units": 4, "learning_rate": 0.001, "calendar": ""},
        "requested": {"trials": 4, "scheduler": "asha", "searcher": "random", "time": None, "workers": 1, "gpu": 0},
    }
    write(directory / "experiment.json", about)
    write(directory / "trials.json", trials)
    return directory


def write(path: Path, values) -> None:
    path.write_text(json.dumps(values))


def parsed(path: Path) -> ET.Element:
    """The page as XML, which it is as well, without its scripts; after what every page must be."""
    text = path.read_text()
    assert len(text) < 3_000_000
    text = re.sub(r'(?<=<script type="text/plain" id="vega">)[\w+/=]+(?=</script>)', "", text)
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#|data:image/)", text), "it needs something outside of it"
    assert "@import" not in text and "http" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    assert "nan" not in re.findall(r"(?<= d=\")[^\"]*", text)
    assert "prefers-color-scheme:dark" in text and "@media print" in text
    root = ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids)), "ids of one chart are those of another"
    for parent in root.iter():
        for script in parent.findall("script"):
            if script.get("type") == "application/json":
                assert json.loads(script.text)["usermeta"]["hover"]
            else:
                assert script.get("id") == "vega" or "vegaEmbed(" in script.text, "a script that is not ours"
            script.text = ""
    for picture in root.iter("svg"):
        assert picture.get("aria-hidden") or (picture.get("role") == "img" and len(picture.get("aria-label", "")) > 20)
        for place in picture.iter():
            assert not any(
                re.search(r"\bnan\b|\binf\b|NaN|Infinity", value)
                for name, value in place.items()
                if name != "aria-label"
            )
    return root


def words(root: ET.Element) -> str:
    return " ".join(" ".join(part.split()) for part in root.itertext() if part.strip())


def table_of(root: ET.Element, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    for section in root.iter("section"):
        first = section[0]
        if "".join(first.itertext()) == heading:
            table = next(section.iter("table"))
            return [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
    raise AssertionError(f"there is no table below {heading!r}")


def test_the_page_of_a_run_has_its_numbers(trained):
    run = trained["gru"]
    path = raysq.write_report(run)
    assert path == run.directory / "report.html"
    root = parsed(path)
    text = words(root)
    assert "Synthetic sample data" in text
    best = min(run.metrics(), key=lambda record: record["val_loss"])
    assert f"Best validation loss {number(best['val_loss'])}, in epoch {best['epoch']} of 2" in text
    metrics = run.result()["metrics"]
    assert f"on the test split is {number(metrics['test_mae_original'])} °C" in text
    found = evaluate(run)
    rows = {row[0]: row for row in table_of(root, "Leaderboard")}
    assert set(rows) == {"model", *found}
    heads = rows.pop("model")
    for name, row in rows.items():
        assert float(row[heads.index("test MAE (°C)")]) == pytest.approx(found[name]["test_mae_original"], rel=1e-3)
        ratio = found[name]["test_mae_original"] / found["baseline"]["test_mae_original"]
        assert float(row[heads.index("test, ratio to baseline")]) == pytest.approx(ratio, abs=2e-3)
    curve = next(picture for picture in root.iter("svg") if "Loss by epoch" in picture.get("aria-label", ""))
    assert f"best: {number(best['val_loss'])} in epoch {best['epoch']}" in curve.get("aria-label")
    # The problem's own sections, the model, the settings that were changed, and where all of it comes from.
    error = next(one for one in root.iter("div") if "".join(one.itertext()).startswith("Mean absolute error"))
    assert float(error[1].text.split()[0]) == pytest.approx(metrics["test_mae_original"], rel=5e-3)
    assert "Forecast against truth" in text and "Error by hour of day" in text and "Distribution of errors" in text
    model = next(picture for picture in root.iter("svg") if picture.get("aria-label", "").startswith("Model gru"))
    assert "GRU" in words(model) and "4 units" in words(model)
    assert f"{run.result()['parameters']:,} parameters" in text
    settings = {row[0]: row for row in table_of(root, "Settings")}
    assert settings["units"][1:3] == ["4", "32"] and settings["optimizer"][2] == "same"
    assert "--set model.units=4" in text and "tensorflow 2." in text and "made" in text


def test_a_second_page_is_written_without_the_model(gru, monkeypatch):
    first = write_report(gru, output=gru.directory / "first.html").read_text()

    def refuse(*arguments, **named):
        raise AssertionError("it was computed again")

    monkeypatch.setattr("raysq.report.analysis.evaluate_in_detail", refuse)
    monkeypatch.setattr("raysq.training.runtime.configure", refuse)
    second = write_report(gru, output=gru.directory / "second.html").read_text()
    assert re.sub(r"at \d\d:\d\d UTC", "", first) == re.sub(r"at \d\d:\d\d UTC", "", second)
    # A run that has gone on is measured again.
    gru.finish({**gru.result(), "steps": 25})
    with pytest.raises(AssertionError, match="computed again"):
        write_report(gru)


def test_another_week_can_be_asked_for(gru):
    text = write_report(gru, week="2020-01-07").read_text()
    assert "the day asked for" in text or "The week asked for" in text
    with pytest.raises(UsageError, match="nothing of the test split lies there; it goes from 2020-01-"):
        write_report(gru, week="1999-01-01")
    with pytest.raises(UsageError, match="takes a day such as 2014-05-05, received 'monday'"):
        write_report(gru, week="monday")


def test_a_run_that_is_not_finished_is_shown_as_far_as_it_is(trained, tmp_path):
    directory = tmp_path / "copy"
    shutil.copytree(trained["dense"].directory, directory)
    (directory / "result.json").unlink()
    text = words(parsed(write_report(directory)))
    assert "interrupted after 3 epochs" in text and "Leaderboard" in text
    (directory / "metrics.jsonl").unlink()
    shutil.rmtree(directory / "checkpoints")
    text = words(parsed(write_report(directory)))
    assert "has not begun" in text and "Nothing has been measured yet" in text and "Settings" in text


def test_a_run_whose_data_are_gone_says_so(gru):
    config = json.loads((gru.directory / "config.json").read_text())
    del config["checksum"]  # which is of another one
    write(gru.directory / "config.json", {**config, "data": "/nowhere/at/all"})
    root = parsed(write_report(Run.open(gru.directory)))
    text = words(root)
    assert "What needs the data set is left out: no data set in /nowhere/at/all" in text
    assert number(gru.result()["metrics"]["test_mae_original"]) in text
    assert "Forecast against truth" not in text


def test_several_runs_on_one_page(trained, raysq_home):
    path = write_report(trained["gru"], trained["dense"].directory)
    assert path.parent == raysq_home / "reports"
    root = parsed(path)
    rows = table_of(root, "Runs")
    order = sorted(trained.values(), key=lambda run: run.result()["metrics"]["val_mae"])
    assert [row[0] for row in rows[1:3]] == [run.name for run in order]
    place = rows[0].index("test MAE (°C)")
    for row, run in zip(rows[1:], order, strict=False):
        assert float(row[place]) == pytest.approx(run.result()["metrics"]["test_mae_original"], rel=1e-3)
    # The references are the same for both, so they stand there once.
    assert [row[0] for row in rows[3:]].count("baseline") == 1
    curves = next(one for one in root.iter("svg") if "by epoch" in one.get("aria-label", ""))
    assert all(run.name in curves.get("aria-label") for run in order)
    assert write_report(trained["gru"], trained["dense"]) == path
    assert "epochs" in table_of(root, "Differences")[0]


def test_the_page_of_a_search(experiment):
    write(
        experiment / "best.json",
        {
            "format_version": 1,
            "task": "jena",
            "model": "rnn",
            "seed": 0,
            "data": "/somewhere",
            "settings": {},
            "metrics": {},
            "run": "/somewhere/else/trials/gru",
            "seconds": 75.0,
        },
    )
    metrics = {"test_mae": {"mean": 0.25, "std": 0.01, "values": [0.24, 0.26]}}
    rows = [{"name": name, "settings": {}, "runs": ["a", "b"], "metrics": metrics} for name in ("best", "defaults")]
    write(experiment / "refit.json", {"seeds": [0, 1], "rows": rows})
    path = write_report(experiment)
    assert path == experiment / "report.html"
    root = parsed(path)
    text = words(root)
    assert "Of 4 trials the best reached a validation loss of 0.3100, 26 % below the defaults (0.4200)" in text
    rows = table_of(root, "Trials")
    assert [row[0] for row in rows[1:]] == ["2", "1 (defaults)", "3", "4"]
    assert rows[4][1] == "\u2013" and rows[4][2] == "failed" and "alert('x')" in text
    assert f"raysq train jena --config {experiment / 'best.json'}" in text
    assert "0.2500 ± 0.010" in text
    labels = [picture.get("aria-label", "") for picture in root.iter("svg")]
    assert sum(label.startswith("Parallel coordinates of 4 trials") for label in labels) == 2
    assert sum(label.startswith("Scatter chart") for label in labels) == 4  # three settings, and the seeds
    assert sum(label.startswith("Timeline of 2 trials") for label in labels) == 2  # wide and narrow
    assert "Few trials failed: no. 1 of 4 trials failed: see why below, and narrow the space." in text
    assert "health checks need a look" in text
    assert "Not known: 3 trials have a score, and 6 are needed" in text
    assert "4 trials" in text and "1 of 4 trials: failed" in text
    assert "Best run" in text and "Forecast against truth" in text and "has not ended" not in text


def test_a_search_that_has_not_ended_is_shown_as_far_as_it_is(experiment):
    text = words(parsed(write_report(experiment)))
    assert "The search has not ended: 4 of 4 trials have begun" in text and "Best run" in text
    (experiment / "trials.json").unlink()
    root = parsed(write_report(experiment))
    assert len(table_of(root, "Trials")) == 3  # the two runs that are there
    shutil.rmtree(experiment / "trials")
    assert "None of 0 trials has a score yet" in words(parsed(write_report(experiment)))
    about = json.loads((experiment / "experiment.json").read_text())
    write(experiment / "experiment.json", {**about, "format_version": 99})
    with pytest.raises(DataError, match="format_version 99, this raysq reads up to 4"):
        write_report(experiment)


def test_what_is_no_run_and_no_search_is_named(trained, experiment, tmp_path, capsys):
    assert cli.main(["report", "nothing"]) == 1
    assert "no run and no search 'nothing'" in capsys.readouterr().err
    with pytest.raises(UsageError, match="or one search by itself"):
        write_report(trained["gru"], experiment)
    with pytest.raises(UsageError, match="needs a run or a search"):
        write_report()


def test_the_command_writes_where_it_is_told_and_prints_json(trained, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert cli.main(["report", str(trained["gru"].directory), "--output", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"report": str(out), "bytes": out.stat().st_size}
    parsed(out)
    # The package stands where the function was looked up; both can be called.
    assert raysq.write_report(trained["gru"], output=out) == out
    with pytest.raises(UsageError, match=r"must end in .html, received 'data.csv'"):
        raysq.write_report(trained["gru"], output="data.csv")


def test_a_run_on_a_disk_that_cannot_be_written_is_shown_elsewhere(trained, tmp_path, monkeypatch):
    directory = shutil.copytree(
        trained["gru"].directory, tmp_path / "disk" / "run", ignore=shutil.ignore_patterns("report*")
    )

    def refused(function):
        def call(path, *arguments, **named):
            if directory in Path(path).parents:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return function(path, *arguments, **named)

        return call

    # There even what is not there cannot be removed.
    monkeypatch.setattr(os, "replace", refused(os.replace))
    monkeypatch.setattr(Path, "unlink", refused(Path.unlink))
    run = Run.open(directory)
    parsed(write_report(run, output=tmp_path / "page.html"))
    with pytest.raises(SourceError, match=r"report.html cannot be written: Read-only .*choose another --output"):
        write_report(run)


def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no chromium to render the page with")
    return found


def dumped(outer: Path, profile: Path, *options: str) -> str:
    """The page's elements after its scripts ran."""
    headless = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
    command = [chromium(), *headless, *options, "--virtual-time-budget=15000", "--dump-dom", outer.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=900).stdout


def test_a_browser_draws_the_charts_anew_and_says_what_the_pointer_rests_on(trained, tmp_path):
    path = write_report(trained["gru"], output=tmp_path / "page.html")
    touch = """<script>
    const found = (name, value) => document.body.setAttribute("data-" + name, value);
    addEventListener("load", () => { found("errors", ""); setInterval(() => {
        for (const item of document.querySelectorAll(".live .mark-rect path"))
            item.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: 1, clientY: 1}));
        const tip = document.querySelector(".tip");
        if (tip) found("tip", tip.textContent);
    }, 300); });
    addEventListener("error", (event) => found("errors", event.message));
    addEventListener("unhandledrejection", (event) => found("errors", event.reason));</script>"""
    outer = tmp_path / "touched.html"
    outer.write_text(path.read_text().replace("<body>", f"<body>{touch}"))
    for attempt in range(3):  # on a busy machine the time of a browser may end before its first frame
        shown = dumped(outer, tmp_path / f"profile{attempt}", "--window-size=1000,9000")
        if 'class="chart drawn"' in shown:
            break
    assert shown.count('class="chart drawn"') == path.read_text().count('class="chart"') >= 4
    assert 'data-errors=""' in shown
    tip = re.search(r'data-tip="([^"]*)"', shown)
    assert tip and re.search(r"from: .+\nto: .+\nforecasts: \d", tip[1]), "of the last histogram's bars"
    live = re.findall(r'<div class="live[^>]*>', shown)
    assert live and all('role="img"' in one and re.search('aria-label="[^"]{20,}"', one) for one in live)


@pytest.mark.parametrize("page", ["run", "search"])
def test_a_browser_shows_the_page_without_sideways_scrolling(page, trained, experiment, tmp_path):
    path = write_report(trained["gru"] if page == "run" else experiment, output=tmp_path / "page.html")
    # In frames of known width: a headless window may not be made as narrow as a phone.
    frames = "".join(
        f'<iframe width="{width}" height="800" srcdoc="{html.escape(path.read_text())}"></iframe>'
        for width in (360, 390, 1200)
    )
    measure = """<script>onload = () => { document.body.dataset.found = JSON.stringify([...document.querySelectorAll(
        "iframe")].map(one => { const root = one.contentDocument.documentElement;
        return [root.clientWidth, root.scrollWidth, root.scrollHeight]; })) }</script>"""
    outer = tmp_path / "outer.html"
    outer.write_text(f"<!DOCTYPE html><html><body>{frames}{measure}</body></html>")
    text = dumped(outer, tmp_path / "profile")
    found = re.search(r'data-found="([^"]*)"', text)
    assert found, text[-2000:]
    for width, (client, scroll, height) in zip((360, 390, 1200), json.loads(found[1]), strict=True):
        assert width - 20 <= client <= width
        assert scroll <= client, f"the page scrolls sideways at {width} px"
        assert height > 1500
