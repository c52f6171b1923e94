"""Report of a search: its trials, the effect of each setting on the score, and the best run."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from raysq.display.numbers import number, seconds
from raysq.errors import DamagedError
from raysq.problems.charts import Figure, Figures, Scatter, Table
from raysq.report.analysis import Analysis, analyze
from raysq.report.markup import Markup, join, tag
from raysq.report.metrics import Metric, compare, metrics_of
from raysq.report.run import banner, remarks, run_figures, run_parts, run_verdict
from raysq.report.search_analysis import SearchAnalysis
from raysq.report.search_extras import (
    generations_part,
    health_line,
    health_part,
    importance_part,
    schedule_part,
    timeline_part,
)
from raysq.report.sections import draw_figures, draw_items, part
from raysq.report.tables import draw_table
from raysq.report.trials import (
    curves_part,
    each_setting_part,
    parallel_part,
    setting_text,
    space_part,
    trials_part,
)


def search_page(experiment: SearchAnalysis, options: Mapping[str, Any]) -> tuple[str, Markup, list[Markup]]:
    """Return the title, heading and sections of a search's report.

    What cannot be shown is added to `experiment.missing`.
    """
    run = experiment.run_of(experiment.best) if experiment.best else None
    if run is None and experiment.scored:
        run = experiment.run_of(experiment.scored[0])
    best = None
    if run is not None:
        try:
            best = analyze(run, options=options)
        except DamagedError as error:
            experiment.missing.append(f"What needs the best trial's run is left out: {error}")
    title = f"Search: {experiment.name}"
    heading = join(
        tag("h1", title),
        tag("p", _about(experiment), class_="about"),
        banner(bool(experiment.about.get("synthetic"))),
        tag("p", _verdict(experiment), class_="verdict"),
        *(tag("p", text, class_="remark") for text in _unfinished(experiment, best)),
        health_line(experiment),
        draw_figures(Figures(_figures(experiment, best))),
    )
    parts = [_best_settings(experiment), schedule_part(experiment), health_part(experiment), _refit(experiment)]
    parts += [trials_part(experiment), generations_part(experiment), importance_part(experiment)]
    parts += [parallel_part(experiment), each_setting_part(experiment), curves_part(experiment)]
    parts += [timeline_part(experiment), space_part(experiment)]
    if best is not None:
        parts.append(_best_run(best))
    return title, heading, [part for part in parts if part is not None]


def _about(experiment: SearchAnalysis) -> str:
    about = experiment.about
    return f"Task {about.get('task')}, model {about.get('model')}, data {about.get('data')}"


def _verdict(experiment: SearchAnalysis) -> str:
    scored = experiment.scored
    if not scored:
        return f"None of {len(experiment.trials)} trials has a score yet."
    best = scored[0]
    goal = experiment.goal
    value = goal.value(best) or 0.0
    text = f"Of {len(experiment.trials)} trials the best reached a {goal.words} of {number(value)}"
    metric = Metric(goal.metric.removeprefix("val_"))
    default = next((trial for trial in scored if experiment.is_default(trial)), None)
    if default is best:
        return text + " with the defaults: nothing that was tried is better."
    if default is not None:
        other = goal.value(default) or 0.0
        text += f", {compare(value, other, metric)} the defaults ({number(other)})"
    return text + ". It was chosen by the validation split; the test split took no part in the choice."


def _unfinished(experiment: SearchAnalysis, best: Analysis | None) -> list[str]:
    messages = []
    if experiment.best is None:
        requested = (experiment.about.get("requested") or {}).get("trials")
        begun = f"{len(experiment.trials)} of {requested}" if requested else f"{len(experiment.trials)}"
        messages.append(f"The search has not ended: {begun} trials have begun. The same command continues it.")
    states = [trial["state"] for trial in experiment.trials]
    for state in ("failed", "interrupted", "out of time"):
        count = states.count(state)
        if count:
            messages.append(f"{count} of {len(states)} trials: {state}.")
    if experiment.trials and best is None and experiment.scored and not experiment.missing:
        messages.append("The best trial's run is gone: what needs it is left out.")
    return [*messages, *dict.fromkeys(experiment.missing)]


def _figures(experiment: SearchAnalysis, best: Analysis | None) -> list[Figure]:
    trials = experiment.trials
    figures = [Figure("Trials", f"{len(trials)}", _states(trials))]
    if experiment.scored:
        value = experiment.goal.value(experiment.scored[0]) or 0.0
        figures.insert(0, Figure(f"Best {experiment.goal.words}", number(value)))
    spent = sum(trial["seconds"] or 0.0 for trial in trials)
    figures.append(Figure("Training, all trials", seconds(spent)))
    if experiment.best is not None:
        figures.append(Figure("The search took", seconds(experiment.best["seconds"])))
    if best is not None:
        figures += [figure for figure in run_figures(best) if figure.label.startswith("Test ")]
    return figures


def _states(trials: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(trial["state"] for trial in trials))
    return ", ".join(f"{sum(trial['state'] == name for trial in trials)} {name}" for name in names)


def _best_settings(experiment: SearchAnalysis) -> Markup | None:
    """Return the best settings beside the defaults, with the command that trains them."""
    if not experiment.scored:
        return None
    best = experiment.scored[0]
    defaults = experiment.about.get("defaults") or {}
    rows: list[list[Any]] = []
    marked = []
    for name, value in best["settings"].items():
        if name in defaults and defaults[name] != value:
            marked.append(len(rows))
        rows.append([name, setting_text(value), setting_text(defaults[name]) if name in defaults else "\u2013"])
    table = draw_table(Table(["setting", "best", "default"], rows, highlight=marked))
    command = None
    if experiment.best is not None:
        path = shlex.quote(str(experiment.directory / "best.json"))
        text = f"raysq train {shlex.quote(str(experiment.about.get('task')))} --config {path}"
        command = join(tag("p", "To train it again, with another seed or for longer:"), tag("pre", tag("code", text)))
    return part("Best settings", table, command, note=f"Trial {best['number']}. Marked: not the default.")


def _refit(experiment: SearchAnalysis) -> Markup | None:
    """Return metrics of the best settings and the defaults over several seeds: mean, deviation and each value."""
    refit = experiment.refit
    if not refit:
        return None
    measured = {key: 0.0 for row in refit["rows"] for key in row["metrics"]}
    metrics = [metric for metric in metrics_of(measured, _unit(experiment)) if metric.name != "loss"]
    columns = [(split, m) for m in metrics[:2] for split in ("test", "val") if f"{split}_{m.name}" in measured]
    rows: list[list[Any]] = []
    charts = []
    for row in refit["rows"]:
        cells: list[Any] = [row["name"]]
        for split, metric in columns:
            figures = row["metrics"].get(f"{split}_{metric.name}")
            cells.append(f"{number(figures['mean'])} \u00b1 {number(figures['std'], 2)}" if figures else None)
        rows.append([*cells, ", ".join(path.rstrip("/").rsplit("/", 1)[-1] for path in row["runs"])])
    heads = ["settings", *(f"{split} {m.brief}" for split, m in columns), "runs"]
    if columns:
        charts.append(_seeds(refit, *columns[0]))
    note = (
        f"Trained with {len(refit['seeds'])} seeds: mean \u00b1 standard deviation, and below the value of each seed."
    )
    return part("Refit", draw_table(Table(heads, rows)), draw_items(charts), note=note)


def _seeds(refit: Mapping[str, Any], split: str, metric: Metric) -> Scatter:
    x, y, names = [], [], []
    for row in refit["rows"]:
        values = row["metrics"][f"{split}_{metric.name}"]["values"]
        x += [row["name"]] * len(values)
        y += values
        names += [f"seed {seed}" for seed in refit["seeds"][: len(values)]]
    words = "test" if split == "test" else "validation"
    return Scatter("Each seed", x, y, x_label="settings", y_label=f"{words} {metric.brief}", names=names)


def _unit(experiment: SearchAnalysis) -> str | None:
    for trial in experiment.trials:
        run = experiment.run_of(trial)
        if run is not None:
            unit: str | None = run.config.metadata.get("unit")
            return unit
    return None


def _best_run(best: Analysis) -> Markup:
    return tag(
        "section",
        tag("h2", "Best run", id="best-run"),
        tag("p", run_verdict(best)),
        remarks(best),
        draw_figures(Figures(run_figures(best))),
        *run_parts(best, level=3),
    )
