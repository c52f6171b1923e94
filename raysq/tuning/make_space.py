"""Make the space of a search from the domains that were given, or from the task's."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from raysq import problems, tasks
from raysq.config import Setting, check_range, coerce, convert, find_setting
from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.training import domains as of
from raysq.training.domains import Domain
from raysq.training.run_config import RunConfig, setting_sections
from raysq.tuning.read_domains import check_domain, check_range_name, read_domains, source_of
from raysq.tuning.space import Space


def make_space(
    config: RunConfig,
    dataset: Dataset,
    fixed: Mapping[str, Any],
    search: Mapping[str, Any] | None = None,
    ignored: Collection[str] = (),
) -> Space:
    """Return the search space: the user's domains, or the task's space if the user gave none.

    Of the task's space, settings are left out that the model does not have, that are fixed, or that have no effect.

    Args:
        config: configuration with the default settings.
        dataset: data set, which converts settings that are durations.
        fixed: settings that the user fixed.
        search: domains that the user gave; see `raysq.tuning.read_domains.read_domains`.
        ignored: settings without effect on the model, as returned by `raysq.training.open_trainer.ignored_settings`.

    Raises:
        UsageError: a setting is unknown or has no effect, a domain does not suit its setting, or there is nothing to
            search.
    """
    sections = setting_sections(config.problem, config.load_builder(), config.model)
    counts = Counter(name for fields in sections.values() for name in fields)
    domains: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    functions: dict[str, Any] = {}
    checks: dict[str, Any] = {}

    def find(key: str) -> tuple[str, str]:
        return find_setting(key, sections, f"--search: model {config.model!r}")

    def add(section: str, name: str, domain: Any, given: bool) -> None:
        key = name if counts[name] == 1 else f"{section}.{name}"
        setting = sections[section][name]
        value = dict(config.sections())[section][name]
        default = ",".join(map(str, value)) if isinstance(value, list) else value
        if callable(domain):
            domains[key], defaults[key], functions[key] = (of.FUNCTION, source_of(domain)), default, domain
            checks[key] = lambda value: of.values(_check(key, [value], setting, durations=section == "data"))[0]
            return
        try:
            checked = _check(key, domain, setting, durations=section == "data")
        except UsageError:
            if given:
                raise
            return  # the task's space is a proposal for any model
        canonical = {}
        listed = of.choices(checked)
        if listed is not None:
            for choice in listed:
                try:
                    canonical[_key(choice)] = _canonical(config, dataset, section, setting, choice)
                except (UsageError, DataError):
                    if given:
                        raise
                    # The task's space is a proposal for any data set: leave out durations that do not suit this one.
            listed = [choice for choice in listed if _key(choice) in canonical]
            if not listed:
                return
            checked = (of.GRID, listed) if of.is_grid(checked) else listed
        domains[key] = checked
        same = [choice for choice in listed or [] if canonical.get(_key(choice)) == value]
        defaults[key] = same[0] if same else default

    search = read_domains(search or {})
    fixed_settings = {find(key) for key in fixed}
    for key in search:
        section, name = find(key)
        if (section, name) == ("training", "epochs"):
            raise UsageError("epochs is not searched: it is the most that a trial gets, --epochs N; ASHA shares them")
        if section == "training" and name in ignored:
            raise UsageError(
                f"--search {key}: model {config.model!r} comes compiled, so its own optimizer decides {name}, and "
                f"every trial would be the same: make {name} a keyword of the function and search model.{name}, or do "
                "not compile the model"
            )
        if (section, name) in fixed_settings:
            raise UsageError(f"setting {key} is both fixed (--set) and searched (--search): leave one out")
    if search:
        for key, domain in search.items():
            add(*find(key), domain, given=True)
        return Space(domains, defaults, functions, dict(fixed), checks)
    # Settings without effect under the present settings; users may still search them explicitly.
    without_effect = {*ignored, *config.make_problem().idle_settings}
    for name, domain in tasks.get(config.task).search.items():
        owners = [
            section for section, fields in sections.items() if name in fields and (section, name) not in fixed_settings
        ]
        if owners and name not in without_effect:
            add(owners[0], name, domain, given=False)
    if not domains:
        raise UsageError(
            f"there is nothing to search for model {config.model!r} of task {config.task!r}: "
            f"give --search key=v1,v2 or key=uniform(low,high)"
        )
    return Space(domains, defaults)


def _check(key: str, domain: Any, setting: Setting, durations: bool) -> Domain:
    if isinstance(domain, tuple) and not of.is_grid(domain):
        check_range_name(key, domain[0])
        if not _takes(setting, 1):
            raise UsageError(f"--search {key}: the setting is not a number, give choices: {key}=v1,v2")
        is_integer = coerce(0.5, setting.type, key) != 0.5 if _takes(setting, 0.5) else True
        if is_integer and not of.is_whole(domain):
            raise UsageError(f"--search {key}: whole numbers take randint(low,high) or choices, received {domain[0]}")
        checked = check_domain(key, domain)
        for bound in of.bounds(checked):
            check_range(setting, bound)
        return checked
    choices = []
    for value in of.values(domain):
        # Searchers accept text or numbers only, so lists stay text. Durations stay text too, since the problem
        # parses them.
        text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        coerced = text if durations and not _takes(setting, value) else convert(setting, value, key)
        choices.append(text if isinstance(coerced, tuple) else coerced)
    if not choices:
        raise UsageError(f"--search {key}: there are no choices")
    unique = list({_key(choice): choice for choice in choices}.values())
    return (of.GRID, unique) if of.is_grid(domain) else unique


def _canonical(config: RunConfig, dataset: Dataset, section: str, setting: Setting, value: Any) -> Any:
    """Return a value in the form of a run's configuration."""
    if section == "data":
        problem = problems.get(config.problem)
        value = problem.resolve_settings({**config.settings["data"], setting.name: value}, dataset)[setting.name]
    return json.loads(json.dumps(coerce(value, setting.type, setting.name)))


def _takes(setting: Setting, value: Any) -> bool:
    try:
        coerce(value, setting.type, setting.name)
    except UsageError:
        return False
    return True


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
