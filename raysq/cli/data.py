"""Commands about data and about this machine: `tasks`, `prepare`, `verify` and `doctor`."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysq.cli.output import write_result
from raysq.display.terminal import print_message, print_result
from raysq.errors import DataError

if TYPE_CHECKING:
    from raysq.tasks.task import Task


def tasks(options: argparse.Namespace) -> None:
    from rich.table import Table

    from raysq import problems, tasks
    from raysq.tasks import datasets

    if options.published:
        return _published(options, tasks.usable())
    rows: list[dict[str, Any]] = []
    damaged: list[DataError] = []
    for name, task in tasks.usable().items():
        prepared = [data.manifest.name for data in datasets.open_datasets(name, damaged.append)]
        models = list(problems.get(task.problem).models)
        rows.append(
            {"task": name, "problem": task.problem, "title": task.title, "models": models, "prepared": prepared}
        )
    table = Table("task", "about", "models", "prepared")
    for row in rows:
        table.add_row(row["task"], row["title"], ", ".join(row["models"]), ", ".join(row["prepared"]) or "-")
    write_result(options, rows, lambda console: console.print(table, soft_wrap=False))
    for reason in tasks.errors().values():
        print_message(f"a task is left out: {reason}")
    for error in damaged:
        print_message(f"a data set is left out: {error}")
    return None


def _published(options: argparse.Namespace, tasks_by_name: Mapping[str, "Task"]) -> None:
    """Show the published figures of tasks, with their protocols."""
    from dataclasses import asdict

    from rich.table import Table

    from raysq.display.numbers import short

    figures = [(name, figure) for name, task in tasks_by_name.items() for figure in task.published]
    rows = [{"task": name, **asdict(figure), "split": figure.split} for name, figure in figures]
    table = Table("task", "model", "metric", "published", "protocol, if not the defaults", "source")
    for name, figure in figures:
        cells = (figure.metric, short(figure.value), figure.protocol or "-", figure.source)
        table.add_row(name, figure.model, *cells)
    write_result(options, rows, lambda console: console.print(table, soft_wrap=False))


def prepare(options: argparse.Namespace) -> None:
    from raysq import tasks
    from raysq.cli.problem_options import given_options
    from raysq.config import parse_pairs
    from raysq.tasks.prepare import prepare as prepare_task

    task = tasks.get(options.task)
    data = prepare_task(
        task,
        options.source,
        validation=options.validation,
        name=options.name,
        settings={**given_options(options, "prepare", task.problem), **parse_pairs(options.set)},
        fresh=options.fresh,
        quiet=options.json,
    )
    manifest = data.manifest
    result = {
        "dataset": str(data.directory),
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "shards": len(manifest.shards),
        "synthetic": data.synthetic,
        "report": manifest.report,
        "settings": manifest.settings,
        "messages": manifest.preparation.get("messages", []),
    }
    # The pipeline has reported on standard error. Standard output holds only the directory, for scripts.
    write_result(options, result, lambda console: print_result(str(data.directory)))


def verify(options: argparse.Namespace) -> None:
    from raysq.data.dataset import Dataset
    from raysq.tasks.datasets import find_directory

    data = Dataset.open(find_directory(options.data))
    data.verify()
    write_result(
        options,
        {"dataset": str(data.directory), "rows": data.rows, "ok": True},
        lambda console: console.print(
            f"{data.directory}: {data.rows:,} rows in {len(data.manifest.shards)} shard"
            f"{'' if len(data.manifest.shards) == 1 else 's'}, as the manifest says"
        ),
    )


def doctor(options: argparse.Namespace) -> int:
    from raysq.cli.doctor import examine

    report = examine(start_ray=not options.no_ray)

    def show(console: Any) -> None:
        for name, (ok, text) in report.items():
            console.print(f"{'ok  ' if ok else 'FAIL'}  {name:<12} {text}")

    write_result(options, {name: {"ok": ok, "text": text} for name, (ok, text) in report.items()}, show)
    return 0 if all(ok for ok, _ in report.values()) else 1
