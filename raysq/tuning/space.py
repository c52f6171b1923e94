"""Search space: domains of the searched settings, and the points of a random search."""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysq import problems, tasks
from raysq.config import Setting, check_range, coerce, convert, find_setting, nearest_name, parse_pairs
from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.training.run_config import RunConfig, setting_sections

RANGES = ("uniform", "loguniform", "randint")
_RANGE = re.compile(r"\s*(\w+)\s*\(([^(),]+),([^(),]+)\)\s*")
# A finite space of at most this size is shuffled. From a larger space, points are drawn.
_LISTED = 4096


@dataclass(frozen=True)
class Space:
    """Search space.

    Attributes:
        domains: domains by setting. A domain is a list of choices, or (range, low, high) with a range of `RANGES`;
            `randint` excludes `high`.
        defaults: default values of the settings, in the notation of the choices.
    """

    domains: Mapping[str, list[Any] | tuple[str, Any, Any]]
    defaults: Mapping[str, Any]

    @property
    def size(self) -> float:
        """Number of points; infinite if a domain is continuous."""
        return math.prod(_count(domain) for domain in self.domains.values())

    def describe(self) -> list[str]:
        """Return a line of text for each setting with its domain and default."""
        width = max(map(len, self.domains), default=0)
        lines = []
        for key, domain in self.domains.items():
            values = ", ".join(map(_shown, domain)) if isinstance(domain, list) else _range_text(domain)
            lines.append(f"{key:<{width}}  {values}; default {_shown(self.defaults[key])}")
        return lines

    def contains(self, point: Mapping[str, Any]) -> bool:
        """Return whether every value of a point lies in its domain."""
        return all(_inside(domain, point[key]) for key, domain in self.domains.items())

    def points(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Return the first points of a random search: the defaults, then distinct random points.

        The points are a pure function of the space and the seed. A larger `count` only appends points.

        Args:
            count: number of points.
            seed: seed of the search.

        Returns:
            The points; fewer than `count` if the space has no more.
        """
        points = {_key(self.defaults): dict(self.defaults)}
        for point in self._draws(seed):
            if len(points) >= count:
                break
            points.setdefault(_key(point), point)
        return list(points.values())

    def _draws(self, seed: int) -> Iterable[dict[str, Any]]:
        if self.size <= _LISTED:
            points = list(itertools.product(*(_values(domain) for domain in self.domains.values())))
            for number in np.random.RandomState(seed).permutation(len(points)):
                yield dict(zip(self.domains, points[number], strict=True))
            return
        for number in itertools.count():
            random = np.random.RandomState([seed, number])
            yield {key: _draw(domain, random) for key, domain in self.domains.items()}

    def for_ray(self) -> dict[str, Any]:
        """Return the space as Ray Tune domains."""
        from ray import tune

        return {
            key: tune.choice(domain) if isinstance(domain, list) else getattr(tune, domain[0])(*domain[1:])
            for key, domain in self.domains.items()
        }


def parse_search(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse domains from text.

    Args:
        pairs: text such as `key=v1,v2`, `key=["a,b","c"]`, or `key=uniform(0,0.5)`.

    Returns:
        Lists of choices and ranges by setting.

    Raises:
        UsageError: the text of a domain is not valid.
    """
    return {key: _parse(key, text) for key, text in parse_pairs(pairs).items()}


def _parse(key: str, text: str) -> Any:
    if match := _RANGE.fullmatch(text):
        try:
            return (match[1], float(match[2]), float(match[3]))
        except ValueError:
            raise UsageError(f"--search {key}: {match[1]} takes two numbers, received {text!r}") from None
    if re.match(rf"\s*({'|'.join(RANGES)})\b", text):
        raise UsageError(f"--search {key}: a range is written like uniform(0,0.5), received {text!r}")
    if text.startswith("["):
        try:
            return list(json.loads(text))
        except ValueError:
            raise UsageError(f'--search {key}: a list is written ["a,b","c"], received {text!r}') from None
    return [part.strip() for part in text.split(",") if part.strip()]


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
        search: domains that the user gave: lists of choices, (range, low, high), or text.
        ignored: settings without effect on the model, as returned by `raysq.training.open_trainer.ignored_settings`.

    Raises:
        UsageError: a setting is unknown or has no effect, a domain does not suit its setting, or there is nothing to
            search.
    """
    sections = setting_sections(config.problem, config.load_builder(), config.model)
    counts = Counter(name for fields in sections.values() for name in fields)
    domains: dict[str, Any] = {}
    defaults: dict[str, Any] = {}

    def find(key: str) -> tuple[str, str]:
        return find_setting(key, sections, f"--search: model {config.model!r}")

    def add(section: str, name: str, domain: Any, given: bool) -> None:
        key = name if counts[name] == 1 else f"{section}.{name}"
        setting = sections[section][name]
        try:
            checked = _check(key, domain, setting, durations=section == "data")
        except UsageError:
            if given:
                raise
            return  # the task's space is a proposal for any model
        value = dict(config.sections())[section][name]
        canonical = {}
        if isinstance(checked, list):
            for choice in checked:
                try:
                    canonical[_key(choice)] = _canonical(config, dataset, section, setting, choice)
                except (UsageError, DataError):
                    if given:
                        raise
                    # The task's space is a proposal for any data set: leave out durations that do not suit this one.
            checked = [choice for choice in checked if _key(choice) in canonical]
            if not checked:
                return
        domains[key] = checked
        same = [choice for choice in checked if canonical.get(_key(choice)) == value] if canonical else []
        defaults[key] = same[0] if same else ",".join(map(str, value)) if isinstance(value, list) else value

    search = {key: _parse(key, domain) if isinstance(domain, str) else domain for key, domain in (search or {}).items()}
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
        return Space(domains, defaults)
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


def _check(key: str, domain: Any, setting: Setting, durations: bool) -> list[Any] | tuple[str, Any, Any]:
    if isinstance(domain, tuple):
        name, low, high = domain
        if name not in RANGES:
            raise UsageError(f"--search {key}: unknown range {name!r}: {nearest_name(name, RANGES)}")
        is_integer = coerce(0.5, setting.type, key) != 0.5 if _takes(setting, 0.5) else True
        if not _takes(setting, 1):
            raise UsageError(f"--search {key}: the setting is not a number, give choices: {key}=v1,v2")
        if is_integer and name != "randint":
            raise UsageError(f"--search {key}: whole numbers take randint(low,high) or choices, received {name}")
        if name == "randint":
            low, high = coerce(low, int, key), coerce(high, int, key)
        if not low < high:
            raise UsageError(f"--search {key}: {name} needs low < high, received {low:g} and {high:g}")
        if name == "loguniform" and not low > 0:
            raise UsageError(f"--search {key}: loguniform needs low > 0, received {low:g}")
        for bound in (low, high - 1 if name == "randint" else high):
            check_range(setting, bound)
        return (name, low, high)
    choices = []
    for value in domain:
        # Searchers accept text or numbers only, so lists stay text. Durations stay text too, since the problem
        # parses them.
        text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        coerced = text if durations and not _takes(setting, value) else convert(setting, value, key)
        choices.append(text if isinstance(coerced, tuple) else coerced)
    if not choices:
        raise UsageError(f"--search {key}: there are no choices")
    unique = {_key(choice): choice for choice in choices}
    return list(unique.values())


def _takes(setting: Setting, value: Any) -> bool:
    try:
        coerce(value, setting.type, setting.name)
    except UsageError:
        return False
    return True


def _canonical(config: RunConfig, dataset: Dataset, section: str, setting: Setting, value: Any) -> Any:
    """Return a value in the form of a run's configuration."""
    if section == "data":
        problem = problems.get(config.problem)
        value = problem.resolve_settings({**config.settings["data"], setting.name: value}, dataset)[setting.name]
    return json.loads(json.dumps(coerce(value, setting.type, setting.name)))


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value) or "(empty)"


