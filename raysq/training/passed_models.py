"""Model functions that are passed in Python, such as those of a notebook: their names, sources and digests.

A function of a module is named `package.module:function`, as on the command line. Any other function, such as one of a
notebook, a script or another function, is named `<python>:NAME` and known to this process, and to the processes that
Ray starts for it.
"""

import dis
import functools
import hashlib
import inspect
import json
import pickle
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from raysq.errors import UsageError
from raysq.problems.specs import ModelSpec
from raysq.training.model_source import own_source_digest
from raysq.training.plain_values import plain_text

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


def registered_objects() -> dict[str, Any]:
    """Return the classes and functions that a script or notebook registered with Keras, by their registered name.

    A process that gets such a class by value knows it under this name only after `register_objects`.
    """
    keras: Any = sys.modules.get("keras")
    if keras is None:
        return {}
    registered = keras.saving.get_custom_objects()
    return {
        name: value
        for name, value in registered.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and not _is_importable(value)
    }


def register_objects(objects: Mapping[str, Any]) -> None:
    """Register the result of `registered_objects` of another process with Keras. Keras must be loaded."""
    if not objects:
        return
    import keras

    for name, value in objects.items():
        package, sign, short = name.partition(">")
        if sign:
            keras.saving.register_keras_serializable(package, short)(value)
        else:
            keras.saving.get_custom_objects()[name] = value


def _is_importable(model: Any) -> bool:
    """Return whether a module with a file has the object under its name, so that every process can import it."""
    module = sys.modules.get(model.__module__)
    if model.__module__ == "__main__" or not getattr(module, "__file__", None):
        return False
    return getattr(module, model.__name__, None) is model


def _sources(model: Any) -> Iterator[str]:
    """Yield the sources of a function and of all that it uses of its module: functions, classes and constants.

    A digest stands for the sources of the user's other modules that it uses, and nothing for installed packages.
    """
    waiting: list[tuple[str, Any]] = [(model.__name__, model)]
    seen: set[str] = set()
    modules: set[str] = set()
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
        waiting += sorted(_used(value, model.__module__, modules), key=lambda pair: pair[0])
    if digest := own_source_digest(name for name in modules if name.partition(".")[0] != "raysq"):
        yield f"# imported modules of the user's own: sha256 {digest}"


def _used(value: Any, module: str, modules: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield name and value of what a function or class uses of its module and of the functions around it.

    The names of other modules that it uses are added to `modules`.
    """
    if inspect.isclass(value):
        modules.update({base.__module__ for base in value.__mro__} - {module})
        bases = [base for base in value.__mro__[1:] if base.__module__ == module]
        yield from ((base.__name__, base) for base in bases)
        functions = [function for part in vars(value).values() for function in _functions_of(part)]
    else:
        functions = [inspect.unwrap(value)]
    for function in functions:
        for name, used in _names(function):
            for part in (used, *_members(used)):
                code = inspect.unwrap(part) if callable(part) else part
                is_code = inspect.isclass(code) or inspect.isroutine(code)
                home = part.__name__ if isinstance(part, types.ModuleType) else getattr(code, "__module__", None)
                if home is not None and home != module:
                    modules.add(home)
                if isinstance(part, types.ModuleType) or (is_code and home != module):
                    continue
                if is_code or part is used:
                    yield name if part is used else code.__name__, code


def _functions_of(part: Any) -> list[Any]:
    """Return the functions of an attribute of a class: a method, also of the class or static, or a property."""
    if isinstance(part, property):
        return [function for function in (part.fget, part.fset) if function is not None]
    part = getattr(part, "__func__", part)
    return [inspect.unwrap(part)] if inspect.isfunction(part) else []


def _members(value: Any) -> list[Any]:
    """Return what a list, tuple or dict of functions and classes holds, and a function with arguments."""
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []


def _names(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield the global names, the variables of outer functions and the defaults that a function uses, with values."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty:
            yield f"{function.__name__}.{parameter.name}", parameter.default
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        # Only names of globals: those of attributes stand beside them in `co_names`.
        names = {part.argval for part in dis.get_instructions(code) if part.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        for name in sorted(names):
            if name in function.__globals__:
                yield name, function.__globals__[name]


def _constant(name: str, value: Any) -> str:
    """Return a line of source for a constant; long or other values are given by a digest."""
    text = repr(value)
    plain = plain_text(value)
    # The order of a set differs from process to process.
    if plain is not None and len(text) <= 500 and "set(" not in plain and "ndarray " not in plain:
        return f"{name} = {text}"
    content = plain.encode() if plain is not None else _content(name, value)
    return f"{name} = ...  # {type(value).__name__}, sha256 {hashlib.sha256(content).hexdigest()}"


def _content(name: str, value: Any) -> bytes:
    """Return bytes by which a value that is not plain is known.

    Raises:
        UsageError: it has none, or it is a layer, whose weights all models that the function builds would share.
    """
    keras: Any = sys.modules.get("keras")
    if keras is not None and isinstance(value, keras.Layer):
        raise UsageError(
            f"the model function uses {name}, a {type(value).__name__} of outside, which all models that it builds "
            f"would share with its weights: make it inside of the function"
        )
    if any(inspect.isclass(part) or inspect.isroutine(part) for part in _members(value)):
        return repr([getattr(part, "__qualname__", None) or plain_text(part) for part in _members(value)]).encode()
    try:
        if keras is not None and hasattr(value, "get_config"):
            # Objects of Keras draw a seed, which their configuration leaves out.
            return json.dumps(keras.saving.serialize_keras_object(value), sort_keys=True).encode()
        return pickle.dumps(value)
    except Exception as error:  # any class may refuse it
        raise UsageError(
            f"the model function uses {name}, a {type(value).__name__} that cannot be sent to workers "
            f"({type(error).__name__}): make it inside of the function"
        ) from None
