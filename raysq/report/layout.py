"""Layout of a model's graph: boxes in rows from top to bottom, with nested models inside their box."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raysq.report.charts.vega import text_width
from raysq.report.graph import INPUT, Node

GAP, ROW_GAP, PAD = 18.0, 26.0, 12.0
LINE = 16.0
_WIDEST = 320.0  # width of a box of text; longer texts are truncated
_LANE = 14.0  # width reserved for an arrow that passes a row
_SWEEPS = 4


@dataclass(frozen=True)
class Box:
    """A placed node. `x` and `y` are its upper left corner, in pixels."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    inner: "Plan | None" = None


@dataclass(frozen=True)
class Plan:
    """A placed graph: its size, its boxes, and its arrows as points from box to box."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[tuple[float, float], ...], ...]


def arrange(nodes: Sequence[Node]) -> Plan:
    """Place the nodes of a graph in rows.

    If no connections are known, nodes are placed below each other in order.
    """
    if not nodes:
        return Plan(0.0, 0.0, (), ())
    drafts = {node.name: _draft(node) for node in nodes}
    edges = [(source, node.name) for node in nodes for source in node.inputs if source in drafts]
    rows, chains = _rows(nodes, edges)
    _order(rows, chains)
    widths = {name: drafts[name].width if name in drafts else _LANE for row in rows for name in row}
    row_widths = [sum(widths[name] for name in row) + GAP * (len(row) - 1) for row in rows]
    width = max(row_widths)
    at: dict[str, tuple[float, float, float]] = {}  # center, top, bottom
    boxes = []
    y = 0.0
    for row, row_width in zip(rows, row_widths, strict=True):
        x = (width - row_width) / 2
        height = max((drafts[name].height for name in row if name in drafts), default=0.0)
        for name in row:
            draft = drafts.get(name)
            if draft is not None:
                top = y + (height - draft.height) / 2
                boxes.append(Box(draft.node, x, top, draft.width, draft.height, draft.lines, draft.inner))
                at[name] = (x + draft.width / 2, top, top + draft.height)
            else:
                at[name] = (x + _LANE / 2, y, y + height)
            x += widths[name] + GAP
        y += height + ROW_GAP
    arrows = tuple(_arrow([at[name] for name in chain]) for chain in chains)
    return Plan(width, y - ROW_GAP, tuple(boxes), arrows)


def _draft(node: Node) -> Box:
    """Return a box at the origin, as large as its texts and its nested graph need."""
    given = node.name != INPUT and not node.name.replace("_", "").startswith(node.kind.split(" ")[0].lower())
    title = f"{node.kind}: {node.name}" if given else node.kind
    size = [f"out {node.shape}"] if node.shape else []
    size += [f"{node.parameters:,} parameters"] if node.parameters else []
    lines = tuple(_cut(text) for text in (title, node.detail, " · ".join(size)) if text)
    # The first line is bold.
    width = max(text_width(text) * (1 if row else 1.1) for row, text in enumerate(lines)) + 2 * PAD
    height = LINE * len(lines) + PAD
    inner = arrange(node.inner) if node.inner else None
    if inner is not None:
        width, height = max(width, inner.width + 2 * PAD), height + inner.height + PAD
    return Box(node, 0.0, 0.0, max(width, 150.0), height, lines, inner)


def _cut(text: str) -> str:
    most = int((_WIDEST - 2 * PAD) / text_width("x"))
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def _rows(nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> tuple[list[list[str]], list[tuple[str, ...]]]:
    """Assign nodes to rows by their longest path from an input.

    Returns:
        The rows, with a lane for each edge that passes, and the chain of nodes and lanes of each edge.
    """
    depth: dict[str, int] = {}
    if edges:
        for node in nodes:  # Keras lists layers after their inputs
            depth[node.name] = max((depth[name] + 1 for name in node.inputs if name in depth), default=0)
    else:
        depth = {node.name: number for number, node in enumerate(nodes)}
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for node in nodes:
        rows[depth[node.name]].append(node.name)
    chains = []
    for source, target in edges:
        chain = [source]
        for row in range(depth[source] + 1, depth[target]):
            lane = f"\0{source}\0{target}\0{row}"  # cannot be a layer's name
            rows[row].append(lane)
            chain.append(lane)
        chains.append((*chain, target))
    return rows, chains


def _order(rows: list[list[str]], chains: Sequence[tuple[str, ...]]) -> None:
    """Sort each row by the mean position of its neighbors, in sweeps down and up, to reduce crossing arrows."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for source, target in itertools.pairwise(chain):
            above.setdefault(target, []).append(source)
            below.setdefault(source, []).append(target)

    def sort(row: list[str], neighbors: Mapping[str, list[str]], beside: list[str]) -> None:
        position = {name: (number + 0.5) / len(beside) for number, name in enumerate(beside)}
        own = {name: (number + 0.5) / len(row) for number, name in enumerate(row)}

        def mean(name: str) -> float:
            positions = [position[other] for other in neighbors.get(name, []) if other in position]
            return sum(positions) / len(positions) if positions else own[name]

        row.sort(key=mean)

    for _ in range(_SWEEPS):
        for upper, lower in itertools.pairwise(rows):
            sort(lower, above, upper)
        for upper, lower in reversed(list(itertools.pairwise(rows))):
            sort(upper, below, lower)


def _arrow(stops: Sequence[tuple[float, float, float]]) -> tuple[tuple[float, float], ...]:
    """Return the points from the bottom of the first stop to the top of the last, straight through lanes."""
    points = [(stops[0][0], stops[0][2])]
    for center, top, bottom in stops[1:-1]:
        points += [(center, top), (center, bottom)]
    return (*points, (stops[-1][0], stops[-1][1]))
