"""The `raysq` command. Imports are inside the commands: `raysq --help` must feel instant."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from raysq.errors import Interrupted, RaysqError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0 on success, 1 on a failure with one line on standard error, 2 on a usage error, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except UsageError as error:
        return _fail(error, 2)
    except Interrupted as error:
        return _fail(error, 130)
    except RaysqError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command continues", 130)
    except BrokenPipeError:
        # The reader (`| head`) has gone; keep Python from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _fail(error: object, code: int) -> int:
    print(f"raysq: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    from raysq import __version__

    parser = argparse.ArgumentParser(
        prog="raysq", description="Distributed training on Ray for sequence learning with Keras 3."
    )
    parser.add_argument("--version", action="version", version=f"raysq {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int | None], about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="print one JSON result on standard output, nothing else")
        return sub

    def settings(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; may be given repeatedly"
        )

    command("tasks", _tasks, "list the tasks, their models, and what is prepared")

    sub = command("prepare", _prepare, "prepare a task's data: Arrow shards and a manifest")
    sub.add_argument("task")
    sub.add_argument(
        "--source", help="sample[:LENGTH] such as sample:60d, a path, or a URL (default: the task's public data)"
    )
    sub.add_argument("--name", help="name of the data set")
    sub.add_argument("--fresh", action="store_true", help="prepare again even if nothing has changed")
    settings(sub)

    sub = command("train", _train, "train a model, or continue its training")
    sub.add_argument("task")
    sub.add_argument("--data", help="name or directory of a prepared data set (default: the task's newest)")
    sub.add_argument("--model", help="a model of the task, or package.module:function")
    sub.add_argument("--workers", type=int, default=1, help="more than 1 train in a Ray worker group (default: 1)")
    sub.add_argument("--gpu", action="store_true", help="one GPU for each worker")
    sub.add_argument("--epochs", type=int, help="same as --set epochs=N")
    sub.add_argument("--seed", type=int, default=0, help="of weights, order and dropout (default: 0)")
    sub.add_argument("--threads", type=int, help="TensorFlow's threads in each worker (default: all cores)")
    sub.add_argument("--name", help="name of the run")
    sub.add_argument("--fresh", action="store_true", help="forget what the run reached before")
    sub.add_argument("--dry-run", action="store_true", help="show what would be trained and how long it would take")
    settings(sub)

    sub = command("tune", _tune, "search for better settings with Ray Tune")
    sub.add_argument("task")
    sub.add_argument("--data", help="name or directory of a prepared data set (default: the task's newest)")
    sub.add_argument("--model", help="a model of the task, or package.module:function")
    sub.add_argument("--trials", type=int, default=16, help="how many (default: 16)")
    sub.add_argument("--seed", type=int, default=0, help="of the search and of every trial (default: 0)")
    sub.add_argument("--epochs", type=int, help="most epochs of a trial")
    sub.add_argument("--name", help="name of the experiment")
    sub.add_argument("--fresh", action="store_true", help="forget what the experiment reached before")
    settings(sub)

    sub = command("evaluate", _evaluate, "evaluate a run's best weights, the baseline beside it")
    sub.add_argument("run_name", metavar="RUN", help="a run's id, the beginning of it, or its directory")
    sub.add_argument("--split", choices=("train", "val", "test"), action="append", help="default: val and test")
    sub.add_argument("--gpu", action="store_true")

    command("runs", _runs, "list the runs with their state and best metric")

    sub = command("rm", _remove, "remove runs")
    sub.add_argument("run_names", metavar="RUN", nargs="+")
    sub.add_argument("--yes", action="store_true", help="do not ask")

    sub = command("verify", _verify, "check a data set against its manifest's checksums")
    sub.add_argument("data", metavar="DATA", help="TASK/NAME or a directory")

    sub = command("doctor", _doctor, "show versions, devices, free disk, and whether Ray answers")
    sub.add_argument("--no-ray", action="store_true", help="do not start Ray")
    return parser


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    from raysq.settings import parse_pairs

    values: dict[str, Any] = parse_pairs(options.set)
    if getattr(options, "epochs", None) is not None:
        values["epochs"] = options.epochs
    return values


def _say(options: argparse.Namespace, result: dict[str, Any] | list[Any], show: Callable[[Any], None]) -> None:
    """One JSON result on standard output, or what people read."""
    if options.json:
        print(json.dumps(result))
    else:
        from rich.console import Console

        show(Console(highlight=False, soft_wrap=True))


def _tasks(options: argparse.Namespace) -> None:
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
    _say(options, rows, lambda console: console.print(table, soft_wrap=False))


def _prepare(options: argparse.Namespace) -> None:
    from raysq import preparation, tasks
    from raysq.settings import parse_pairs

    data = preparation.prepare(
        tasks.get(options.task),
        options.source,
        name=options.name,
        settings=parse_pairs(options.set),
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
    }
    # The pipeline has said all of it on standard error; a script that reads this line wants the folder.
    _say(options, result, lambda console: console.print(data.directory))


def _train(options: argparse.Namespace) -> None:
    from raysq.training import api
    from raysq.training.run import Run

    config = api.resolve(
        options.task,
        data=options.data,
        model=options.model,
        seed=options.seed,
        settings=_overrides(options),
        quiet=options.json,
    )
    if options.dry_run:
        from raysq.training.estimate import estimate, show_estimate

        found = estimate(config, gpu=options.gpu, threads=options.threads)
        return _say(options, found, lambda console: show_estimate(console, found))
    run = Run.create(config, name=options.name, fresh=options.fresh)
    if not options.json:
        print(f"data {config.data}{' (synthetic sample)' if config.synthetic else ''}", file=sys.stderr)
        finished = run.result() is not None
        print(f"run  {run.directory}{' (finished before)' if finished else ''}", file=sys.stderr)
    if run.result() is None:
        with run.lock():
            api.execute(run, workers=options.workers, gpu=options.gpu, threads=options.threads, quiet=options.json)
    outcome = run.result() or {}
    result = {
        "run": str(run.directory),
        "task": config.task,
        "model": config.model,
        "seed": config.seed,
        "steps": outcome["steps"],
        "seconds": outcome["seconds"],
        "best_epoch": outcome["best_epoch"],
        "synthetic": config.synthetic,
        "metrics": outcome["metrics"],
    }

    def show(console: Any) -> None:
        _metrics_table(console, {config.model: outcome["metrics"]}, config)
        console.print(
            f"best epoch {outcome['best_epoch']} of {outcome['epochs']}, {outcome['parameters']:,} parameters, "
            f"{outcome['seconds']:.0f} s; history: {run.directory / 'history.png'}"
        )

    return _say(options, result, show)


def _tune(options: argparse.Namespace) -> None:
    from raysq.tuning.search import tune

    found = tune(
        options.task,
        data=options.data,
        model=options.model,
        trials=options.trials,
        seed=options.seed,
        settings=_overrides(options),
        name=options.name,
        fresh=options.fresh,
        quiet=options.json,
    )
    result = {
        "experiment": str(found.directory),
        "trials": len(found.trials),
        "best": {"config": found.best_config, "metrics": found.best_metrics},
        "seconds": found.seconds,
    }
    _say(options, result, found.show)


def _evaluate(options: argparse.Namespace) -> None:
    from raysq.training.api import evaluate
    from raysq.training.run import Run

    run = Run.open(options.run_name)
    found = evaluate(run, tuple(options.split or ("val", "test")), gpu=options.gpu)
    config = run.config
    outcome = run.result() or {}
    result = {
        "run": str(run.directory),
        "task": config.task,
        "model": config.model,
        "seed": config.seed,
        "steps": outcome.get("steps"),
        "seconds": outcome.get("seconds"),
        "synthetic": config.synthetic,
        "metrics": found[config.model],
        "baseline": found.get("baseline"),
    }
    _say(options, result, lambda console: _metrics_table(console, found, config))


def _metrics_table(console: Any, found: dict[str, dict[str, float]], config: Any) -> None:
    """A row a model and split: metrics as the model sees them, then in the target's own unit."""
    from rich.table import Table

    names: list[str] = []
    splits: list[str] = []
    for metrics in found.values():
        for key in metrics:
            split, _, name = key.partition("_")
            if split in ("train", "val", "test"):
                splits += [split] if split not in splits else []
                names += [name] if name not in names else []
    unit = config.facts.get("unit") or "own unit"
    title = "synthetic sample data" if config.synthetic else None
    table = Table("model", "split", *(name.replace("_original", f" ({unit})") for name in names), title=title)
    for model, metrics in found.items():
        for split in splits:
            figures = [metrics.get(f"{split}_{name}") for name in names]
            table.add_row(model, split, *("-" if value is None else f"{value:.4f}" for value in figures))
    console.print(table)


