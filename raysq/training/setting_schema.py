"""Descriptions of settings from docstrings, and the JSON schema of settings."""

import dataclasses
import inspect
import re
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin

from raysq.config import REQUIRED, Setting


def descriptions(owner: Callable[..., Any]) -> dict[str, str]:
    """Return the description of each setting from the docstring of its dataclass or model builder.

    Args:
        owner: class or function with a Google-style docstring.
    """
    texts: dict[str, list[str]] = {}
    section, name = "", ""
    for line in inspect.cleandoc(owner.__doc__ or "").splitlines():
        if match := re.fullmatch(r"(\w+):", line):
            section, name = match[1], ""
        elif section in ("Attributes", "Args") and (match := re.fullmatch(r" {4}(\w+)(?: \(.*?\))?: (.*)", line)):
            name = match[1]
            texts[name] = [match[2]]
        elif name and line.startswith(" " * 8):
            texts[name].append(line.strip())
    return {name: " ".join(lines) for name, lines in texts.items()}


_JSON_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null"}


def json_schema(setting: Setting, description: str = "") -> dict[str, Any]:
    """Return the JSON schema of a setting.

    Args:
        setting: the setting.
        description: its description.
    """
    schema = _type_schema(setting.type)
    if setting.range is not None:
        bounds = {
            "minimum": setting.range.least,
            "exclusiveMinimum": setting.range.above,
            "maximum": setting.range.most,
            "exclusiveMaximum": setting.range.below,
        }
        schema |= {name: bound for name, bound in bounds.items() if bound is not None}
    if description:
        schema["description"] = description
    if setting.default is not REQUIRED and setting.default is not dataclasses.MISSING:
        schema["default"] = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    return schema


def _type_schema(kind: Any) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        members = [_type_schema(member) for member in arguments]
        simple = all(set(member) == {"type"} for member in members)
        return {"type": [member["type"] for member in members]} if simple else {"anyOf": members}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (tuple, list):
        return {"type": "array", "items": _type_schema(arguments[0])}
    return {"type": _JSON_TYPES[kind]} if kind in _JSON_TYPES else {}
