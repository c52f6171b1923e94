"""Representations of runs, data sets and experiments in terminals and notebooks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeVar

from raysq.errors import RaysqError

T = TypeVar("T")


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


class Listing(list[T]):
    """List that notebooks show as a table.

    Args:
        items: items of the list.
        columns: headings of the table.
        row: returns the cells of an item.
        names: see `table`.
    """

    def __init__(self, items: Iterable[T], columns: Sequence[str], row: Callable[[T], Sequence[str]], names: int):
        super().__init__(items)
        self._columns, self._row, self._names = columns, row, names

    def _repr_html_(self) -> str:
        return table(self._columns, [self._row(item) for item in self], names=self._names)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)  # the rows of a table may need what cannot be pickled


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", names: int = 1) -> str:
    """Return an HTML table of texts. All text is escaped.

    Args:
        columns: headings.
        rows: texts of each row.
        title: caption of the table. Defaults to none.
        names: number of leading columns aligned to the left; the others are figures. Defaults to 1.
    """
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    head, body = _row("th", columns, names), "".join(_row("td", row, names) for row in rows)
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"


def _row(name: str, cells: Sequence[str], names: int) -> str:
    sides = ("left" if index < names else "right" for index in range(len(cells)))
    shown = (
        f'<{name} style="text-align:{side}">{escape(cell)}</{name}>' for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{''.join(shown)}</tr>"


def paragraphs(texts: Iterable[str]) -> str:
    """Return paragraphs of HTML. All text is escaped."""
    return "".join(f"<p>{escape(each)}</p>" for each in texts)


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
