"""Settings: dataclass fields and keyword arguments, parsed from `key=value` pairs."""

import dataclasses
import difflib
import functools
import inspect
import json
import types
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from raysq.errors import UsageError

T = TypeVar("T")
_LISTED = 24  # names listed in a message
_LONGEST = 40  # characters shown of a name

SECTIONS = ("data", "model", "training")
REQUIRED = inspect.Parameter.empty  # stands for the default of a keyword without one
# Former names of settings.
RENAMED = {
    "counted": "vocabulary_from",
    "form": "examples",
    "marks": "special_tokens",
    "pick": "val_selection",
    "positions": "sequence_targets",
    "white": "max_pixel",
}


@dataclasses.dataclass(frozen=True)
class Range:
    """Range of a numeric setting, given in its annotation.

    Attributes:
        least: lowest value, or None.
        above: bound below all values, or None.
        most: highest value, or None.
        below: bound above all values, or None.

    Example:
        >>> @dataclass(frozen=True)
        ... class Settings:
        ...     window: Annotated[int, Range(least=1)] = 2
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def describe(self) -> str:
        """Return the range in words, to follow "must be"."""
        bounds = {"at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        return " and ".join(f"{words} {bound:,}" for words, bound in bounds.items() if bound is not None)

    def contains(self, value: float) -> bool:
        """Return whether a number lies in the range. NaN does not."""
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
            and value == value
        )


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting.

    Attributes:
        name: its name.
        type: annotated type.
        default: its default, or `REQUIRED`.
        range: range of its values, or None.
    """

    name: str
    type: Any
    default: Any
    range: Range | None = None


@dataclasses.dataclass(frozen=True)
class Option:
    """A command-line option that a problem declares for its settings or its report.

    Attributes:
        name: name with its dashes, "--target".
        metavar: placeholder of its value in help texts.
        help: description for help texts.
        setting: setting that the option sets. Defaults to the name without dashes.
        repeated: whether the option may be given several times.
    """

    name: str
    metavar: str
    help: str
    setting: str = ""
    repeated: bool = False

    def __post_init__(self) -> None:
        if not self.setting:
            object.__setattr__(self, "setting", self.name.removeprefix("--").replace("-", "_"))


def setting_fields(owner: type | Callable[..., Any]) -> dict[str, Setting]:
    """Return the settings of a dataclass (its fields) or of a model builder (its keyword-only arguments).

    A keyword without a default has the default `REQUIRED`. A keyword without an annotation takes the type of its
    default. If that default is None, it accepts any value; values from a command line then stay strings.
    """
    hints = get_type_hints(owner, include_extras=True)
    if dataclasses.is_dataclass(owner):
        return {f.name: _setting(f.name, hints[f.name], f.default) for f in dataclasses.fields(owner) if f.init}
    parameters = inspect.signature(owner).parameters.values()
    return {
        p.name: _setting(p.name, hints.get(p.name, _type_of(p.default)), p.default)
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    }


def _setting(name: str, annotation: Any, default: Any) -> Setting:
    if get_origin(annotation) is not Annotated:
        return Setting(name, annotation, default)
    kind, *extras = get_args(annotation)
    return Setting(name, kind, default, next((extra for extra in extras if isinstance(extra, Range)), None))


def _type_of(default: Any) -> Any:
    return Any if default is None or default is REQUIRED else type(default)


def check_ranges(settings: Any) -> None:
    """Check the numbers of a settings dataclass against the ranges of their annotations.

    Raises:
        UsageError: a number is out of its range. None is accepted where the type has it.
    """
    for setting in _ranged(type(settings)):  # type: ignore[arg-type]  # of `cache`: classes are hashable
        check_range(setting, getattr(settings, setting.name))


@functools.cache
def _ranged(owner: Any) -> list[Setting]:
    return [setting for setting in setting_fields(owner).values() if setting.range is not None]


def check_range(setting: Setting, value: Any) -> Any:
    """Return the value of a setting if it lies in the setting's range.

    Raises:
        UsageError: it does not. None is accepted where the type has it.
    """
    if setting.range is None or value is None or setting.range.contains(value):
        return value
    optional = " or none" if type(None) in get_args(setting.type) else ""
    raise UsageError(f"setting {setting.name} must be {setting.range.describe()}{optional}, received {value}")


def convert(setting: Setting, value: Any, name: str = "") -> Any:
    """Return a value converted to the type of a setting, or raise `UsageError` if it has none or is out of range.

    Args:
        setting: the setting.
        value: value to convert.
        name: name in the error of a wrong type. Defaults to that of the setting.
    """
    return check_range(setting, coerce(value, setting.type, name or setting.name))


def nearest_name(name: str, valid: Iterable[str]) -> str:
    """Return a hint: the present name of a renamed setting, else the closest valid names, or all of them.

    Example:
        >>> nearest_name("unit", ["units", "layers"])
        'did you mean units?'
    """
    names = sorted(valid)
    if RENAMED.get(name) in names:
        return f"{name} is now {RENAMED[name]}"
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"valid: {join_names(names)}"


