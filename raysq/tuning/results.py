"""Results of a search: the exported best trial, `best.json`, and the printed tables."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from raysq.display.numbers import metric
from raysq.distributed import memory, placement
from raysq.distributed.lost_work import MOST_LOSSES
from raysq.errors import RaysqError, ResourceError
from raysq.training.experiment_files import write_best as write_best_file
from raysq.training.run import Run
from raysq.tuning.experiment import Experiment
from raysq.tuning.progress import duration_text, value_text
from raysq.tuning.run_trial import TrialContext
from raysq.tuning.scheduler import SearchScheduler, trial_directory


def is_exported(directory: Path) -> bool:
    """Return whether a run has its result and its model file.

    Args:
        directory: directory of the run.
    """
    return (directory / "result.json").exists() and (directory / "model.keras").exists()


def export_best(order: TrialContext, directory: Path, ended: str) -> None:
    """Export the best trial: write its model file and evaluate the test split.

    Needed where the trial was stopped early, or was not the best when it ended. It is done in a Ray task, so that the
    driver does not import TensorFlow, and so that a GPU is used if the trials had one.

    Args:
        order: context of the trials.
        directory: directory of the trial's run.
        ended: state of the trial, such as "stopped early".

    Raises:
        ResourceError: the machine ran out of memory.
        RaysqError: the trial cannot be evaluated.
    """
    import ray

    task = ray.remote(_conclude).options(num_cpus=1, num_gpus=min(1.0, order.gpu), max_retries=MOST_LOSSES)
    try:
        ray.get(task.remote(order, str(directory), ended))
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, RaysqError):
            raise cause from None
        if memory.is_out_of_memory(error):
            left = memory.unreserved()
            has = "" if left is None else f" ({memory.gigabytes(left)} are left)"
            raise ResourceError(
                f"the best trial cannot be evaluated: this machine ran out of memory{has}: end other work; the same "
                "command continues"
            ) from None
        lines = str(error).strip().splitlines() or [repr(error)]
        raise RaysqError(f"the best trial cannot be evaluated: {lines[-1]}") from None


def _conclude(order: TrialContext, directory: str, ended: str) -> None:
    from raysq.training.worker import conclude, configure

    run = Run.open(directory, trust=order.trust).named(order.model, order.source)
    configure(run.config.train_settings(), run.config.seed, gpu=order.gpu > 0)
    conclude(run, ended=ended, dataset=placement.open_dataset(order.data, order.handle))


def write_best(experiment: Experiment, agenda: SearchScheduler, seconds: float) -> None:
    """Write `trials.json` and then `best.json`.

    Args:
        experiment: the search.
        agenda: scheduler of the search, which has a best trial.
        seconds: duration of the search.
    """
    record = agenda.best()
    assert record is not None
    run = Run.open(trial_directory(experiment, record), trust=experiment.trust)
    metrics = (run.result() or {})["metrics"]
    agenda.save()
    config = run.config
    values = {
        "format_version": 1,
        "task": config.task,
        "model": config.model,
        "seed": config.seed,
        "data": config.data,
        "synthetic": config.synthetic,
        "settings": config.overrides(),
        "metrics": {key: value for key, value in metrics.items() if key.startswith(("val_", "test_"))},
        "run": str(run.directory),
        "seconds": round(seconds, 1),
    }
    write_best_file(experiment.directory, values)


def show(experiment: Experiment, console: Any) -> None:
    """Print the trials, the reasons of failures, the best settings, and commands for the next steps.

    Args:
        experiment: a search that has ended.
        console: console to print on.
    """
    trials, best = experiment.trials, experiment.best or {}
    names = list(trials[0]["settings"])
    title = "synthetic sample data" if best.get("synthetic") else None
    table = _table("rank", "trial", "val_loss", "epochs", "state", *names, title=title)
    for rank, trial in enumerate(trials, 1):
        loss = metric(trial["val_loss"])
        values = [value_text(trial["settings"][name]) for name in names]
        failed = trial["state"] == "failed"
        table.add_row(
            "-" if failed else str(rank), str(trial["number"]), loss, str(trial["epochs"]), trial["state"], *values
        )
    _print(console, table)
    reasons: dict[str, list[str]] = {}
    for trial in trials:
        if trial["error"]:
            reasons.setdefault(trial["error"], []).append(str(trial["number"]))
    for reason, numbers in reasons.items():
        console.print(f"failed: trial {', '.join(numbers)}: {reason}")
    console.print(f"best: {_pairs(trials[0]['settings'])}")
    ended = sum(trial["state"] != "interrupted" for trial in trials)
    console.print(
        f"{ended} trials in {duration_text(experiment.seconds)}; all in {experiment.directory}, "
        f"the best in {trial_directory(experiment, trials[0]).relative_to(experiment.directory)}",
    )
    directory = trial_directory(experiment, trials[0])
    there = (directory / "config.json").exists()
    if there and (still := Run.open(directory, trust=experiment.trust).still_improving()):
        console.print(f"the best trial's {still}")
    if most := max((trial.get("memory", 0) for trial in trials), default=0):
        left = memory.available()
        has = "" if left is None else f"; {memory.gigabytes(left)} are left on this machine"
        console.print(f"a trial took up to {memory.gigabytes(most)} of memory{has}")
    if experiment.refit:
        show_refit(experiment.refit, console)
    console.print(f"next: raysq train {best['task']} --config {experiment.directory / 'best.json'}")
    console.print(f"      raysq report {experiment.directory}")


def show_refit(refit: Mapping[str, Any], console: Any) -> None:
    """Print mean and standard deviation of each test metric, for the best settings and the defaults.

    Args:
        refit: content of `refit.json`.
        console: console to print on.
    """
    rows = refit["rows"]
    names = [name for name in rows[0]["metrics"] if name.startswith("test_")] or list(rows[0]["metrics"])
    seeds = len(refit["seeds"])
    table = _table("settings", *names, title=f"mean ± deviation over {seeds} seed{'' if seeds == 1 else 's'}")
    for row in rows:
        figures = [row["metrics"][name] for name in names]
        table.add_row(row["name"], *(f"{metric(figure['mean'])} ± {metric(figure['std'])}" for figure in figures))
    _print(console, table)


def _table(*columns: str, title: str | None) -> Any:
    from rich.table import Table

    from raysq.display.console import lines

    table = Table(
        title=title, box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", header_style="bold"
    )
    for column in columns:
        # Break long names into lines, since a search has many columns and a terminal may be narrow.
        heading = lines(*column.replace("_", "_ ").split(" ")) if len(column) > 9 else column
        table.add_column(heading, overflow="fold")
    return table


def _print(console: Any, table: Any) -> None:
    from raysq.display.console import Console

    # Without a terminal there is no width limit.
    wide = console if console.is_terminal else Console(file=console.file, width=240)
    wide.print(table, soft_wrap=False)


def _pairs(settings: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={value_text(value)}" for name, value in settings.items())


def with_folder(order: TrialContext, folder: Path, *, whole: bool) -> TrialContext:
    """Return a copy of the context for runs in another folder.

    Args:
        order: context of the trials.
        folder: folder of the runs.
        whole: whether every run is exported.
    """
    return replace(order, folder=str(folder), whole=whole)
