"""Parts of a search's report beside its trials: health checks, importance of settings, timeline, generations, cost."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from raysq.display.numbers import seconds, short
from raysq.problems.charts import Bars, Figure, Figures, Table
from raysq.report.charts.timeline import Timeline, draw_timeline, timeline_legend
from raysq.report.markup import Markup, tag
from raysq.report.search_analysis import SearchAnalysis
from raysq.report.search_cost import cost, timeline
from raysq.report.search_health import checks
from raysq.report.search_importance import importance
from raysq.report.sections import draw_chart, draw_figures, draw_responsive, figure, part
from raysq.report.tables import draw_table
from raysq.training import domains
from raysq.training.domains import from_json

_WORDS = {"pass": "yes", "warn": "no", "unknown": "not known"}


def health_part(experiment: SearchAnalysis) -> Markup | None:
    """Return a list of the health checks, with failed ones first."""
    found = sorted(checks(experiment), key=lambda check: list(_WORDS).index(check.status) != 1)
    if not found:
        return None
    items = [tag("li", tag("strong", f"{check.name}: {_WORDS[check.status]}."), " ", check.text) for check in found]
    return part("Can the result be trusted?", tag("ul", *items, class_="plain"))


def importance_part(experiment: SearchAnalysis) -> Markup | None:
    """Return a bar for the importance of each setting, or the reason why it is not known."""
    if not experiment.scored:
        return None
    found = importance(experiment)
    title = "Importance of the settings"
    if not found.shares:
        return part(title, note=f"Not known: {found.reason}.")
    names, shares = list(found.shares), [100 * share for share in found.shares.values()]
    chart = Bars("Share of the variance of the score", names, shares, y_label="percent", name="share in %", wide=True)
    note = (
        f"fANOVA over {found.trials} trials: which share of the differences between trials each setting explains, "
        "alone and with others. Few trials tell little."
    )
    return part(title, draw_chart(chart), note=note)


def timeline_part(experiment: SearchAnalysis) -> Markup | None:
    """Return when each trial was trained, and the cost of the search."""
    stretches = timeline(experiment)
    spent = cost(experiment)
    figures = [Figure("Trials", seconds(spent.trials), "all together")]
    if spent.workers != spent.trials:
        figures.append(Figure("Workers", seconds(spent.workers), "all together"))
    if spent.gpus:
        figures.append(Figure("GPUs", seconds(spent.gpus), "all together"))
    if spent.elapsed:
        busy = spent.trials / spent.elapsed
        figures.append(Figure("Elapsed", seconds(spent.elapsed), f"{busy:.1f} trials at a time"))
    content: list[Markup] = [draw_figures(Figures(figures))]
    if stretches:
        begin = min(stretch.began for stretch in stretches)
        states = {trial["number"]: trial["state"] for trial in experiment.trials}
        best = experiment.scored[0]["number"] if experiment.scored else None
        chart = Timeline(
            [stretch.trial for stretch in stretches],
            [stretch.began - begin for stretch in stretches],
            [stretch.ended - begin for stretch in stretches],
            [
                "best" if stretch.trial == best else "failed" if states[stretch.trial] == "failed" else "others"
                for stretch in stretches
            ],
        )
        drawing = draw_responsive(draw_timeline(chart), True)
        content.append(figure("When each trial was trained", drawing, legend=timeline_legend(chart), wide=True))
        moment = datetime.fromtimestamp(begin, UTC).strftime("%Y-%m-%d %H:%M:%S")
        note = f"From the start of the first trial, {moment} UTC. Each trial's start and export are included."
    else:
        note = "The trials have no record of when they were trained."
    return part("Time and cost", *content, note=note)


def generations_part(experiment: SearchAnalysis) -> Markup | None:
    """Return the space of each generation and its best trial, or None for a search of one generation."""
    if len(experiment.generations) < 2:
        return None
    names = list(experiment.space)
    firsts = [generation["first"] for generation in experiment.generations] + [float("inf")]
    rows: list[list[Any]] = []
    for generation, end in zip(experiment.generations, firsts[1:], strict=True):
        numbers = [t for t in experiment.scored if generation["first"] <= t["number"] < end]
        best = experiment.goal.value(numbers[0]) if numbers else None
        spaces = [domains.describe(from_json(generation["space"][name])) for name in names]
        rows.append([str(generation["generation"]), best, *spaces])
    note = "Each generation was drawn near the best trial of those before it."
    return part(
        "Generations", draw_table(Table(["generation", f"best {experiment.goal.words}", *names], rows)), note=note
    )


def schedule_part(experiment: SearchAnalysis) -> Markup | None:
    """Return the settings of the best trial by epoch, where they changed in the middle of its run."""
    schedule: Sequence[Any] = experiment.scored[0].get("schedule") or () if experiment.scored else ()
    if not schedule:
        return None
    names = list(schedule[0]["settings"])
    rows = [
        [str(change["epoch"]), change["trial"], *(short(change["settings"][name]) for name in names)]
        for change in schedule
    ]
    note = "Its weights were trained with these settings one after another, by population based training."
    return part("Settings of the best trial by epoch", draw_table(Table(["from epoch", "in", *names], rows)), note=note)


def health_line(experiment: SearchAnalysis) -> Markup | None:
    """Return a remark that counts the failed checks, with a link to them."""
    failed = sum(check.status == "warn" for check in checks(experiment))
    if not failed:
        return None
    text = f"{failed} health check{' needs' if failed == 1 else 's need'} a look"
    return tag("p", tag("a", text, href="#can-the-result-be-trusted"), ".", class_="remark")
