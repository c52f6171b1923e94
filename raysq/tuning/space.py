"""Search space: domains of the searched settings, and the points of a random search."""

import inspect
import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from raysq.errors import UsageError
from raysq.training import domains as of
from raysq.training.domains import Domain
from raysq.tuning.read_domains import check_domain, is_of_ray, read_domain

# A finite space of at most this size is shuffled. From a larger space, points are drawn.
_LISTED = 4096
# A space is taken for exhausted after this many drawn points in a row that are not new.
_REPEATED = 2000


@dataclass(frozen=True)
class Space:
    """Search space.

    Attributes:
        domains: domains by setting; see `raysq.training.domains`.
        defaults: default values of the settings, in the notation of the choices.
        functions: functions of the other settings, by setting, which return a value or a domain.
        fixed: settings that the user fixed, which the functions see too.
        checks: functions that check and convert what the functions return, by setting.
    """

    domains: Mapping[str, Domain]
    defaults: Mapping[str, Any]
    functions: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    @property
    def size(self) -> float:
        """Number of points; infinite if a domain is continuous or a function."""
        return math.prod(of.count(domain) for domain in self.domains.values())

    @property
    def plain(self) -> dict[str, Domain]:
        """The domains that are no functions."""
        return {key: domain for key, domain in self.domains.items() if key not in self.functions}

    @property
    def grid(self) -> list[dict[str, Any]]:
        """The combinations of all grids; one empty combination without a grid."""
        grids = {key: of.values(domain) for key, domain in self.domains.items() if of.is_grid(domain)}
        return [dict(zip(grids, values, strict=True)) for values in itertools.product(*grids.values())]

    def describe(self) -> list[str]:
        """Return a line of text for each setting with its domain and default."""
        width = max(map(len, self.domains), default=0)
        return [
            f"{key:<{width}}  {of.describe(domain)}; default {of.shown(self.defaults[key])}"
            for key, domain in self.domains.items()
        ]

    def contains(self, point: Mapping[str, Any]) -> bool:
        """Return whether every value of a point lies in its domain."""
        return all(of.contains(domain, point[key]) for key, domain in self.domains.items())

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
        repeated = 0
        for point in self._draws(seed):
            if len(points) >= count or repeated == _REPEATED:
                break
            before = len(points)
            points.setdefault(_key(point), point)
            repeated = 0 if len(points) > before else repeated + 1
        return list(points.values())

    def _draws(self, seed: int) -> Iterator[dict[str, Any]]:
        if any(of.is_grid(domain) for domain in self.domains.values()):
            free = {key: domain for key, domain in self.plain.items() if not of.is_grid(domain)}
            grid = self.grid
            for number in itertools.count():
                generator = np.random.RandomState([seed, number])
                drawn = {key: of.draw(domain, generator) for key, domain in free.items()}
                point = {**drawn, **grid[number % len(grid)]}
                yield self.complete({key: point[key] for key in self.plain}, seed, number)
                if number + 1 == len(grid) and not free and not self.functions:
                    return
        if self.size <= _LISTED:
            points = list(itertools.product(*(of.values(domain) for domain in self.domains.values())))
            for number in np.random.RandomState(seed).permutation(len(points)):
                yield dict(zip(self.domains, points[number], strict=True))
            return
        for number in itertools.count():
            generator = np.random.RandomState([seed, number])
            point = {key: of.draw(domain, generator) for key, domain in self.plain.items()}
            yield self.complete(point, seed, number)

    def complete(self, point: Mapping[str, Any], seed: int, number: int) -> dict[str, Any]:
        """Return a point with the values of the functions, which may draw at random.

        Args:
            point: values of the settings whose domains are no functions.
            seed: seed of the search.
            number: number of the point, so that each has draws of its own.

        Raises:
            UsageError: a function fails, or its value does not suit the setting.
        """
        if not self.functions:
            return dict(point)
        values = _Config({**self.fixed, **point})
        for key, function in self.functions.items():
            with seeded(seed, number) as generator:
                try:
                    value = _call(function, values)
                except Exception as error:
                    raise UsageError(
                        f"--search {key}: the function fails: {type(error).__name__}: {error} (with {dict(point)})"
                    ) from error
                values[key] = self.checks[key](_drawn(key, value, generator))
        return {key: values[key] for key in self.domains}

    def for_ray(self) -> dict[str, Any]:
        """Return the domains that are no functions as Ray Tune domains."""
        from ray import tune

        return {
            key: getattr(tune, domain[0])(*domain[1:]) if of.is_range(domain) else tune.choice(of.values(domain))
            for key, domain in self.plain.items()
        }


class _Config(dict[str, Any]):
    """Settings of a point as functions read them: `config["units"]`, `config.units` or `spec.config.units`."""

    def __getattr__(self, name: str) -> Any:
        if name == "config" and name not in self:
            return self
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no setting {name!r} is fixed or searched before it") from None


def _call(function: Callable[..., Any], values: _Config) -> Any:
    try:
        takes_none = not inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a builtin
        takes_none = False
    return function() if takes_none else function(values)


def _drawn(key: str, value: Any, generator: np.random.RandomState) -> Any:
    """Return the value of a function, drawn from it if it is a domain as Ray Tune writes it."""
    if is_of_ray(value):
        return of.draw(check_domain(key, read_domain(key, value)), generator)
    return value.item() if isinstance(value, np.generic) else value


@contextmanager
def seeded(seed: int, number: int) -> Iterator[np.random.RandomState]:
    """Seed the global generators of Python and NumPy until the block ends, for functions that draw from them."""
    states = random.getstate(), np.random.get_state()
    generator = np.random.RandomState([seed, number, 1])
    random.seed(int(generator.randint(2**31)))
    np.random.seed(int(generator.randint(2**31)))
    try:
        yield generator
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
