"""Output of commands: one JSON result, or tables on the terminal."""

import argparse
import json
from collections.abc import Callable
from typing import Any

WIDEST = 6  # maximum number of metrics shown as columns of a table


def overrides(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings given by `--set` and by the options that stand for one, such as `--epochs`."""
    from raysq.config import parse_pairs

    values: dict[str, Any] = parse_pairs(options.set)
    for name in ("epochs", "samples_every", "keep_epochs"):
        if getattr(options, name, None) is not None:
            values[f"training.{name}"] = getattr(options, name)
    return values


def write_result(options: argparse.Namespace, result: dict[str, Any] | list[Any], show: Callable[[Any], None]) -> None:
    """Print the JSON-ready result with `--json`, or else call `show` with a console."""
    if options.json:
        print(json.dumps(result), file=options.stdout)
    else:
        from raysq.display.console import Console

        show(Console(soft_wrap=True))


def headings(names: list[str], config: Any) -> list[str]:
    """Return the column headings of metrics. The suffix `_original` becomes the target's own unit."""
    from raysq.report.metrics import metric_unit

    unit = config.metadata.get("unit") or "own unit"
    shown = (name.removeprefix("test_") for name in names)
    return [
        f"{name.removesuffix('_original')} ({metric_unit(name, unit)})" if name.endswith("_original") else name
        for name in shown
    ]


def metrics_table(console: Any, metrics_by_model: dict[str, dict[str, float]], config: Any) -> None:
    """Print a table of metrics by model and split, whose names begin with the split, such as "val_mae"."""
    from rich.table import Table

    from raysq.display.console import lines
    from raysq.display.numbers import metric

    names: list[str] = []
    splits: list[str] = []
    for metrics in metrics_by_model.values():
        for key in metrics:
            split, _, name = key.partition("_")
            if split in ("train", "val", "test"):
                splits += [split] if split not in splits else []
                names += [name] if name not in names else []
    title = "synthetic sample data" if config.synthetic else None
    titles = headings(names, config)

    def value(model: str, split: str, name: str) -> str:
        return metric(metrics_by_model[model].get(f"{split}_{name}"))

    pairs = [(model, split) for model in metrics_by_model for split in splits]
    if len(names) <= WIDEST:
        table = Table("model", "split", *titles, title=title)
        for model, split in pairs:
            table.add_row(model, split, *(value(model, split, name) for name in names))
    else:  # many metrics, as with several outputs, are more readable as rows
        table = Table("", title=title)
        for model, split in pairs:
            table.add_column(lines(model, split))
        for name, heading in zip(names, titles, strict=True):
            table.add_row(heading, *(value(model, split, name) for model, split in pairs))
    console.print(table)


def plain_item(console: Any, item: Any) -> None:
    """Print a table or a paragraph of a problem's report on the terminal."""
    from rich.table import Table

    from raysq.problems import charts
    from raysq.report.tables import column_texts

    if isinstance(item, charts.Text):
        console.print(item.text)
        return
    columns = list(zip(*item.rows, strict=True)) if item.rows else [()] * len(item.columns)
    texts = [column_texts(cells) for cells in columns]
    table = Table(title=item.title or None, title_justify="left")
    for name, cells in zip(item.columns, columns, strict=True):
        numeric = all(cell is None or isinstance(cell, (int, float)) for cell in cells)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in zip(*texts, strict=True):
        table.add_row(*map(str, row))
    console.print(table)
