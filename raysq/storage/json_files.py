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
    """Range of the `format_version` values of a JSON file that can be read.

    Attributes:
        newest: latest readable version.
        oldest: earliest readable version.
    """

    newest: int
    oldest: int


@overload
def read_json(path: Path, form: type[T], hint: str, *, version: Version | None = None) -> T: ...


@overload
def read_json(path: Path, form: type[T], hint: str, *, version: Version | None = None, missing: M) -> T | M: ...


def read_json(path: Path, form: Any, hint: str, *, version: Version | None = None, missing: Any = _REQUIRED) -> Any:
    """Read a JSON file, and verify its checksum and its types.

    Args:
        path: the file. A file without a checksum, written by an older raysq or by hand, is only checked for its types.
        form: type of the contents, as for `check_form`.
        hint: remedy for the error message if the file is damaged.
        version: readable format versions; None if the file has no version.
        missing: value to return if the file does not exist. By default a missing file is an error.

    Returns:
        The values without their checksum.

    Raises:
        DamagedError: the file is missing, truncated, changed, or of another type. The message states the remedy.
        DataError: the file's format version is newer or older than the readable ones.
    """
    text = _text(path, hint, optional=missing is not _REQUIRED)
    if text is None:
        return missing
    try:
        return _opened(json.loads(text), form, path, version, hint)
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise _damaged(path, error, hint) from None


def read_json_lines(path: Path, form: type[T], hint: str, most: int | None = None) -> list[T]:
    """Read a file with one JSON object per line, as `read_json` does. A missing file gives an empty list.

    Args:
        path: the file.
        form: type of a line.
        hint: remedy for the error message if the file is damaged.
        most: maximum number of lines to read (default: all).

    Raises:
        DamagedError: a line is truncated, changed, or of another type. The message names it and states the remedy.
    """
    found: list[T] = []
    # `splitlines` would also split at characters that JSON strings may contain.
    lines = (_text(path, hint, optional=True) or "").split("\n")
    lines = lines if lines[-1] else lines[:-1]
    for number, line in enumerate(lines[:most], 1):
        try:
            found.append(_opened(json.loads(line), form, path, None, hint))
        except (ValueError, RecursionError) as error:
            raise _damaged(path, f"line {number}: {_said(error)}", hint) from None
    return found


def check_form(value: Any, form: Any, place: str = "") -> None:
    """Check that a JSON value has a type.

    Args:
        value: value returned by `json.loads`.
        form: `Any`, a JSON type, `list[...]`, `dict[str, ...]`, a tuple, a union, a `TypedDict` (extra keys are
            allowed) or a dataclass (extra keys are errors).
        place: position of the value in the file, for the message.

    Raises:
        ValueError: the value has another type.
    """
    origin, arguments = typing.get_origin(form), typing.get_args(form)
    if form is Any:
        return
    if origin in (typing.Required, typing.NotRequired):
        return check_form(value, arguments[0], place)
    if origin in (typing.Union, types.UnionType):
        _check_union(value, arguments, place)
    elif typing.is_typeddict(form):
        _check_keys(value, _hints(form), form.__required_keys__, place, closed=False)
    elif dataclasses.is_dataclass(form):
        fields = dataclasses.fields(form)
        required = {
            field.name
            for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        hints = _hints(cast(type, form))
        # Fields only, without pseudo-fields such as `InitVar`.
        _check_keys(value, {field.name: hints[field.name] for field in fields}, required, place, closed=True)
    elif origin is tuple and arguments[1:] != (...,):
        _check_type(value, list, place)
        if len(value) != len(arguments):
            raise ValueError(f"{_at(place)}expected {len(arguments)} values, received {len(value)}")
        for number, (one, inner) in enumerate(zip(value, arguments, strict=True)):
            check_form(one, inner, f"{place}[{number}]")
    elif origin in (list, tuple, Sequence):
        _check_type(value, list, place)
        for number, one in enumerate(value):
            check_form(one, arguments[0], f"{place}[{number}]")
    elif origin in (dict, Mapping):
        _check_type(value, dict, place)
        for key, one in value.items():
            check_form(one, arguments[1], f"{place}.{key}" if place else key)
    else:
        _check_type(value, form, place)


@functools.cache
def _hints(form: type) -> dict[str, Any]:
    return typing.get_type_hints(form)


def _check_union(value: Any, forms: Sequence[Any], place: str) -> None:
    errors = []
    for form in forms:
        try:
            return check_form(value, form, place)
        except ValueError as error:
            errors.append(error)
    raise errors[0]


def _check_keys(value: Any, forms: Mapping[str, Any], required: Any, place: str, *, closed: bool) -> None:
    _check_type(value, dict, place)
    for key in forms:  # in declaration order, so that the message is deterministic
        if key in required and key not in value:
            raise ValueError(f"{_at(place)}{key!r} is missing")
    for key, one in value.items():
        if key in forms:
            check_form(one, forms[key], f"{place}.{key}" if place else key)
        elif closed:
            raise ValueError(f"{_at(place)}{key!r} is unknown")


_NAMES = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number", bool: "a boolean"}


def _check_type(value: Any, form: Any, place: str) -> None:
    if form is None or form is type(None):
        fits = value is None
    elif form is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif form is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    else:
        fits = isinstance(value, form)
    if not fits:
        shown = json.dumps(value)
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
        raise ValueError(f"{_at(place)}expected {_NAMES.get(form, 'null')}, received {shown}")


def _at(place: str) -> str:
    return f"{place}: " if place else ""


def _opened(values: Any, form: Any, path: Path, version: Version | None, hint: str) -> Any:
    """Check the version, checksum and types of values, and return them without the checksum."""
    if version is not None:
        check_form(values, _Versioned)
        found = values["format_version"]
        if found > version.newest:
            raise DataError(f"{path} has format_version {found}, this raysq reads up to {version.newest}: update raysq")
        if found < version.oldest:
            raise DataError(f"{path} has format_version {found}, this raysq reads {version.oldest} and later; {hint}")
    values = [_unsealed(value) for value in values] if isinstance(values, list) else _unsealed(values)
    check_form(values, form)
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
    return DamagedError(f"{path} is damaged ({_said(error)})", hint)


def _said(error: object) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start:,} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return "it is empty" if not error.doc.strip() else f"not JSON: {error.msg} at character {error.pos:,}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
