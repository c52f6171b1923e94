"""HTML and SVG as text: everything that is not markup already is escaped."""

import re
from typing import Any

# XML 1.0 has no way to write these, and no browser shows them.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "col", "wbr"})
_SIGNS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """Text that is markup and is not escaped again."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """The text as it is written in HTML, in an attribute or between tags."""
    return text if isinstance(text, Markup) else Markup(FORBIDDEN.sub("\ufffd", str(text)).translate(_SIGNS))


def join(*parts: object) -> Markup:
    """The parts one after another; None is left out."""
    return Markup("".join(escape(part) for part in parts if part is not None))


def tag(name: str, /, *children: object, **attributes: Any) -> Markup:
    """An element, well-formed as XML too.

    Args:
        name: of the element.
        children: texts, which are escaped, and markup; None is left out.
        attributes: None and False are left out; an underscore at the end is dropped (`class_`), others become
            hyphens (`stroke_width`); numbers are written with at most one decimal.
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


# Drawn elements that are nothing but attributes.
_EMPTY = frozenset({"path", "line", "rect", "circle", "polyline", "polygon"})


def _value(key: str, value: Any) -> Any:
    if value is True:
        return key.rstrip("_")
    return coordinate(value) if isinstance(value, float) else value


def coordinate(value: float) -> str:
    """A number for SVG: one decimal is a tenth of a pixel."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text
