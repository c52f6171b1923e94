"""The notebooks of docs/, run as a reader runs them: each cell works, and progress is one output of its cell."""

import json
import re
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
# Each starts a process that imports TensorFlow, and one starts Ray: `.ci/run` runs them by themselves.
run_notebooks = pytest.mark.slow


def outputs(name, monkeypatch, tmp_path):
    """Run a notebook of docs/ and return the outputs of each cell of code by the cell's source."""
    import nbformat

    return run(nbformat.read(FOLDER / name, as_version=4), monkeypatch, tmp_path)


def run(notebook, monkeypatch, tmp_path):
    """Run a notebook in a home of its own and return the outputs of each cell of code by the cell's source."""
    import nbclient
    import nbformat

    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.chdir(tmp_path)
    try:
        nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    finally:
        nbformat.write(notebook, tmp_path / "run.ipynb")  # to look at
    return {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def output_of(cells, text):
    """Return the outputs of the only cell that has a text."""
    (found,) = (outputs for source, outputs in cells.items() if text in source)
    return found


def html(cells, text):
    """Return the HTML of a cell's value."""
    return output_of(cells, text)[-1]["data"]["text/html"]


def progress(cells, text):
    """Return the lines of a cell's progress, which is one output, redrawn to its end."""
    (shown,) = (output for output in output_of(cells, text) if output["output_type"] == "display_data")
    return shown["data"]["text/plain"].splitlines()


def assert_no_red_lines(cells):
    assert not [output for shown in cells.values() for output in shown if output.get("name") == "stderr"]


def test_notebooks_are_stored_without_outputs():
    names = sorted(path.name for path in FOLDER.glob("*.ipynb"))
    assert names == ["first_hour.ipynb", "your_own.ipynb"], "the tests below run these"
    for name in names:
        for cell in json.loads((FOLDER / name).read_text())["cells"]:
            assert cell.get("outputs", []) == [] and cell.get("execution_count") is None


@run_notebooks
def test_the_first_hour(monkeypatch, tmp_path):
    cells = outputs("first_hour.ipynb", monkeypatch, tmp_path)
    assert_no_red_lines(cells)
    assert "synthetic" in html(cells, "raysq.prepare")
    epochs = progress(cells, 'model="gru"')
    assert len(epochs) == 4 and all(re.match(r"epoch   \d/4  loss ", line) for line in epochs)
    assert "<th" in html(cells, "raysq.evaluate") and "baseline" in html(cells, "raysq.evaluate")
    assert "B - A" in html(cells, "raysq.compare") and "notebook-dense" in html(cells, "raysq.runs()")
    report = html(cells, ".report()")
    assert report.startswith('<iframe sandbox="allow-scripts"') and "srcdoc=" in report and "notebook-gru" in report


@run_notebooks
def test_your_own_model_and_data_on_two_workers(monkeypatch, tmp_path):
    cells = outputs("your_own.ipynb", monkeypatch, tmp_path)
    assert_no_red_lines(cells)
    one, two = progress(cells, 'name="houses-one"'), progress(cells, "workers=2")
    assert len(one) == 4 and re.match(r"epoch   4/4  loss ", two[-1])
    losses = [re.search(r"val_loss (\S+)", lines[-1])[1] for lines in (one, two)]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-3), "two workers train as one"
    assert "houses-two" in html(cells, "raysq.compare") and "price" in html(cells, ".predict(")


@run_notebooks
def test_a_search_is_one_output_that_ray_tune_leaves_alone(monkeypatch, tmp_path):
    from nbformat.v4 import new_code_cell, new_notebook

    settings = {"epochs": 2, "steps_per_epoch": 3, "lookback": 12, "step": 1}
    search = f"raysq.tune('jena', model='dense', trials=2, settings={settings}, search={{'units': [4, 8]}})"
    sources = "import raysq", "raysq.prepare('jena', source='sample:10d', quiet=True)", search
    cells = run(new_notebook(cells=[new_code_cell(source) for source in sources]), monkeypatch, tmp_path)
    assert_no_red_lines(cells)
    assert re.match(r"search \S+: 2 of 2 ended, 0 running, best val_loss ", progress(cells, "raysq.tune")[-1])
    assert "best settings" in html(cells, "raysq.tune")


@run_notebooks
def test_the_stop_button_ends_a_run_that_the_same_cell_continues(monkeypatch, raysq_home):
    from jupyter_client.manager import start_new_kernel

    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        assert execute(client, "import raysq; raysq.prepare('jena', source='sample:20d')") == "ok"
        settings = {"lookback": 12, "step": 1, "epochs": 100_000, "steps_per_epoch": 50, "patience": 0}
        train = f"run = raysq.train('jena', model='dense', name='stopped', settings={settings})"
        ended = 0
        for _ in range(2):
            cell = client.execute(train)
            wait_until(lambda before=ended: epochs(raysq_home) > before + 1)
            manager.interrupt_kernel()
            assert reply(client, cell).startswith("Interrupted: stopped")
            ended = epochs(raysq_home)
        assert execute(client, "assert raysq.runs()[0].state() == 'interrupted'") == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def epochs(home):
    """Return the number of epochs that the run has recorded; numbers that do not follow each other are an error."""
    path = home / "runs" / "stopped" / "metrics.jsonl"
    numbers = [json.loads(line)["epoch"] for line in path.read_text().splitlines()] if path.exists() else []
    assert numbers == [*range(1, len(numbers) + 1)]
    return len(numbers)


def execute(client, code):
    """Run a cell and return "ok" or its error."""
    return reply(client, client.execute(code))


def reply(client, cell):
    """Return "ok" or the error of a cell that was begun; replies to other requests are passed over."""
    while (message := client.get_shell_msg(timeout=300))["parent_header"]["msg_id"] != cell:
        pass
    content = message["content"]
    return "ok" if content["status"] == "ok" else f"{content['ename']}: {content['evalue']}"


def wait_until(condition):
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
