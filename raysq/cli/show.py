"""`raysq show`: a page about data before anything is trained."""

import argparse
from dataclasses import asdict
from typing import Any

from raysq.cli.output import write_result

_SHOWN = 12  # messages on the terminal


def add(sub: argparse.ArgumentParser) -> None:
    """Add the arguments of `raysq show` to its parser."""
    sub.add_argument(
        "target",
        metavar="TASK|DATA|FILE",
        help="Name of a task, for its newest data set; NAME or TASK/NAME of a data set, or its directory; or path, URL "
        "or URI of raw data, of which the first rows are read and nothing is prepared.",
    )
    sub.add_argument("--task", metavar="TASK", help="Task that reads raw data. Defaults to one for files of that kind.")
    sub.add_argument("--output", metavar="FILE", help="HTML file to write. Defaults to a file in RAYSQ_HOME/reports.")
    sub.add_argument("--rows", type=int, metavar="N", help="Rows of raw data that are enough. Defaults to 100,000.")
    sub.add_argument("--open", action="store_true", help="Open the page in the browser.")


def show(options: argparse.Namespace) -> None:
    from raysq import tasks
    from raysq.cli.problem_options import given_options
    from raysq.config import parse_pairs
    from raysq.report.data_page import show_data
    from raysq.tasks.preview import task_of

    settings = parse_pairs(options.set)
    if given := given_options(options, "prepare"):
        # Options of problems are checked against the problem that reads the raw data.
        options.task = options.task or task_of(options.target).name
        given = given_options(options, "prepare", tasks.get(options.task).problem)
    page = show_data(
        options.target,
        task=options.task,
        output=options.output,
        settings={**given, **settings},
        rows=options.rows,
    )

    def summary(console: Any) -> None:
        first = "the first " if page.cut else ""
        how = "prepared" if page.prepared else "not prepared"
        console.print(f"{page.label} ({how}, task {page.task}): {first}{page.rows:,} rows")
        for line in page.messages[:_SHOWN]:
            console.print(f"  {line}")
        if len(page.messages) > _SHOWN:
            console.print(f"  and {len(page.messages) - _SHOWN} more lines on the page")
        console.print(f"shown: {', '.join(page.sections) or 'columns'}")
        console.print(f"{page.path}")

    write_result(options, {**asdict(page), "path": str(page.path)}, summary)
    if options.open:
        import webbrowser

        webbrowser.open(page.path.resolve().as_uri())
