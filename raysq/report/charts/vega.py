"""Render Vega-Lite as a static SVG that needs no scripts and as a specification for the browser.

Charts are compiled from Vega-Lite to Vega, so that the page embeds only Vega's runtime. Colors are the page's CSS
variables, so that charts follow dark mode and print.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raysq.report.markup import FORBIDDEN, Markup, escape, tag
from raysq.report.style import LIGHT

VEGA_LITE = "6.4"  # version of the specifications; vl-convert includes several
_CHARACTER = 6.9  # pixels per character of 12 px text; an upper estimate, as fonts differ
TICKS = 6  # approximate number of ticks of a y axis, whose range ends at ticks
# vl-convert measures texts with Arial, and most systems have a font of the same widths.
_FONT = "Arial, Liberation Sans, Helvetica, sans-serif"
_DIGITS = 6  # significant digits of a value

_TEXT = {"labelFontSize": 12, "titleFontSize": 12, "labelColor": "var(--soft)", "titleColor": "var(--soft)"}
_CONFIG: dict[str, Any] = {
    "aria": False,  # the chart is described as a whole
    "background": None,
    "font": _FONT,
    "padding": 2,
    "view": {"stroke": None},
    "axis": {**_TEXT, "titleFontWeight": "normal", "titlePadding": 6, "labelOverlap": "parity", "labelSeparation": 8},
    "axisX": {"grid": False, "domainColor": "var(--soft)", "tickColor": "var(--soft)", "tickSize": 4},
    "axisY": {"gridColor": "var(--rule)", "domain": False, "ticks": False, "labelPadding": 6},
    "title": {"anchor": "start", "frame": "bounds", "fontSize": 12, "fontWeight": "normal", "color": "var(--soft)"},
    "text": {"fontSize": 12, "color": "var(--ink)"},
}

# The page's script shows the hovered mark's fields that `usermeta.hover` of the specification names.
HOVER = {"tooltip": {"content": "data"}}
HALO = {"stroke": "var(--paper)", "strokeWidth": 3, "strokeJoin": "round"}  # the style sheet paints it below the text
CROSS = {  # a point without a value
    "type": "point",
    "shape": "M-1,-1L1,1M1,-1L-1,1",
    "stroke": "var(--soft)",
    "strokeWidth": 1.25,
    "size": 36,
    "opacity": 1,
    **HOVER,
}
ONCE: dict[str, Any] = {"data": {"values": [{}]}}  # for a mark without a row in the chart's data
ZOOM = {
    "name": "zoom",
    "select": {
        "type": "interval",
        "zoom": "wheel![event.ctrlKey]",
        "translate": "[pointerdown[event.pointerType === 'mouse'], window:pointerup] > window:pointermove!",
    },
    "bind": "scales",
}
_MOMENTS = {
    "year": "%Y",
    "quarter": "%b %Y",
    "month": "%b %Y",
    "week": "%-d %b",
    "date": "%-d %b",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
}


@dataclass(frozen=True)
class Drawing:
    """A chart in Vega-Lite.

    Attributes:
        spec: The layered specification, without its width.
        label: Description of the chart for screen readers.
        live: Additional layers of the interactive chart, such as a line at the pointer.
    """

    spec: Mapping[str, Any]
    label: str
    live: Sequence[Mapping[str, Any]] = ()


def text_width(text: str) -> float:
    """Estimate the width of a text in a chart, in pixels."""
    return _CHARACTER * len(text)


def rounded(value: float, digits: int = _DIGITS) -> float | int | None:
    """Round a value to `digits` significant digits, or return None if it is not finite."""
    value = float(f"{value:.{digits}g}")
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def time_labels() -> dict[str, Any]:
    """Return the labels of a time axis as dates and times of day."""
    return {"labelExpr": f"utcFormat(datum.value, {json.dumps(_MOMENTS)})"}


def categorical_axis(labels: Sequence[Any], title: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the parameters and the encoding of a categorical x axis. The field `x` of a row is the label's index."""
    axis = {"title": title or None, "labelExpr": "labels[datum.value]", "labelAngle": 0, "ticks": False}
    x = {"field": "x", "type": "ordinal", "scale": {"domain": list(range(len(labels)))}, "axis": axis}
    return [{"name": "labels", "value": [str(label) for label in labels]}], x


