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

_STYLES: tuple[Style, ...] = ("solid", "dashed", "dotted")
_DRAWN = 12  # maximum number of runs with a color and a section of their own


def comparison(studies: Sequence[Analysis], left_out: Sequence[str] = ()) -> tuple[str, Markup, list[Markup]]:
    """Build the report of several runs, best first.

    Args:
        studies: Report content of each run.
        left_out: A sentence for each run that cannot be shown. Defaults to none.

    Returns:
        The page's title, heading and sections.
    """
    every = {key: value for one in studies for key, value in one.metrics.items()}
    metric = primary(every, None)
    ranked = sorted(studies, key=lambda one: rank(one.metrics, metric))
    title = f"{len(ranked)} runs: {', '.join(dict.fromkeys(one.config.model for one in ranked))}"
    heading = join(
        tag("h1", title),
        tag("p", ", ".join(dict.fromkeys(one.config.task for one in ranked)), class_="about"),
        banner(any(one.config.synthetic for one in ranked)),
        tag("p", _verdict(ranked), class_="verdict"),
        *(tag("p", text, class_="remark") for text in left_out),
    )
    parts = [_table(ranked), _differences(ranked), _curves(ranked)]
    parts += [_essentials(one) for one in ranked[:_DRAWN]]
    if len(ranked) > _DRAWN:
        parts.append(tag("p", f"{len(ranked) - _DRAWN} more runs stand in the table only.", class_="note"))
    return title, heading, [part for part in parts if part is not None]


def _verdict(ranked: Sequence[Analysis]) -> str:
    best = ranked[0]
    if best.best is None:
        return "No run has a finished epoch yet."
    unit = best.config.metadata.get("unit")
    others = {one.run.name: one.metrics for one in ranked[1:2]}
    references = {name: values for name, values in best.evaluation.items() if name != best.config.model}
    said = verdict(best.run.name, best.metrics, {**others, **references}, unit)
    return f"Best by validation: {best.run.name}. {said}"


def _table(ranked: Sequence[Analysis]) -> Markup:
    every = {key: value for one in ranked for key, value in one.metrics.items()}
    unit = ranked[0].config.metadata.get("unit")
    metrics = [metric for metric in metrics_of(every, unit) if metric.name != "loss"]
    columns = [(split, m) for m in metrics[:2] for split in ("val", "test") if f"{split}_{m.name}" in every]
    heads = ["run", "model", "seed", *([] if columns else ["val loss"])]
    heads += [f"{split} {metric.brief}" for split, metric in columns]
    heads += ["best epoch", "epochs", "parameters", "time", "state"]
    rows: list[list[Any]] = []
    for one in ranked:
        best, result = one.best, one.result or {}
        rows.append(
            [
                one.run.name,
                one.config.model,
                one.config.seed,
                *([] if columns else [best["val_loss"] if best else None]),
                *(one.metrics.get(f"{split}_{metric.name}") for split, metric in columns),
                best["epoch"] if best else None,
                len(one.records),
                result.get("parameters"),
                seconds(result["seconds"]) if result else "",
                one.state,
            ]
        )
    marked = [0] if ranked[0].best else []
    # Baselines are equal for all runs of one data set and window. Others are shown in the section of their run.
    references = {
        name: values
        for name, values in ranked[0].evaluation.items()
        if name != ranked[0].config.model and all(_close(values, one.evaluation.get(name)) for one in ranked)
    }
    for name, values in references.items():
        figures = [] if columns else [values.get("val_loss")]
        figures += [values.get(f"{split}_{metric.name}") for split, metric in columns]
        rows.append([name, name, None, *figures, None, None, None, "", "reference"])
    return part("Runs", draw_table(Table(heads, rows, highlight=marked)))


def _close(one: dict[str, float], other: dict[str, float] | None) -> bool:
    return other is not None and all(abs(one[key] - other.get(key, 1e30)) <= 1e-6 * abs(one[key]) for key in one)


def _differences(ranked: Sequence[Analysis]) -> Markup | None:
    """Return a table of the settings in which the runs differ, or None if all are equal."""
    flat = [{"data": one.config.data, **one.config.by_name()} for one in ranked]
    names = list(dict.fromkeys(name for settings in flat for name in settings))
    differing = [name for name in names if len({short(settings.get(name), 8) for settings in flat}) > 1]
    if not differing:
        return None
    rows = [
        [one.run.name, *((short(settings[name], 6) or "(empty)") if name in settings else None for name in differing)]
        for one, settings in zip(ranked, flat, strict=True)
    ]
    note = "Settings that are not the same in all runs; a dash where a model has no such setting."
    return part("Differences", draw_table(Table(["run", *differing], rows)), note=note)


def _curves(ranked: Sequence[Analysis]) -> Markup | None:
    """Return the validation curves of all runs on one chart, the best runs in color."""
    lines = []
    key, words = _curve(ranked)
    for place, one in enumerate(ranked):
        if not one.records:
            continue
        x = [record["epoch"] for record in one.records]
        y = [record[key] for record in one.records]
        if place < _DRAWN:
            # The palette is used twice, the second time with other dashes.
            style = _STYLES[(place + place // PALETTE) % len(_STYLES)]
            lines.append(Line(one.run.name, x, y, style, place % PALETTE))
        else:
            lines.append(Line("", x, y, "quiet"))
    if not lines:
        return None
    chart = LineChart(f"{words.capitalize()} by epoch", lines, x_label="epoch", y_label=words, whole_x=True)
    return part("Training", draw_chart(chart))


def _curve(ranked: Sequence[Analysis]) -> tuple[str, str]:
    """Return key and name of the metric to draw: one that all runs share, since losses may differ in kind."""
    metric = primary({key: value for one in ranked for record in one.records for key, value in record.items()}, None)
    if metric is not None and all(f"val_{metric.name}" in record for one in ranked for record in one.records):
        return f"val_{metric.name}", f"validation {metric.words}"
    return "val_loss", "validation loss"


def _essentials(study: Analysis) -> Markup:
    """Return the section of one run: summary, key figures, curves, and the first section of its problem."""
    shown = [history_part(study, level=3)]
    shown += [draw_section(section, level=3) for section in study.sections[:1]]
    metric = primary(study.metrics, study.config.metadata.get("unit"))
    return tag(
        "section",
        tag("h2", study.run.name, id=anchor(study.run.name)),
        tag("p", run_verdict(study) if metric else f"State: {study.state}; {number(len(study.records))} epochs."),
        remarks(study),
        draw_figures(Figures(run_figures(study))),
        *(one for one in shown if one is not None),
    )
