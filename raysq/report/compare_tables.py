"""Tables of a comparison of runs, for a terminal of any width and for notebooks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from raysq.display import notebook
from raysq.display.numbers import metric, seconds, short
from raysq.problems.charts import Table
from raysq.training.config_differences import ABSENT

if TYPE_CHECKING:
    from raysq.report.compare import ComparedMetric, Comparison
    from raysq.report.spread import SeedStatistics
    from raysq.training.run import Run

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def label(index: int) -> str:
    """Return the short name of a run in all tables but the first: A, B, ..., Z, A2, B2, ..."""
    turn, letter = divmod(index, len(_LETTERS))
    return _LETTERS[letter] + (str(turn + 1) if turn else "")


def tables(comparison: "Comparison", columns: Sequence[int]) -> list[Table]:
    """Return the tables of settings, metrics and seeds for some of the runs; tables without rows are left out.

    Args:
        comparison: the comparison.
        columns: numbers of the runs to show, the first of which is 0.
    """
    names = [label(index) for index in columns]
    settings = [[name, *(_value(values[index]) for index in columns)] for name, values in comparison.settings.items()]
    heads = [name for index in columns for name in (label(index), *_difference_head(index))]
    figures = [[row.name, *(cell for index in columns for cell in _figures(row, index))] for row in comparison.metrics]
    seeds = [
        [row.name, *(cell for index in columns for cell in _seeds(row, index))]
        for row in comparison.metrics
        if any(row.seeds[index] for index in columns)
    ]
    made = [
        Table(["setting", *names], settings, "Settings that differ"),
        Table(["metric", *heads], figures, "Metrics"),
        Table(["metric", *heads], seeds, "Mean ± deviation over seeds"),
    ]
    return [table for table in made if table.rows]


def runs_table(comparison: "Comparison") -> Table:
    """Return the table of the runs, which explains the letters of the others."""
    heads = ["", "run", "model", "seed", "epochs", "best", "parameters", "time"]
    return Table(heads, [[label(index), *_run(run)] for index, run in enumerate(comparison.runs)])


def html(comparison: "Comparison") -> str:
    """Return the tables and messages for notebooks."""
    runs, others = runs_table(comparison), tables(comparison, range(len(comparison.runs)))
    shown = [notebook.table(runs.columns, runs.rows, names=3)]
    shown += [notebook.table(table.columns, table.rows, table.title) for table in others]
    return notebook.paragraphs(_messages(comparison)) + "".join(shown)


def print_tables(comparison: "Comparison", console: Any) -> None:
    """Print the tables on a console. Where it is too narrow, the runs are divided among several tables."""
    from raysq.display.console import Console

    # Without a terminal there is no width limit.
    wide = console if console.is_terminal else Console(file=console.file, width=10_000)
    wide.print(_draw(runs_table(comparison)), soft_wrap=False)
    count = len(comparison.runs)
    fits = count
    while fits > 2 and any(_width(table, wide) > wide.width for table in tables(comparison, range(fits))):
        fits -= 1
    for first in range(1, count, fits - 1):
        for table in tables(comparison, [0, *range(first, min(count, first + fits - 1))]):
            wide.print("")
            wide.print(_draw(table), soft_wrap=False)
    for message in _messages(comparison):
        console.print(message)


def _messages(comparison: "Comparison") -> list[str]:
    messages = list(comparison.messages)
    if any(run.config.synthetic for run in comparison.runs):
        messages.append("on synthetic sample data")
    if any(known is not None for row in comparison.metrics for known in row.beyond):
        messages.append("a difference of means above two standard errors is beyond the spread of the seeds")
    return messages


def _run(run: "Run") -> list[str]:
    result = run.result() or {}
    folder = run.directory.resolve().parent
    name = f"{folder.parent.name}/{run.name}" if folder.name in ("trials", "refit") else run.name
    return [
        name,
        run.config.model.rpartition(":")[2],
        str(run.config.seed),
        str(result["epochs"]),
        str(result["best_epoch"]),
        f"{result['parameters']:,}",
        seconds(result["seconds"]),
    ]


def _value(value: Any) -> str:
    return "-" if value is ABSENT else short(value, 6) or "(empty)"


def _difference_head(index: int) -> list[str]:
    return [f"{label(index)} - {label(0)}"] if index else []


def _figures(row: "ComparedMetric", index: int) -> list[str]:
    return [metric(row.values[index]), *([_signed(row.differences[index])] if index else [])]


def _seeds(row: "ComparedMetric", index: int) -> list[str]:
    own, first = row.seeds[index], row.seeds[0]
    beyond = row.beyond[index]
    if beyond is None or own is None or first is None:
        return [_spread(own), *(["-"] if index else [])]
    return [_spread(own), f"{_signed(own.mean - first.mean)} {'beyond' if beyond else 'within'}"]


def _spread(seeds: "SeedStatistics | None") -> str:
    return "-" if seeds is None else f"{metric(seeds.mean)} ± {metric(seeds.std)} ({seeds.count})"


def _signed(value: float | None) -> str:
    if value is None:
        return "-"
    text = metric(value)
    return text if text.startswith("-") or not value else f"+{text}"


def _draw(table: Table) -> Any:
    from rich.table import Table as RichTable

    drawn = RichTable(
        title=table.title or None,
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        title_justify="left",
        header_style="bold",
    )
    for number, name in enumerate(table.columns):
        is_text = number == 0 or table.columns[0] in ("", "setting")
        drawn.add_column(name, justify="left" if is_text else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn


def _width(table: Table, console: Any) -> int:
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(max_width=10_000), _draw(table)).maximum
