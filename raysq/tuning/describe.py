"""Objects of Ray Tune as text, by which a search is known again."""

from collections.abc import Mapping
from typing import Any

from raysq.display.numbers import short

_MOST = 6  # levels of nested values


def describe_object(value: Any) -> str:
    """Return the class of an object and its settings, such as "ASHAScheduler(grace_period=1, max_t=100)".

    Settings are attributes that are numbers, texts, domains, or lists and mappings of them. Anything else, such as a
    function, is left out, so two objects that differ in it alone have the same text.
    """
    parts = [f"{name.lstrip('_')}={text}" for name, text in sorted(_settings(value, _MOST).items())]
    return f"{type(value).__name__}({', '.join(parts)})"


def _settings(value: Any, levels: int) -> dict[str, str]:
    texts = (
        {name: _text(inner, levels - 1) for name, inner in vars(value).items()} if hasattr(value, "__dict__") else {}
    )
    return {name: text for name, text in texts.items() if text is not None}


def _text(value: Any, levels: int) -> str | None:
    if value is None or isinstance(value, (bool, int, float, str)):
        return short(value)
    if levels <= 0:
        return None
    if isinstance(value, Mapping):
        items = {str(key): _text(inner, levels - 1) for key, inner in value.items()}
        return "{" + ", ".join(f"{key}: {text}" for key, text in items.items() if text is not None) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(text for item in value if (text := _text(item, levels - 1)) is not None) + "]"
    if type(value).__module__.startswith(("ray.tune.schedulers", "ray.tune.stopper")) or hasattr(value, "suggest"):
        return f"{type(value).__name__}({_settings(value, levels - 1)})"
    if type(value).__module__.startswith("ray.tune.search.sample"):
        inner = {name: text for name, text in _settings(value, levels).items() if name != "sampler"}
        sampler = getattr(value, "sampler", None)
        return f"{type(value).__name__}({inner}, {type(sampler).__name__}{_settings(sampler, levels)})"
    return None
