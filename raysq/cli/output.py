"""What the commands print: one JSON result, or tables for people."""

import argparse
import json
from collections.abc import Callable
from typing import Any

WIDEST = 6  # metrics that a table has room for as columns


def overrides(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of `--set` and of the options that stand for one."""
    from raysq.config import parse_pairs

    values: dict[str, Any] = parse_pairs(options.set)
    if getattr(options, "epochs", None) is not None:
        values["epochs"] = options.epochs
    return values


def say(options: argparse.Namespace, result: dict[str, Any] | list[Any], show: Callable[[Any], None]) -> None:
    """One JSON result on standard output, or what people read."""
    if options.json:
        print(json.dumps(result), file=options.stdout)
    else:
        from raysq.display.console import Console

        show(Console(soft_wrap=True))


def headings(names: list[str], config: Any) -> list[str]:
    """Metrics' names for people: `_original` is the target's own unit."""
    unit = config.facts.get("unit") or "own unit"
    shown = (name.removeprefix("test_") for name in names)
    return [f"{name.removesuffix('_original')} ({unit})" if name.endswith("_original") else name for name in shown]


def metrics_table(console: Any, found: dict[str, dict[str, float]], config: Any) -> None:
    """A row a model and split: metrics as the model sees them, then in the target's own unit."""
    from rich.table import Table

    from raysq.display.console import lines
    from raysq.display.numbers import metric

    names: list[str] = []
    splits: list[str] = []
    for metrics in found.values():
        for key in metrics:
            split, _, name = key.partition("_")
            if split in ("train", "val", "test"):
                splits += [split] if split not in splits else []
                names += [name] if name not in names else []
    title = "synthetic sample data" if config.synthetic else None
    titles = headings(names, config)

    def figure(model: str, split: str, name: str) -> str:
        return metric(found[model].get(f"{split}_{name}"))

    pairs = [(model, split) for model in found for split in splits]
    if len(names) <= WIDEST:
        table = Table("model", "split", *titles, title=title)
        for model, split in pairs:
            table.add_row(model, split, *(figure(model, split, name) for name in names))
    else:  # several outputs: a line a metric reads better
        table = Table("", title=title)
        for model, split in pairs:
            table.add_column(lines(model, split))
        for name, heading in zip(names, titles, strict=True):
            table.add_row(heading, *(figure(model, split, name) for model, split in pairs))
    console.print(table)


def plain_item(console: Any, item: Any) -> None:
    """A table or a paragraph of a problem's, on a terminal."""
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
