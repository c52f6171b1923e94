"""Safety check of `.keras` files: allow Keras model parts, raysq's layers and objects that trusted modules registered.

A `.keras` file describes objects that Keras creates by calling the functions and classes it names. Keras's safe mode
refuses pickled code. It still allows any function of Keras, such as those that read, write or download files, and any
object registered in the process. This module checks the description before Keras reads it.
"""

import json
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

_PARTS = ("config.json", "metadata.json", "model.weights.h5")
_ASSETS = "assets/"
_MAX_BYTES = 64 << 20  # bytes of a description
# Plain values that Keras serializes as objects.
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
_FUNCTIONS = ("keras.activations", "keras.losses", "keras.metrics", "keras.ops", "keras.initializers", "keras.random")
_BY_NAME = ("get", "serialize", "deserialize")  # functions of these modules that look up other objects
# Layers that hold code of other libraries, or read files.
_LAYERS = ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")


class ForbiddenError(ValueError):
    """Raised where a file names an object that is not part of a model."""


class UnknownError(ValueError):
    """Raised where a file names an object that the user's own module may have to register."""


def check_file(path: Path, *, registered: bool, compiled: bool = True) -> None:
    """Check the objects named in a `.keras` file.

    Args:
        path: path of the file.
        registered: whether to allow all objects registered in this process; if False, only those of raysq and Keras.
        compiled: whether to check the loss and metrics too. Pass False where Keras loads the model uncompiled.

    Raises:
        ForbiddenError: it names an object that is not part of a model.
        UnknownError: it names an object that is not registered or not allowed.
        Exception: it is not a `.keras` file; the class depends on the library that reads it.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name not in _PARTS and not (name.startswith(_ASSETS) and ".." not in name.split("/")):
                raise ForbiddenError(f"it holds {name!r}")
        if (size := archive.getinfo("config.json").file_size) > _MAX_BYTES:
            raise ForbiddenError(f"its description has {size:,} bytes")
        values = json.loads(archive.read("config.json"))
    if not compiled and isinstance(values, dict):
        values.pop("compile_config", None)
    check_objects(values, registered=registered)


def check_objects(values: Any, *, registered: bool) -> None:
    """Check the objects named in the result of `keras.saving.serialize_keras_object`; see `check_file`."""
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
    """Check a string, which may be the name of a registered object such as a function."""
    if ">" in text and not registered and (value := _registered(text)) is not None and not _is_of_raysq(value):
        raise UnknownError(f"Could not locate class {text!r}")


def _check_object(values: dict[str, Any], registered: bool) -> None:
    class_name = values["class_name"]
    if class_name in ("__lambda__", "__typespec__") or not isinstance(class_name, str):
        raise ForbiddenError(
            "it holds Python code (a lambda)" if class_name == "__lambda__" else f"it holds a {class_name!r}"
        )
    if class_name in _VALUES:
        return
    is_function = class_name == "function"
    name = values.get("config") if is_function else class_name
    key = name if is_function else values.get("registered_name", class_name)
    if not isinstance(name, str) or not isinstance(key, (str, type(None))):
        raise ForbiddenError(f"it holds a {class_name} without a name")
    value = None if key is None else _registered(key)
    if value is not None:
        if registered or _is_of_raysq(value):
            return
        raise UnknownError(f"Could not locate class {name!r}")
    module = values.get("module")
    if is_function and module == "builtins":
        if not any(_is_function(path, name) for path in _FUNCTIONS):
            raise UnknownError(f"Could not locate function {name!r}")
        return
    if not isinstance(module, str) or module.partition(".")[0] != "keras":
        raise UnknownError(f"Could not locate {'function' if is_function else 'class'} {name!r}")
    if not _is_function(module, name) and (is_function or not _is_class(module, name)):
        raise ForbiddenError(f"it names {module}.{name}, which is no part of a model")


def _registered(key: str) -> Any:
    import keras

    return keras.saving.get_registered_object(key)


def _is_of_raysq(value: Any) -> bool:
    """Return whether an object is raysq's or Keras's."""
    return str(getattr(value, "__module__", "")).partition(".")[0] in ("raysq", "keras")


def _is_function(module: str, name: str) -> bool:
    inside = any(module == path or module.startswith(f"{path}.") for path in _FUNCTIONS)
    return inside and name not in _BY_NAME and isinstance(_attribute(module, name), types.FunctionType)


def _is_class(module: str, name: str) -> bool:
    import keras

    value = _attribute(module, name)
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
    return isinstance(value, type) and issubclass(value, bases) and value.__name__ not in _LAYERS


def _attribute(module: str, name: str) -> Any:
    """Return an attribute of an imported module of Keras; None where the module is not imported."""
    return getattr(sys.modules.get(module), name, None)
