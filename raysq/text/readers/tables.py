"""DocumentTables as Arrow tables: decoded texts, labels as text, and statistics."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.partition_stats import Stats
from raysq.data.parts import PARTS
from raysq.data.readers.streams import is_utf8
from raysq.errors import DataError
from raysq.text.readers.format import RANGE, DocumentFormat

BOM = b"\xef\xbb\xbf"
_FLAGS = {"0": False, "1": True, "false": False, "true": True, "0.0": False, "1.0": True}
_MOST = 20_000  # maximum documents of a table, for short documents


class DocumentTables:
    """Buffer of documents, as bytes, that are returned as one table when it is full."""

    def __init__(self, format: DocumentFormat) -> None:
        self._format = format
        self._clear()

    def _clear(self) -> None:
        self._raw: list[bytes | None] = []
        self._labels: list[str | None] = []
        self._parts: list[int] = []
        self._ids: list[str] = []
        self._bytes = 0
        self.ignored = 0
        self._not_text: list[str] = []

    def add(self, raw: bytes | None, label: str | None, part: int, name: str) -> bool:
        """Add a document.

        Args:
            raw: bytes in the encoding of `format`, or None where the text is missing.
            part: its split: 0 train, 1 test, 2 validation, -1 unspecified.
        """
        self._raw.append(raw)
        self._labels.append(label)
        self._parts.append(part)
        self._ids.append(name)
        self._bytes += len(raw or b"")
        return self._bytes >= RANGE or len(self._raw) >= _MOST

    def skip(self, name: str) -> None:
        """Record a file that holds no text."""
        self._not_text.append(_printable(name))

    def rest(self) -> Iterator[tuple[pa.Table, Stats]]:
        """Yield the last table, unless it has neither rows nor statistics."""
        if self._raw or self.ignored or self._not_text:
            yield self.take()

    def take(self) -> tuple[pa.Table, Stats]:
        """Return the table and its statistics, and clear the buffer."""
        raw = [text[3:] if text and text.startswith(BOM) else text for text in self._raw]
        built = table(
            pa.array(raw, pa.large_binary()),
            _strings(self._labels),
            pa.array(self._parts, pa.int8()),
            _strings(self._ids),
            self._format,
            ignored=self.ignored,
            not_text=self._not_text,
        )
        self._clear()
        return built


def table(
    text: pa.Array | pa.ChunkedArray,
    label: pa.Array | None,
    part: pa.Array | int,
    ids: pa.Array,
    format: DocumentFormat,
    ignored: int = 0,
    not_text: Sequence[str] = (),
) -> tuple[pa.Table, Stats]:
    """Return a table of documents, with its statistics.

    Args:
        text: large_binary in the encoding of `format`, or large_string.
        label: large_string, null where missing, or None if there are no labels.
        part: split of each document, int8, or one number for all.
        ignored: number of files that are not documents, for the statistics.
        not_text: names of files that hold no text, for the statistics.
    """
    rows = len(text)
    missing_text = text.null_count
    if missing_text:
        text = pc.fill_null(text, pa.scalar(b"" if pa.types.is_large_binary(text.type) else "", text.type))
    undecodable: list[int] = []
    if pa.types.is_large_binary(text.type):
        text, undecodable = _decoded(text, format)
    if format.headers == "drop":
        text = pa.array([_body(value) for value in text.to_pylist()], pa.large_string())
    if label is None:
        label = pa.nulls(rows, pa.large_string())
    if not isinstance(part, pa.Array):
        part = pa.array(np.full(rows, part, np.int8))
    first = None
    if label.null_count:
        first = ids[pc.index(pc.is_null(label), True).as_py()].as_py()
    stats = {
        "documents": rows,
        "undecodable": ids.take(pa.array(undecodable, pa.int64())).to_pylist(),
        "missing_text": missing_text,
        "missing_label": label.null_count,
        "first_missing_label": first,
        "ignored": ignored,
        "not_text": list(not_text),
    }
    return pa.table({"text": text, "label": label, "part": part, "id": ids}), stats


def as_labels(
    values: pa.Array, where: str, encoding: str = "utf-8", option: str = "--label", separator: str | None = None
) -> pa.Array:
    """Convert labels to text.

    Booleans become true and false, whole numbers lose their decimals, and text is stripped of surrounding white space.

    Args:
        values: labels. Bytes are text in `encoding`.
        option: option that names the column, for the error.
        separator: separator of several labels of a document. They are sorted, each once, and a text without any is "".

    Returns:
        large_string, null where the label is missing or empty.

    Raises:
        DataError: the column is nested, such as a column of lists.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if separator is not None and (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        values = joined_lists(values, separator, where)
        kind = values.type
    if pa.types.is_nested(kind):
        several = ", --label-separator '|' takes several of them" if option == "--label" else ""
        raise DataError(
            f"{where} holds {kind}, not one {option[2:]} for each document",
            hint=f"{option} names another column{several}",
        )
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
    if pa.types.is_large_binary(kind) or pa.types.is_binary(kind):
        values = _replaced(values, encoding)
    values = pc.utf8_trim_whitespace(values.cast(pa.large_string()))
    if separator is not None:
        encoded = values.dictionary_encode()
        sets = [_label_set(value.split(separator), separator) for value in encoded.dictionary.to_pylist()]
        return pa.array(sets, pa.large_string()).take(encoded.indices)
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.large_string()), values)


