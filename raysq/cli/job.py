"""Run a search as a script, with the same options for every task, under `ray job submit` or alone."""

import argparse
from collections.abc import Mapping
from typing import Any

from raysq.cli.intermixed import StatedDefaults
from raysq.cli.renamed import Renamed
from raysq.display.terminal import print_result


class _Help(StatedDefaults, argparse.RawDescriptionHelpFormatter):
    """Keep the lines of a script's docstring."""


def search_job(
    task: str,
    about: str,
    *,
    model: str,
    space: Mapping[str, Any],
    trials: int,
    time: str,
    epochs: int,
    steps: int | None,
    workers: int = 1,
    gpu: float = 0.0,
    refit: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Parse the command line of a job script, search, and print the results and their path.

    Options of the command line override the arguments named below.

    Args:
        task: Name of the task. With `--task`, another task is searched in its own space with its own model.
        about: The script's docstring, for `--help`.
        model: Name of the model to search.
        space: The search space: setting -> choices, or ("uniform" | "loguniform" | "randint", low, high).
        trials: Number of trials; `--trials`.
        time: Time limit over all sessions, such as "30m", or "none"; `--time`.
        epochs: Maximum number of epochs of a trial; `--epochs`.
        steps: Steps per epoch, or None for a pass over the training examples; `--steps`.
        workers: Number of workers of a trial. Defaults to 1.
        gpu: GPUs of a worker, may be a fraction; `--gpu`. Defaults to 0.
        refit: Number of seeds with which the best settings and the defaults are trained at the end; `--refit`.
            Defaults to 0.
        settings: Settings fixed for all trials. Defaults to none.
    """
    import raysq

    parser = argparse.ArgumentParser(description=about, formatter_class=_Help)
    parser.add_argument("--task", default=task, help="Name of the task.")
    parser.add_argument(
        "--source",
        help="Path or URL of raw data, or sample[:LENGTH]. Defaults to prepared data, or else to public data.",
    )
    parser.add_argument("--validation", help="Raw data to validate on, as for --source.")
    parser.add_argument("--data", help="Name or directory of a prepared data set. Defaults to the task's newest.")
    parser.add_argument("--trials", type=int, default=trials, help="Number of trials.")
    parser.add_argument("--epochs", type=int, default=epochs, help="Maximum number of epochs of a trial.")
    parser.add_argument(
        "--steps", default=steps, help="Steps per epoch, or none for a pass over the training examples."
    )
    parser.add_argument("--time", default=time, help="Time limit such as 90 (seconds), 30m or 2h, or none.")
    parser.add_argument("--budget", action=Renamed, new="--time")
    parser.add_argument(
        "--refit",
        type=int,
        default=refit,
        metavar="SEEDS",
        help="Number of seeds to train the best settings with at the end.",
    )
    parser.add_argument("--gpu", type=float, default=gpu, help="GPUs of each worker, may be a fraction.")
    parser.add_argument(
        "--storage", help="Directory of experiments that all nodes share. Defaults to RAYSQ_HOME/experiments."
    )
    parser.add_argument("--name", help="Name of the experiment.")
    options = parser.parse_args()
    raysq.plain_errors()

    from raysq.display.console import Console

    data = options.data
    if options.source or options.validation:
        data = raysq.prepare(options.task, source=options.source, validation=options.validation, quiet=False).directory
    own = options.task == task
    experiment = raysq.tune(
        options.task,
        data=data,
        model=model if own else None,
        trials=options.trials,
        workers_per_trial=workers,
        gpu=options.gpu,
        time=None if options.time == "none" else options.time,
        refit=options.refit,
        storage=options.storage,
        settings={
            **((settings or {}) if own else {}),
            "epochs": options.epochs,
            "steps_per_epoch": None if options.steps in (None, "none") else options.steps,
        },
        search=space if own else None,
        name=options.name,
        quiet=False,
    )
    experiment.show(Console(soft_wrap=True))
    print_result(f"best settings in {experiment.directory / 'best.json'}")
