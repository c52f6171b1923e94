"""Commands about data and about this machine: `tasks`, `prepare`, `verify` and `doctor`."""

import argparse
import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.cli.output import say
from raysq.display.terminal import print_message, print_result
from raysq.errors import DataError, UsageError


def tasks(options: argparse.Namespace) -> None:
    from rich.table import Table

    from raysq import problems, tasks
    from raysq.tasks import datasets

    rows: list[dict[str, Any]] = []
    damaged: list[DataError] = []
    for name in tasks.TASKS:
        task = tasks.get(name)
        prepared = [data.manifest.name for data in datasets.open_datasets(name, damaged.append)]
        models = list(problems.get(task.problem).models)
        rows.append(
            {"task": name, "problem": task.problem, "title": task.title, "models": models, "prepared": prepared}
        )
    table = Table("task", "about", "models", "prepared")
    for row in rows:
        table.add_row(row["task"], row["title"], ", ".join(row["models"]), ", ".join(row["prepared"]) or "-")
    say(options, rows, lambda console: console.print(table, soft_wrap=False))
    for error in damaged:
        print_message(f"a data set is left out: {error}")


def prepare(options: argparse.Namespace) -> None:
    from raysq import tasks
    from raysq.config import parse_pairs
    from raysq.tasks.prepare import prepare as prepare_task

    task = tasks.get(options.task)
    data = prepare_task(
        task,
        options.source,
        name=options.name,
        settings={**_own(options, task), **parse_pairs(options.set)},
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
    # The pipeline has reported on standard error. Standard output holds only the directory, for scripts.
    say(options, result, lambda console: print_result(str(data.directory)))


# Settings whose name differs from that of the option.
_SETTINGS = {"--target": "targets", "--category": "categories", "--from": "source", "--to": "target"}


def _own(options: argparse.Namespace, task: Any) -> dict[str, Any]:
    """Return the settings given by the options for the user's own data.

    Raises:
        UsageError: If an option belongs to another problem than the task's.
    """
    from raysq import problems
    from raysq.cli.parser import IMAGES, PAIRS, RUNNING, SERIES, TEXTS
    from raysq.config import setting_fields

    problem = problems.get(task.problem)
    known = {**setting_fields(problem.preparation), **setting_fields(problem.examples)}
    groups = {"series": [*(option for option, _, _ in SERIES), "--category"], "texts": [one for one, _, _ in TEXTS]}
    groups["running text"] = [*(one for one, _, _ in RUNNING), "--text", "--test", "--level"]
    groups["images"] = [*(one for one, _, _ in IMAGES), "--test", "--label"]
    groups["pairs of sentences"] = [*(one for one, _, _ in PAIRS), "--test"]
    values: dict[str, Any] = {}
    taken: set[str] = set()  # an option may be in two groups, such as --test
    for about, group in sorted(groups.items(), key=lambda item: not _fits(item[1], known)):
        names = {option: _SETTINGS.get(option, option.removeprefix("--")) for option in group}
        # A name may differ in meaning between series and texts, so a group fits only as a whole.
        fits = _fits(group, known)
        for option, setting in names.items():
            value = getattr(options, option.removeprefix("--"))
            if value is None or option in taken:
                continue
            if not fits:
                raise UsageError(f"{option} is for {about}; task {task.name} is for {problem.name}: leave it out")
            values[setting] = value
            taken.add(option)
    return values


def _fits(group: list[str], known: Mapping[str, Any]) -> bool:
    """Whether a problem has the settings of all options in a group."""
    return all(_SETTINGS.get(option, option.removeprefix("--")) in known for option in group)


def verify(options: argparse.Namespace) -> None:
    from raysq.data.dataset import Dataset

    data = Dataset.open(_prepared(options.data))
    data.verify()
    say(
        options,
        {"dataset": str(data.directory), "rows": data.rows, "ok": True},
        lambda console: console.print(
            f"{data.directory}: {data.rows:,} rows in {len(data.manifest.shards)} shard"
            f"{'' if len(data.manifest.shards) == 1 else 's'}, as the manifest says"
        ),
    )


def _prepared(named: str) -> Path:
    """Return the directory of a data set given as a path, as TASK/NAME, or as NAME if only one task has it.

    Raises:
        UsageError: If several tasks have a data set of that name.
    """
    from raysq.data.dataset import MANIFEST
    from raysq.storage.paths import home

    data = home() / "data"
    if Path(named).exists() or (data / named / MANIFEST).exists():
        return Path(named) if Path(named).exists() else data / named
    found = sorted(path.parent for path in data.glob(f"*/{glob.escape(named)}/{MANIFEST}"))
    if len(found) > 1:
        raise UsageError(
            f"several tasks have a data set {named}: {', '.join(f'{path.parent.name}/{named}' for path in found)}"
        )
    return found[0] if found else data / named


def doctor(options: argparse.Namespace) -> int:
    from raysq.cli.doctor import examine

    report = examine(start_ray=not options.no_ray)

    def show(console: Any) -> None:
        for name, (ok, text) in report.items():
            console.print(f"{'ok  ' if ok else 'FAIL'}  {name:<12} {text}")

    say(options, {name: {"ok": ok, "text": text} for name, (ok, text) in report.items()}, show)
    return 0 if all(ok for ok, _ in report.values()) else 1
