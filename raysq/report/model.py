"""Diagram of a model: layers as boxes from top to bottom, with output shapes and parameter counts."""

import math
from collections.abc import Sequence

from raysq.display.numbers import number
from raysq.report.graph import Node
from raysq.report.layout import LINE, PAD, Plan, arrange
from raysq.report.markup import Markup, coordinate, join, tag

_MARGIN = 4.0


def draw_model(nodes: Sequence[Node], title: str) -> Markup:
    """Draw the model as one SVG diagram in a scrollable `div`. The title is part of the text alternative."""
    plan = arrange(nodes)
    layers = "; ".join(_describe(node) for node in nodes)
    label = f"Model {title}, {number(total(nodes))} parameters: {layers}."
    size = {"width": math.ceil(plan.width + 2 * _MARGIN), "height": math.ceil(plan.height + 2 * _MARGIN)}
    box = f"0 0 {size['width']} {size['height']}"
    drawn = _draw(plan, _MARGIN, _MARGIN)
    return tag("div", tag("svg", drawn, viewBox=box, role="img", aria_label=label, **size), class_="scroll model")


def total(nodes: Sequence[Node]) -> int:
    """Return the number of parameters of all layers."""
    return sum(node.parameters for node in nodes)


def _describe(node: Node) -> str:
    detail = f" ({node.detail})" if node.detail else ""
    shape = f", output {node.shape}" if node.shape else ""
    return f"{node.kind}{detail}{shape}, {number(node.parameters)} parameters"


def _draw(plan: Plan, x: float, y: float) -> Markup:
    parts = [_draw_arrow([(across + x, down + y) for across, down in points]) for points in plan.arrows]
    last = {name for box in plan.boxes for name in box.node.inputs}
    for box in plan.boxes:
        left, top = x + box.x, y + box.y
        ends = "in" if box.node.kind == "Input" else "out" if box.node.name not in last and plan.arrows else ""
        css = f"n {ends}".strip()
        parts.append(tag("rect", class_=css, x=left, y=top, width=box.width, height=box.height, rx=6))
        for row, line in enumerate(box.lines):
            at = top + PAD / 2 + LINE * row + 12
            parts.append(
                tag("text", line, class_=None if row else "b", x=left + box.width / 2, y=at, text_anchor="middle")
            )
        if box.inner is not None:
            head = PAD / 2 + LINE * len(box.lines) + PAD / 2
            across = left + (box.width - box.inner.width) / 2
            frame_x, frame_y = left + PAD / 2, top + head - PAD / 2
            size = {"width": box.width - PAD, "height": box.inner.height + PAD}
            parts.append(tag("rect", class_="f", x=frame_x, y=frame_y, **size, rx=5))
            parts.append(_draw(box.inner, across, top + head))
    return join(*parts)


def _draw_arrow(points: list[tuple[float, float]]) -> Markup:
    """Draw a curve through the points, with an arrowhead at its end."""
    (x, y), *others = points
    path = [f"M{coordinate(x)} {coordinate(y)}"]
    end = len(others) - 1
    for index, (across, down) in enumerate(others):
        stop = down - 6 if index == end else down
        if abs(across - x) < 0.5:
            path.append(f"L{coordinate(across)} {coordinate(stop)}")
        else:
            half = (y + stop) / 2
            path.append(
                f"C{coordinate(x)} {coordinate(half)} {coordinate(across)} {coordinate(half)} "
                f"{coordinate(across)} {coordinate(stop)}"
            )
        x, y = across, down
    corners = ((x, y), (x - 4, y - 7), (x + 4, y - 7))
    head = " ".join(f"{coordinate(across)},{coordinate(down)}" for across, down in corners)
    return join(tag("path", class_="e", d="".join(path)), tag("polygon", class_="ah", points=head))
