"""Comparison of runs: settings that differ, metrics beside each other, and what does not compare."""

import io
import json
from xml.etree import ElementTree

import pytest
from training.series import SMALL, write_series

import raysq
from raysq import cli
from raysq.display.console import Console
from raysq.errors import DataError, NotFoundError, UsageError
from raysq.storage.atomic import write_json
from raysq.training.run import Run
from raysq.training.run_config import resolve_config


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture
def finished(series, raysq_home):
    """Return a function that writes a finished run of given settings and metrics, without training."""

    def write(name, metrics, model="dense", seed=0, data=series, folder=None, **settings):
        config = resolve_config("jena", model, data, seed, {**SMALL, **settings})
        run = Run.create(config, name=name, folder=folder)
        figures = {"steps": 3, "seconds": 65.0, "best_epoch": 2, "epochs": 3, "parameters": 1234}
        run.finish({**figures, "metrics": metrics})
        for epoch in (1, 2, 3):
            run.append({"epoch": epoch, "step": epoch, "val_loss": 1.0, "seconds": 1.0})
        return run

    return write


def shown(comparison, width=80, terminal=True):
    file = io.StringIO()
    comparison.show(Console(file=file, width=width, force_terminal=terminal, color_system=None))
    return file.getvalue()


def rows(text):
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.split()}


def test_settings_that_differ_and_metrics_with_their_difference(finished):
    first = finished("one", {"val_loss": 0.5, "val_mae": 0.4, "test_mae": 2.5})
    finished("two", {"val_loss": 0.25, "val_mae": 0.5}, model="gru", units=8, epochs=4)
    comparison = raysq.compare(first, "two")
    assert comparison.settings["epochs"] == [first.config.settings["training"]["epochs"], 4]
    assert (
        comparison.settings["units"][1] == 8 and "seed" not in comparison.settings and "data" not in comparison.settings
    )
    text = shown(comparison)
    assert rows(text)["A"][:3] == ["one", "dense", "0"] and rows(text)["B"][:3] == ["two", "gru", "0"]
    assert rows(text)["val_loss"] == ["0.5000", "0.2500", "-0.2500"]
    assert rows(text)["val_mae"] == ["0.4000", "0.5000", "+0.1000"] and rows(text)["test_mae"] == ["2.5000", "-", "-"]
    assert rows(text)["recurrent_dropout"][0] == "-", "a dense model has no such setting"
    assert "seeds" not in text and comparison.messages == []
    assert max(map(len, text.splitlines())) <= 80


def test_the_name_of_a_setting_that_one_model_alone_shares_with_a_section(finished):
    first, second = finished("one", {"val_loss": 1.0}), finished("two", {"val_loss": 1.0}, epochs=9)
    assert list(raysq.compare(first, second).settings) == ["epochs"]


def test_json_has_an_object_for_each_run(finished, capsys):
    finished("one", {"val_loss": 0.5})
    second = finished("two", {"val_loss": 0.25}, units=8)
    assert cli.main(["compare", "one", "two", "--json"]) == 0
    one, two = json.loads(capsys.readouterr().out)["runs"]
    assert (
        two["run"] == str(second.directory) and two["settings"] == {"units": 8} and two["metrics"] == {"val_loss": 0.25}
    )
    assert one["differences"] == {} and two["differences"] == {"val_loss": -0.25}
    assert two["seeds"] == {} and two["beyond_spread"] == {}


def test_many_runs_are_divided_among_tables_of_the_width(finished):
    some = [finished(f"run-{n}", {"val_loss": 0.5 + n / 10}, units=8 + n) for n in range(7)]
    comparison = raysq.compare(*some)
    narrow = shown(comparison)
    assert max(map(len, narrow.splitlines())) <= 80 and narrow.count("Metrics") > 1
    for letter in "BCDEFG":
        assert f"{letter} - A" in narrow
    wide = shown(comparison, terminal=False)
    assert wide.count("Metrics") == 1 and rows(wide)["val_loss"][-2:] == ["1.1000", "+0.6000"]


def test_the_spread_of_seeds_is_told_where_it_is_known(finished, series):
    for seed, (small, large) in enumerate([(0.50, 0.30), (0.52, 0.31), (0.51, 0.29)]):
        finished(f"small-{seed}", {"val_loss": small, "val_mae": 0.5 + seed / 10}, seed=seed, units=4)
        finished(f"large-{seed}", {"val_loss": large, "val_mae": 0.51 + seed / 10}, seed=seed, units=8)
    finished("alone", {"val_loss": 0.4, "val_mae": 0.5}, units=16)
    Run.create(resolve_config("jena", "dense", series, 7, {**SMALL, "units": 4}), name="unfinished")
    loss, mae = raysq.compare("small-1", "large-2", "alone").metrics
    assert loss.differences[1:] == pytest.approx([0.29 - 0.52, 0.4 - 0.52]) and loss.beyond == [None, True, None]
    assert mae.beyond == [None, False, None]
    assert loss.seeds[0].count == 3 and loss.seeds[0].mean == pytest.approx(0.51) and loss.seeds[2] is None
    assert loss.seeds[0].std == pytest.approx(0.01)
    text = shown(raysq.compare("small-1", "large-2"))
    assert "0.5100 ± 0.0100 (3)" in text and "-0.2100 beyond" in text and "+0.0100 within" in text
    assert "two standard errors" in text