def join_names(names: Sequence[str], most: int = _LISTED) -> str:
    """Join names for a message, shortening long names and counting the names beyond the first `most`."""
    shown = ", ".join(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..." for name in names[:most])
    return shown + (f", and {len(names) - most:,} more" if len(names) > most else "")


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Parse `["units=64", ...]` into a dictionary of strings."""
    values = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise UsageError(f"settings are written key=value, received {pair!r}")
        values[key.strip().replace("-", "_")] = value.strip()
    return values


def coerce(value: Any, wanted: Any, name: str) -> Any:
    """Convert a value to the annotated type, or raise `UsageError`.

    Strings are parsed and lossless numbers are accepted.
    """
    try:
        return _coerce(value, wanted)
    except (TypeError, ValueError, KeyError):
        raise UsageError(f"setting {name} must be {_say(wanted)}, received {value!r}") from None


def _coerce(value: Any, wanted: Any) -> Any:
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        members = get_args(wanted)
        if type(None) in members and (value is None or value in ("none", "None", "")):
            return None
        for member in members:
            if member is not type(None):
                try:
                    return _coerce(value, member)
                except (TypeError, ValueError, KeyError):
                    continue
        raise ValueError
    if origin is Literal:
        if value not in get_args(wanted):
            raise ValueError
        return value
    if origin is tuple:
        # Items that contain a comma are written as a JSON list; otherwise commas separate the items.
        if isinstance(value, str):
            value = json.loads(value) if value.startswith("[") else [v.strip() for v in value.split(",") if v.strip()]
        elif not isinstance(value, (list, tuple)):
            value = [value]
        return tuple(_coerce(item, get_args(wanted)[0]) for item in value)
    if wanted is bool:
        if isinstance(value, bool):
            return value
        return {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}[str(value).lower()]
    if wanted is int:
        number = float(value) if isinstance(value, str) and "e" in value.lower() else value
        if isinstance(number, bool) or (isinstance(number, float) and number != int(number)):
            raise ValueError
        return int(number)
    if wanted is float:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    if wanted is str:
        if not isinstance(value, str):
            raise ValueError
        return value
    if wanted is Any:
        return value
    raise TypeError(f"no settings of type {wanted}")


def _say(wanted: Any) -> str:
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        return " or ".join(_say(member) for member in get_args(wanted))
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(wanted))
    if origin is tuple:
        return f"a list of {_say(get_args(wanted)[0])}, parted by commas"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}
    return names.get(wanted, str(wanted))


def make_settings(owner: Callable[..., T], values: Mapping[str, Any]) -> T:
    """Build a settings dataclass from values, by name. Strings are parsed.

    Raises:
        UsageError: unknown key (the message suggests the nearest), wrong type, or a value that the class rejects.
    """
    settings = setting_fields(owner)
    return owner(**resolve_names(values, settings))


def merge_settings(
    values: Mapping[str, Any], layer: Mapping[str, Any], either: Iterable[Iterable[str]] = ()
) -> dict[str, Any]:
    """Merge two layers of settings.

    Args:
        values: the lower layer.
        layer: the upper layer, which takes precedence.
        either: groups of mutually exclusive settings. An upper layer that sets one of a group drops the whole group
            from the lower layer. A layer that sets two of a group is left for the owner to reject.
    """
    aside: set[str] = set()
    for group in either:
        if any(layer.get(name) not in (None, "none", "", (), []) for name in group):
            aside.update(group)
    return {name: value for name, value in values.items() if name not in aside} | dict(layer)


def flat_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of which some are given as a dict for a section, each as `section.name`.

    Example:
        >>> flat_settings({"model": {"units": 16}, "epochs": 2, "class_weight": {"no": 1, "yes": 5}})
        {'model.units': 16, 'epochs': 2, 'class_weight': {'no': 1, 'yes': 5}}
    """
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= (
            {f"{key}.{name}": inner for name, inner in value.items()}
            if key in SECTIONS and isinstance(value, Mapping)
            else {key: value}
        )
    return flat


def short_names(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings of all sections by name, as `section.name` where several sections have the name."""
    counts = Counter(name for settings in sections.values() for name in settings)
    return {
        name if counts[name] == 1 else f"{section}.{name}": value
        for section, settings in sections.items()
        for name, value in settings.items()
    }


def find_setting(
    key: str,
    sections: Mapping[str, Mapping[str, Setting]],
    owner: str,
    hint: Callable[[str], str | None] = lambda name: None,
) -> tuple[str, str]:
    """Return the section and the name of a setting that the user gave by its name or as `section.name`.

    Args:
        key: the user's text.
        sections: settings by section and name.
        owner: what has these settings, for messages.
        hint: returns a better hint than the nearest name for an unknown name, or None.

    Raises:
        UsageError: the setting is unknown, or several sections have its name.

    Example:
        >>> sections = {"model": {"units": ...}, "training": {"epochs": ...}}
        >>> find_setting("units", sections, "model 'gru'")
        ('model', 'units')
    """
    section, dot, name = key.rpartition(".")
    if dot and section not in sections:
        raise UsageError(f"setting {key!r}: unknown section {section!r}: {nearest_name(section, sections)}")
    owners = [section] if dot else [part for part, settings in sections.items() if name in settings]
    if len(owners) > 1:
        ways = " or ".join(f"{part}.{name}" for part in owners)
        raise UsageError(f"setting {name!r} is in {len(owners)} sections: write {ways}")
    if owners and name in sections[owners[0]]:
        return owners[0], name
    others = [f"{part}.{name}" for part, settings in sections.items() if name in settings]
    valid = sections[section] if dot else {each: None for settings in sections.values() for each in settings}
    raise UsageError(
        f"{owner} has no setting {key!r}: "
        + (f"did you mean {' or '.join(others)}?" if others else hint(name) or nearest_name(name, valid))
    )


def resolve_names(values: Mapping[str, Any], settings: Mapping[str, Setting]) -> dict[str, Any]:
    """Return the values coerced to the types of their settings.

    Raises:
        UsageError: unknown key, wrong type, or a value that is out of range.
    """
    for key in values:
        if key not in settings:
            raise UsageError(f"unknown setting {key!r}: {nearest_name(key, settings)}")
    return {key: convert(settings[key], value) for key, value in values.items()}