def _range_text(domain: tuple[str, Any, Any]) -> str:
    name, low, high = domain
    if name == "randint":
        return f"whole numbers from {low} to {high - 1}"
    return f"{low:g} to {high:g}{' on a log scale' if name == 'loguniform' else ''}"


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _count(domain: Any) -> float:
    if isinstance(domain, list):
        return len(domain)
    return domain[2] - domain[1] if domain[0] == "randint" else math.inf


def _values(domain: Any) -> list[Any]:
    return domain if isinstance(domain, list) else list(range(domain[1], domain[2]))


def _inside(domain: Any, value: Any) -> bool:
    if isinstance(domain, list):
        return bool(value in domain)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    kind, low, high = domain
    return bool(low <= value < high if kind == "randint" else low <= value <= high)


def _draw(domain: Any, random: np.random.RandomState) -> Any:
    if isinstance(domain, list):
        return domain[random.randint(len(domain))]
    name, low, high = domain
    if name == "randint":
        return int(random.randint(low, high))
    value = random.uniform(low, high) if name == "uniform" else math.exp(random.uniform(math.log(low), math.log(high)))
    return rounded(domain, value)


def rounded(domain: Any, value: Any) -> Any:
    """Round a float of a range to four significant digits, so that the displayed value is the trained one."""
    if isinstance(domain, list) or not isinstance(value, float):
        return value
    return min(max(float(f"{value:.4g}"), domain[1]), domain[2])
