"""Errors of a user's own model code, reported in one line that names the place in the code."""

import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from raysq import backend
from raysq.errors import RaysqError, UsageError
from raysq.training.model_source import import_source

_MAX_LENGTH = 400  # characters of a message
# TensorFlow errors that are not caused by a model: out of memory, or the loss of another worker of the group.
_NOT_OF_MODELS = (
    "ResourceExhaustedError",
    "UnavailableError",
    "AbortedError",
    "CancelledError",
    "DeadlineExceededError",
)
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_NOISE = ("Detected at node", "<stack traces", "[[{{", "Arguments received", "•")  # of TensorFlow and Keras
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')


def is_own(model: str) -> bool:
    """Return whether a model is the user's own, which is named `package.module:function`."""
    return ":" in model


@contextmanager
def user_errors(model: str, doing: str, *, everything: bool = False) -> Iterator[None]:
    """Convert an error of a user's own model to a one-line `UsageError`; errors of raysq's models are not converted.

    Args:
        model: name of a model, or `package.module:function`.
        doing: part of the message after the model's name, such as "cannot be built".
        everything: whether to convert errors without a line of the user's code in their traceback too. Set it where
            the block only builds or calls the model. Defaults to False.

    Raises:
        UsageError: the user's code raised an error. Errors of raysq, out-of-memory errors and the loss of another
            worker are raised unchanged.
    """
    try:
        yield
    except RaysqError:
        raise
    except (Exception, SystemExit) as error:
        if not is_own(model) or isinstance(error, MemoryError) or type(error).__name__ in _NOT_OF_MODELS:
            raise
        line = line_of(error, model)
        if line is None and not everything:
            raise
        raise UsageError(
            f"model {model!r} {doing}: {describe(error)}{f' ({line})' if line else ''}; --debug shows the traceback"
        ) from error


def user_loop(model: str, records: Iterator[Any]) -> Iterator[Any]:
    """Iterate over the records of training a model, converting its errors as `user_errors` does.

    Errors that the caller raises between two records are not converted. Records are never None.
    """
    while True:
        with user_errors(model, "fails when it is trained"):
            record = next(records, None)
        if record is None:
            return
        yield record


def import_named(module: str, path: str, what: str, place: str, digest: str = "", folder: str = "") -> ModuleType:
    """Import the module of something that the user has named, after Keras.

    Args:
        module: `package.module`.
        path: what the user has named, `package.module:name`.
        what: how errors begin, such as "model 'package.module:name'".
        place: where the module is looked for, for the error.
        digest, folder: see `raysq.training.model_source.import_source`.

    Raises:
        UsageError: there is no such module, or it cannot be imported.
        SourceChanged: the module has another source.
    """
    backend.load()
    try:
        return import_source(module, digest, folder)
    except RaysqError:
        raise
    except Exception as error:  # the user's module may raise anything
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise UsageError(f"{what}: there is no module {error.name!r} {place}") from None
        line = line_of(error, path)
        raise UsageError(
            f"{what}: its module cannot be imported: {describe(error)}{f' ({line})' if line else ''}"
        ) from error


def describe(error: BaseException) -> str:
    """Return the class and the message of an error in one line."""
    text = _COLORS.sub("", str(error))
    if "in user code:" in text or text.startswith("Graph execution error"):
        # TensorFlow's message holds a traceback with a line of code after each frame.
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        frames = [number for number, line in enumerate(lines) if _FRAME.match(line)]
        rest = lines[frames[-1] + 2 :] if frames else lines[1:]
        rest = [line for line in rest if not line.startswith(_NOISE) and set(line) - set("^~ *")]
        if rest:
            text = rest[0] if text.startswith("Graph") else " ".join(rest)
            return _short(text)
    # Keras appends the arguments of the call, which may be whole tensors.
    text = re.split(r"\s+Arguments received by ", text)[0]
    text = " ".join(re.sub(r"\{\{.*?\}\}|\[Op:\w+\]", "", text).split())
    return _short(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + "..."


def line_of(error: BaseException, model: str) -> str | None:
    """Return the innermost line of the user's code in a traceback, such as "model.py:12, in build", or None."""
    if isinstance(error, SyntaxError) and error.filename and _is_users(error.filename, model):
        return f"{_shown(error.filename)}:{error.lineno}"
    frames = [(frame.filename, frame.lineno, frame.name) for frame in traceback.extract_tb(error.__traceback__)]
    # Frames of code that TensorFlow has rewritten are named in the message only.
    frames += [(file, int(line), name) for file, line, name in _FRAME.findall(str(error))]
    own = [frame for frame in frames if _is_users(frame[0], model)]
    if not own:
        return None
    file, number, name = own[-1]
    return f"{_shown(file)}:{number}, in {name}"


def _is_users(file: str, model: str) -> bool:
    """Return whether a file is user code: not of Python, raysq, or installed packages other than the model's."""
    if not os.path.isabs(file):
        return not file.startswith("<")
    if "__autograph_generated_file" in file:
        return False
    top = sys.modules.get(model.partition(":")[0].partition(".")[0])
    home = getattr(top, "__file__", None)
    if home is not None and (_inside(file, os.path.dirname(home)) if home.endswith("__init__.py") else file == home):
        return True
    return not any(_inside(file, folder) for folder in _other_folders())


def _inside(file: str, folder: str) -> bool:
    return file.startswith(folder + os.sep)


@cache
def _other_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    folders.add(str(Path(__file__).resolve().parents[1]))
    return tuple(sorted(folders))


def _shown(file: str) -> str:
    """Return a path relative to the current folder if it lies inside of it, else unchanged."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative
