"""Read domains as users write them: lists, ranges, text, and the objects of Ray Tune."""

import ast
import contextlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import Any

from raysq.config import nearest_name, parse_pairs
from raysq.errors import UsageError
from raysq.training import domains as of
from raysq.training.domains import FUNCTION, GRID, RANGES, Domain

_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")


def parse_search(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse domains from text.

    Args:
        pairs: text such as `key=v1,v2`, `key=["a,b","c"]`, `key=uniform(0,0.5)`, `key=quniform(0,0.5,0.1)` or
            `key=grid_search(v1,v2)`.

    Returns:
        Domains by setting.

    Raises:
        UsageError: the text of a domain is not valid.
    """
    return {key: _parse(key, text) for key, text in parse_pairs(pairs).items()}


def read_domains(search: Mapping[str, Any]) -> dict[str, Any]:
    """Return domains as `raysq.training.domains` has them; a function of the other settings stays a function.

    Args:
        search: domains by setting, some of which may be given as a dict for a section. A domain is a list of choices,
            (range, low, high), text, an object of `ray.tune` such as `tune.choice([16, 32])`, a function, or a value.

    Raises:
        UsageError: a domain cannot be searched.
    """
    domains: dict[str, Any] = {}
    for key, domain in search.items():
        if isinstance(domain, Mapping) and set(domain) != {GRID}:
            domains |= {f"{key}.{name}": read_domain(f"{key}.{name}", inner) for name, inner in domain.items()}
        else:
            domains[key] = read_domain(key, domain)
    return domains


def read_domain(key: str, domain: Any) -> Any:
    """Return one domain; see `read_domains`."""
    if isinstance(domain, str):
        return _parse(key, domain)
    if is_of_ray(domain):
        return _from_ray(key, domain)
    if isinstance(domain, Mapping):
        return (GRID, list(domain[GRID]))
    if isinstance(domain, tuple) and domain and domain[0] not in RANGES and not isinstance(domain[0], str):
        return list(domain)
    return domain if isinstance(domain, (list, tuple)) or callable(domain) else [domain]


def is_of_ray(value: Any) -> bool:
    """Return whether a value is a domain of Ray Tune."""
    return any(each.__module__.startswith("ray.tune.search") for each in type(value).__mro__)


def source_of(function: Callable[..., Any]) -> str:
    """Return the source of a function in one line, or its name where there is none."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return str(getattr(function, "__qualname__", type(function).__name__))
    text = " ".join(source.split())
    code = getattr(function, "__code__", None)
    if code is None:
        return text
    for begin in (match.start() for match in re.finditer(r"\blambda\b", text)):
        for end in range(len(text), begin, -1):
            with contextlib.suppress(SyntaxError, ValueError):
                node = ast.parse(text[begin:end], mode="eval").body
                if isinstance(node, ast.Lambda) and _is_code(node, code):
                    return ast.unparse(node)
    return text


def _is_code(node: ast.Lambda, code: CodeType) -> bool:
    """Return whether a lambda of a source is compiled to a code object."""
    found = compile(ast.fix_missing_locations(ast.Expression(node)), "", "eval").co_consts[0]
    plain = [[const for const in each.co_consts if not isinstance(const, CodeType)] for each in (found, code)]
    names = (found.co_names, found.co_varnames) == (code.co_names, code.co_varnames)
    return names and found.co_code == code.co_code and plain[0] == plain[1]


def _parse(key: str, text: str) -> Any:
    match = _CALL.fullmatch(text)
    if match and match[1] == GRID:
        return (GRID, _choices(key, match[2]))
    if match:
        try:
            numbers = [float(part) for part in match[2].split(",")]
        except ValueError:
            raise UsageError(f"--search {key}: {match[1]} takes numbers, received {text!r}") from None
        if match[1] not in RANGES or len(numbers) == (3 if of.is_stepped((match[1],)) else 2):
            return (match[1], *numbers)
    if re.match(rf"\s*({'|'.join(RANGES)}|{GRID})\b", text):
        example = "quniform(0,0.5,0.1)" if text.strip().startswith("q") else "uniform(0,0.5)"
        raise UsageError(f"--search {key}: a range is written like {example}, received {text!r}")
    return _choices(key, text)


def _choices(key: str, text: str) -> list[Any]:
    if text.startswith("["):
        try:
            return list(json.loads(text))
        except ValueError:
            raise UsageError(f'--search {key}: a list is written ["a,b","c"], received {text!r}') from None
    return [part.strip() for part in text.split(",") if part.strip()]


def _from_ray(key: str, domain: Any) -> Any:
    from ray.tune.search import sample

    if isinstance(domain, sample.Function):
        return domain.func
    if isinstance(domain, sample.Categorical):
        return list(domain.categories)
    sampler, step = domain.get_sampler(), None
    if isinstance(sampler, sample.Quantized):
        step, sampler = sampler.q, sampler.sampler
    if isinstance(sampler, sample.Normal):
        raise UsageError(f"--search {key}: a normal domain has no bounds, give uniform(low, high)")
    name = "log" if isinstance(sampler, sample.LogUniform) else ""
    name += "randint" if isinstance(domain, sample.Integer) else "uniform"
    # Ray Tune's quantized whole numbers include their upper bound, and its domain has it as it was given.
    return (name, domain.lower, domain.upper) if step is None else (f"q{name}", domain.lower, domain.upper, step)


def check_range_name(key: str, name: Any) -> None:
    """Check the name of a range.

    Raises:
        UsageError: there is no such range.
    """
    if name not in RANGES:
        raise UsageError(f"--search {key}: unknown range {name!r}: {nearest_name(str(name), RANGES)}")


def check_domain(key: str, domain: Any) -> Domain:
    """Return a domain with its numbers checked, whole numbers as such.

    Raises:
        UsageError: the range is unknown, or its bounds are not in order.
    """
    if not isinstance(domain, tuple) or domain[0] in (GRID, FUNCTION):
        return list(domain) if isinstance(domain, list) else tuple(domain)
    name, *numbers = domain
    check_range_name(key, name)
    parts = ["low", "high", "step"] if of.is_stepped(domain) else ["low", "high"]
    if len(numbers) != len(parts):
        raise UsageError(f"--search {key}: write {name}({','.join(parts)}), received {len(numbers)} numbers")
    if of.is_whole(domain):
        if any(number != int(number) for number in numbers):
            raise UsageError(f"--search {key}: {name} takes whole numbers, received {', '.join(map(str, numbers))}")
        numbers = [int(number) for number in numbers]
    low, high = numbers[:2]
    if not low < high:
        raise UsageError(f"--search {key}: {name} needs low < high, received {low:g} and {high:g}")
    if "log" in name and not low > 0:
        raise UsageError(f"--search {key}: {name} needs low > 0, received {low:g}")
    checked = (name, *numbers)
    if of.is_stepped(checked) and (not numbers[2] > 0 or of.count(checked) < 2):
        raise UsageError(f"--search {key}: {name} needs two multiples of step or more, received step {numbers[2]:g}")
    return checked
