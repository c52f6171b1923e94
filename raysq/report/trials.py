"""Trials of a search: table, parallel coordinates, each setting against the score, curves, and the search space."""

from collections.abc import Mapping
from typing import Any

from raysq.display.numbers import short
from raysq.problems.charts import Line, LineChart, Scatter, Table
from raysq.report.charts.parallel import Parallel, draw_parallel, parallel_legend
from raysq.report.charts.scatter import draw_scatter
from raysq.report.charts.vega import live_chart, static_svg
from raysq.report.markup import Markup, tag
from raysq.report.search_analysis import SearchAnalysis
from raysq.report.sections import draw_chart, draw_responsive, figure, part
from raysq.report.tables import draw_table
from raysq.training import domains
from raysq.training.goal import LOWEST_LOSS

_SMALL = 300, 170  # width and height of a chart of one setting
_PARALLEL = (("broad", 920), ("narrow", 360))


def setting_text(value: Any) -> str:
    """Format a setting's value for tables and axes."""
    return short(value) or "(none)"


def trials_part(experiment: SearchAnalysis) -> Markup | None:
    """Return a table of all trials, best first, and the reasons of failed trials."""
    if not experiment.trials:
        return None
    names, goal = list(experiment.space), experiment.goal
    rows = []
    reasons: dict[str, list[str]] = {}
    for trial in experiment.trials:
        settings = trial["settings"]
        values = [setting_text(settings[name]) if name in settings else None for name in names]
        seconds = round(trial["seconds"] or 0.0)
        label = f"{trial['number']}{' (defaults)' if experiment.is_default(trial) else ''}"
        figures = [trial["val_loss"]] if goal.is_default else [goal.value(trial), trial["val_loss"]]
        rows.append([label, *figures, trial["state"], trial["epochs"], seconds, *values])
        if trial["error"]:
            reasons.setdefault(trial["error"], []).append(str(trial["number"]))
    measured = [goal.words] if goal.is_default else [goal.words, LOWEST_LOSS.words]
    heads = ["trial", *measured, "state", "epochs", "seconds", *names]
    tables = [Table(heads, rows, highlight=[0] if experiment.scored else [])]
    if reasons:
        failed = [[", ".join(numbers), reason] for reason, numbers in reasons.items()]
        tables.append(Table(["trial", "reason"], failed, "Why trials failed"))
    return part("Trials", *map(draw_table, tables))


def parallel_part(experiment: SearchAnalysis) -> Markup | None:
    shown = _with_all_settings(experiment)
    if not experiment.scored or len(shown) < 2:
        return None
    names = list(experiment.space)
    chart = Parallel(
        names=names,
        rows=[[_axis_value(experiment, trial, name) for name in names] for trial in shown],
        scores=[experiment.value_of(trial) for trial in shown],
        log=frozenset(name for name in names if domains.is_log(experiment.space[name])),
        choices={name: choices for name in names if (choices := _choices(experiment, name))},
        score=experiment.goal.words,
    )
    better = "lower" if experiment.goal.mode == "min" else "higher"
    note = f"A line for each trial, from setting to setting to its {experiment.goal.words}; the {better} the better."
    pictures = []
    for css, width in _PARALLEL:
        drawing = draw_parallel(chart, upright=css == "broad")
        drawn = tag("div", static_svg(drawing, width), live_chart(drawing, width), class_="chart")
        pictures.append(tag("div", drawn, class_=css))
    title = "Settings of each trial and its score"
    return part("All settings together", figure(title, *pictures, legend=parallel_legend(chart), wide=True), note=note)


def _with_all_settings(experiment: SearchAnalysis) -> list[dict[str, Any]]:
    """Return the trials that have a value for every searched setting."""
    return [trial for trial in experiment.trials if all(name in trial["settings"] for name in experiment.space)]


