"""Commands that use what was trained."""

import argparse
import sys
from typing import Any

from raysq.cli.output import say
from raysq.errors import UsageError
from raysq.report.numbers import metric

_SHOWN = 60  # characters of a text
_COLUMNS = 12  # that a terminal has room for


def predict(options: argparse.Namespace) -> None:
    from raysq.inference.batch import predict_file
    from raysq.settings import parse_pairs

    if options.text is not None:
        return _predict_texts(options)
    if options.json and options.output is None:
        raise UsageError("predict --json needs --output FILE: without it the predictions are what is printed")
    result = predict_file(
        options.run_name,
        options.input,
        options.output,
        settings=parse_pairs(options.set),
        actors=options.actors,
        gpu=options.gpu,
        quiet=options.json,
    )
    if options.output is None:
        print(f"{result['rows']:,} predictions", file=sys.stderr)
        return None
    return say(options, result, lambda console: console.print(f"{result['rows']:,} predictions in {result['output']}"))


def _predict_texts(options: argparse.Namespace) -> None:
    from raysq.inference.load import load, texts_column
    from raysq.training.run import Run

    for name in ("output", "actors", "gpu", "set"):
        if getattr(options, name):
            raise UsageError(f"--{name} goes with --input; what --text gives is printed")
    run = Run.open(options.run_name)
    texts_column(run)  # before TensorFlow is loaded
    rows = load(run).predict(options.text).to_pylist()
    found = [{"text": text, **row} for text, row in zip(options.text, rows, strict=True)]

    def show(console: Any) -> None:
        from rich.table import Table
        from rich.text import Text

        names = ["label", "probability", "remark"]
        if "label" not in found[0]:  # not of a classifier
            names = [name for name in found[0] if name not in ("text", "row", "source")]
        if len(names) > _COLUMNS:  # the numbers of a vector are for files
            names = [name for name in names if not name[-1].isdigit()]
        table = Table("text", *names)
        for row in found:
            text = " ".join(row["text"].split())
            said = Text(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "\u2026")
            values = ("" if row[name] is None else row[name] for name in names)
            table.add_row(said, *(Text(f"{one:.4f}" if isinstance(one, float) else str(one)) for one in values))
        console.print(table)

    say(options, {"run": str(run.directory), "predictions": found}, show)


def report(options: argparse.Namespace) -> None:
    from raysq.report.page import report

    path = report(*options.targets, output=options.output, week=options.week).absolute()
    if options.open:
        import webbrowser

        webbrowser.open(path.as_uri())
    result = {"report": str(path), "bytes": path.stat().st_size}
    say(options, result, lambda console: console.print(path))


def export(options: argparse.Namespace) -> None:
    from raysq.inference.export import export as write

    result = write(options.run_name, options.format, options.output)

    def show(console: Any) -> None:
        console.print(f"{result['output']} ({result['bytes'] / 1e6:.1f} MB)")
        if result["layers"] and result["form"] in ("keras", "json"):
            console.print(f"has {', '.join(result['layers'])}: `import raysq.layers` before it is loaded")

    say(options, result, show)


def runs(options: argparse.Namespace) -> None:
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
        best = metric(row["val_loss"])
        table.add_row(row["run"], row["state"], str(row["epochs"]), best, "synthetic" if row["synthetic"] else "real")

    def show(console: Any) -> None:
        from raysq.tuning.experiment import experiments

        console.print(table if rows else "no runs yet: raysq train TASK")
        searches = Table("search", "state", "trials", "best val_loss", "data")
        for one in experiments():
            best = metric(one.lowest)
            about = "synthetic" if one.about["synthetic"] else "real"
            searches.add_row(one.name, one.state(), f"{one.done}/{one.about['asked']['trials']}", best, about)
        if searches.row_count:
            console.print(searches)

    say(options, rows, show)


def remove(options: argparse.Namespace) -> None:
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
    say(
        options,
        {"removed": [str(run.directory) for run in found]},
        lambda console: console.print(f"removed {', '.join(run.name for run in found)}"),
    )
