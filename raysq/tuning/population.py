"""Population based training: which settings change in the middle of a run, and Ray Tune's scheduler by name."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from raysq.config import find_setting
from raysq.errors import UsageError
from raysq.training import domains as of
from raysq.training.goal import Goal
from raysq.training.run_config import RunConfig, setting_sections
from raysq.tuning.space import Space

# Settings of training that the optimizer takes at any step.
_CHANGEABLE = ("learning_rate", "clipnorm", "epsilon")
# Perturbations of a run of all epochs.
_PERTURBATIONS = 8
_KEPT = 8


def check_population(searcher: Any, workers: int, refit: int, generations: int, callbacks: Sequence[Any] = ()) -> None:
    """Refuse options that population based training cannot have.

    Raises:
        UsageError: one of them was given.
    """
    if searcher != "random":
        raise UsageError("population based training changes the settings itself: leave the searcher out")
    if workers > 1:
        raise UsageError(
            f"population based training copies checkpoints between trials of one worker, received --workers-per-trial "
            f"{workers}: leave it out"
        )
    if refit:
        raise UsageError(
            "--refit trains with settings that do not change, and those of a population do: leave one of them out"
        )
    if generations > 1:
        raise UsageError("--generations and population based training both go on from the best: leave one of them out")
    if callbacks:
        raise UsageError(
            f"population based training copies the weights and not the state of Keras callbacks, received "
            f"{type(callbacks[0]).__name__}: leave them out"
        )


def mutated_domains(scheduler: Any) -> dict[str, Any]:
    """Return the domains of a scheduler's `hyperparam_mutations`, which are searched where no others are given."""
    mutations: Mapping[str, Any] = getattr(scheduler, "_hyperparam_mutations", {})
    for key, domain in mutations.items():
        if isinstance(domain, Mapping):
            raise UsageError(f"hyperparam_mutations {key}: write SECTION.NAME, such as model.dropout, not a dict")
    return {key: list(domain) if isinstance(domain, tuple) else domain for key, domain in mutations.items()}


def check_mutations(config: RunConfig, keys: Any) -> None:
    """Refuse settings that cannot change in the middle of a run.

    Raises:
        UsageError: a setting is unknown, or shapes the model, the batches or the epochs.
    """
    for key in keys:
        if not is_changeable(config, key):
            raise UsageError(
                f"setting {key} cannot change in a run that goes on, as learning_rate, clipnorm and rates such as "
                "dropout can: leave it out of hyperparam_mutations; trials may differ in it as search="
            )


def is_changeable(config: RunConfig, key: str) -> bool:
    """Return whether a setting may change in the middle of a run.

    The learning rate, clipnorm and epsilon may, and keywords of the model's function that are fractions, such as rates
    of dropout. Whole numbers and texts shape the model.
    """
    sections = setting_sections(config.problem, config.load_builder(), config.model)
    section, name = find_setting(key, sections, f"hyperparam_mutations: model {config.model!r}")
    if section == "training":
        return name in _CHANGEABLE
    value = dict(config.sections())[section][name]
    return section == "model" and isinstance(value, float)


def make_pbt(space: Space, config: RunConfig, goal: Goal) -> Any:
    """Return Ray Tune's scheduler that changes those settings of a space that may change, within their domains.

    Raises:
        UsageError: none of them may change.
    """
    from ray import tune
    from ray.tune.schedulers import PopulationBasedTraining

    domains = {key: domain for key, domain in space.plain.items() if is_changeable(config, key)}
    if not domains:
        raise UsageError(
            f"scheduler pbt changes learning_rate, clipnorm and rates such as dropout, and the space has "
            f"{', '.join(space.domains)}: give --search learning_rate=loguniform(1e-4,1e-2)"
        )
    mutations = {
        key: getattr(tune, domain[0])(*domain[1:]) if of.is_range(domain) else of.values(domain)
        for key, domain in domains.items()
    }

    def clip(settings: dict[str, Any]) -> dict[str, Any]:
        clipped = {}
        for key, domain in domains.items():
            value = settings[key]
            if of.is_range(domain):
                low, high = of.bounds(domain)
                value = of.rounded(domain, min(max(value, low), high))
            clipped[key] = value
        return {**settings, **clipped}

    return PopulationBasedTraining(
        time_attr="epoch",
        metric=goal.metric,
        mode=goal.mode,
        perturbation_interval=perturbation_interval(config),
        hyperparam_mutations=mutations,
        custom_explore_fn=clip,
        log_config=False,
        synch=True,  # trials that take turns on few CPUs are compared at the same epoch
    )


def perturbation_interval(config: RunConfig) -> int:
    """Return the epochs between perturbations of the scheduler "pbt"."""
    return max(1, math.ceil(config.train_settings().epochs / _PERTURBATIONS))


def checkpoints_to_keep(scheduler: Any, config: RunConfig) -> int | None:
    """Return how many checkpoints of a trial Ray Tune keeps; None for all, if the interval is no number of epochs."""
    if scheduler == "pbt":
        return max(_KEPT, 3 * perturbation_interval(config))
    if scheduler._time_attr not in ("epoch", "training_iteration"):
        return None
    interval: float = scheduler._perturbation_interval
    return max(_KEPT, 3 * math.ceil(interval))
