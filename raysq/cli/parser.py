"""Argument parser of the command line: commands, options and their help."""

import argparse
from collections.abc import Callable

from raysq.cli import config, data, generate, neighbors, results, serve, show, train, translate
from raysq.cli.completion import PrintCompletion
from raysq.cli.intermixed import IntermixedParser
from raysq.cli.problem_options import add_problem_options
from raysq.cli.renamed import Renamed
from raysq.cli.shared_options import (
    add_callbacks,
    add_data_and_model,
    add_epoch,
    add_fresh,
    add_preset,
    add_run,
    add_seed,
    add_settings,
    add_task,
    add_track,
    add_training,
    add_trust,
)


def parser(requested: str = "") -> argparse.ArgumentParser:
    """Build the parser of the command line. Each command sets `run` to the function that runs it.

    Args:
        requested: command that the user gave. Problems of other packages, which are slow to find, add their options to
            this command only.
    """
    from raysq import __version__

    whole = IntermixedParser(prog="raysq", description="Distributed training of Keras 3 sequence models on Ray.")
    whole.add_argument("--version", action="version", version=f"raysq {__version__}", help="Show the version and exit.")
    whole.add_argument("--print-completion", action=PrintCompletion)
    commands = whole.add_subparsers(metavar="COMMAND", required=True, parser_class=IntermixedParser)

    def command(name: str, run: Callable[[argparse.Namespace], int | None], about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="Print one JSON result and nothing else.")
        sub.add_argument("--debug", action="store_true", help="Show tracebacks of errors and all log messages.")
        return sub

    sub = command("tasks", data.tasks, "List the tasks with their models and prepared data sets.")
    sub.add_argument("--published", action="store_true", help="List the published figures and their protocols instead.")

    sub = command("prepare", data.prepare, "Prepare the data of a task as Arrow shards with a manifest.")
    add_task(sub)
    sub.add_argument(
        "--source",
        help="Path, URL or URI (s3://, gs://, abfs://) of the raw data, or sample[:LENGTH], such as sample:60d, for "
        "synthetic data. Defaults to the task's public data.",
    )
    sub.add_argument(
        "--validation",
        metavar="SOURCE",
        help="Path, URL or URI of the raw data to validate on, like those of --source. Defaults to the rows that the "
        "source says, or else to a share of its rows that is chosen when training.",
    )
    sub.add_argument("--name", help="Name of the data set. Defaults to the beginning of its fingerprint.")
    sub.add_argument("--fresh", action="store_true", help="Prepare the data again even if nothing has changed.")
    add_problem_options(sub, "prepare", requested)
    sub.add_argument("--colour", action=Renamed, new="--color")
    add_settings(sub)

    sub = command("show", show.show, "Show what data look like before anything is trained, on an HTML page.")
    show.add(sub)
    add_problem_options(sub, "prepare", requested)
    add_settings(sub)

    sub = command("train", train.train, "Train a model, or continue an interrupted training.")
    add_training(sub)
    sub.add_argument(
        "--per-worker-batch",
        type=int,
        metavar="N",
        help="Examples of each worker at each step, in place of the setting batch_size, which is that of all workers.",
    )
    sub.add_argument(
        "--linear-rate", action="store_true", help="With --per-worker-batch: multiply the learning rate by the workers."
    )
    sub.add_argument(
        "--config",
        metavar="FILE",
        help="File of data, model and settings: printed by `raysq config`, or the best.json of a search.",
    )
    add_seed(sub, None, "weights, the order of the examples and dropout")  # that of the file of --config, or 0
    sub.add_argument("--name", help="Name of the run. Defaults to an id of everything that affects the result.")
    add_fresh(sub, "run")
    add_callbacks(sub, "of the run")
    add_track(sub)
    train.add_epochs(sub)
    sub.add_argument(
        "--dry-run",
        action="store_true",
        help="Show the configuration and the estimated time, and with --workers what they gain, without training.",
    )
    add_settings(sub)

    sub = command("config", config.config, "Print all settings of a model as a file for `raysq train --config`.")
    add_task(sub)
    add_data_and_model(sub, "the task's model")
    add_seed(sub, 0, "weights, the order of the examples and dropout")
    sub.add_argument("--schema", action="store_true", help="Print the JSON schema of the file instead.")
    add_preset(sub)
    add_settings(sub)

    sub = command("tune", train.tune, "Search for better settings with Ray Tune.")
    add_task(sub)
    add_data_and_model(sub, "the task's model for searches")
    sub.add_argument(
        "--trials",
        type=int,
        help="Number of trials, of each generation where there are several. A larger number continues a search. "
        "Defaults to 16, or to as many as the time allows if --time is given alone.",
    )
    sub.add_argument(
        "--generations",
        type=int,
        default=1,
        metavar="N",
        help="Number of generations, each of which draws its trials near the best one of those before.",
    )
    sub.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="Values of a setting to search, in place of the task's search space: a list such as 16,32,64, or "
        "uniform(low,high), loguniform(low,high) or randint(low,high), where high is excluded from randint; "
        "quniform(low,high,step) and the like as Ray Tune names them; or grid_search(16,32). Can be repeated.",
    )
    sub.add_argument(
        "--time", metavar="DURATION", help="Time limit over all sessions, such as 90 (seconds), 30m or 2h."
    )
    sub.add_argument("--budget", action=Renamed, new="--time")
    sub.add_argument("--epochs", type=int, help="Maximum number of epochs of a trial.")
    sub.add_argument(
        "--metric", help="Validation metric by which trials are ranked, such as val_accuracy. Defaults to val_loss."
    )
    sub.add_argument("--mode", help="min or max. Defaults to max for accuracies and the like, else min.")
    sub.add_argument(
        "--stop",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="Stop a trial whose metric or epoch is at or above a value, such as val_accuracy=0.9. Can be repeated.",
    )
    sub.add_argument(
        "--scheduler",
        default="asha",
        help="Scheduler of the trials: asha, hyperband or median stop poor trials early, pbt lets them go on from the "
        "checkpoints of better ones, none trains all trials to their end.",
    )
    sub.add_argument(
        "--searcher", default="random", help="Search algorithm: random, or optuna for Bayesian optimization."
    )
    sub.add_argument(
        "--workers-per-trial",
        type=int,
        default=1,
        metavar="N",
        help="Number of workers of each trial. More than one form a Ray worker group.",
    )
    sub.add_argument(
        "--gpu",
        type=float,
        default=0,
        metavar="FLOAT",
        help="Number of GPUs of each worker. With 0.5, two workers share one.",
    )
    sub.add_argument(
        "--max-concurrent",
        type=int,
        metavar="N",
        help="Maximum number of trials at the same time. Defaults to as many as fit.",
    )
    sub.add_argument(
        "--refit",
        type=int,
        default=0,
        metavar="SEEDS",
        help="Number of seeds with which to train the best settings and the defaults at the end.",
    )
    sub.add_argument(
        "--storage", metavar="PATH", help="Directory of the experiments. Defaults to RAYSQ_HOME/experiments."
    )
    add_seed(sub, 0, "the search and of every trial")
    sub.add_argument("--name", help="Name of the experiment.")
    add_fresh(sub, "experiment")
    add_callbacks(sub, "of each trial")
    add_preset(sub)
    add_track(sub)
    add_trust(sub)
    add_settings(sub)

    sub = command(
        "evaluate",
        train.evaluate,
        "Evaluate the best weights of a run beside the baselines, with a confusion matrix for classifiers.",
    )
    add_run(sub)
    add_trust(sub)
    sub.add_argument(
        "--split",
        choices=("train", "val", "test"),
        action="append",
        help="Split to evaluate. Can be repeated. Defaults to val and test.",
    )
    sub.add_argument("--gpu", action="store_true", help="Evaluate on a GPU.")

    sub = command("report", results.report, "Write a self-contained HTML page about a run, several runs or a search.")
    sub.add_argument(
        "targets",
        metavar="RUN|EXPERIMENT",
        nargs="+",
        help="Id, prefix of an id or directory of each run, or name or directory of one search.",
    )
    sub.add_argument(
        "--output",
        metavar="FILE",
        help="HTML file to write. Defaults to report.html in the directory of the run or search, or to a file in "
        "RAYSQ_HOME/reports for several runs.",
    )
    add_problem_options(sub, "report", requested)
    sub.add_argument("--open", action="store_true", help="Open the page in the browser.")
    add_trust(sub)

    sub = command("compare", results.compare, "Show the settings in which runs differ, and their metrics side by side.")
    sub.add_argument(
        "targets",
        metavar="RUN|EXPERIMENT",
        nargs="+",
        help="Id, prefix of an id or directory of each run; the name or directory of a search stands for its best run.",
    )
    add_trust(sub)

    sub = command("backtest", train.backtest, "Train and test on a rolling origin, with each fold later in time.")
    add_training(sub)
    sub.add_argument("--folds", type=int, default=4, help="Number of blocks into which the test rows are cut.")
    add_seed(sub, 0, "weights, the order of the examples and dropout")
    add_fresh(sub, "folds' runs")
    add_settings(sub)

    sub = command("predict", results.predict, "Predict the rows of a raw file, or texts, with a trained run.")
    add_run(sub)
    add_epoch(sub)
    inputs = sub.add_mutually_exclusive_group(required=True)
    inputs.add_argument(
        "--input",
        metavar="FILE",
        help="Path, URL or URI of a file or folder, in the formats of prepare.",
    )
    inputs.add_argument(
        "--text", action="append", metavar="TEXT", help="Text to predict with a run on texts. Can be repeated."
    )
    sub.add_argument(
        "--output", metavar="FILE", help=".csv or .parquet file or URI to write. Defaults to csv on standard output."
    )
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="Format of a csv file that differs from the run's source: encoding, delimiter, quoting, escape, header "
        "or skip; the sheet of an xlsx file. Can be repeated.",
    )
    sub.add_argument(
        "--actors",
        type=int,
        help="Number of Ray actors that predict. Defaults to the CPUs for a large file, and to none for a small one.",
    )
    sub.add_argument("--gpu", action="store_true", help="Use a GPU for each actor.")
    sub.add_argument(
        "--latest", action="store_true", help="Forecast only what follows the last row of each series of the input."
    )
    add_trust(sub)

    sub = command("export", results.export, "Write the model of a run in another format.")
    add_run(sub)
    sub.add_argument(
        "--format",
        default="keras",
        metavar="FORMAT",
        help="keras, json (architecture and weights), saved_model (TensorFlow), onnx or litert (.tflite).",
    )
    sub.add_argument(
        "--inputs",
        metavar="INPUTS",
        help="raw for a model that takes what predict takes, with preparing and de-normalizing inside, or prepared for "
        "the model alone. Defaults to raw, and for keras and json to prepared.",
    )
    sub.add_argument(
        "--output",
        metavar="PATH",
        help="File to write, or directory for json and saved_model. Defaults to one in the run's directory.",
    )
    add_trust(sub)

    sub = command("generate", generate.generate, "Generate text with a language model.")
    add_run(sub)
    add_epoch(sub)
    generate.add(sub)
    add_trust(sub)

    sub = command("translate", translate.translate, "Translate sentences or a file with a translation model.")
    add_run(sub)
    add_epoch(sub)
    translate.add(sub)
    add_trust(sub)

    sub = command("neighbors", neighbors.neighbors, "Show nearest words and analogies, and export word vectors.")
    add_run(sub)
    neighbors.add(sub)
    add_trust(sub)

    sub = command("serve", serve.serve, "Serve runs over HTTP on Ray Serve, with a page for the browser.")
    serve.add(sub)
    add_trust(sub)

    command("runs", results.runs, "List the runs and searches with their state and best validation loss.")

    sub = command("rm", results.remove, "Remove runs.")
    add_run(sub, "run_names", nargs="+")
    sub.add_argument("--yes", action="store_true", help="Remove without asking.")

    sub = command("verify", data.verify, "Check a data set against the checksums of its manifest.")
    sub.add_argument("data", metavar="DATA", help="NAME or TASK/NAME of the data set, or its directory.")

    sub = command("doctor", data.doctor, "Show versions and devices, and check the free disk space and Ray.")
    sub.add_argument("--no-ray", action="store_true", help="Do not connect to Ray or start it.")
    return whole
