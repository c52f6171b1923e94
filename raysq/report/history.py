"""The picture of a run's history."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raysq.report.numbers import metric


def plot_history(records: Sequence[Mapping[str, Any]], path: Path, *, title: str, synthetic: bool = False) -> None:
    """Draws training and validation loss by epoch, the best epoch marked.

    Args:
        records: one an epoch, as in metrics.jsonl.
        path: the PNG to write.
        title: above the picture.
        synthetic: whether to say that the data are the built-in sample.
    """
    import matplotlib

    # A `matplotlibrc` of the current folder, whoever's that is, changes nothing.
    defaults = {name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")}
    with matplotlib.rc_context(defaults):
        _draw(records, path, f"{title} (synthetic sample data)" if synthetic else title)


def _draw(records: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    epochs = [record["epoch"] for record in records]
    if records and "loss" in records[0]:
        axes.plot(epochs, [record["loss"] for record in records], "o-", color="#1f5fa8", label="training", markersize=4)
    values = [record["val_loss"] for record in records]
    axes.plot(epochs, values, "s--", color="#c4501b", label="validation", markersize=4)
    best = min(range(len(values)), key=values.__getitem__)
    label = f"best: {metric(values[best])} (epoch {epochs[best]})"
    axes.plot(epochs[best], values[best], "o", color="#222222", markersize=11, fillstyle="none", label=label)
    axes.set(xlabel="epoch", ylabel="loss", title=title)
    axes.margins(y=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
