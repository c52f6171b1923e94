"""Commands about data, and about this machine."""

import argparse
from typing import Any

from raysq.cli.output import say


def tasks(options: argparse.Namespace) -> None:
    from rich.table import Table

    from raysq import kinds, preparation, tasks

    rows: list[dict[str, Any]] = []
    for name in tasks.TASKS:
        task = tasks.get(name)
        prepared = [data.manifest.name for data in preparation.datasets(name)]
        models = list(kinds.get(task.kind).models)
        rows.append({"task": name, "kind": task.kind, "title": task.title, "models": models, "prepared": prepared})
    table = Table("task", "about", "models", "prepared")
    for row in rows:
        table.add_row(row["task"], row["title"], ", ".join(row["models"]), ", ".join(row["prepared"]) or "-")
    say(options, rows, lambda console: console.print(table, soft_wrap=False))


def prepare(options: argparse.Namespace) -> None:
    from raysq import preparation, tasks
    from raysq.settings import parse_pairs

    values: dict[str, Any] = {
        key: getattr(options, key.removesuffix("s") if key == "targets" else key)
        for key in ("time", "targets", "features", "calendar", "id", "delay", "lookback", "step", "split")
    }
    values["categories"] = options.category
    values = {key: value for key, value in values.items() if value is not None} | parse_pairs(options.set)
    data = preparation.prepare(
        tasks.get(options.task),
        options.source,
        name=options.name,
        settings=values,
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
        "told": manifest.preparation.get("told", []),
    }
    # The pipeline has said all of it on standard error; a script that reads this line wants the folder.
    say(options, result, lambda console: console.print(data.directory))


def verify(options: argparse.Namespace) -> None:
    from pathlib import Path

    from raysq.home import home
    from raysq.shards import Dataset

    directory = Path(options.data)
    data = Dataset.open(directory if directory.exists() else home() / "data" / options.data)
    data.verify()
    say(
        options,
        {"dataset": str(data.directory), "rows": data.rows, "ok": True},
        lambda console: console.print(f"{data.directory}: {len(data.manifest.shards)} shards as the manifest says"),
    )


def doctor(options: argparse.Namespace) -> int:
    from raysq.doctor import examine

    report = examine(start_ray=not options.no_ray)

    def show(console: Any) -> None:
        for name, (ok, text) in report.items():
            console.print(f"{'ok  ' if ok else 'FAIL'}  {name:<12} {text}")

    say(options, {name: {"ok": ok, "text": text} for name, (ok, text) in report.items()}, show)
    return 0 if all(ok for ok, _ in report.values()) else 1
