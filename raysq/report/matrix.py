"""Matrices of counts, such as a confusion matrix: a cell for each pair, darker for a larger share of its row."""

import math

import numpy as np

from raysq.kinds.charts import Matrix
from raysq.report.axes import picture, text_width
from raysq.report.markup import Markup, join, tag

_NAMED = 6  # labels up to which columns carry their names; more are numbered
_BROAD = 600.0  # pixels, above which names stand beside the numbers
_TALLEST, _LOWEST = 56.0, 24.0  # pixels of a cell
_DARKEST = 0.55  # opacity at which the page's ink still stands out by 4.5 to 1, on white and on black
_LINE = 16.0


def draw_matrix(matrix: Matrix, width: float) -> Markup:
    """The matrix as one picture of that width in pixels; as high as its cells need.

    Names that do not fit are cut, or where there are many labels numbered (`matrix_names` says which is which);
    counts that do not fit are left to the tables and to the tips of the cells.
    """
    counts = np.asarray(matrix.counts, np.int64)
    size = len(matrix.labels)
    numbered, broad = size > _NAMED, width > _BROAD
    rows = list(matrix.labels)
    if numbered:
        rows = [f"{place} {name}" if broad else f"{place}" for place, name in enumerate(matrix.labels, 1)]
    heads = (f"{matrix.row_label} \u2193", f"{matrix.column_label} \u2192")
    left = max(text_width(heads[0]), min(width * 0.3, max(map(text_width, rows), default=0.0))) + 10
    cell = (width - left - 1) / max(1, size)
    height = min(_LOWEST, max(16.0, cell)) if numbered else min(_TALLEST, max(_LOWEST, cell))
    top = 2 * _LINE + 8
    parts: list[Markup] = [
        tag("text", heads[0], x=0, y=top - 8),
        tag("text", heads[1], x=left, y=12),
        tag("rect", class_="cell", x=left, y=top, width=size * cell - 1, height=size * height - 1),
    ]
    every = math.ceil((text_width(f"{size}") + 3) / cell) if numbered and size else 1
    for place, name in enumerate(matrix.labels):
        at, down = left + (place + 0.5) * cell, top + (place + 0.5) * height + 4
        if place % every == 0:
            head = f"{place + 1}" if numbered else _cut(name, cell - 4)
            parts.append(tag("text", head, x=at, y=top - 8, text_anchor="middle"))
        parts.append(tag("text", _cut(rows[place], left - 10), x=left - 8, y=down, text_anchor="end", class_="t"))
    sums = counts.sum(1)
    room = max((text_width(f"{count:,}") for count in counts.ravel().tolist()), default=0.0) + 4 <= cell
    for row, column in np.argwhere(counts > 0).tolist():
        count, x, y = int(counts[row, column]), left + column * cell, top + row * height
        share = count / sums[row]
        # The root makes rare confusions visible beside the diagonal.
        shade = f"{_DARKEST * math.sqrt(share):.2f}"
        css = "p c0" if row == column else "p c1"
        drawn = tag("rect", class_=css, x=x, y=y, width=cell - 1, height=height - 1, fill_opacity=shade)
        middle = {"x": x + cell / 2, "y": y + height / 2 + 4, "text_anchor": "middle"}
        text = tag("text", f"{count:,}", class_="t", **middle) if room else None
        if broad or not numbered:  # where there may be a pointer to rest on it
            says = (
                f"{matrix.row_label} {matrix.labels[row]}, {matrix.column_label} {matrix.labels[column]}: {count:,} of "
                f"{int(sums[row]):,} ({100 * share:.1f} %)"
            )
            parts.append(tag("g", tag("title", says), drawn, text))
        else:
            parts.append(join(drawn, text))
    return picture(width, top + size * height + 1, join(*parts), label=_say(matrix, counts))


def matrix_names(matrix: Matrix) -> Markup | None:
    """Which number is which label, where narrow screens see the numbers only."""
    if len(matrix.labels) <= _NAMED or not matrix.wide:
        return None
    listed = "; ".join(f"{place} {name}" for place, name in enumerate(matrix.labels, 1))
    return tag("p", listed, class_="note narrowly")


def _cut(text: str, room: float) -> str:
    most = max(1, int(room / text_width("x")))
    return text if len(text) <= most else text[: max(1, most - 1)] + "\u2026"


def _say(matrix: Matrix, counts: np.ndarray) -> str:
    total = int(counts.sum())
    right = int(np.trace(counts))
    off = counts - np.diag(np.diag(counts))
    said = f"Matrix: {matrix.title}. {right:,} of {total:,} lie on the diagonal"
    if off.any():
        row, column = divmod(int(off.argmax()), len(off))
        said += (
            f"; most others are {matrix.row_label} {matrix.labels[row]}, {matrix.column_label} "
            f"{matrix.labels[column]}: {int(off[row, column]):,}"
        )
    return said + "."
