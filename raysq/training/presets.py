"""Presets: defaults of older versions of Keras, with which most tutorials and books were written.

A preset replaces defaults of optimizers and layers. Settings that the user gives win. The values were read in the
sources of Keras 1.0.2 and 2.1.5.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from raysq.config import nearest_name
from raysq.errors import UsageError

PresetName = Literal["keras3", "keras2", "keras1"]
# Keyword of builders whose layers differ between versions of Keras; see `raysq.layers.versions`.
LAYER_VERSION = "layer_version"

_RATES = {
    "rmsprop": 0.001,
    "adagrad": 0.01,
    "adadelta": 1.0,
    "adam": 0.001,
    "adamax": 0.002,
    "nadam": 0.002,
    "sgd": 0.01,
}


@dataclass(frozen=True)
class Preset:
    """Defaults of the optimizers of a version of Keras.

    Attributes:
        keras: version of Keras, for messages.
        rates: learning rates by optimizer. The version has no other optimizers.
        epsilons: epsilons by optimizer.
    """

    keras: str
    rates: Mapping[str, float]
    epsilons: Mapping[str, float]

    def optimizer_defaults(self, optimizer: str) -> dict[str, Any]:
        """Return the learning rate and the epsilon of an optimizer that the version has."""
        return {"learning_rate": self.rates[optimizer], "epsilon": self.epsilons.get(optimizer)}


PRESETS: Mapping[str, Preset] = {
    "keras1": Preset(
        "1.0",
        {name: rate for name, rate in _RATES.items() if name != "nadam"},
        {"rmsprop": 1e-6, "adagrad": 1e-6, "adadelta": 1e-6, "adam": 1e-8, "adamax": 1e-8},
    ),
    # From 2.0 to 2.1.1, all epsilons are 1e-8.
    "keras2": Preset("2.1", _RATES, {name: 1e-7 for name in _RATES if name != "sgd"}),
}


def with_preset(settings: Mapping[str, Any] | None, preset: str | None) -> dict[str, Any]:
    """Return settings with a preset, which is the setting `training.preset`.

    Args:
        settings: settings by name, as `section.name`, or as a dict for each section.
        preset: name of a preset, or None for the settings alone.

    Raises:
        UsageError: there is no such preset, or the settings name another one.
    """
    values = dict(settings or {})
    if preset is None:
        return values
    if preset not in PRESETS:
        raise UsageError(f"there is no preset {preset!r}: {nearest_name(preset, PRESETS)}")
    section = values.get("training")
    others = [values.get("preset"), values.get("training.preset")]
    others += [section.get("preset")] if isinstance(section, Mapping) else []
    other = next((other for other in others if other not in (None, preset)), None)
    if other is not None:
        raise UsageError(f"the preset is {preset}, and the setting preset is {other}: leave one out")
    return values | {"training.preset": preset}


def preset_defaults(layers: Iterable[Mapping[str, Any]], optimizer: str) -> dict[str, Any]:
    """Return the learning rate and the epsilon that a preset gives to merged layers of training settings.

    A learning rate or epsilon of a layer is meant for the optimizer of that layer. It does not hold any more where a
    later layer chooses another optimizer.

    Args:
        layers: layers of training settings, later ones over earlier ones.
        optimizer: the optimizer below all layers.

    Returns:
        Values of the settings `learning_rate` and `epsilon`; nothing without a preset.

    Raises:
        UsageError: the preset's version of Keras has no such optimizer.
    """
    preset = "keras3"
    kept: dict[str, Any] = {}
    for layer in layers:
        preset = layer.get("preset", preset)
        if layer.get("optimizer", optimizer) != optimizer:
            kept, optimizer = {}, layer["optimizer"]
        kept |= {name: layer[name] for name in ("learning_rate", "epsilon") if name in layer}
    check_optimizer(preset, optimizer)
    return PRESETS[preset].optimizer_defaults(optimizer) | kept if preset in PRESETS else {}


def check_optimizer(preset: str, optimizer: str) -> None:
    """Refuse an optimizer that a preset's version of Keras does not have.

    Raises:
        UsageError: it has none of that name.
    """
    if preset in PRESETS and optimizer not in PRESETS[preset].rates:
        known = ", ".join(sorted(PRESETS[preset].rates))
        raise UsageError(
            f"preset {preset} has no optimizer {optimizer}, which came after Keras {PRESETS[preset].keras}: set "
            f"optimizer to one of {known}"
        )
