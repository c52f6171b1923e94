"""Plot of a run's training history."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raysq.display.numbers import metric
from raysq.training.goal import best_record

_WIDTH, _HEIGHT, _SCALE = 640, 330, 1.2


def plot_history(records: Sequence[Mapping[str, Any]], path: Path, *, title: str, synthetic: bool = False) -> None:
    """Plot training and validation loss by epoch as a PNG, with the best epoch marked.

    Args:
        records: One record per epoch, as in `metrics.jsonl`.
        path: Path of the PNG file to write.
        title: Title above the plot.
        synthetic: Whether the title states that the data are the synthetic sample. Defaults to False.
    """
    from raysq.report.charts.vega import TICKS, Drawing, png, rounded

    best = best_record(records)
    assert best is not None, "a history has an epoch"
    label = f"best: {metric(best['val_loss'])} (epoch {best['epoch']})"
    names = ["training", "validation", label] if "loss" in records[0] else ["validation", label]
    rows = [
        {"epoch": record["epoch"], "loss": rounded(record[key]), "name": name}
        for name, key in (("training", "loss"), ("validation", "val_loss"))
        if name in names
        for record in records
    ]
    marked = {"epoch": best["epoch"], "loss": rounded(best["val_loss"]), "name": label}
    x_axis = {"tickMinStep": 1, "format": "d", "title": "epoch"}
    y_scale = {"zero": False, "nice": TICKS, "padding": 8}
    encoding = {
        "x": {"field": "epoch", "type": "quantitative", "axis": x_axis, "scale": {"nice": False, "padding": 12}},
        "y": {"field": "loss", "type": "quantitative", "axis": {"title": "loss"}, "scale": {"zero": False, **y_scale}},
        "color": _by_name(
            names, "var(--k0)", "var(--k1)", "var(--ink)", legend={"title": None, "symbolSize": 60, "orient": "top"}
        ),
        "shape": _by_name(names, "circle", "square", "circle"),
    }
    dash = {"strokeDash": {**_by_name(names, [1, 0], [7, 4], [1, 0]), "legend": None}}
    ring = {"type": "point", "size": 190, "strokeWidth": 1.5, "opacity": 1}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": dash},
        {"mark": {"type": "point", "filled": True, "size": 40, "opacity": 1}},
        {"data": {"values": [marked]}, "mark": ring},
    ]
    spec = {
        "height": _HEIGHT,
        "title": {
            "text": title + (" (synthetic sample data)" if synthetic else ""),
            "fontSize": 14,
            "anchor": "middle",
        },
        "data": {"values": rows},
        "encoding": encoding,
        "layer": layers,
    }
    path.write_bytes(png(Drawing(spec, title), _WIDTH, _SCALE))


def _by_name(names: Sequence[str], *styles: Any, **properties: Any) -> dict[str, Any]:
    """Encode line names by a visual channel. The first value is dropped for a run without training loss."""
    scale = {"domain": names, "range": styles[-len(names) :]}
    return {"field": "name", "type": "nominal", "scale": scale, **properties}