def _choices(experiment: SearchAnalysis, name: str) -> list[str]:
    """Return the choices of a setting as texts, in order; empty for a range, or a function whose values are numbers."""
    domain = experiment.space[name]
    if domains.is_range(domain):
        return []
    defaults = experiment.about.get("defaults") or {}
    values = domains.choices(domain)
    if values is None:  # of a function
        values = list(
            {
                setting_text(trial["settings"].get(name)): trial["settings"].get(name) for trial in experiment.trials
            }.values()
        )
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
            return []
    if name in defaults and defaults[name] not in values:
        values.append(defaults[name])
    if all(isinstance(value, (int, float)) for value in values):
        values.sort()
    return [setting_text(value) for value in values]


def _axis_value(experiment: SearchAnalysis, trial: Mapping[str, Any], name: str) -> Any:
    """Return a trial's setting for an axis, as text if it is one of several choices."""
    value = trial["settings"][name]
    return setting_text(value) if _choices(experiment, name) else value


def each_setting_part(experiment: SearchAnalysis) -> Markup | None:
    """Return a scatter chart of the score for each setting, or None without a scored trial."""
    if not experiment.scored:
        return None
    trials = _with_all_settings(experiment)
    scores = [experiment.value_of(trial) for trial in trials]
    best = next((index for index, trial in enumerate(trials) if trial is experiment.scored[0]), None)
    pictures = []
    for name in experiment.space:
        choices = _choices(experiment, name)
        chart = Scatter(
            title=name,
            x=[_axis_value(experiment, trial, name) for trial in trials],
            y=scores,
            x_label=name,
            y_label=experiment.goal.words,
            log_x=domains.is_log(experiment.space[name]),
            order=choices,
            highlight=best,
            names=[f"trial {trial['number']}" for trial in trials],
        )
        pictures.append(figure(name, draw_responsive(draw_scatter(chart, _SMALL[1]), False, width=_SMALL[0])))
    failed = sum(score is None for score in scores)
    note = "A point for each trial, the best one ringed."
    if failed:
        note += f" {failed} without a score {'is a cross' if failed == 1 else 'are crosses'} at the upper edge."
    return part("Each setting against the score", tag("div", *pictures, class_="grid many"), note=note)


def curves_part(experiment: SearchAnalysis) -> Markup | None:
    """Return the goal's metric of the trials by epoch, with the best trial and the defaults in front."""
    quiet, front = [], []
    metric, words = experiment.goal.metric, experiment.goal.words
    for trial in reversed(experiment.scored):
        records = experiment.records.get(trial["number"], [])
        records = [record for record in records if metric in record]
        x, y = [record["epoch"] for record in records], [record[metric] for record in records]
        if not records:
            continue
        if trial is experiment.scored[0]:
            front.append(Line(f"best (trial {trial['number']})", x, y, "solid", 1))
        elif experiment.is_default(trial):
            front.append(Line(f"defaults (trial {trial['number']})", x, y, "dashed", 0))
        else:
            quiet.append(Line("", x, y, "quiet"))
    if not quiet and not front:
        return None
    chart = LineChart(f"{words.capitalize()} by epoch", [*quiet, *front], "epoch", words, whole_x=True)
    note = f"{len(quiet)} other trials in gray; trials that were stopped early end early." if quiet else ""
    return part("Learning curves", draw_chart(chart), note=note)


def space_part(experiment: SearchAnalysis) -> Markup:
    """Return the search space and the options of the search."""
    rows = [[name, domains.describe(domain)] for name, domain in experiment.space.items()]
    requested = experiment.about.get("requested") or {}
    options = {name: value for name, value in requested.items() if value not in (None, "")}
    options |= {"seed": experiment.about.get("seed"), "fixed": experiment.about.get("fixed") or "nothing"}
    how = [[name, _pairs(value) if isinstance(value, dict) else short(value)] for name, value in options.items()]
    tables = draw_table(Table(["setting", "searched"], rows)), draw_table(Table(["asked for", ""], how))
    return part("What was searched", *tables)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={short(value)}" for name, value in values.items())