def static_svg(drawing: Drawing, width: int) -> Markup:
    """Render the chart as an `svg` element of a width in pixels that shrinks with the page."""
    import vl_convert

    svg = vl_convert.vega_to_svg(_compile(drawing, width))
    # vl-convert numbers clip paths per process. Derive their ids from the drawing, so that equal charts are equal.
    name = hashlib.sha256(f"{width}{drawing.spec}".encode()).hexdigest()[:8]
    ids = {old: f"c{name}-{index}" for index, old in enumerate(dict.fromkeys(re.findall(r' id="(\w+)"', svg)))}
    svg = re.sub(r'( id="|url\(#)(\w+)', lambda match: match[1] + ids.get(match[2], match[2]), svg)
    svg = re.sub(r"<[^>]+>", _shortened, _UNSEEN.sub("", svg))
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(drawing.label)}"', 1))


# Labels that had no room, and empty paths.
_UNSEEN = re.compile(r'<text(?: [^>]*)? opacity="0"[^>]*>[^<]*</text>|<text[^>]*/>|<path d="M0,0h0v0h0Z"[^>]*/>')
_NEEDLESS = re.compile(
    r' (?:xmlns(?::\w+)?|version|class|role|aria-\w+|pointer-events|font-family|stroke-miterlimit)="[^"]*"'
    r'| opacity="1"| transform="translate\(0,0\)"'
)


def _shortened(element: re.Match[str]) -> str:
    """Remove needless attributes of an element, and digits below a hundredth of a pixel."""
    return re.sub(r"(\.\d\d)\d+", r"\1", _NEEDLESS.sub("", element[0]))


def live_chart(drawing: Drawing, width: int) -> Markup:
    """Return the specification that the page's script draws in place of the static chart."""
    text = json.dumps(_compile(drawing, width, live=True), separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return tag("script", Markup(text), type="application/json")


def png(drawing: Drawing, width: int, scale: float) -> bytes:
    """Render the chart as a PNG in the light colors, of a width in pixels before scaling."""
    import vl_convert

    spec = json.dumps({**_compile(drawing, width), "background": LIGHT["paper"]})
    image: bytes = vl_convert.vega_to_png(
        re.sub(r"var\(--([\w-]+)\)", lambda match: LIGHT[match[1]], spec), scale=scale
    )
    return image


def _compile(drawing: Drawing, width: int, *, live: bool = False) -> dict[str, Any]:
    """Compile a chart to Vega."""
    import vl_convert

    layers = [*drawing.spec["layer"], *(drawing.live if live else ())]
    spec = {
        **drawing.spec,
        "layer": layers,
        "width": width,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": _CONFIG,
    }
    vega: dict[str, Any] = vl_convert.vegalite_to_vega(_cleaned(spec), vl_version=VEGA_LITE)
    vega.pop("$schema", None)
    _clip(vega, {"signal": "isValid(zoom.x)"} if live and drawing.live else None)
    return vega


def _clip(group: dict[str, Any], when: dict[str, Any] | None) -> None:
    """Clip marks to the frame only while zoomed, since points on its edge would be cut otherwise."""
    for mark in group["marks"]:
        if "marks" in mark:
            _clip(mark, when)
        if mark.pop("clip", False) and when:
            mark["clip"] = when


def _cleaned(value: Any) -> Any:
    """Replace characters of texts that XML cannot represent."""
    if isinstance(value, str):
        return FORBIDDEN.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {key: _cleaned(item) for key, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, (list, tuple)) else value
