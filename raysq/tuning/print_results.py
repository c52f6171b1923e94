"""Tables of a search's results on a console."""

from collections.abc import Mapping
from typing import Any

from raysq.display import numbers
from raysq.display.numbers import metric
from raysq.distributed import memory
from raysq.training.keras_callbacks.identity import show_callbacks
from raysq.training.passed_models import is_passed
from raysq.training.user_code import is_own
from raysq.tuning.experiment import Experiment
from raysq.tuning.progress import value_text
from raysq.tuning.trial_queue import trial_directory


def print_results(experiment: Experiment, console: Any) -> None:
    """Print the trials of a search, the reasons of failures, the best settings, and commands for the next steps."""
    trials, best = experiment.trials, experiment.best or {}
    names = list(trials[0]["settings"])
    title = "synthetic sample data" if best.get("synthetic") else None
    goal = experiment.goal
    shown = ["val_loss"] if goal.is_default else [goal.metric, "val_loss"]
    table = _table("rank", "trial", *shown, "epochs", "state", *names, title=title)
    for rank, trial in enumerate(trials, 1):
        figures = (
            [metric(trial["val_loss"])] if goal.is_default else [metric(goal.value(trial)), metric(trial["val_loss"])]
        )
        values = [value_text(trial["settings"][name]) for name in names]
        failed = trial["state"] == "failed"
        table.add_row(
            "-" if failed else str(rank), str(trial["number"]), *figures, str(trial["epochs"]), trial["state"], *values
        )
    _print(console, table)
    reasons: dict[str, list[str]] = {}
    for trial in trials:
        if trial["error"]:
            reasons.setdefault(trial["error"], []).append(str(trial["number"]))
    for reason, trial_numbers in reasons.items():
        console.print(f"failed: trial {', '.join(trial_numbers)}: {reason}")
    console.print(f"best: {_pairs(trials[0]['settings'])}")
    ended = sum(trial["state"] != "interrupted" for trial in trials)
    console.print(
        f"{ended} trials in {numbers.seconds(experiment.seconds)}; all in {experiment.directory}, "
        f"the best in {trial_directory(experiment, trials[0]).relative_to(experiment.directory)}",
    )
    if largest := max((trial.get("memory", 0) for trial in trials), default=0):
        left = memory.available()
        has = "" if left is None else f"; {memory.gigabytes(left)} are left on this machine"
        console.print(f"a trial took up to {memory.gigabytes(largest)} of memory{has}")
    for check in experiment.health():
        if check["status"] == "warn":
            console.print(f"check: {check['text']}")
    spent = experiment.cost()
    gpus = f", {numbers.seconds(spent['gpu_seconds'])} of GPUs" if spent["gpu_seconds"] else ""
    console.print(f"cost: {numbers.seconds(spent['trial_seconds'])} of trials{gpus}")
    if refit := experiment.refit:
        _print_refit(refit, console)
    for line in next_commands(experiment, best):
        console.print(line)


def next_commands(experiment: Experiment, best: Mapping[str, Any]) -> list[str]:
    """Return lines with the commands for the next steps after a search.

    Args:
        experiment: the search.
        best: content of its `best.json`.
    """
    task, model = best["task"], best["model"]
    if is_passed(model):  # which no command line can name
        train = [
            f"best = raysq.Experiment.open({str(experiment.directory)!r}).best",
            f"raysq.train({task!r}, model={model.partition(':')[2]}, data=best['data'], seed=best['seed'], "
            "settings=best['settings'])",
        ]
    else:
        named = f" --model {model}" if is_own(model) else ""
        train = [f"raysq train {task}{named} --config {experiment.directory / 'best.json'}"]
    if callbacks := experiment.about.get("callbacks"):
        train[-1] += f"  # and the callbacks of the trials: {show_callbacks(callbacks)}"
    first, *others = [*train, f"raysq report {experiment.directory}"]
    return [f"next: {first}", *(f"      {line}" for line in others)]


def _print_refit(refit: Mapping[str, Any], console: Any) -> None:
    """Print mean and standard deviation of each test metric, for the best settings and the defaults."""
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
