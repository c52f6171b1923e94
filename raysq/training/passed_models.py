"""Model functions that are passed in Python, such as those of a notebook: their names, sources and digests.

A function of a module is named `package.module:function`, as on the command line. Any other function, such as one of a
notebook, a script or another function, is named `<python>:NAME` and known to this process, and to the processes that
Ray starts for it.
"""

import hashlib
import inspect
import pickle
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from raysq.errors import UsageError
from raysq.problems.specs import ModelSpec

PREFIX = "<python>"
SOURCE_FILE = "model_source.py"  # in a run's directory, for people; it is never imported


class FunctionNotPassed(UsageError):
    """Raised where a model is a function that was passed in Python to another process."""

    @classmethod
    def of(cls, model: str) -> Self:
        """Return the error for a model."""
        name = model.partition(":")[2]
        return cls(
            f"model {model!r} is a function that was passed in Python: pass it again, as in raysq.train(TASK, "
            f"model={name})"
        )


@dataclass(frozen=True)
class PassedModel:
    """A model function that was passed in Python.

    Attributes:
        spec: its entry among models; its digest is that of the source.
        source: source of the function, and of the functions, classes and constants of its module that it uses.
    """

    spec: ModelSpec
    source: str


# Models by name. Sent to Ray's processes by `raysq.training.backends.driver_context.DriverContext`.
PASSED: dict[str, PassedModel] = {}


def model_name(model: str | Callable[..., Any] | None) -> str | None:
    """Return the name of a model that is given by name or as a function; a function is remembered under its name.

    Args:
        model: name, function or class of Keras models; None is returned unchanged.

    Raises:
        UsageError: the value is of another type, has no name, or its source cannot be read.
    """
    if model is None or isinstance(model, str):
        return model
    if not (inspect.isclass(model) or inspect.isfunction(model)):
        raise UsageError(
            f"model must be a name, or a function that takes an InputSpec and returns a Keras model, received {model!r}"
        )
    if model.__name__ == "<lambda>":
        raise UsageError("model is a lambda, which has no name: write a function, def build(inputs): ...")
    if _is_importable(model):
        return f"{model.__module__}:{model.__name__}"
    name = f"{PREFIX}:{model.__name__}"
    source = "\n\n".join(_sources(model))
    digest = hashlib.sha256(source.encode()).hexdigest()
    PASSED[name] = PassedModel(ModelSpec(model, xla=False, digest=digest), source)
    return name


def is_passed(model: str) -> bool:
    """Return whether a name is that of a function that was passed in Python."""
    return model.startswith(f"{PREFIX}:")


def source_of(model: str, digest: str) -> str | None:
    """Return the source of a passed model with this digest; None if this process does not know it."""
    passed = PASSED.get(model)
    return passed.source if passed is not None and passed.spec.digest == digest else None


def _is_importable(model: Any) -> bool:
    """Return whether a module with a file has the function under its name, so that every process can import it."""
    module = sys.modules.get(model.__module__)
    if model.__module__ == "__main__" or not getattr(module, "__file__", None):
        return False
    return getattr(module, model.__name__, None) is model


def _sources(model: Any) -> Iterator[str]:
    """Yield the sources of a function and of all that it uses of its module: functions, classes and constants."""
    waiting: list[tuple[str, Any]] = [(model.__name__, model)]
    seen: set[str] = set()
    while waiting:
        name, value = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            yield _constant(name, value)
            continue
        try:
            yield textwrap.dedent(inspect.getsource(value))
        except (OSError, TypeError):
            raise UsageError(
                f"the source of {value.__qualname__} cannot be read, by which a run of it is known: define it in a "
                f"file or a notebook"
            ) from None
        waiting += sorted(_used(value, model.__module__), key=lambda pair: pair[0])


def _used(value: Any, module: str) -> Iterator[tuple[str, Any]]:
    """Yield name and value of what a function or class uses of its module and of the functions around it."""
    if inspect.isclass(value):
        bases = [base for base in value.__mro__[1:] if base.__module__ == module]
        yield from ((base.__name__, base) for base in bases)
        functions = [part for part in vars(value).values() if inspect.isfunction(part)]
    else:
        functions = [inspect.unwrap(value)]
    for function in functions:
        for name, used in _names(function):
            if isinstance(used, types.ModuleType) or getattr(used, "__module__", module) != module:
                continue  # of an installed package, or imported from another module
            yield name, used


def _names(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield the global names and the variables of outer functions that a function uses, with their values."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        for name in code.co_names:
            if name in function.__globals__:
                yield name, function.__globals__[name]


def _constant(name: str, value: Any) -> str:
    """Return a line of source for a constant; long or other values are given by a digest."""
    text = repr(value)
    if isinstance(value, (bool, int, float, str, bytes, tuple, list, dict, type(None))) and len(text) <= 500:
        return f"{name} = {text}"
    if isinstance(value, np.ndarray):
        content = repr((value.dtype.str, value.shape)).encode() + value.tobytes()
    else:
        try:
            content = pickle.dumps(value)
        except Exception as error:  # any class may refuse to be pickled
            raise UsageError(
                f"the model function uses {name}, a {type(value).__name__} that cannot be sent to workers "
                f"({type(error).__name__}): make it inside of the function"
            ) from None
    return f"{name} = ...  # {type(value).__name__}, sha256 {hashlib.sha256(content).hexdigest()}"
