"""Errors of a user's own model code, told in one line that names the place in the code."""

import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from raysq.errors import RaysqError, UsageError

_LONGEST = 400  # characters of a message
# TensorFlow's: memory that ran out, and another worker of the group that is gone.
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
    """Whether a model is named `package.module:function`, and none of raysq's."""
    return ":" in model


@contextmanager
def user_errors(model: str, doing: str, *, everything: bool = False) -> Iterator[None]:
    """Turn an error of a user's own model into one line; errors of raysq's own models pass.

    Args:
        model: a model's name, or `package.module:function`.
        doing: the part of the sentence that follows the model's name: "cannot be built".
        everything: whether errors are turned that no line of the user's code is part of, too. Where the only thing
            that happens is that the model is built and called, these are the model's as well.

    Raises:
        UsageError: instead of any other error but raysq's own.
    """
    try:
        yield
    except RaysqError:
        raise
    except (Exception, SystemExit) as error:
        if not is_own(model) or isinstance(error, MemoryError) or type(error).__name__ in _NOT_OF_MODELS:
            raise
        place = place_of(error, model)
        if place is None and not everything:
            raise
        raise UsageError(
            f"model {model!r} {doing}: {describe(error)}{f' ({place})' if place else ''}; --debug shows the traceback"
        ) from error


def user_loop(model: str, records: Iterator[Any]) -> Iterator[Any]:
    """Iterate over what training a model yields, with its errors turned into one line; those of the caller pass."""
    while True:
        with user_errors(model, "fails when it is trained"):
            record = next(records, None)
        if record is None:
            return
        yield record


def describe(error: BaseException) -> str:
    """The problem and the message of an error, in one line."""
    text = _COLORS.sub("", str(error))
    if "in user code:" in text or text.startswith("Graph execution error"):
        # TensorFlow has a traceback in the message, and a line of code after each of its frames.
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        frames = [number for number, line in enumerate(lines) if _FRAME.match(line)]
        rest = lines[frames[-1] + 2 :] if frames else lines[1:]
        rest = [line for line in rest if not line.startswith(_NOISE) and set(line) - set("^~ *")]
        if rest:
            text = rest[0] if text.startswith("Graph") else " ".join(rest)
            return _short(text)
    # Keras appends the arguments of the call, which hold whole tensors.
    text = re.split(r"\s+Arguments received by ", text)[0]
    text = " ".join(re.sub(r"\{\{.*?\}\}|\[Op:\w+\]", "", text).split())
    return _short(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def place_of(error: BaseException, model: str) -> str | None:
    """The innermost line of the user's code that an error passed: "model.py:12, in build"; None where there is none."""
    if isinstance(error, SyntaxError) and error.filename and _is_users(error.filename, model):
        return f"{_shown(error.filename)}:{error.lineno}"
    frames = [(one.filename, one.lineno, one.name) for one in traceback.extract_tb(error.__traceback__)]
    # Code that TensorFlow has rewritten is named in the message only.
    frames += [(file, int(line), name) for file, line, name in _FRAME.findall(str(error))]
    found = [frame for frame in frames if _is_users(frame[0], model)]
    if not found:
        return None
    file, number, name = found[-1]
    return f"{_shown(file)}:{number}, in {name}"


def _is_users(file: str, model: str) -> bool:
    """Whether a file is neither of Python, nor an installed package other than the model's, nor of raysq."""
    if not os.path.isabs(file):
        return not file.startswith("<")
    if "__autograph_generated_file" in file:
        return False
    top = sys.modules.get(model.partition(":")[0].partition(".")[0])
    home = getattr(top, "__file__", None)
    if home is not None and (_inside(file, os.path.dirname(home)) if home.endswith("__init__.py") else file == home):
        return True
    return not any(_inside(file, folder) for folder in _others())


def _inside(file: str, folder: str) -> bool:
    return file.startswith(folder + os.sep)


@cache
def _others() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    found.add(str(Path(__file__).resolve().parents[1]))
    return tuple(sorted(found))


def _shown(file: str) -> str:
    """A path relative to the current folder where it lies in it."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative
