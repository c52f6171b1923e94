"""JSON files written by raysq: sealed with a checksum, and validated before use."""

import dataclasses
import functools
import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, overload

from raysq.errors import DamagedError, DataError

CHECKSUM = "checksum"
_SHOWN = 40  # characters of a value in a message
_REQUIRED: Any = object()

T = TypeVar("T")
M = TypeVar("M")


def seal(values: Any) -> Any:
    """Add a checksum to an object, or to each object of a list. Other values are returned unchanged."""
    if isinstance(values, Mapping):
        return {**values, CHECKSUM: _digest(values)}
    if isinstance(values, list) and all(isinstance(value, Mapping) for value in values):
        return [seal(value) for value in values]
    return values


@dataclasses.dataclass(frozen=True)
class Version:
    """Earliest and latest `format_version` of a JSON file that can be read."""

    newest: int
    oldest: int


@overload
def read_json(path: Path, schema: type[T], hint: str, *, version: Version | None = None) -> T: ...


@overload
def read_json(path: Path, schema: type[T], hint: str, *, version: Version | None = None, missing: M) -> T | M: ...


def read_json(path: Path, schema: Any, hint: str, *, version: Version | None = None, missing: Any = _REQUIRED) -> Any:
    """Read a JSON file, and verify its checksum and its types.

    Args:
        path: the file. A file without a checksum, written by an older raysq or by hand, is only checked for its types.
        schema: type of the contents, as for `check_schema`.
        missing: value to return if the file does not exist. By default a missing file is an error.

    Raises:
        DamagedError: the file is missing, truncated, changed, or of another type. The message states the remedy.
        DataError: the file's format version is newer or older than the readable ones.
    """
    text = _text(path, hint, optional=missing is not _REQUIRED)
    if text is None:
        return missing
    try:
        return _opened(json.loads(text), schema, path, version, hint)
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise _damaged(path, error, hint) from None


def read_json_lines(path: Path, schema: type[T], hint: str, most: int | None = None) -> list[T]:
    """Read a file with one JSON object per line, at most `most`, as `read_json` does.

    A missing file gives an empty list.
    """
    records: list[T] = []
    # `splitlines` would also split at characters that JSON strings may contain.
    lines = (_text(path, hint, optional=True) or "").split("\n")
    lines = lines if lines[-1] else lines[:-1]
    for number, line in enumerate(lines[:most], 1):
        try:
            records.append(_opened(json.loads(line), schema, path, None, hint))
        except (ValueError, RecursionError) as error:
            raise _damaged(path, f"line {number}: {_reason(error)}", hint) from None
    return records


def check_schema(value: Any, schema: Any, position: str = "") -> None:
    """Check that a JSON value has a type.

    Args:
        schema: `Any`, a JSON type, `list[...]`, `dict[str, ...]`, a tuple, a union, a `TypedDict` (extra keys are
            allowed) or a dataclass (extra keys are errors).

    Raises:
        ValueError: the value has another type.
    """
    origin, arguments = typing.get_origin(schema), typing.get_args(schema)
    if schema is Any:
        return
    if origin in (typing.Required, typing.NotRequired):
        return check_schema(value, arguments[0], position)
    if origin in (typing.Union, types.UnionType):
        _check_union(value, arguments, position)
    elif typing.is_typeddict(schema):
        _check_keys(value, _hints(schema), schema.__required_keys__, position, closed=False)
    elif dataclasses.is_dataclass(schema):
        fields = dataclasses.fields(schema)
        required = {
            field.name
            for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        hints = _hints(cast(type, schema))
        # Fields only, without pseudo-fields such as `InitVar`.
        _check_keys(value, {field.name: hints[field.name] for field in fields}, required, position, closed=True)
    elif origin is tuple and arguments[1:] != (...,):
        _check_type(value, list, position)
        if len(value) != len(arguments):
            raise ValueError(f"{_at(position)}expected {len(arguments)} values, received {len(value)}")
        for number, (item, inner) in enumerate(zip(value, arguments, strict=True)):
            check_schema(item, inner, f"{position}[{number}]")
    elif origin in (list, tuple, Sequence):
        _check_type(value, list, position)
        for number, item in enumerate(value):
            check_schema(item, arguments[0], f"{position}[{number}]")
    elif origin in (dict, Mapping):
        _check_type(value, dict, position)
        for key, item in value.items():
            check_schema(item, arguments[1], f"{position}.{key}" if position else key)
    else:
        _check_type(value, schema, position)


@functools.cache
def _hints(schema: type) -> dict[str, Any]:
    return typing.get_type_hints(schema)


def _check_union(value: Any, schemas: Sequence[Any], position: str) -> None:
    errors = []
    for schema in schemas:
        try:
            return check_schema(value, schema, position)
        except ValueError as error:
            errors.append(error)
    raise errors[0]


def _check_keys(value: Any, schemas: Mapping[str, Any], required: Any, position: str, *, closed: bool) -> None:
    _check_type(value, dict, position)
    for key in schemas:  # in declaration order, so that the message is deterministic
        if key in required and key not in value:
            raise ValueError(f"{_at(position)}{key!r} is missing")
    for key, item in value.items():
        if key in schemas:
            check_schema(item, schemas[key], f"{position}.{key}" if position else key)
        elif closed:
            raise ValueError(f"{_at(position)}{key!r} is unknown")


_NAMES = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number", bool: "a boolean"}


def _check_type(value: Any, schema: Any, position: str) -> None:
    if schema is None or schema is type(None):
        fits = value is None
    elif schema is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif schema is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    else:
        fits = isinstance(value, schema)
    if not fits:
        shown = json.dumps(value)
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
        raise ValueError(f"{_at(position)}expected {_NAMES.get(schema, 'null')}, received {shown}")


def _at(position: str) -> str:
    return f"{position}: " if position else ""


def _opened(values: Any, schema: Any, path: Path, version: Version | None, hint: str) -> Any:
    """Check the version, checksum and types of values, and return them without the checksum."""
    if version is not None:
        check_schema(values, _Versioned)
        number = values["format_version"]
        if number > version.newest:
            raise DataError(
                f"{path} has format_version {number}, this raysq reads up to {version.newest}; update raysq"
            )
        if number < version.oldest:
            raise DataError(f"{path} has format_version {number}, this raysq reads {version.oldest} and later; {hint}")
    values = [_unsealed(value) for value in values] if isinstance(values, list) else _unsealed(values)
    check_schema(values, schema)
    return values


class _Versioned(typing.TypedDict):
    format_version: int


def _unsealed(values: Any) -> Any:
    if not isinstance(values, dict) or CHECKSUM not in values:
        return values
    rest = {key: value for key, value in values.items() if key != CHECKSUM}
    if values[CHECKSUM] != _digest(rest):
        raise ValueError(f'its checksum is of other values; if you have edited it yourself, take "{CHECKSUM}" out')
    return rest


def _digest(values: Mapping[str, Any]) -> str:
    # Digest of the JSON text, which is the same after a round trip through a file.
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def _text(path: Path, hint: str, *, optional: bool) -> str | None:
    try:
        if path.exists() and not path.is_file():  # reading a pipe would block
            raise DamagedError(f"{path} is not a file", hint)
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        if optional:
            return None
        raise DamagedError(f"{path} is missing", hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error, hint) from None


def _damaged(path: Path, error: object, hint: str) -> DamagedError:
    return DamagedError(f"{path} is damaged ({_reason(error)})", hint)


def _reason(error: object) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start:,} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return "it is empty" if not error.doc.strip() else f"not JSON: {error.msg} at character {error.pos:,}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
