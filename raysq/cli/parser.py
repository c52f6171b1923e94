"""Argument parser of the command line: commands, options and their help."""

import argparse
from collections.abc import Callable

from raysq.cli import config, data, generate, neighbors, results, train, translate
from raysq.cli.completion import PrintCompletion
from raysq.cli.intermixed import IntermixedParser
from raysq.cli.problem_options import add_problem_options
from raysq.cli.renamed import Renamed


def parser(requested: str = "") -> argparse.ArgumentParser:
    """Build the parser of the command line. Each command sets `run` to the function that runs it.

    Args:
        requested: command that the user gave. Problems of other packages, which are slow to find, add their options to
            this command only.
    """
    from raysq import __version__

    whole = IntermixedParser(
        prog="raysq", description="Distributed training on Ray for sequence learning with Keras 3."
    )
    whole.add_argument("--version", action="version", version=f"raysq {__version__}")
    whole.add_argument("--print-completion", action=PrintCompletion)
    commands = whole.add_subparsers(metavar="COMMAND", required=True, parser_class=IntermixedParser)

    def command(name: str, run: Callable[[argparse.Namespace], int | None], about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="print one JSON result on standard output, nothing else")
        sub.add_argument("--debug", action="store_true", help="print the traceback of an error, and all that is logged")
        return sub

    def settings(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; may be given repeatedly"
        )

    def trust(sub: argparse.ArgumentParser) -> None:
        about = "the folder may come from elsewhere: import the code that it names (see docs/trust.md)"
        sub.add_argument("--trust", action="store_true", help=about)

    def training(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("task")
        sub.add_argument("--data", help="name or directory of a prepared data set (default: the task's newest)")
        sub.add_argument("--model", help="a model of the task, or package.module:function")
        sub.add_argument("--workers", type=int, default=1, help="more than 1 train in a Ray worker group (default: 1)")
        sub.add_argument("--gpu", action="store_true", help="one GPU for each worker")
        sub.add_argument("--threads", type=int, help="TensorFlow's threads in each worker (default: all cores)")
        sub.add_argument("--epochs", type=int, help="same as --set epochs=N")
        trust(sub)

    command("tasks", data.tasks, "list the tasks, their models, and what is prepared")

    sub = command("prepare", data.prepare, "prepare a task's data: Arrow shards and a manifest")
    sub.add_argument("task")
    sub.add_argument(
        "--source", help="sample[:LENGTH] such as sample:60d, a path, or a URL (default: the task's public data)"
    )
    sub.add_argument("--name", help="name of the data set")
    sub.add_argument("--fresh", action="store_true", help="prepare again even if nothing has changed")
    add_problem_options(sub, "prepare", requested)
    sub.add_argument("--colour", action=Renamed, new="--color")
    settings(sub)

    sub = command("train", train.train, "train a model, or continue its training")
    training(sub)
    sub.add_argument(
        "--config", metavar="FILE", help="file of settings, model and data: of `raysq config`, or a search's best.json"
    )
    sub.add_argument("--seed", type=int, help="of weights, order and dropout (default: 0)")
    sub.add_argument("--name", help="name of the run")
    sub.add_argument("--fresh", action="store_true", help="forget what the run reached before")
    sub.add_argument("--dry-run", action="store_true", help="show what would be trained and how long it would take")
    settings(sub)

    sub = command("config", config.config, "print all settings of a model as a file for `raysq train --config`")
    config.add(sub)
    settings(sub)

    sub = command("tune", train.tune, "search for better settings with Ray Tune")
    sub.add_argument("task")
    sub.add_argument("--data", help="name or directory of a prepared data set (default: the task's newest)")
    sub.add_argument("--model", help="a model, or package.module:function (default: the task's model for searches)")
    sub.add_argument("--trials", type=int, default=16, help="how many; more continue a search (default: 16)")
    sub.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="instead of the task's space: v1,v2 or uniform(0,0.5), loguniform(..), randint(low,high), without high",
    )
    about = "end the search after 90 (seconds), 30m or 2h, over all sessions"
    sub.add_argument("--time", metavar="DURATION", help=about)
    sub.add_argument("--budget", action=Renamed, new="--time")
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
    trust(sub)
    settings(sub)

    about = "evaluate a run's best weights, the baseline beside it; of classes the confusion matrix too"
    sub = command("evaluate", train.evaluate, about)
    sub.add_argument("run_name", metavar="RUN", help="a run's id, the beginning of it, or its directory")
    trust(sub)
    sub.add_argument("--split", choices=("train", "val", "test"), action="append", help="default: val and test")
    sub.add_argument("--gpu", action="store_true")

    sub = command("report", results.report, "write one self-contained HTML page about a run, several runs, or a search")
    sub.add_argument("targets", metavar="RUN|EXPERIMENT", nargs="+", help="runs, or one search: name or directory")
    sub.add_argument("--output", metavar="FILE", help="default: report.html in its directory; of several, in reports/")
    add_problem_options(sub, "report", requested)
    sub.add_argument("--open", action="store_true", help="show it in the browser")
    trust(sub)

    sub = command("backtest", train.backtest, "train and test on a rolling origin: fold after fold, later in time")
    training(sub)
    sub.add_argument("--folds", type=int, default=4, help="blocks that the test rows are cut into (default: 4)")
    sub.add_argument("--seed", type=int, default=0, help="of weights, order and dropout (default: 0)")
    sub.add_argument("--fresh", action="store_true", help="forget what the folds' runs reached before")
    settings(sub)

    sub = command("predict", results.predict, "predict for the rows of a raw file, or for texts, with a finished run")
    sub.add_argument("run_name", metavar="RUN", help="a run's id, the beginning of it, or its directory")
    given = sub.add_mutually_exclusive_group(required=True)
    given.add_argument("--input", metavar="FILE", help="csv, Parquet, zip, folder or URL; of texts also jsonl, tar.gz")
    given.add_argument(
        "--text", action="append", metavar="TEXT", help="a text, where the run is of texts; may be given repeatedly"
    )
    sub.add_argument("--output", metavar="FILE", help=".csv or .parquet (default: csv on standard output)")
    about = "how a csv is written, if not as the run's source: encoding, delimiter, quoting, escape, header or skip"
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=about)
    sub.add_argument("--actors", type=int, help="size of the pool of Ray actors (default: for large files, the CPUs)")
    sub.add_argument("--gpu", action="store_true", help="one GPU for each actor")
    trust(sub)

    sub = command("export", results.export, "write a run's model in another form: json, saved_model, onnx")
    sub.add_argument("run_name", metavar="RUN", help="a run's id, the beginning of it, or its directory")
    about = "keras; json: architecture and weights; saved_model: for TensorFlow; onnx (default: keras)"
    sub.add_argument("--format", default="keras", metavar="FORM", help=about)
    sub.add_argument("--output", metavar="PATH", help="a file, or a folder for json and saved_model (default: in RUN)")
    trust(sub)

    sub = command("generate", generate.generate, "go on with a text, by a finished run of a language model")
    generate.add(sub)
    trust(sub)

    sub = command("translate", translate.translate, "translate sentences or a file, by a finished run")
    translate.add(sub)
    trust(sub)

    sub = command("neighbors", neighbors.neighbors, "the nearest words, analogies, and word vectors for other tools")
    sub.add_argument("run_name", metavar="RUN", help="a run's id, the beginning of it, or its directory")
    sub.add_argument("words", metavar="WORD", nargs="*", help="whose nearest words are shown")
    sub.add_argument("--top", type=int, default=10, metavar="N", help="how many of each (default: 10)")
    sub.add_argument("--among", type=int, metavar="N", help="name only words of the N most frequent ones")
    analogy = 'such as "king - man + woman"; may be given repeatedly'
    sub.add_argument("--analogy", action="append", default=[], metavar="SUM", help=analogy)
    tests = "word pairs with judgments (WordSim-353), or analogy questions; may be given repeatedly"
    sub.add_argument("--evaluate", action="append", default=[], metavar="FILE", help=tests)
    sub.add_argument("--export", metavar="FILE", help=".txt or .txt.gz in word2vec's text format, as gensim loads it")
    trust(sub)

    command("runs", results.runs, "list the runs with their state and best metric")

    sub = command("rm", results.remove, "remove runs")
    sub.add_argument("run_names", metavar="RUN", nargs="+")
    sub.add_argument("--yes", action="store_true", help="do not ask")

    sub = command("verify", data.verify, "check a data set against its manifest's checksums")
    sub.add_argument("data", metavar="DATA", help="NAME, TASK/NAME, or a directory")

    sub = command("doctor", data.doctor, "show versions, devices, free disk, and whether Ray answers")
    sub.add_argument("--no-ray", action="store_true", help="do not start Ray")
    return whole
