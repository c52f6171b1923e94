"""Differences between the configurations of runs: of two as text for a message, of several as values."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raysq.training.keras_callbacks.identity import show_callbacks

if TYPE_CHECKING:
    from raysq.training.run_config import RunConfig

ABSENT: Any = object()  # value of a setting that a model lacks
_SHOWN = 4  # differences in a message
_LONG = 40  # characters of one value in a message


def describe_differences(config: "RunConfig", now: "RunConfig") -> str:
    """Return the differences of another configuration as text for a message.

    Args:
        config: a configuration.
        now: the other one.
    """
    lines = []
    if config.fingerprint != now.fingerprint:
        lines.append("the data have changed")
    before, after = config.settings, now.settings
    if config.model != now.model:
        lines.append(f"model {config.model}, now {now.model}")
    else:
        if config.source_digest != now.source_digest:
            recorded = bool(config.source_digest)
            lines.append("the model's source has changed" if recorded else "its model's source was not written down")
        lines += _differences(before["data"], after["data"]) + _differences(before["model"], after["model"])
    lines += _differences({**before["training"], "seed": config.seed}, {**after["training"], "seed": now.seed})
    if config.callbacks != now.callbacks:
        before_text, after_text = show_callbacks(config.callbacks), show_callbacks(now.callbacks)
        same = before_text == after_text
        lines.append("the code of its callbacks" if same else f"callbacks {before_text}, now {after_text}")
    if not lines and config.given != now.given:
        lines.append(f"{', '.join(sorted({*config.given} ^ {*now.given}))} left to the model or not")
    if not lines:
        return "those of another version of raysq"
    return "; ".join(lines[:_SHOWN]) + ("; ..." if len(lines) > _SHOWN else "")


def differing_settings(configs: Sequence["RunConfig"]) -> dict[str, list[Any]]:
    """Return the settings that are not the same in all configurations.

    Returns:
        A value for each configuration by name, as `section.name` where several sections have the name; `ABSENT` where
        a model has no such setting.
    """
    flat = [{(part, name): value for part, values in c.sections() for name, value in values.items()} for c in configs]
    keys = list(dict.fromkeys(key for settings in flat for key in settings))
    counts = Counter(name for _, name in keys)
    values = {key: [settings.get(key, ABSENT) for settings in flat] for key in keys}
    return {
        name if counts[name] == 1 else f"{section}.{name}": values[section, name]
        for section, name in keys
        if any(value != values[section, name][0] for value in values[section, name])
    }


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name} {_shown(before.get(name))}, now {_shown(after.get(name))}" for name in names]


def _shown(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= _LONG else text[:_LONG] + "..."
