"""Generations of a search: each draws from the neighborhood of the best trial of those before."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from raysq.training import domains as of
from raysq.training.domains import Domain
from raysq.tuning.space import Space


def narrow(space: Space, best: Mapping[str, Any], generation: int) -> Space:
    """Return the neighborhood of a point in a space, which is smaller in each generation.

    A range has half the width of the generation before, on its own scale, with the point in its middle where the space
    allows it. Of three choices or more that are numbers, the point's and those beside it remain. Other choices, which
    have no order, and functions remain as they are.

    Args:
        space: space of the first generation.
        best: settings of the point, which begin the new space in place of the defaults.
        generation: number of the generation, from 2.
    """
    domains = {key: _narrow(domain, best[key], generation) for key, domain in space.domains.items()}
    return replace(space, domains=domains, defaults=dict(best))


def generation_seed(seed: int, generation: int) -> int:
    """Return the seed of the points of a generation; that of the first is the seed of the search."""
    if generation == 1:
        return seed
    return int(hashlib.sha256(f"{seed} {generation}".encode()).hexdigest()[:8], 16)


def _narrow(domain: Domain, best: Any, generation: int) -> Domain:
    listed = of.choices(domain)
    if listed is not None:
        return _neighbors(listed, best)
    if of.is_function(domain) or not _is_number(best):
        return domain
    low, high = of.bounds(domain)
    scale = math.log if of.is_log(domain) else float
    back = math.exp if of.is_log(domain) else float
    first, last = scale(low), scale(high)
    half = (last - first) / 2**generation
    middle = scale(min(max(best, low), high))
    middle = min(max(middle, first + half), last - half)
    return _between(domain, back(middle - half), back(middle + half), min(max(best, low), high))


def _between(domain: Domain, low: float, high: float, best: Any) -> Domain:
    """Return the part of a range between two numbers; the best value alone where no other one is left."""
    if of.is_stepped(domain):
        steps = [value for value in of.values(domain) if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        return (domain[0], steps[0], steps[-1], domain[3]) if len(steps) > 1 else [of.rounded(domain, best)]
    if of.is_whole(domain):
        first, last = math.floor(low), math.ceil(high)
        return (domain[0], max(first, domain[1]), min(last + 1, domain[2]))
    return (domain[0], max(float(f"{low:.4g}"), domain[1]), min(float(f"{high:.4g}"), domain[2]))


def _neighbors(choices: list[Any], best: Any) -> list[Any]:
    values = choices if best in choices else [*choices, best]
    if len(values) < 3 or not all(map(_is_number, values)):
        return values
    ordered = sorted(values)
    at = ordered.index(best)
    return ordered[max(0, at - 1) : at + 2]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
