"""Build HTML and SVG as text, escaping everything that is not markup."""

import re
from typing import Any

# Characters that XML 1.0 cannot represent and browsers do not show.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "col", "wbr"})
_SIGNS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """Text that is already markup and is not escaped again."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """Escape text for an attribute or element content. `Markup` is returned unchanged."""
    return text if isinstance(text, Markup) else Markup(FORBIDDEN.sub("\ufffd", str(text)).translate(_SIGNS))


def join(*parts: object) -> Markup:
    """Concatenate parts, escaping text and leaving out None."""
    return Markup("".join(escape(part) for part in parts if part is not None))


def tag(name: str, /, *children: object, **attributes: Any) -> Markup:
    """Build an element that is well-formed HTML and XML.

    Args:
        name: Name of the element.
        children: Markup, and texts, which are escaped. None is left out.
        attributes: Attributes by name. None and False are left out. A trailing underscore is dropped (`class_`), other
            underscores become hyphens (`stroke_width`). Floats have at most one decimal.

    Example:
        >>> tag("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(key, value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    inner = join(*children)
    if not inner and (name in _VOID or name in _EMPTY):
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{inner}</{name}>")


# Elements that have attributes only.
_EMPTY = frozenset({"path", "line", "rect", "circle", "polyline", "polygon"})


def _value(key: str, value: Any) -> Any:
    if value is True:
        return key.rstrip("_")
    return coordinate(value) if isinstance(value, float) else value


def coordinate(value: float) -> str:
    """Format a coordinate in pixels with at most one decimal."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text
