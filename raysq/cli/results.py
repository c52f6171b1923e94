"""Commands that use runs: `predict`, `report`, `compare`, `export`, `runs` and `rm`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.cli.output import write_result
from raysq.display.numbers import metric
from raysq.display.terminal import print_message, print_result, visible
from raysq.errors import DataError, UsageError

if TYPE_CHECKING:
    from raysq.training.run import Run

_SHOWN = 60  # maximum number of characters shown of a text
_COLUMNS = 12  # maximum number of columns on a terminal


def predict(options: argparse.Namespace) -> None:
    from raysq.config import parse_pairs
    from raysq.inference.batch import predict_file

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
        latest=options.latest,
        quiet=options.json,
        epoch=options.epoch,
        trust=options.trust,
    )
    if options.output is None:
        print_message(f"{result['rows']:,} predictions")
        return None
    return write_result(
        options, result, lambda console: console.print(f"{result['rows']:,} predictions in {result['output']}")
    )


def _predict_texts(options: argparse.Namespace) -> None:
    from raysq.inference.predictor import load, texts_column
    from raysq.training.run import Run

    for name in ("output", "actors", "gpu", "set", "latest"):
        if getattr(options, name):
            raise UsageError(f"--{name} goes with --input; what --text gives is printed")
    run = Run.open(options.run_name, trust=options.trust)
    texts_column(run)  # reject a run without texts before TensorFlow is loaded
    rows = load(run, epoch=options.epoch).predict(options.text).to_pylist()
    predictions = [{"text": text, **row} for text, row in zip(options.text, rows, strict=True)]

    def show(console: Any) -> None:
        from rich.table import Table

        names = ["label", "probability", "remark"]
        if "label" not in predictions[0]:  # the run is no classifier
            names = [name for name in predictions[0] if name not in ("text", "row", "source")]
        if len(names) > _COLUMNS:  # the components of vectors are written to files only
            names = [name for name in names if not name[-1].isdigit()]
        table = Table("text", *names)
        for row in predictions:
            text = " ".join(row["text"].split())
            shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "\u2026"
            values = ("" if row[name] is None else row[name] for name in names)
            table.add_row(shown, *(f"{value:.4f}" if isinstance(value, float) else str(value) for value in values))
        console.print(table)

    write_result(options, {"run": str(run.directory), "predictions": predictions}, show)


def report(options: argparse.Namespace) -> None:
    from raysq.cli.problem_options import given_options
    from raysq.report.page import write_report

    path = write_report(
        *options.targets,
        output=options.output,
        trust=options.trust,
        on_message=print_message,
        **given_options(options, "report"),
    ).absolute()
    if options.open:
        import webbrowser

        webbrowser.open(path.as_uri())
    result = {"report": str(path), "bytes": path.stat().st_size}
    write_result(options, result, lambda console: print_result(str(path)))


def compare(options: argparse.Namespace) -> None:
    from raysq.report.compare import compare

    comparison = compare(*options.targets, trust=options.trust)
    write_result(options, comparison.to_json(), comparison.show)


_NAMED_TENSORS = 12  # most inputs or outputs of an export that are named


def export(options: argparse.Namespace) -> None:
    from raysq.inference.export import export as write

    result = write(options.run_name, options.format, options.output, inputs=options.inputs, trust=options.trust)

    def show(console: Any) -> None:
        console.print(f"{result['output']} ({result['bytes'] / 1e6:.1f} MB)")
        if "verified" in result:
            verified, signature = result["verified"], result["signature"]
            for part in ("inputs", "outputs"):
                names = ", ".join(f"{of['name']} ({of['dtype']})" for of in signature[part][:_NAMED_TENSORS])
                more = len(signature[part]) - _NAMED_TENSORS
                console.print(f"{part}: {names}" + (f" and {more} more" if more > 0 else ""))
            of = f" ({verified['output']})" if verified["output"] else ""
            console.print(
                f"equal to predict on {verified['rows']} raw rows: largest difference {verified['difference']:.2g}{of}"
            )
            for note in signature["notes"]:
                console.print(f"note: {note}")
        if result["layers"] and result["form"] in ("keras", "json"):
            console.print(f"has {', '.join(result['layers'])}: `import raysq.layers` before it is loaded")

    write_result(options, result, show)


def runs(options: argparse.Namespace) -> None:
    from rich.table import Table

    from raysq.training.run import runs

    damaged_runs: list[dict[str, Any]] = []
    readable_runs = runs(lambda directory, error: damaged_runs.append(_damaged_row(directory, error)))
    rows = [*(_run_row(run) for run in readable_runs), *damaged_runs]
    table = Table("run", "state", "epochs", "best val_loss", "data")
    for row in rows:
        data = {True: "synthetic", False: "real", None: ""}[row["synthetic"]]
        epochs = "" if row["epochs"] is None else str(row["epochs"])
        table.add_row(row["run"], row["state"], epochs, metric(row["val_loss"]), data)
    searches, damaged = _searches()
    damaged = [*(row["error"] for row in rows if row["error"]), *damaged]

    def show(console: Any) -> None:
        console.print(table if rows else "no runs yet: raysq train TASK")
        if searches.row_count:
            console.print(searches)

    write_result(options, rows, show)
    for error in damaged:
        print_message(error)


def _run_row(run: "Run") -> dict[str, Any]:
    """Return a run's row in the list of runs."""
    from raysq.training.goal import best_record

    row = {**_damaged_row(run.directory, ""), "synthetic": run.config.synthetic}
    try:
        records = run.metrics()
        best = best_record(records)
        val_loss = None if best is None else best["val_loss"]
        return row | {"state": run.state(), "epochs": len(records), "val_loss": val_loss, "error": None}
    except DataError as error:
        return row | {"error": str(error)}


