"""Write the self-contained HTML file of `raysq report` about a run, several runs, or a search."""

import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from raysq import __version__
from raysq.errors import DamagedError, UsageError
from raysq.report.analysis import analyze
from raysq.report.charts.runtime import runtime
from raysq.report.comparison import comparison
from raysq.report.markup import Markup, join, tag
from raysq.report.run import run_heading, run_parts
from raysq.report.search import search_page
from raysq.report.search_analysis import open_experiment
from raysq.report.style import sheet
from raysq.report.targets import find_target
from raysq.storage.atomic import atomic_write
from raysq.storage.paths import home
from raysq.training.run import Run

# Hidden until the page's script has drawn an interactive chart.
_HELP = tag(
    "span",
    " Charts tell the values below the pointer; Ctrl and the wheel zooms lines and points, dragging moves them, a "
    "double click resets.",
    class_="help",
)


def write_report(
    *targets: Run | str | Path,
    output: str | Path | None = None,
    trust: bool = False,
    on_message: Callable[[str], None] = warnings.warn,
    **options: Any,
) -> Path:
    """Write a report as one self-contained HTML file that loads no scripts or fonts from the network.

    Charts are interactive where JavaScript is enabled. Metrics and predictions are cached in the run's directory, so a
    second report is quick.

    Args:
        targets: Runs (objects, ids, prefixes of ids, or directories), or one search (its name or directory).
            Unfinished runs and searches are reported up to their current state.
        output: Path of the file, ending in `.html` or `.htm`. Defaults to `report.html` in the directory of the run or
            search, or to a file in `RAYSQ_HOME/reports` for several runs.
        trust: Whether to trust all targets, as for `raysq.load`. Defaults to False.
        on_message: Called with a message about each part that is left out, such as a damaged run. Defaults to
            `warnings.warn`.
        options: Options of the problem's report. Forecasting has `week`, the first day of the week whose forecasts are
            shown beside the true values, such as "2014-05-05".

    Returns:
        The path of the file.

    Raises:
        DataError: If a target is no run and no search.
        DamagedError: If a file of the only run, or of every run, is damaged.
        UsageError: If `targets` holds several searches or mixes runs and searches, if an option is unknown or
            invalid, or if `output` has another suffix.
        SourceError: If the file cannot be written.

    Example:
        >>> raysq.write_report(run, output="run.html")
        PosixPath('run.html')
    """
    if output is not None and Path(output).suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--output must end in .html, received {str(output)!r}")
    if not targets:
        raise UsageError("report needs a run or a search: `raysq runs` lists them")
    sources, damaged = _find_all(targets, trust)
    messages: list[str] = []
    folders = [source for source in sources if isinstance(source, Path)]
    runs = [source for source in sources if isinstance(source, Run)]
    if folders and len(targets) > 1:
        raise UsageError("report takes runs, or one search by itself: give each search its own report")
    if folders:
        experiment = open_experiment(folders[0], trust=trust)
        title, heading, parts = search_page(experiment, options)
        messages = list(dict.fromkeys(experiment.missing))
        path = folders[0] / "report.html"
    elif len(targets) == 1:
        analysis = analyze(runs[0], options=options)
        title, heading, parts = runs[0].name, run_heading(analysis), run_parts(analysis)
        messages = [analysis.refused] if analysis.refused else []
        path = runs[0].directory / "report.html"
    else:
        unique = list({run.directory.resolve(): run for run in runs}.values())
        analyses = []
        for run in unique:
            try:
                analyses.append(analyze(run, options=options))
            except DamagedError as error:
                damaged.append(error)
        if not analyses:
            raise damaged[0]
        messages = [f"A run is left out: {error}" for error in damaged]
        title, heading, parts = comparison(analyses, messages)
        messages += [analysis.refused for analysis in analyses if analysis.refused]
        path = home() / "reports" / f"{_name(unique)}.html"
    path = Path(output) if output is not None else path
    with atomic_write(path, "choose another --output") as partial:
        partial.write_text(page(title, heading, parts), encoding="utf-8")
    for message in messages:
        on_message(message)
    return path


def _find_all(targets: Sequence[Run | str | Path], trust: bool) -> tuple[list[Run | Path], list[DamagedError]]:
    """Return the runs and search directories, and the errors of damaged targets if others can be shown."""
    sources: list[Run | Path] = []
    damaged: list[DamagedError] = []
    for target in targets:
        try:
            sources.append(find_target(target, trust))
        except DamagedError as error:
            damaged.append(error)
    if not sources:
        raise damaged[0]
    return sources, damaged


def _name(runs: Sequence[Run]) -> str:
    """Return the file name of a report about several runs, the same for the same runs."""
    if len(runs) <= 3 and sum(len(run.name) for run in runs) < 120:
        return "-and-".join(run.name for run in runs)
    digest = hashlib.sha256("\n".join(str(run.directory.resolve()) for run in runs).encode()).hexdigest()[:10]
    return f"{len(runs)}-runs-{digest}"


def page(title: str, heading: Markup, parts: Sequence[Markup]) -> str:
    """Return the complete HTML file. The `h2` headings of the parts become the table of contents."""
    links = [join(tag("a", text, href=f"#{name}"), "\n") for name, text in _headings(parts)]
    now = datetime.now(UTC)
    main = tag(
        "main",
        tag("header", heading),
        tag("nav", *links, aria_label="Contents") if links else None,
        *parts,
        tag("footer", f"Written by raysq {__version__} on {now:%Y-%m-%d} at {now:%H:%M} UTC.", _HELP),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} \u2013 raysq"),
        tag("style", sheet()),
    )
    return (
        "<!DOCTYPE html>\n"
        + tag("html", head, tag("body", main, runtime() if 'class="chart"' in main else None), lang="en")
        + "\n"
    )


def _headings(parts: Sequence[Markup]) -> list[tuple[str, Markup]]:
    return [(name, Markup(text)) for part in parts for name, text in re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', part)]
