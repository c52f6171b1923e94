"""Comparison of several runs: a table, the settings that differ, the curves on one chart, then each run."""

from collections.abc import Sequence
from typing import Any

from raysq.display.numbers import number, seconds, short
from raysq.problems.charts import Figures, Line, LineChart, Style, Table
from raysq.report.analysis import Analysis
from raysq.report.markup import Markup, join, tag
from raysq.report.metrics import metrics_of, primary, rank, verdict
from raysq.report.run import banner, history_part, remarks, run_figures, run_verdict
from raysq.report.sections import anchor, draw_chart, draw_figures, draw_section, part
from raysq.report.style import PALETTE
from raysq.report.tables import draw_table
from raysq.training.config_differences import ABSENT, differing_settings

_STYLES: tuple[Style, ...] = ("solid", "dashed", "dotted")
_DRAWN = 12  # maximum number of runs with a color and a section of their own


def comparison(analyses: Sequence[Analysis], left_out: Sequence[str] = ()) -> tuple[str, Markup, list[Markup]]:
    """Return the title, heading and sections of a report of several runs, best first.

    `left_out` has a sentence for each run that cannot be shown.
    """
    metric = primary(_all_metrics(analyses), None)
    ranked = sorted(analyses, key=lambda analysis: rank(analysis.metrics, metric))
    title = f"{len(ranked)} runs: {', '.join(dict.fromkeys(analysis.config.model for analysis in ranked))}"
    heading = join(
        tag("h1", title),
        tag("p", ", ".join(dict.fromkeys(analysis.config.task for analysis in ranked)), class_="about"),
        banner(any(analysis.config.synthetic for analysis in ranked)),
        tag("p", _verdict(ranked), class_="verdict"),
        *(tag("p", text, class_="remark") for text in left_out),
    )
    parts = [_table(ranked), _differences(ranked), _curves(ranked)]
    parts += [_essentials(analysis) for analysis in ranked[:_DRAWN]]
    if len(ranked) > _DRAWN:
        parts.append(tag("p", f"{len(ranked) - _DRAWN} more runs stand in the table only.", class_="note"))
    return title, heading, [part for part in parts if part is not None]


def _all_metrics(analyses: Sequence[Analysis]) -> dict[str, float]:
    return {key: value for analysis in analyses for key, value in analysis.metrics.items()}


def _verdict(ranked: Sequence[Analysis]) -> str:
    best = ranked[0]
    if best.best is None:
        return "No run has a finished epoch yet."
    unit = best.config.metadata.get("unit")
    others = {analysis.run.name: analysis.metrics for analysis in ranked[1:2]}
    references = {name: values for name, values in best.evaluation.items() if name != best.config.model}
    text = verdict(best.run.name, best.metrics, {**others, **references}, unit)
    return f"Best by validation: {best.run.name}. {text}"


def _table(ranked: Sequence[Analysis]) -> Markup:
    measured = _all_metrics(ranked)
    unit = ranked[0].config.metadata.get("unit")
    metrics = [metric for metric in metrics_of(measured, unit) if metric.name != "loss"]
    columns = [(split, m) for m in metrics[:2] for split in ("val", "test") if f"{split}_{m.name}" in measured]
    heads = ["run", "model", "seed", *([] if columns else ["val loss"])]
    heads += [f"{split} {metric.brief}" for split, metric in columns]
    heads += ["best epoch", "epochs", "parameters", "time", "state"]
    rows: list[list[Any]] = []
    for analysis in ranked:
        best, result = analysis.best, analysis.result or {}
        rows.append(
            [
                analysis.run.name,
                analysis.config.model,
                analysis.config.seed,
                *([] if columns else [best["val_loss"] if best else None]),
                *(analysis.metrics.get(f"{split}_{metric.name}") for split, metric in columns),
                best["epoch"] if best else None,
                len(analysis.records),
                result.get("parameters"),
                seconds(result["seconds"]) if result else "",
                analysis.state,
            ]
        )
    marked = [0] if ranked[0].best else []
    # Baselines are equal for all runs of one data set and window. Others are shown in the section of their run.
    references = {
        name: values
        for name, values in ranked[0].evaluation.items()
        if name != ranked[0].config.model and all(_close(values, analysis.evaluation.get(name)) for analysis in ranked)
    }
    for name, values in references.items():
        figures = [] if columns else [values.get("val_loss")]
        figures += [values.get(f"{split}_{metric.name}") for split, metric in columns]
        rows.append([name, name, None, *figures, None, None, None, "", "reference"])
    return part("Runs", draw_table(Table(heads, rows, highlight=marked)))


def _close(values: dict[str, float], other: dict[str, float] | None) -> bool:
    if other is None:
        return False
    return all(abs(value - other.get(key, 1e30)) <= 1e-6 * abs(value) for key, value in values.items())


def _differences(ranked: Sequence[Analysis]) -> Markup | None:
    """Return a table of the settings in which the runs differ, or None if all are equal."""
    data = [analysis.config.data for analysis in ranked]
    differing = {"data": data} if len(set(data)) > 1 else {}
    differing |= differing_settings([analysis.config for analysis in ranked])
    if not differing:
        return None
    rows = []
    for index, analysis in enumerate(ranked):
        values = (column[index] for column in differing.values())
        rows.append(
            [analysis.run.name, *(None if value is ABSENT else short(value, 6) or "(empty)" for value in values)]
        )
    note = "Settings that are not the same in all runs; a dash where a model has no such setting."
    return part("Differences", draw_table(Table(["run", *differing], rows)), note=note)


def _curves(ranked: Sequence[Analysis]) -> Markup | None:
    """Return the validation curves of all runs on one chart, the best runs in color."""
    lines = []
    key, words = _curve(ranked)
    for index, analysis in enumerate(ranked):
        if not analysis.records:
            continue
        x = [record["epoch"] for record in analysis.records]
        y = [record[key] for record in analysis.records]
        if index < _DRAWN:
            # The palette is used twice, the second time with other dashes.
            style = _STYLES[(index + index // PALETTE) % len(_STYLES)]
            lines.append(Line(analysis.run.name, x, y, style, index % PALETTE))
        else:
            lines.append(Line("", x, y, "quiet"))
    if not lines:
        return None
    chart = LineChart(f"{words.capitalize()} by epoch", lines, x_label="epoch", y_label=words, whole_x=True)
    return part("Training", draw_chart(chart))


def _curve(ranked: Sequence[Analysis]) -> tuple[str, str]:
    """Return key and name of the metric to draw: one that all runs share, since losses may differ in kind."""
    records = [record for analysis in ranked for record in analysis.records]
    metric = primary({key: value for record in records for key, value in record.items()}, None)
    if metric is not None and all(f"val_{metric.name}" in record for record in records):
        return f"val_{metric.name}", f"validation {metric.words}"
    return "val_loss", "validation loss"


def _essentials(analysis: Analysis) -> Markup:
    """Return the section of one run: summary, key figures, curves, and the first section of its problem."""
    shown = [history_part(analysis, level=3)]
    shown += [draw_section(section, level=3) for section in analysis.sections[:1]]
    if primary(analysis.metrics, None) is None:
        text = f"State: {analysis.state}; {number(len(analysis.records))} epochs."
    else:
        text = run_verdict(analysis)
    return tag(
        "section",
        tag("h2", analysis.run.name, id=anchor(analysis.run.name)),
        tag("p", text),
        remarks(analysis),
        draw_figures(Figures(run_figures(analysis))),
        *shown,
    )
