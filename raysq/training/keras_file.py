"""What a `.keras` file may name: Keras's parts of models, raysq's layers, and what a trusted module has registered.

A `.keras` file is a description of objects that Keras makes by calling what it names. Keras's safe mode refuses
pickled code, but lets a file name any function of Keras's own, such as those that read, write or download files, and
whatever some module of the process has registered. Here the description is read before Keras sees it.
"""

import json
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

_PARTS = ("config.json", "metadata.json", "model.weights.h5")
_ASSETS = "assets/"
_LARGEST = 64 << 20  # bytes of a description
# Values that Keras writes as objects.
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
_FUNCTIONS = ("keras.activations", "keras.losses", "keras.metrics", "keras.ops", "keras.initializers", "keras.random")
_BY_NAME = ("get", "serialize", "deserialize")  # functions of these modules that look others up
# Layers that hold code of other libraries, or read files.
_LAYERS = ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")


class ForbiddenError(ValueError):
    """A file names something that is no part of a model."""


class UnknownError(ValueError):
    """A file names something that a user's own module may register."""


def check_file(path: Path, *, registered: bool, compiled: bool = True) -> None:
    """Check what a `.keras` file names.

    Args:
        path: the file.
        registered: whether it may name all that is registered in this process, or raysq's own alone.
        compiled: whether Keras is asked for the loss and metrics too, which then count.

    Raises:
        ForbiddenError: it names something that is no part of a model.
        UnknownError: it names something that is not registered, or may not be used.
        Exception: it is no such file; of several problems.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name not in _PARTS and not (name.startswith(_ASSETS) and ".." not in name.split("/")):
                raise ForbiddenError(f"it holds {name!r}")
        if (size := archive.getinfo("config.json").file_size) > _LARGEST:
            raise ForbiddenError(f"its description has {size:,} bytes")
        values = json.loads(archive.read("config.json"))
    if not compiled and isinstance(values, dict):
        values.pop("compile_config", None)
    check_objects(values, registered=registered)


def check_objects(values: Any, *, registered: bool) -> None:
    """Check what a description by `keras.saving.serialize_keras_object` names; see `check_file`."""
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            _check_text(value, registered)
        elif isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, dict):
            if "class_name" in value:
                _check_object(value, registered)
            waiting += value.values()


def _check_text(text: str, registered: bool) -> None:
    """A name of something registered, such as a function, may stand for it."""
    if ">" in text and not registered and (found := _registered(text)) is not None and not _is_ours(found):
        raise UnknownError(f"Could not locate class {text!r}")


def _check_object(values: dict[str, Any], registered: bool) -> None:
    problem = values["class_name"]
    if problem in ("__lambda__", "__typespec__") or not isinstance(problem, str):
        raise ForbiddenError(
            "it holds Python code (a lambda)" if problem == "__lambda__" else f"it holds a {problem!r}"
        )
    if problem in _VALUES:
        return
    is_function = problem == "function"
    name = values.get("config") if is_function else problem
    key = name if is_function else values.get("registered_name", problem)
    if not isinstance(name, str) or not isinstance(key, (str, type(None))):
        raise ForbiddenError(f"it holds a {problem} without a name")
    found = None if key is None else _registered(key)
    if found is not None:
        if registered or _is_ours(found):
            return
        raise UnknownError(f"Could not locate class {name!r}")
    module = values.get("module")
    if is_function and module == "builtins":
        if not any(_is_function(one, name) for one in _FUNCTIONS):
            raise UnknownError(f"Could not locate function {name!r}")
        return
    if not isinstance(module, str) or module.partition(".")[0] != "keras":
        raise UnknownError(f"Could not locate {'function' if is_function else 'class'} {name!r}")
    if not _is_function(module, name) and (is_function or not _is_class(module, name)):
        raise ForbiddenError(f"it names {module}.{name}, which is no part of a model")


def _registered(key: str) -> Any:
    import keras

    return keras.saving.get_registered_object(key)


def _is_ours(found: Any) -> bool:
    return str(getattr(found, "__module__", "")).partition(".")[0] in ("raysq", "keras")


def _is_function(module: str, name: str) -> bool:
    inside = any(module == one or module.startswith(f"{one}.") for one in _FUNCTIONS)
    return inside and name not in _BY_NAME and isinstance(_attribute(module, name), types.FunctionType)


def _is_class(module: str, name: str) -> bool:
    import keras

    found = _attribute(module, name)
    bases = (
        keras.Operation,  # layers and models too
        keras.losses.Loss,
        keras.metrics.Metric,
        keras.optimizers.Optimizer,
        keras.optimizers.schedules.LearningRateSchedule,
        keras.initializers.Initializer,
        keras.regularizers.Regularizer,
        keras.constraints.Constraint,
        keras.DTypePolicy,
        keras.Quantizer,
        keras.random.SeedGenerator,
    )
    return isinstance(found, type) and issubclass(found, bases) and found.__name__ not in _LAYERS


def _attribute(module: str, name: str) -> Any:
    """What a module of Keras has; one that is not imported is no module of models."""
    return getattr(sys.modules.get(module), name, None)
