"""Model builders: find the function that a run's model is built by, and read its settings."""

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from raysq.config import Setting, convert, nearest_name, setting_fields
from raysq.errors import UsageError
from raysq.problems.base import Problem
from raysq.problems.specs import ModelSpec
from raysq.storage import trust
from raysq.training.model_source import (
    SourceChanged,
    find_module,
    folder_of,
    imported_digest,
    is_of_python,
)
from raysq.training.passed_models import PASSED, FunctionNotPassed, is_passed
from raysq.training.user_code import describe, import_named, is_own


def find_model(problem: type[Problem[Any, Any]], model: str) -> ModelSpec:
    """Return the entry of a problem's model, or a new one for the user's own model.

    Args:
        problem: class of the problem.
        model: name of a model, or `package.module:function`.

    Raises:
        UsageError: the problem has no model of that name.
    """
    models = problem.models
    if model in PASSED:
        return PASSED[model].spec
    if is_own(model):
        return ModelSpec(model, xla=False)  # unknown whether XLA is faster; --set xla=true enables it
    if model not in models:
        raise UsageError(f"unknown model {model!r}: {nearest_name(model, models)}, or package.module:function")
    return models[model]


def load_builder(
    build: str | Callable[..., Any], digest: str = "", folder: str = "", *, trusted: bool
) -> Callable[..., Any]:
    """Import a model builder; the current folder is searched as well.

    Args:
        build: the builder, or its name `package.module:function`.
        digest: digest of the required source. Defaults to empty, which accepts the present source.
        folder: another folder to search for the required source.
        trusted: whether the builder may be imported: the user named it, this home signed the name, or it is raysq's.

    Returns:
        The function or model class.

    Raises:
        UsageError: there is no such function.
        SourceChanged: the function has another source.
        FunctionNotPassed: the function was passed in Python to another process.
        TrustError: the builder is not trusted.
    """
    if callable(build):  # of a problem that the user has registered, or passed in Python
        if not _is_builder(build):
            raise UsageError(f"model {build!r} is not a function written in Python, nor a class of Keras models")
        return build
    path = build
    if is_passed(path):
        raise FunctionNotPassed.of(path)
    module, _, name = path.partition(":")
    if not trusted:
        raise trust.refusal("the configuration", path, find_module(module), folder)
    if is_of_python(module):
        raise UsageError(f"model {path!r}: module {module!r} is part of Python and builds no models")
    imported = import_named(module, path, f"model {path!r}", f"in {os.getcwd()}", digest, folder)
    builder: Callable[..., Any] | None = getattr(imported, name, None)
    if builder is None:
        raise UsageError(f"model {path!r}: module {module!r} has no function {name!r}")
    if not _is_builder(builder):
        raise UsageError(f"model {path!r} is not a function written in Python, nor a class of Keras models")
    if digest and imported_digest(module, name) != digest:  # a notebook's function that was redefined
        raise SourceChanged(f"the source of {path} has changed since the run was begun: train another run of it")
    return builder


def _is_builder(value: Any) -> bool:
    import keras

    if isinstance(value, functools.partial):
        return _is_builder(value.func)
    if inspect.isclass(value):
        return issubclass(value, keras.Model)
    return inspect.isfunction(inspect.unwrap(value))


def typed_settings(values: Mapping[str, Any], known: Mapping[str, Setting], model: str) -> dict[str, Any]:
    """Return the builder's settings of a configuration, converted to their types; the file may be edited by hand.

    Raises:
        UsageError: a setting is unknown, has a wrong type, or is out of its range.
    """
    for name in values:
        if name not in known:
            raise UsageError(f"model {model!r} has no setting {name!r}: {nearest_name(name, known)}")
    return {
        name: value if value == known[name].default else convert(known[name], value) for name, value in values.items()
    }


def builder_source(spec: ModelSpec) -> tuple[str, str]:
    """Return digest and folder of the source that a builder was imported from; empty where they are unknown."""
    if callable(spec.build):
        return spec.digest, ""
    module, _, name = spec.build.partition(":")
    digest = imported_digest(module, name)
    return (digest, folder_of(module)) if digest else ("", "")


def builder_settings(builder: Callable[..., Any], model: str) -> dict[str, Setting]:
    """Return the settings of a builder, which are its keyword arguments.

    Raises:
        UsageError: the signature of a user's builder cannot be read.
    """
    try:
        return setting_fields(builder)
    except Exception as error:  # unresolvable annotations, classes written in C
        if not is_own(model):
            raise
        raise UsageError(f"model {model!r}: the arguments of its function cannot be read: {describe(error)}") from error


def keyword_hint(builder: Callable[..., Any], key: str) -> str | None:
    """Return a hint where a setting is an argument of the builder that is not keyword-only, else None."""
    parameter = inspect.signature(builder).parameters.get(key)
    if parameter is None or parameter.kind is parameter.VAR_KEYWORD:
        return None
    return f"write it after a `*` in the function's arguments, build(inputs, *, {key}=...), to make it a setting"
