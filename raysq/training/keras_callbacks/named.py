"""Callbacks that a command line names: `MODULE:NAME`, with arguments of a class or function after commas."""

import inspect
from collections.abc import Sequence
from typing import Any

from raysq.errors import UsageError
from raysq.training.model_source import is_of_python
from raysq.training.user_code import describe, import_named, line_of


def import_callbacks(names: Sequence[str]) -> list[Any]:
    """Import the callbacks of a command line and make new objects of classes and functions.

    Args:
        names: texts such as "mymodule:Warmup" or "keras.callbacks:EarlyStopping,patience=3". The current folder is
            searched first. Values are numbers, true, false, none, or texts; none of them is evaluated as code.

    Returns:
        A `keras.callbacks.Callback` object for each text.

    Raises:
        UsageError: a module cannot be imported, or a name stands for no callback.
    """
    return [_import_callback(name) for name in names]


def _import_callback(text: str) -> Any:
    path, *pairs = text.split(",")
    module, sign, name = path.partition(":")
    if not (sign and module and name) or not all(part.isidentifier() for part in (*module.split("."), name)):
        raise UsageError(
            f"--callback {text!r} must be MODULE:NAME, as in mymodule:Warmup, or with arguments, as in "
            "keras.callbacks:EarlyStopping,patience=3"
        )
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--callback {text}: {pair!r} must be NAME=VALUE; a value cannot have commas")
        if key in arguments:
            raise UsageError(f"--callback {text}: {key} is given twice: leave one out")
        arguments[key] = _plain(value)
    if is_of_python(module):
        raise UsageError(f"--callback {text}: module {module!r} is part of Python and has no callbacks")
    imported = import_named(module, text, f"--callback {text}", "in the current folder or among the packages")
    if not hasattr(imported, name):
        raise UsageError(f"--callback {text}: module {module!r} has no {name!r}")
    found = getattr(imported, name)
    if not callable(found) or _is_callback(found):
        if arguments:
            raise UsageError(f"--callback {text}: {name} is an object, which takes no arguments: leave {pairs[0]} out")
        made = found
    else:
        made = _make(text, found, arguments)
    if not _is_callback(made):
        what = "is" if made is found else "returns"
        raise UsageError(
            f"--callback {text}: {name} {what} {made!r:.80}, which is no keras.callbacks.Callback object, nor a class "
            "of them or a function that returns one"
        )
    return made


def _plain(value: str) -> Any:
    """Return a number, a truth value or None that a text stands for, else the text."""
    if value.lower() in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[value.lower()]
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _make(text: str, function: Any, arguments: dict[str, Any]) -> Any:
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise UsageError(f"--callback {text}: {error}; the arguments are {inspect.signature(function)}") from None
    except ValueError:  # no signature: the call tells
        pass
    try:
        return function(**arguments)
    except Exception as error:  # the user's code may raise anything
        line = line_of(error, text)
        raise UsageError(
            f"--callback {text} cannot be made: {describe(error)}{f' ({line})' if line else ''}"
        ) from error


def _is_callback(value: Any) -> bool:
    import keras

    return isinstance(value, keras.callbacks.Callback)