def _damaged_row(directory: Path, error: object) -> dict[str, Any]:
    """Return a damaged run's row in the list of runs: its directory and the error."""
    row = {"run": directory.name, "state": "damaged", "epochs": None, "val_loss": None, "synthetic": None}
    return {**row, "directory": str(directory), "error": str(error)}


def _searches() -> tuple[Any, list[str]]:
    """Return the table of searches, and a message about each damaged search."""
    from rich.table import Table

    from raysq.tuning.experiment import experiments

    damaged: list[tuple[Path, DataError]] = []
    table = Table("search", "state", "trials", "best val_loss", "data")
    for experiment in experiments(lambda directory, error: damaged.append((directory, error))):
        try:
            data = "synthetic" if experiment.about["synthetic"] else "real"
            asked = experiment.about["requested"].get("trials")
            trials = f"{experiment.done}" if asked is None else f"{experiment.done}/{asked}"
            goal = "" if experiment.goal.is_default else f" ({experiment.goal.metric})"
            best = f"{metric(experiment.best_value)}{goal}"
            table.add_row(experiment.name, experiment.state(), trials, best, data)
        except DataError as error:
            damaged.append((experiment.directory, error))
    for directory, _ in damaged:
        table.add_row(directory.name, "damaged", "", metric(None), "")
    return table, [str(error) for _, error in damaged]


def remove(options: argparse.Namespace) -> None:
    from raysq.training.find_run import find_run, remove_run

    directories = [find_run(name) for name in options.run_names]
    if not options.yes:
        if options.json or not sys.stdin.isatty():
            raise UsageError("rm asks before it removes; without a terminal give --yes")
        names = visible(", ".join(path.name for path in directories))
        if input(f"remove {names}? [y/N] ").strip().lower() not in ("y", "yes"):
            print_message("nothing removed")
            return
    for directory in directories:
        remove_run(directory)
    result = {"removed": [str(directory) for directory in directories]}
    write_result(
        options, result, lambda console: console.print(f"removed {', '.join(path.name for path in directories)}")
    )