def joined_lists(values: pa.Array, separator: str, where: str) -> pa.Array:
    """Join the labels of each list by a separator, large_string, null where a list is missing.

    Raises:
        DataError: a label holds the separator.
    """
    labels = as_labels(values.flatten(), where)
    if pc.any(pc.match_substring(labels, separator)).as_py():
        raise DataError(f"{where} has labels that hold {separator!r}", hint="give another --label-separator")
    lists = pa.LargeListArray.from_arrays(
        pc.cumulative_sum(pa.array([0, *pc.list_value_length(values).fill_null(0).to_pylist()], pa.int64())),
        labels.fill_null(""),
        mask=pc.is_null(values),
    )
    return pc.binary_join(lists, pa.scalar(separator, pa.large_string()))


def joined_flags(columns: Mapping[str, pa.Array], ids: pa.Array, separator: str) -> pa.Array:
    """Join the names of the columns that hold 1 in each row by a separator, large_string.

    Raises:
        DataError: a value is neither 0 nor 1, nor true or false.
    """
    sets: list[list[str]] = [[] for _ in ids]
    for name, values in columns.items():
        texts = pc.utf8_lower(as_labels(values, f"column {name!r}").fill_null(""))
        known = pc.index_in(texts, pa.array(list(_FLAGS), pa.large_string()))
        if known.null_count:
            row = pc.index(pc.is_null(known), True).as_py()
            raise DataError(
                f"{ids[row].as_py()}: column {name!r} holds {texts[row].as_py()!r}, where a label's column has 0 or 1",
                hint="--label names the columns of labels",
            )
        for row in np.flatnonzero(np.array(list(_FLAGS.values()))[known.to_numpy()]).tolist():
            sets[row].append(name)
    return pa.array([_label_set(names, separator) for names in sets], pa.large_string())


def _label_set(labels: Iterable[str], separator: str) -> str:
    """Return labels sorted, each once and without surrounding white space, joined by the separator."""
    return separator.join(sorted({label.strip() for label in labels} - {""}))


def as_parts(values: pa.Array, ids: pa.Array, column: str) -> pa.Array:
    """Convert a column of split names to codes, int8: 0 train, 1 test, 2 validation.

    Raise a `DataError` that names a wrong row.
    """
    names = pc.utf8_lower(pc.fill_null(as_labels(values, column), ""))
    index = pc.index_in(names, pa.array(list(PARTS), pa.large_string()))
    if index.null_count:
        row = pc.index(pc.is_null(index), True).as_py()
        raise DataError(
            f"{ids[row].as_py()}: column {column!r} says {names[row].as_py()!r}, and train, val or test elsewhere; "
            f"mend the row, or rename the column if it says something else"
        )
    return pa.array(list(PARTS.values()), pa.int8()).take(index)


def numbered(name: str, numbers: np.ndarray) -> pa.Array:
    """Return ids of rows, which join the file name and a number by a colon."""
    text = pa.array(numbers, pa.int64()).cast(pa.large_string())
    return pc.binary_join_element_wise(
        pa.scalar(_printable(name), pa.large_string()), text, pa.scalar(":", pa.large_string())
    )


def _decoded(raw: pa.Array | pa.ChunkedArray, format: DocumentFormat) -> tuple[pa.Array | pa.ChunkedArray, list[int]]:
    """Decode documents, and return the rows with bytes that are invalid in the encoding."""
    if is_utf8(format.encoding):
        try:
            return raw.cast(pa.large_string()), []
        except pa.ArrowInvalid:
            pass
    texts, wrong = [], []
    for row, value in enumerate(raw.to_pylist()):
        try:
            texts.append(value.decode(format.encoding))
        except UnicodeDecodeError:
            wrong.append(row)
            texts.append(value.decode(format.encoding, errors="replace"))
    return pa.array(texts, pa.large_string()), wrong


def _replaced(raw: pa.Array, encoding: str) -> pa.Array:
    if is_utf8(encoding):
        with contextlib.suppress(pa.ArrowInvalid):
            return raw.cast(pa.large_string())
    texts = [None if value is None else value.decode(encoding, errors="replace") for value in raw.to_pylist()]
    return pa.array(texts, pa.large_string())


def _body(text: str) -> str:
    """Return a post without its headers."""
    ends = [position + len(gap) for gap in ("\n\n", "\r\n\r\n") if (position := text.find(gap)) >= 0]
    return text[min(ends) :] if ends else text


def _strings(values: Sequence[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.large_string())
    except UnicodeEncodeError:
        return pa.array([None if value is None else _printable(value) for value in values], pa.large_string())


def _printable(name: str) -> str:
    """Return a file name with bytes that are not UTF-8 escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
