"""Representations of runs, data sets and experiments in terminals and notebooks."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from raysq.errors import RaysqError


def line(kind: str, name: str, fields: Mapping[str, Any]) -> str:
    """Return an object's `repr`: its class, its name, and its fields that are not None.

    Example:
        >>> line("Run", "jena-gru", {"state": "finished", "val_mae": 0.2871})
        "Run('jena-gru', state=finished, val_mae=0.2871)"
    """
    shown = [f"{key}={text(value)}" for key, value in fields.items() if value is not None]
    return f"{kind}({', '.join([repr(name), *shown])})"


def card(title: str, fields: Mapping[str, Any]) -> str:
    """Return a small HTML table of an object's fields that are not None. All text is escaped."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(key)}</th><td style="text-align:left">{escape(text(value))}</td></tr>'
        for key, value in fields.items()
        if value is not None
    )
    return f"<table><caption>{escape(title)}</caption><tbody>{rows}</tbody></table>"


def text(value: Any) -> str:
    """Format a field's value for display."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def readable(read: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return fields read from files, or a state "damaged" on an error: a representation must never raise one."""
    try:
        return read()
    except (RaysqError, OSError) as error:
        return {"state": f"damaged: {error}"}
