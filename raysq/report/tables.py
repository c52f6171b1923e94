"""Tables as HTML, with the numbers of a column aligned and formatted to one precision."""

import math
import re
from collections.abc import Sequence
from typing import Any

from raysq.display.numbers import number, short
from raysq.problems.charts import Table
from raysq.report.markup import Markup, join, tag

_LONG = 44  # characters above which a cell may wrap


def draw_table(table: Table) -> Markup:
    """Draw a table in a box that scrolls horizontally on narrow pages."""
    columns = [[row[index] for row in table.rows] for index in range(len(table.columns))]
    numeric = [_numeric(cells) for cells in columns]
    texts = [column_texts(cells) for cells in columns]
    head = tag(
        "tr",
        *(
            tag("th", _breakable(name), scope="col", class_="d" if right else None)
            for name, right in zip(table.columns, numeric, strict=True)
        ),
    )
    body = []
    for index in range(len(table.rows)):
        cells = []
        for column, (right, column_text) in enumerate(zip(numeric, texts, strict=True)):
            text = column_text[index]
            if column == 0 and not right:
                cells.append(tag("th", text, scope="row"))
            else:
                css = "d" if right else "w" if len(text) > _LONG else None
                cells.append(tag("td", text, class_=css))
        body.append(tag("tr", *cells, class_="best" if index in table.highlight else None))
    caption = tag("caption", table.title) if table.title else None
    # A scrolling box must be reachable with the keyboard.
    attributes: dict[str, Any] = {"role": "region", "aria_label": table.title or "table", "tabindex": "0"}
    return tag("div", tag("table", caption, tag("thead", head), tag("tbody", *body)), class_="scroll", **attributes)


def _breakable(name: str) -> Markup:
    """Allow line breaks in a heading after underscores."""
    first, *others = name.split("_")
    return join(first, *(join("_", tag("wbr"), other) for other in others))


def column_texts(cells: Sequence[Any]) -> list[Any]:
    """Format the cells of a column, floats with the same number of decimals where their magnitudes allow it."""
    floats = [abs(cell) for cell in cells if isinstance(cell, float) and math.isfinite(cell) and cell]
    decimals = None
    if floats and max(floats) / min(floats) < 1000 and 1e-4 <= max(floats) < 1e9:
        decimals = max(0, 3 - math.floor(math.log10(max(floats))))
    texts: list[Any] = []
    for cell in cells:
        if isinstance(cell, float) and math.isfinite(cell) and decimals is not None:
            texts.append(f"{cell:,.{decimals}f}".replace("-", "\u2212"))
        elif cell is None or (isinstance(cell, (int, float)) and not isinstance(cell, bool)):
            texts.append(number(cell))
        else:
            texts.append(cell if isinstance(cell, str) else short(cell))
    return texts


_WRITTEN = re.compile(r"[-+\u2212]?[\d.,]+(e[-+]?\d+)?([\u202f ]?%)?")


def _numeric(cells: Sequence[Any]) -> bool:
    """Whether a column holds only numbers, formatted ones included, and is aligned to the right."""
    some = [cell for cell in cells if cell is not None]
    return bool(some) and all(
        _WRITTEN.fullmatch(cell) is not None
        if isinstance(cell, str)
        else isinstance(cell, (int, float)) and not isinstance(cell, bool)
        for cell in some
    )
