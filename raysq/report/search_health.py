"""Health checks of a search: whether its best trial can be trusted, and what to do where it cannot."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from raysq.display.numbers import number, short
from raysq.report.search_analysis import SearchAnalysis
from raysq.report.spread import SeedStatistics, is_beyond, standard_error
from raysq.training import domains
from raysq.training.domains import Domain
from raysq.training.goal import best_record

Status = Literal["pass", "warn", "unknown"]
_MANY_FAILED = 0.1  # share of failed trials
_BORDER = 0.02  # share of a range next to its border
_PER_SETTING = 3  # trials for each searched setting


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes:
        name: what is checked.
        status: "pass", "warn", or "unknown" where there is too little to tell.
        text: what was found, and for a warning what to do.
    """

    name: str
    status: Status
    text: str


def checks(experiment: SearchAnalysis) -> list[Check]:
    """Return the health checks of a search; empty before a trial has a score."""
    if not experiment.scored:
        return []
    found = [_defaults(experiment), _border(experiment), _failed(experiment), _enough(experiment)]
    found += [_training(experiment), _schedule(experiment)]
    return [check for check in found if check is not None]


def _defaults(experiment: SearchAnalysis) -> Check:
    """Compare the best with the defaults beyond the spread of seeds."""
    name = "The best beats the defaults"
    goal, best = experiment.goal, experiment.scored[0]
    default = next((trial for trial in experiment.scored if experiment.is_default(trial)), None)
    if default is best:
        return Check(name, "warn", "The defaults are the best: nothing that was tried is better.")
    rows = {row["name"]: row["metrics"].get(goal.metric) for row in (experiment.refit or {}).get("rows", ())}
    if not (rows.get("best") and rows.get("defaults")):
        if default is None:
            return Check(name, "unknown", "The defaults have no score.")
        return Check(name, "unknown", "Each was trained with one seed: --refit 3 trains both with three.")
    best_figures, other = rows["best"], rows["defaults"]
    gain = goal.score(other["mean"]) - goal.score(best_figures["mean"])
    seeds = len(best_figures["values"])
    if seeds < 2:
        return Check(name, "unknown", "One seed has no spread: --refit 3 trains with three.")
    of_best, of_defaults = (SeedStatistics(seeds, row["mean"], row["std"]) for row in (best_figures, other))
    spread = standard_error(of_best, of_defaults)
    text = f"{number(gain)} better in the mean of {seeds} seeds, with a standard error of {number(spread, 2)}."
    if gain <= 0:
        return Check(name, "warn", f"With {seeds} seeds the defaults are as good or better: keep the defaults.")
    if not is_beyond(gain, spread):
        return Check(name, "warn", f"{text} That is within the spread: train with more seeds, or keep the defaults.")
    return Check(name, "pass", text)


def _border(experiment: SearchAnalysis) -> Check | None:
    """Look for settings of the best trial at the border of the space."""
    settings = experiment.scored[0]["settings"]
    at = [text for name, domain in experiment.space.items() if (text := _at_border(name, domain, settings.get(name)))]
    if not any(_has_border(domain) for domain in experiment.space.values()):
        return None
    name = "The best lies inside of the space"
    if at:
        return Check(name, "warn", f"The best lies at the border: {'; '.join(at)}. Search further there.")
    return Check(name, "pass", "No setting of the best is at the border of what was searched.")


def _has_border(domain: Domain) -> bool:
    listed = domains.choices(domain)
    return domains.is_range(domain) or (listed is not None and len(listed) > 2 and all(map(_is_number, listed)))


def _at_border(name: str, domain: Domain, value: Any) -> str | None:
    if not _has_border(domain) or not _is_number(value):
        return None
    if domains.is_range(domain):
        low, high = domains.bounds(domain)
        scale = math.log if domains.is_log(domain) else float
        margin = 0 if domains.is_whole(domain) else _BORDER * (scale(high) - scale(low))
        sides = scale(value) <= scale(low) + margin, scale(value) >= scale(high) - margin
    else:
        listed = domains.choices(domain) or []
        low, high = min(listed), max(listed)
        sides = value <= low, value >= high
    # A rate of dropout or a number of layers cannot be below 0 or 1 in any case.
    if sides[0] and low > 0 and not (low == 1 and isinstance(low, int)):
        return f"{name} = {short(value)}, the lowest is {short(low)}"
    return f"{name} = {short(value)}, the highest is {short(high)}" if sides[1] else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _failed(experiment: SearchAnalysis) -> Check:
    count, failed = len(experiment.trials), sum(trial["state"] == "failed" for trial in experiment.trials)
    name = "Few trials failed"
    if failed > _MANY_FAILED * count:
        return Check(name, "warn", f"{failed} of {count} trials failed: see why below, and narrow the space.")
    return Check(name, "pass", f"{failed} of {count} trials failed.")


def _enough(experiment: SearchAnalysis) -> Check:
    """Compare the number of trials with the number of searched settings."""
    scored, settings = len(experiment.scored), len(experiment.space)
    ended = sum(trial["state"] in ("finished", "stopped early") for trial in experiment.scored)
    wanted = min(_PER_SETTING * settings, math.prod(domains.count(domain) for domain in experiment.space.values()))
    name = "There are enough trials"
    trials = f"{ended} trial{'' if ended == 1 else 's'} ended"
    of = f"{settings} setting{'' if settings == 1 else 's'} {'was' if settings == 1 else 'were'} searched"
    if ended < wanted:
        more = "a longer --time, or fewer --epochs" if scored > ended else "more --trials"
        return Check(name, "warn", f"{trials} and {of}: {more} would tell more.")
    return Check(name, "pass", f"{trials} and {of}.")


def _training(experiment: SearchAnalysis) -> Check | None:
    """Look whether the best trial was still improving."""
    best = experiment.scored[0]
    records = experiment.records.get(best["number"], [])
    if len(records) < 2:
        return None
    name = "The best trial was trained to its end"
    lowest = best_record(records)
    assert lowest is not None
    if lowest is records[-1]:
        return Check(name, "warn", f"Its val_loss still fell in its last epoch, {lowest['epoch']}: give more --epochs.")
    return Check(name, "pass", f"Its best epoch is {lowest['epoch']} of {len(records)}.")


def _schedule(experiment: SearchAnalysis) -> Check | None:
    """Tell that the best trial's settings changed in the middle of its run."""
    schedule: Sequence[Mapping[str, Any]] = experiment.scored[0].get("schedule") or ()
    if not schedule:
        return None
    epochs = ", ".join(str(change["epoch"]) for change in schedule[1:])
    text = f"Its settings changed after epoch {epochs}: a new run with its last settings alone is another one."
    return Check("The best settings can be trained again", "warn", text)
