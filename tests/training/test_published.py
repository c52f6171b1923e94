"""Published figures are beside those of a run only where the run follows the published protocol."""

import json
from dataclasses import replace

import numpy as np
import pytest

import raysq
from raysq import tasks
from raysq.cli import main
from raysq.errors import UsageError
from raysq.tasks.published import Published
from raysq.training.published import compare_published
from raysq.training.run import Run

ROWS = 60
SETTINGS = {"epochs": 2, "batch_size": 16, "optimizer": "adam"}


def published(metric, epoch="best", **others):
    return Published("mlp", metric, 0.9, "a paper", epoch, **others)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module", autouse=True)
def home(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYSQ_HOME", str(folder / "home"))
        yield


def register(*figures, rows=ROWS, sha256=None):
    source = raysq.Source("https://example.org/x.npz", sha256, rows=rows)
    task = raysq.Task("dots", "images", "dots", source, settings=SETTINGS, published=figures)
    raysq.register_task(task)


@pytest.fixture(autouse=True)
def forget():
    yield
    tasks.REGISTRY.registered.clear()


@pytest.fixture(scope="module")
def run(folder):
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (ROWS, 4, 4), np.uint8), np.arange(ROWS) % 2
    np.savez(folder / "dots.npz", x_train=x[:50], y_train=y[:50], x_test=x[50:], y_test=y[50:])
    register()
    data = raysq.prepare("dots", folder / "dots.npz", quiet=True)
    run = raysq.train("dots", data=data.directory, model="mlp", settings={"units": 4})
    tasks.REGISTRY.registered.clear()
    return run


def compared(run):
    data = raysq.Dataset.open(run.config.data)
    return compare_published(run, data, run.result()["metrics"])


def test_a_run_that_follows_the_protocol_is_compared_by_its_epoch(run):
    register(*(published("val_accuracy", epoch, settings={"units": 4}) for epoch in ("best", "peak", "last")))
    records = [record["val_accuracy"] for record in run.metrics()]
    best = run.result()["metrics"]["val_accuracy"]
    assert [each.measured for each in compared(run)] == pytest.approx([best, max(records), records[-1]])
    assert compared(run)[0].describe().startswith("published val_accuracy 0.9 (a paper), here 0.")


@pytest.mark.parametrize(
    ("figure", "source", "reason"),
    [
        ({}, {}, "units 4 (published: 128)"),
        ({"settings": {"units": 4, "epochs": 3}}, {}, "epochs 2 (published: 3)"),
        ({"settings": {"units": 4}, "preset": "keras1"}, {}, "preset keras3 (published: keras1)"),
        ({"settings": {"units": 4}, "file": "x.csv"}, {}, "prepared from dots.npz (published: x.csv)"),
        ({"settings": {"units": 4}}, {"rows": 70}, "60 rows of data (published: 70)"),
        ({"settings": {"val": "80"}}, {}, "the published settings do not fit these data: "),
    ],
)
def test_another_protocol_is_not_compared_and_says_what_differs(run, figure, source, reason):
    register(published("val_accuracy", **figure), **source)
    (each,) = compared(run)
    assert each.measured is None and sum(text.startswith(reason) for text in each.differences) == 1
    assert "not compared with this run: " in each.describe() and reason in each.describe()


def test_defaults_given_when_the_data_were_prepared_are_part_of_the_protocol(folder):
    register(published("val_accuracy", settings={"units": 4}))
    data = raysq.prepare("dots", folder / "dots.npz", name="dots", settings={"val": "0.4"}, quiet=True)
    run = raysq.train("dots", data=data.directory, model="mlp", settings={"units": 4, "epochs": 1})
    (each,) = compared(run)
    assert each.measured is None and "val 0.4 (published: 0.1)" in each.differences


def test_a_run_of_before_a_setting_is_one_with_its_first_value(run):
    register(*(published("val_accuracy", settings={"units": 4}, preset=preset) for preset in ("", "keras1")))
    training = {name: value for name, value in run.config.settings["training"].items() if name != "preset"}
    settings = {**run.config.settings, "training": training}
    first, second = compared(Run(run.directory, replace(run.config, settings=settings)))
    assert first.measured is not None and second.measured is None
    assert "preset keras3 (published: keras1)" in second.differences


def test_another_file_of_as_many_rows_is_remarked(run):
    register(published("val_accuracy", settings={"units": 4}), sha256="0" * 64)
    (each,) = compared(run)
    assert each.measured is not None and "another checksum than the published one" in each.describe()


def test_how_a_run_is_computed_is_no_other_protocol(run):
    register(published("val_accuracy", settings={"units": 4, "eval_batch_size": 7, "deterministic": False}))
    assert compared(run)[0].measured is not None


def test_what_is_not_measured_is_not_compared(run):
    register(published("val_bleu", "last", settings={"units": 4}))
    assert compared(run)[0].differences == ("val_bleu is not measured here",)


def test_the_commands_show_published_figures(run, capsys):
    register(published("val_accuracy", settings={"units": 4}), published("val_accuracy"))
    assert main(["evaluate", str(run.directory), "--split", "val", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["published"]
    assert first["measured"] == pytest.approx(run.result()["metrics"]["val_accuracy"])
    assert second["measured"] is None and second["differences"] == ["units 4 (published: 128)"]
    assert main(["tasks", "--published", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"task": "dots", "split": "val", "source": "a paper"}.items() <= rows[-1].items()
    assert {"jena", "imdb", "mnist"} < {row["task"] for row in rows}
    page = raysq.write_report(run).read_text()
    assert "Published figures" in page and "val_accuracy 0.9 is not compared: units 4 (published: 128)." in page


def test_a_synthetic_sample_is_not_compared():
    register(published("val_accuracy"), rows=None)
    data = raysq.prepare("dots", "sample:100", quiet=True)
    run = raysq.train("dots", data=data.directory, model="mlp")
    (each,) = compared(run)
    assert each.differences == ("synthetic sample data",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": "first"}, "received epoch='first'"),
        ({"metric": "test_mae", "epoch": "last"}, "test_mae is measured with the best weights only"),
    ],
)
def test_a_wrong_figure_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Published(**{"model": "mlp", "metric": "val_mae", "value": 0.1, "source": "", **values})


def test_every_built_in_figure_names_its_source():
    figures = [figure for task in tasks.usable().values() for figure in task.published]
    assert figures and all(figure.source and figure.value > 0 for figure in figures)
