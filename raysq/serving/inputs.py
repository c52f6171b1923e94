"""Bodies of requests, converted to the raw rows that a run predicts for."""

import base64
import binascii
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.data.readers.arrow_files import read_stream
from raysq.data.readers.limits import LIMITS
from raysq.errors import DataError, UsageError
from raysq.inference.predictor import Predictor, for_predict
from raysq.problems.base import RowContext
from raysq.problems.interface import Input, InputKind
from raysq.serving.messages import ARROW, JSON, HttpError, Request

if TYPE_CHECKING:
    import pyarrow as pa

TEXT = "text/plain"  # one text, where csv is a table of them
_MOST_CELLS = 1 << 24  # of rows in JSON, whose columns are those that any row has
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Suffix of the file that a body of a media type is, and the kinds of inputs that come in such files.
_FILES: Mapping[str, tuple[str, tuple[InputKind, ...]]] = {
    "text/csv": (".csv", ("text", "prompt", "sentence", "word", "rows")),
    TEXT: ("", ("text", "prompt", "sentence", "word")),
    "image/png": (".png", ("image",)),
    "image/jpeg": (".jpg", ("image",)),
}


def file_types(kind: InputKind) -> list[str]:
    """Return the media types of files that are taken as they are for inputs of a kind."""
    return [media_type for media_type, (_, kinds) in _FILES.items() if kind in kinds]


def read_rows(predictor: Predictor, input: Input, request: Request) -> "tuple[pa.Table, RowContext | None]":
    """Return the raw rows of a request to predict, and their context, for `Predictor.predict_table`.

    Raises:
        HttpError: the media type is not one of those that the run takes.
        UsageError: the body has another form.
        DataError: the rows cannot be used.
    """
    import pyarrow as pa

    if request.media_type == JSON:
        convert: Callable[[list[Any]], Any] = _CONVERTERS.get(input.kind, texts_of)
        return predictor.rows(convert(inputs_of(json_object(request.body))))
    if request.media_type == ARROW:
        return predictor.rows(_arrow_table(request.body))
    suffix, kinds = _FILES.get(request.media_type, ("", ()))
    if input.kind not in kinds:
        takes = ", ".join([JSON, ARROW, *file_types(input.kind)])
        raise HttpError(415, f"the run takes bodies of {takes}, received {request.media_type or 'no Content-Type'}")
    if input.kind == "image":
        return predictor.rows({"image": pa.array([request.body], pa.binary())})
    if request.media_type == TEXT:
        return predictor.rows([_decoded(request.body)])
    with tempfile.TemporaryDirectory(prefix="raysq-serve-") as folder, for_predict():
        path = Path(folder) / f"input{suffix}"
        path.write_bytes(request.body)
        return predictor.file_rows(path)


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a body that is a JSON object.

    Raises:
        UsageError: it is none.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a number of JSON; a missing value is null")

    try:
        value = json.loads(body, parse_constant=refuse)
        if _SURROGATE.search(body):  # half a character, which no file holds: `predict` replaces it too
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError among them
        raise UsageError(f"the body is not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UsageError(f"the body must be a JSON object, received {_kind(value)}", 'send {"inputs": [...]}')
    return value


def inputs_of(values: Mapping[str, Any]) -> list[Any]:
    """Return the inputs of a parsed body.

    Raises:
        UsageError: there are none, or they are no list.
    """
    if "inputs" not in values:
        named = ", ".join(map(repr, values)) or "nothing"
        raise UsageError(f"the body lacks inputs; it has {named}", 'send {"inputs": [...]}')
    inputs = values["inputs"]
    if not isinstance(inputs, list) or not inputs:
        received = "an empty list" if inputs == [] else _kind(inputs)
        raise UsageError(f"inputs must be a list with an input at least, received {received}")
    return inputs


def texts_of(inputs: list[Any]) -> list[str]:
    """Return inputs that are texts, or raise `UsageError`."""
    for number, value in enumerate(inputs):
        if not isinstance(value, str):
            raise UsageError(f"inputs must be texts, and number {number} of them is {_kind(value)}")
    return inputs


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"the body is not UTF-8 ({error.reason} at byte {error.start:,})") from None


def _images(inputs: list[Any]) -> "dict[str, pa.Array]":
    import pyarrow as pa

    images = []
    for number, text in enumerate(texts_of(inputs)):
        try:
            images.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            raise UsageError(f"inputs must be image files in base64, and number {number} of them is not") from None
    return {"image": pa.array(images, pa.binary())}


def _columns(inputs: list[Any]) -> dict[str, list[Any]]:
    names: dict[str, None] = {}
    for number, row in enumerate(inputs):
        if not isinstance(row, dict):
            raise UsageError(f"inputs must be rows, as objects by column, and number {number} of them is {_kind(row)}")
        names |= dict.fromkeys(row)
        if len(names) * len(inputs) > _MOST_CELLS:
            raise UsageError(
                f"inputs have more than {_MOST_CELLS:,} cells: {len(inputs):,} rows of {len(names):,} or more columns",
                "send less at once",
            )
    if not names:
        raise UsageError("inputs must be rows, as objects by column, and they have no columns")
    return {name: [row.get(name) for row in inputs] for name in names}


_CONVERTERS: Mapping[InputKind, Callable[[list[Any]], Any]] = {"image": _images, "rows": _columns}


def _arrow_table(body: bytes) -> "pa.Table":
    table = read_stream(body, "the Arrow stream", LIMITS)
    if not table.num_rows:
        raise DataError("the Arrow stream has no rows")
    return table


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")