def test_runs_that_differ_in_the_seed_alone(finished):
    finished("zero", {"val_loss": 0.5})
    finished("one", {"val_loss": 0.4}, seed=1)
    comparison = raysq.compare("zero", "one")
    assert comparison.messages == ["A, B differ in nothing but the seed"] and comparison.settings == {}
    assert comparison.metrics[0].beyond == [None, None] and comparison.metrics[0].seeds[0].count == 2


def test_metrics_of_other_data_do_not_compare(finished, tmp_path):
    finished("one", {"loss": 0.5, "val_loss": 0.5, "test_loss": 0.5})
    finished("two", {"loss": 0.4, "val_loss": 0.4, "test_loss": 0.4}, data=write_series(tmp_path / "other", seed=5))
    comparison = raysq.compare("one", "two")
    assert comparison.messages == [
        "the train, val, test metrics of A and B do not compare: the data sets are not the same"
    ]
    assert [metric.differences for metric in comparison.metrics] == [[None, None]] * 3
    assert [text.split(" ")[0] for text in comparison.settings["data"]] == ["waves", "other"]


def test_metrics_of_other_examples_of_the_same_data_do_not_compare(finished):
    finished("one", {"val_loss": 0.5})
    finished("longer", {"val_loss": 0.4}, **{"data.lookback": 28})
    finished("other", {"val_loss": 0.4}, **{"data.targets": ("p (mbar)",)})
    finished("same", {"val_loss": 0.4}, **{"data.features": ("T (degC)", "p (mbar)")})
    comparison = raysq.compare("one", "longer", "other", "same")
    differences = comparison.metrics[0].differences
    assert differences[1:3] == [None, None] and differences[3] == pytest.approx(-0.1)
    assert any("A and C do not compare: other targets" in message for message in comparison.messages)


def test_the_best_run_of_a_search(finished, raysq_home):
    finished("one", {"val_loss": 0.5})
    folder = raysq_home / "experiments" / "searched"
    finished("trial-03", {"val_loss": 0.4}, units=8, folder=folder / "trials")
    write_json(folder / "experiment.json", {"format_version": 4, "id": "searched"})
    with pytest.raises(DataError, match="search searched has no best run yet; the same `raysq tune` command"):
        raysq.compare("one", "searched")
    best = {"task": "jena", "model": "dense", "seed": 0, "data": "", "settings": {}, "metrics": {}, "seconds": 1.0}
    write_json(folder / "best.json", {**best, "run": "/elsewhere/trials/trial-03"})
    assert rows(shown(raysq.compare("one", "searched")))["B"][0] == "searched/trial-03"


@pytest.mark.parametrize(
    ("names", "kind", "text"),
    [
        (["one"], UsageError, "compare needs two runs or more, received 1"),
        (["one", "one"], UsageError, "compare received run one twice"),
        (["one", "onne"], NotFoundError, "no run and no search 'onne': did you mean one"),
        (["one", "begun"], DataError, "run begun is not finished, but new; the same `raysq train` command finishes it"),
    ],
)
def test_errors(finished, series, names, kind, text):
    finished("one", {"val_loss": 0.5})
    Run.create(resolve_config("jena", "dense", series, 3, SMALL), name="begun")
    with pytest.raises(kind, match=text):
        raysq.compare(*names)


def test_the_command_reports_errors_in_one_line(finished, capsys):
    finished("one", {"val_loss": 0.5})
    assert cli.main(["compare", "one"]) == 2 and "needs two runs" in capsys.readouterr().err
    assert cli.main(["compare", "one", "gone"]) == 1 and capsys.readouterr().err.startswith(
        "raysq: no run and no search"
    )


def test_html_is_escaped_and_well_formed(finished):
    finished("one", {"val_loss": 0.5, "val_<b>": 1.0})
    finished("two", {"val_loss": 0.25}, units=8)
    root = ElementTree.fromstring(f"<div>{raysq.compare('one', 'two')._repr_html_()}</div>")
    titles = [caption.text for caption in root.iter("caption")]
    assert titles == ["Settings that differ", "Metrics"] and len(list(root.iter("table"))) == 3
    assert ["val_<b>", "1.0000", "-", "-"] in [[cell.text for cell in row] for row in root.iter("tr")]
