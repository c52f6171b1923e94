"""The `raysq` command. Imports are inside the commands: `raysq --help` must feel instant."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from raysq.errors import Interrupted, RaysqError, UsageError

_WIDEST = 6  # metrics that a table has room for as columns

_OWN = (
    ("--time", "COLUMN[,..]", "column that tells the time; or year,month,day,hour"),
    ("--target", "COLUMN[,..]", "what to forecast"),
    ("--features", "COLUMN[,..]", "what the model sees (default: all columns)"),
    ("--calendar", "NAME[,..]", "hour, weekday, monthday, yearday, month as features"),
    ("--id", "COLUMN", "column that names the series a row belongs to, where a file holds several"),
    ("--delay", "SPAN", "how far ahead: rows (24) or time (6h, 5d, 1w, 3mo, 1y), several parted by commas"),
    ("--lookback", "SPAN", "how far back the model sees"),
    ("--step", "SPAN", "one row in so many is seen"),
    ("--split", "SPLIT", "train/val/test as shares (0.5/0.25/0.25), rows or dates"),
)


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
    own = sub.add_argument_group("your own series", "what is not said is found in the files, and told")
    for option, metavar, about in _OWN:
        own.add_argument(option, metavar=metavar, help=about)
    own.add_argument(
        "--category",
        action="append",
        metavar="COLUMN",
        help="column of text or whole numbers, each value a feature of 0 and 1; may be given repeatedly",
    )
    settings(sub)

    sub = command("train", _train, "train a model, or continue its training")
    sub.add_argument("task")
    sub.add_argument("--data", help="name or directory of a prepared data set (default: the task's newest)")
    sub.add_argument("--model", help="a model of the task, or package.module:function")
    sub.add_argument("--workers", type=int, default=1, help="more than 1 train in a Ray worker group (default: 1)")
    sub.add_argument("--gpu", action="store_true", help="one GPU for each worker")
    sub.add_argument("--config", metavar="FILE", help="settings, model and data of a search's best.json")
    sub.add_argument("--epochs", type=int, help="same as --set epochs=N")
    sub.add_argument("--seed", type=int, help="of weights, order and dropout (default: 0)")
    sub.add_argument("--threads", type=int, help="TensorFlow's threads in each worker (default: all cores)")
    sub.add_argument("--name", help="name of the run")
    sub.add_argument("--fresh", action="store_true", help="forget what the run reached before")
    sub.add_argument("--dry-run", action="store_true", help="show what would be trained and how long it would take")
    settings(sub)

    sub = command("tune", _tune, "search for better settings with Ray Tune")
    sub.add_argument("task")
    sub.add_argument("--data", help="name or directory of a prepared data set (default: the task's newest)")
    sub.add_argument("--model", help="a model, or package.module:function (default: the task's model for searches)")
    sub.add_argument("--trials", type=int, default=16, help="how many; more continue a search (default: 16)")
    sub.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="beside the task's space: v1,v2 or uniform(0,0.5), loguniform(..), randint(low,high): high is excluded",
    )
    sub.add_argument("--budget", metavar="TIME", help="end the search after 90 (seconds), 30m or 2h, over all sessions")
    sub.add_argument("--epochs", type=int, help="most epochs of a trial")
    sub.add_argument("--scheduler", default="asha", help="asha ends worse trials early; hyperband (3 brackets); none")
    sub.add_argument("--searcher", default="random", help="random, or optuna: Bayesian (default: random)")
    sub.add_argument("--workers-per-trial", type=int, default=1, metavar="N", help="more are a worker group a trial")
    sub.add_argument("--gpu", type=float, default=0, metavar="FLOAT", help="GPUs of a worker; with 0.5 two share one")
    sub.add_argument("--max-concurrent", type=int, metavar="N", help="trials at a time (default: all that fit)")
    sub.add_argument("--refit", type=int, default=0, metavar="SEEDS", help="then train the best with so many seeds")
    sub.add_argument("--storage", metavar="PATH", help="folder of experiments (default: RAYSQ_HOME/experiments)")
    sub.add_argument("--seed", type=int, default=0, help="of the search and of every trial (default: 0)")
    sub.add_argument("--name", help="name of the experiment")
    sub.add_argument("--fresh", action="store_true", help="forget what the experiment reached before")
    settings(sub)

    sub = command("evaluate", _evaluate, "evaluate a run's best weights, the baseline beside it")
    sub.add_argument("run_name", metavar="RUN", help="a run's id, the beginning of it, or its directory")
    sub.add_argument("--split", choices=("train", "val", "test"), action="append", help="default: val and test")
    sub.add_argument("--gpu", action="store_true")

    sub = command("report", _report, "write one self-contained HTML page about a run, several runs, or a search")
    sub.add_argument("targets", metavar="RUN|EXPERIMENT", nargs="+", help="runs, or one search: name or directory")
    sub.add_argument("--output", metavar="FILE", help="default: report.html in its directory; of several, in reports/")
    sub.add_argument("--week", metavar="DAY", help="for forecasts: show the week from this day, such as 2014-05-05")
    sub.add_argument("--open", action="store_true", help="show it in the browser")

    sub = command("backtest", _backtest, "train and test on a rolling origin: fold after fold, later and later in time")
    sub.add_argument("task")
    sub.add_argument("--folds", type=int, default=4, help="blocks that the test rows are cut into (default: 4)")
    sub.add_argument("--data", help="name or directory of a prepared data set (default: the task's newest)")
    sub.add_argument("--model", help="a model of the task, or package.module:function")
    sub.add_argument("--workers", type=int, default=1, help="more than 1 train in a Ray worker group (default: 1)")
    sub.add_argument("--gpu", action="store_true", help="one GPU for each worker")
    sub.add_argument("--epochs", type=int, help="same as --set epochs=N")
    sub.add_argument("--seed", type=int, default=0, help="of weights, order and dropout (default: 0)")
    sub.add_argument("--threads", type=int, help="TensorFlow's threads in each worker (default: all cores)")
    sub.add_argument("--fresh", action="store_true", help="forget what the folds' runs reached before")
    settings(sub)

    sub = command("predict", _predict, "predict for the rows of a raw file with a finished run")
    sub.add_argument("run_name", metavar="RUN", help="a run's id, the beginning of it, or its directory")
    sub.add_argument("--input", required=True, metavar="FILE", help="csv, Parquet, zip, a folder or a URL")
    sub.add_argument("--output", metavar="FILE", help=".csv or .parquet (default: csv on standard output)")
    sub.add_argument("--actors", type=int, help="size of the pool of Ray actors (default: for large files, the CPUs)")
    sub.add_argument("--gpu", action="store_true", help="one GPU for each actor")

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
    _say(options, result, lambda console: console.print(data.directory))


def _train(options: argparse.Namespace) -> None:
    from raysq import kinds
    from raysq.training import api
    from raysq.training.run import Run
    from raysq.tuning.chosen import Chosen

    chosen = Chosen.read(options.config, options.task) if options.config else Chosen()
    config = api.resolve(
        options.task,
        data=options.data or chosen.data,
        model=chosen.model_for(options.model),
        seed=chosen.seed if options.seed is None else options.seed,
        settings={**chosen.settings, **_overrides(options)},
        quiet=options.json,
    )
    if options.dry_run:
        from raysq.training.estimate import estimate, show_estimate

        found = estimate(config, gpu=options.gpu, threads=options.threads)
        return _say(options, found, lambda console: show_estimate(console, found))
    run = Run.create(config, name=options.name, fresh=options.fresh)
    if not options.json:
        print(f"data {config.data}{' (synthetic sample)' if config.synthetic else ''}", file=sys.stderr)
        for line in kinds.get(config.kind).remarks(config.facts, config.example_settings()):
            print(f"     {line}", file=sys.stderr)
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
    from raysq.tuning.space import parse_search

    found = tune(
        options.task,
        data=options.data,
        model=options.model,
        trials=options.trials,
        workers_per_trial=options.workers_per_trial,
        gpu=options.gpu,
        scheduler=options.scheduler,
        searcher=options.searcher,
        budget=options.budget,
        max_concurrent=options.max_concurrent,
        refit=options.refit,
        storage=options.storage,
        seed=options.seed,
        settings=_overrides(options),
        search=parse_search(options.search),
        name=options.name,
        fresh=options.fresh,
        quiet=options.json,
    )
    result = {
        "experiment": str(found.directory),
        "trials": len(found.trials),
        "best": {"config": found.best_config, "metrics": found.best_metrics, "run": (found.best or {})["run"]},
        "refit": found.refit,
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
        "references": {name: metrics for name, metrics in found.items() if name != config.model},
    }
    _say(options, result, lambda console: _metrics_table(console, found, config))


def _backtest(options: argparse.Namespace) -> None:
    from raysq.training.backtest import backtest
    from raysq.training.run import Run

    def on_fold(number: int, fold: dict[str, Any]) -> None:
        if not options.json:
            figures = (f"{name} {metrics['test_loss']:.4f}" for name, metrics in fold["metrics"].items())
            print(f"fold {number}/{options.folds}  test_loss: {'  '.join(figures)}  {fold['run']}", file=sys.stderr)

    found = backtest(
        options.task,
        folds=options.folds,
        data=options.data,
        model=options.model,
        workers=options.workers,
        gpu=options.gpu,
        seed=options.seed,
        settings=_overrides(options),
        threads=options.threads,
        fresh=options.fresh,
        quiet=options.json,
        on_fold=on_fold,
    )
    summary = found.summary()

    def show(console: Any) -> None:
        from rich.table import Table

        config = Run.open(found.folds[0]["run"]).config
        names = list(summary[found.models[0]])
        if len(names) > _WIDEST:  # the outputs of a fold are in its run, and in --json
            names = [name for name in names if "_" not in name.removeprefix("test_").removesuffix("_original")]
        table = Table("fold", "model", *_headings(names, config))
        for number, fold in enumerate(found.folds, 1):
            for model in found.models:
                values = (fold["metrics"][model].get(name) for name in names)
                table.add_row(str(number), model, *("-" if value is None else f"{value:.4f}" for value in values))
            table.add_section()
        for model in found.models:
            entries = (summary[model].get(name) for name in names)
            table.add_row("mean ± sd", model, *(_spread(entry) for entry in entries))
        console.print(table)

    result = {"folds": found.folds, "summary": summary, "synthetic": found.synthetic}
    _say(options, result, show)


def _spread(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "-"
    return f"{entry['mean']:.4f}" + ("" if entry["std"] is None else f" ± {entry['std']:.4f}")


def _predict(options: argparse.Namespace) -> None:
    from raysq.inference.batch import predict_file

    if options.json and options.output is None:
        raise UsageError("predict --json needs --output FILE: without it the predictions are what is printed")
    result = predict_file(
        options.run_name,
        options.input,
        options.output,
        actors=options.actors,
        gpu=options.gpu,
        quiet=options.json,
    )
    if options.output is None:
        print(f"{result['rows']:,} predictions", file=sys.stderr)
        return
    _say(options, result, lambda console: console.print(f"{result['rows']:,} predictions in {result['output']}"))


def _report(options: argparse.Namespace) -> None:
    from raysq.report.page import report

    path = report(*options.targets, output=options.output, week=options.week).absolute()
    if options.open:
        import webbrowser

        webbrowser.open(path.as_uri())
    result = {"report": str(path), "bytes": path.stat().st_size}
    _say(options, result, lambda console: console.print(path))


def _headings(names: list[str], config: Any) -> list[str]:
    """Metrics' names for people: `_original` is the target's own unit."""
    unit = config.facts.get("unit") or "own unit"
    shown = (name.removeprefix("test_") for name in names)
    return [f"{name.removesuffix('_original')} ({unit})" if name.endswith("_original") else name for name in shown]


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
    title = "synthetic sample data" if config.synthetic else None
    headings = _headings(names, config)

    def figure(model: str, split: str, name: str) -> str:
        value = found[model].get(f"{split}_{name}")
        return "-" if value is None else f"{value:.4f}"

    pairs = [(model, split) for model in found for split in splits]
    if len(names) <= _WIDEST:
        table = Table("model", "split", *headings, title=title)
        for model, split in pairs:
            table.add_row(model, split, *(figure(model, split, name) for name in names))
    else:  # several outputs: a line a metric reads better
        table = Table("", *(f"{model}\n{split}" for model, split in pairs), title=title)
        for name, heading in zip(names, headings, strict=True):
            table.add_row(heading, *(figure(model, split, name) for model, split in pairs))
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

    def show(console: Any) -> None:
        from raysq.tuning.experiment import experiments

        console.print(table if rows else "no runs yet: raysq train TASK")
        searches = Table("search", "state", "trials", "best val_loss", "data")
        for one in experiments():
            best = "-" if one.lowest is None else f"{one.lowest:.4f}"
            about = "synthetic" if one.about["synthetic"] else "real"
            searches.add_row(one.name, one.state(), f"{one.done}/{one.about['asked']['trials']}", best, about)
        if searches.row_count:
            console.print(searches)

    _say(options, rows, show)


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
