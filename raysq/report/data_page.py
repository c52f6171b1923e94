"""Write the self-contained HTML page of `raysq show`: what data look like before anything is trained."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysq import problems
from raysq.display.numbers import short
from raysq.errors import UsageError
from raysq.problems.charts import Figure, Figures, Table
from raysq.report.markup import Markup, join, tag
from raysq.report.page import page
from raysq.report.run import banner
from raysq.report.sections import draw_figures, draw_section, part
from raysq.report.tables import draw_table
from raysq.storage.atomic import atomic_write
from raysq.storage.paths import home
from raysq.storage.uris import redact
from raysq.tasks.preview import Preview, open_preview


@dataclass(frozen=True)
class DataPage:
    """A page about data, and its content in short.

    Attributes:
        path: path of the HTML file.
        task: name of the task that read the data.
        label: name of the source.
        prepared: whether the data are prepared.
        cut: whether there are rows after those that are shown.
        rows: number of rows that are shown.
        columns: names of the columns.
        sections: titles of the sections.
        messages: what was inferred and found.
    """

    path: Path
    task: str
    label: str
    prepared: bool
    cut: bool
    rows: int
    columns: list[str]
    sections: list[str]
    messages: list[str]


def show_data(
    target: Any,
    *,
    task: str | None = None,
    output: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    rows: int | None = None,
) -> DataPage:
    """Write a page about data: a task's, a data set, or raw files, of which nothing is prepared.

    Args:
        target: name of a task, whose newest data set is shown; name or directory of a data set; or a source as for
            `raysq.prepare`.
        task: name of the task that reads raw files. Defaults to the first that reads files of this kind.
        output: path of the file, ending in `.html` or `.htm`. Defaults to a file in `RAYSQ_HOME/reports`.
        settings: settings of `raysq.prepare` for raw files.
        rows: number of rows of raw files after which no more are read. Defaults to 100,000.

    Returns:
        The page.

    Raises:
        UsageError: no task reads the file, an option has a wrong value, or a setting is unknown.
        SourceError: the raw files cannot be read, or the page cannot be written.
        DataError: the data cannot be used as they are.

    Example:
        >>> raysq.show_data("measured.csv", task="forecast", output="data.html").rows
        8640
    """
    if output is not None and Path(output).suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--output must end in .html, received {str(output)!r}")
    with open_preview(target, task, settings, rows) as preview:
        problem = problems.get(preview.task.problem)
        sections = problem.overview(preview.dataset, preview.settings)
        label = redact(str(preview.dataset.manifest.source.get("label", "")))
        title = f"Data of {preview.task.name}: {preview.dataset.manifest.name}"
        parts = [draw_section(section) for section in sections]
        parts += [_columns_part(preview), *_preparation_parts(preview)]
        content = page(title, _heading(preview, title, label), parts)
        path = Path(output) if output is not None else home() / "reports" / f"{_file_name(preview)}.html"
        with atomic_write(path, "choose another --output") as partial:
            partial.write_text(content, encoding="utf-8")
        return DataPage(
            path,
            preview.task.name,
            label,
            preview.prepared,
            preview.cut,
            preview.dataset.rows,
            list(preview.dataset.columns),
            [section.title for section in sections],
            preview.messages,
        )


def _file_name(preview: Preview) -> str:
    name = re.sub(r"[^\w.-]+", "-", preview.dataset.manifest.name).strip("-.") or "data"
    return f"data-{preview.task.name}-{name[:80]}"


def _heading(preview: Preview, title: str, label: str) -> Markup:
    manifest = preview.dataset.manifest
    size = sum(int(file["bytes"]) for file in manifest.source.get("files", []))
    figures = [
        Figure("Rows", f"{manifest.rows:,}", "the first ones" if preview.cut else ""),
        Figure("Columns", f"{len(manifest.schema):,}", "" if preview.prepared else "as they would be prepared"),
        Figure("Raw files", f"{len(manifest.source.get('files', [])):,}", f"{size / 1e6:,.1f} MB"),
    ]
    about = f"{label}, read as task {preview.task.name} reads it: {preview.task.title}."
    if not preview.prepared:
        about += " Nothing is prepared."
    if preview.cut:
        about += f" The page is about the first {manifest.rows:,} rows; there are more."
    return join(
        tag("h1", title),
        tag("p", about, class_="about"),
        banner(preview.dataset.synthetic),
        draw_figures(Figures(figures)),
    )


def _columns_part(preview: Preview) -> Markup:
    """Return the columns of the data set, and the tables beside its rows."""
    manifest = preview.dataset.manifest
    rows: list[Sequence[Any]] = [[column["name"], column["type"]] for column in manifest.schema]
    beside = [[entry.file.removesuffix(".arrow"), f"{entry.rows:,} rows"] for entry in manifest.extras]
    tables = [draw_table(Table(["column", "type"], rows))]
    if beside:
        tables.append(draw_table(Table(["table beside the rows", "size"], beside)))
    return part("Columns of the data set", *tables)


def _preparation_parts(preview: Preview) -> list[Markup]:
    """Return what was found, and the settings that read the data."""
    items = [tag("ul", *(tag("li", line) for line in preview.messages), class_="plain")] if preview.messages else []
    stated = {name: value for name, value in preview.dataset.preprocessor_settings.items() if value not in _UNSET}
    if stated:
        rows = [[name, short(value, 6)] for name, value in stated.items()]
        items.append(draw_table(Table(["setting of prepare", "value"], rows)))
    return [part("How it is read", *items)] if items else []


_UNSET: tuple[Any, ...] = (None, "", [], (), {})
