"""Importance of each searched setting: its share of the variance of the score, by fANOVA."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from raysq.report.search_analysis import SearchAnalysis
from raysq.training import domains
from raysq.training.domains import Domain

_FEWEST = 6  # trials with a score
_TREES = 64


@dataclass(frozen=True)
class Importance:
    """Importance of the settings of a search.

    Attributes:
        shares: share of the variance of the score by setting, largest first; they add up to 1. Empty where unknown.
        trials: number of trials it is computed from.
        reason: why it is not known; empty where it is.
    """

    shares: dict[str, float] = field(default_factory=dict)
    trials: int = 0
    reason: str = ""


def importance(experiment: SearchAnalysis) -> Importance:
    """Return the importance of each setting by Optuna's fANOVA (Hutter et al., 2014) over the trials with a score.

    Trials that were stopped early count with the score they had. The forest has a fixed seed.
    """
    names = [name for name, domain in experiment.space.items() if not _is_single(experiment, name, domain)]
    trials = [trial for trial in experiment.scored if all(name in trial["settings"] for name in names)]
    if any(trial.get("schedule") for trial in experiment.trials):
        return Importance(reason="settings changed in the middle of trials, so a score belongs to none of them alone")
    if not names:
        return Importance(reason="no setting has two values")
    if len(names) == 1:
        return Importance({names[0]: 1.0}, len(trials))
    if len(trials) < _FEWEST:
        return Importance(reason=f"{len(trials)} trials have a score, and {_FEWEST} are needed")
    scores = [experiment.goal.score(experiment.goal.value(trial)) for trial in trials]
    if max(scores) - min(scores) <= 1e-12 * max(map(abs, scores)):
        return Importance(reason="all trials have the same score")
    try:
        import optuna
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        evaluator = FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
    except ImportError:
        return Importance(reason="it needs Optuna and scikit-learn: pip install 'raysq[optuna]'")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    columns = {name: [trial["settings"][name] for trial in trials] for name in names}
    distributions = {name: _distribution(optuna, experiment.space[name], columns[name]) for name in names}
    study = optuna.create_study()
    for index, score in enumerate(scores):
        params = {name: _param(distributions[name], columns[name][index]) for name in names}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=score))
    shares = get_param_importances(study, evaluator=evaluator, params=names)
    total = math.fsum(shares.values())
    if not total > 0:
        return Importance(reason="no setting explains the scores")
    ordered = sorted(shares, key=lambda name: (-shares[name], name))
    return Importance({name: float(shares[name] / total) for name in ordered}, len(trials))


def _is_single(experiment: SearchAnalysis, name: str, domain: Domain) -> bool:
    values = {repr(trial["settings"].get(name)) for trial in experiment.scored}
    return domains.count(domain) < 2 and len(values) < 2


def _distribution(optuna: Any, domain: Domain, values: Sequence[Any]) -> Any:
    """Return Optuna's distribution of a setting, widened to the values that the trials have, such as the defaults."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    if domains.choices(domain) is not None or not numbers:
        found = [*(domains.choices(domain) or []), *values]
        return optuna.distributions.CategoricalDistribution(list({repr(value): value for value in found}.values()))
    low, high = domains.bounds(domain) if domains.is_range(domain) else (min(values), max(values))
    low, high = float(min(low, *values)), float(max(high, *values))
    log = domains.is_log(domain) and low > 0
    return optuna.distributions.FloatDistribution(low, high if high > low else low + 1.0, log=log)


def _param(distribution: Any, value: Any) -> Any:
    return value if hasattr(distribution, "choices") else float(value)
