"""The notebooks of docs/, run as a reader runs them: each cell works, and progress is one output of its cell."""

import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
# Each starts a process that imports TensorFlow, and one starts Ray: `.ci/run` runs them by themselves.
run_notebooks = pytest.mark.slow


def outputs(name, monkeypatch, tmp_path):
    """Run a notebook in a home of its own and return the outputs of each cell of code by the cell's source."""
    import nbclient
    import nbformat

    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(FOLDER / name, as_version=4)
    try:
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    finally:
        nbformat.write(notebook, tmp_path / name)  # to look at
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


def test_notebooks_are_stored_without_outputs():
    names = sorted(path.name for path in FOLDER.glob("*.ipynb"))
    assert names == ["first_hour.ipynb", "your_own.ipynb"], "the tests below run these"
    for name in names:
        for cell in json.loads((FOLDER / name).read_text())["cells"]:
            assert cell.get("outputs", []) == [] and cell.get("execution_count") is None


@run_notebooks
def test_the_first_hour(monkeypatch, tmp_path):
    cells = outputs("first_hour.ipynb", monkeypatch, tmp_path)
    for outputs_of_cell in cells.values():
        assert not [output for output in outputs_of_cell if output.get("name") == "stderr"], "red lines"
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
    one, two = progress(cells, 'name="houses-one"'), progress(cells, "workers=2")
    assert len(one) == 4 and re.match(r"epoch   4/4  loss ", two[-1])
    losses = [re.search(r"val_loss (\S+)", lines[-1])[1] for lines in (one, two)]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-3), "two workers train as one"
    assert "houses-two" in html(cells, "raysq.compare") and "price" in html(cells, "predictions.to_pandas()")
