"""The picture of a run's history."""

import matplotlib

from raysq.report.history import plot_history

RECORDS = [{"epoch": epoch, "loss": 1.0 / epoch, "val_loss": 2.0 / epoch} for epoch in (1, 2, 3)]


def test_a_matplotlibrc_of_the_current_folder_changes_nothing(tmp_path, monkeypatch):
    plot_history(RECORDS, tmp_path / "plain.png", title="run")
    monkeypatch.setitem(matplotlib.rcParams, "text.usetex", True)  # runs LaTeX
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 20)
    plot_history(RECORDS, tmp_path / "other.png", title="run")
    assert (tmp_path / "other.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