def _runs(options: argparse.Namespace) -> None:
    from rich.table import Table

    from raysq.training.run import runs

    rows: list[dict[str, Any]] = []
    for run in runs():
        records = run.metrics()
        best = min((record["val_loss"] for record in records), default=None)
        rows.append(
            {
                "run": run.name,
                "state": run.state(),
                "epochs": len(records),
                "val_loss": best,
                "synthetic": run.config.synthetic,
                "directory": str(run.directory),
            }
        )
    table = Table("run", "state", "epochs", "best val_loss", "data")
    for row in rows:
        best = "-" if row["val_loss"] is None else f"{row['val_loss']:.4f}"
        table.add_row(row["run"], row["state"], str(row["epochs"]), best, "synthetic" if row["synthetic"] else "real")
    _say(options, rows, lambda console: console.print(table if rows else "no runs yet: raysq train TASK"))


def _remove(options: argparse.Namespace) -> None:
    import shutil

    from raysq.training.run import Run

    found = [Run.open(name) for name in options.run_names]
    if not options.yes:
        if options.json or not sys.stdin.isatty():
            raise UsageError("rm asks before it removes; without a terminal give --yes")
        if input(f"remove {', '.join(run.name for run in found)}? [y/N] ").strip().lower() not in ("y", "yes"):
            print("nothing removed", file=sys.stderr)
            return
    for run in found:
        with run.lock():
            shutil.rmtree(run.directory)
    _say(
        options,
        {"removed": [str(run.directory) for run in found]},
        lambda console: console.print(f"removed {', '.join(run.name for run in found)}"),
    )


def _verify(options: argparse.Namespace) -> None:
    from pathlib import Path

    from raysq.home import home
    from raysq.shards import Dataset

    directory = Path(options.data)
    data = Dataset.open(directory if directory.exists() else home() / "data" / options.data)
    data.verify()
    _say(
        options,
        {"dataset": str(data.directory), "rows": data.rows, "ok": True},
        lambda console: console.print(f"{data.directory}: {len(data.manifest.shards)} shards as the manifest says"),
    )


def _doctor(options: argparse.Namespace) -> int:
    from raysq.doctor import examine

    report = examine(start_ray=not options.no_ray)

    def show(console: Any) -> None:
        for name, (ok, text) in report.items():
            console.print(f"{'ok  ' if ok else 'FAIL'}  {name:<12} {text}")

    _say(options, {name: {"ok": ok, "text": text} for name, (ok, text) in report.items()}, show)
    return 0 if all(ok for ok, _ in report.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
