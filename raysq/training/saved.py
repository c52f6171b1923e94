"""Model file of a run: check that a model can be saved, and load it."""

import importlib
import random
import re
import warnings
from typing import Any

from raysq import backend
from raysq.data.dataset import Dataset
from raysq.display.terminal import print_message
from raysq.errors import DataError, TrustError, UsageError
from raysq.storage.trust import refusal
from raysq.training.keras_file import ForbiddenError, check_file, check_objects
from raysq.training.model_source import SourceChanged, find_module, has_changed, import_changed, import_source
from raysq.training.passed_models import FunctionNotPassed, is_passed
from raysq.training.run import Run
from raysq.training.run_config import RunConfig
from raysq.training.user_code import is_own

_WRITE_AGAIN = "remove its result.json, and the same `raysq train` command writes it again"
_REGISTER = "put @keras.saving.register_keras_serializable() above it"


def check_saveable(model: Any, name: str) -> None:
    """Check, before the first step, that a model could be loaded from its file.

    The configuration that Keras would save is deserialized at once, without weights. The model and the random seeds
    are not changed.

    Args:
        model: a built Keras model.
        name: name of the model, for messages.

    Raises:
        UsageError: Keras cannot load the model, or the loaded model has weights of other shapes. The error names
            the class and the remedy.
    """
    import keras
    import tensorflow as tf

    state = random.getstate()  # Keras draws layer seeds from this generator
    refused = f"model {name!r} could not be loaded once it is trained"
    try:
        with warnings.catch_warnings(), _device(tf):
            warnings.simplefilter("ignore")
            written = keras.saving.serialize_keras_object(model)
            written.pop("compile_config", None)  # predictions need no loss
            loaded = keras.saving.deserialize_keras_object(written)
            check_objects(written, registered=True)
    except Exception as error:  # the user's get_config, from_config, __init__ and build may raise anything
        raise UsageError(f"{refused}: {_reason(error)}") from None
    finally:
        random.setstate(state)
    shapes, loaded_shapes = ([tuple(v.shape) for v in each.variables] for each in (model, loaded))
    if shapes != loaded_shapes:
        raise UsageError(
            f"{refused}: made from its configuration it has {_weights(loaded_shapes)} instead of {_weights(shapes)}; "
            f"get_config of {_own_classes(model)} must return every argument of __init__, build or call make all "
            "weights, and call work on symbolic tensors, which have no values (no .numpy())"
        )
    for layer in model._flatten_layers():
        if "<locals>" in type(layer).__qualname__ and not type(layer).__module__.startswith("keras."):
            raise UsageError(f"{refused}: its class {type(layer).__name__} stands inside a function; move it out")


def _device(tf: Any) -> Any:
    """Return the device of the copy: the CPU, since a GPU may have no memory for a second model."""
    return tf.device(None if tf.distribute.has_strategy() else "/CPU:0")


def _own_classes(model: Any) -> str:
    """Return the names of a model's classes that are not from Keras."""
    classes = dict.fromkeys(type(layer) for layer in model._flatten_layers())
    return ", ".join(each.__name__ for each in classes if not each.__module__.startswith("keras.")) or "its classes"


def _weights(shapes: list[tuple[int, ...]]) -> str:
    if not shapes:
        return "no weights"
    listed = ", ".join(map(str, shapes[:4]))
    return f"{len(shapes)} weights of shape{'s' if shapes[1:] else ''} {listed}{', ...' if shapes[4:] else ''}"


def _reason(error: BaseException) -> str:
    """Return the reason why Keras cannot load a model, from an error message that holds the whole configuration."""
    text = str(error)
    if match := re.search(r"Could not locate (class|function) '([^']+)'", text):
        return f"Keras does not know its {match[1]} {match[2]}: {_REGISTER}"
    if match := re.search(r"Object (\w+) was created", text):
        return f"its class {match[1]} takes arguments that Keras cannot write: give it a get_config and a from_config"
    if "lambda" in text.lower():
        return (
            "a lambda in it is Python code, which Keras does not load: write a layer, or a named function, and "
            f"{_REGISTER}"
        )
    inner = text.rpartition("Exception encountered: ")[2].strip() or type(error).__name__
    return inner.splitlines()[0][:200]


def load_saved(run: Run, *, as_trained: bool = False) -> Any:
    """Load a run's `model.keras`, which has its best weights.

    The module of a user's own model is imported for its classes, from its recorded folder if necessary.

    Args:
        run: a run with a model file.
        as_trained: whether the loss and metrics that the model was compiled with are required. Predictions do not
            need them. Defaults to False.

    Returns:
        The Keras model.

    Raises:
        DataError: the file cannot be read.
        TrustError: the file needs classes of a module that may not be imported.
    """
    backend.load()
    import keras

    import raysq.layers  # noqa: F401  registers our layers for loading

    config = run.config
    foreign = is_own(config.model) and not config.may_import
    missing = "" if foreign else _import_classes(run)
    path = run.directory / "model.keras"
    registered = config.may_import or _is_of_extension(config)
    try:
        check_file(path, registered=registered)
        with warnings.catch_warnings():
            # The optimizer of a compiled model is saved as it was compiled, without the state of training.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer", UserWarning)
            return keras.models.load_model(path)
    except ForbiddenError as error:
        raise DataError(f"run {run.name} has a model.keras that is not loaded: {error}") from None
    except Exception as error:  # zipfile, h5py and Keras raise different classes
        if not as_trained:
            try:
                check_file(path, registered=registered, compiled=False)
                return keras.models.load_model(path, compile=False)
            except Exception:
                pass  # report the first error
        unknown = re.search(r"Could not locate (class|function) '([^']+)'", str(error))
        if foreign and unknown:
            raise foreign_model(run) from None
        reason = f"Keras does not know its {unknown[1]} {unknown[2]}" if unknown else _first_line(error)
        remedy = "" if unknown or missing else f"; {_WRITE_AGAIN}"
        raise DataError(f"run {run.name} has a model.keras that cannot be read ({reason}{missing}){remedy}") from error


def build_as_trained(run: Run, dataset: Dataset) -> Any:
    """Return the run's model, built by its builder.

    The saved model is returned where the builder's source has changed, or where its module may not be imported.

    Args:
        run: the run.
        dataset: data set of the run.

    Raises:
        TrustError: the module may not be imported, and the saved model needs it or does not exist.
        SourceChanged: the source has changed, and the run has no `model.keras` yet.
        FunctionNotPassed: the model is a function passed in Python to another process, and the run has no `model.keras`
            yet.
    """
    try:
        return run.config.build(dataset)
    except TrustError:
        if not (run.directory / "model.keras").exists():
            raise foreign_model(run) from None
        return load_saved(run, as_trained=True)
    except FunctionNotPassed:
        if not (run.directory / "model.keras").exists():
            raise
        return load_saved(run, as_trained=True)
    except SourceChanged:
        if not (run.directory / "model.keras").exists():
            raise SourceChanged(
                f"the model's source has changed since run {run.name} was begun, and the run has no model.keras yet: "
                "train another run, with another --name or --fresh"
            ) from None
        return load_saved(run, as_trained=True)


def foreign_model(run: Run) -> TrustError:
    """Return the error for a run from elsewhere that would need an import of the user's own model."""
    config = run.config
    file = find_module(config.model.partition(":")[0], config.source_folder)
    return refusal(f"run {run.name}", config.model, file, config.source_folder)


def _import_classes(run: Run) -> str:
    """Import the module of the user's own model, which may register classes.

    Returns:
        An addition to the message about missing classes; empty where the import succeeded.
    """
    config = run.config
    if is_passed(config.model):
        return ""  # its classes are defined where it was, if they are
    module = config.model_spec().module
    if not is_own(config.model):
        if _is_of_extension(config):
            importlib.import_module(module)
        return ""
    try:
        import_source(module, config.source_digest, config.source_folder)
    except SourceChanged:
        _print_changed(run)
        return _import_changed(module, config.source_folder)
    except ModuleNotFoundError as error:
        where = f" or {config.source_folder}" if config.source_folder else ""
        return f"; module {error.name} is not found here{where}: go to the folder that has it"
    except Exception as error:  # the user's code; the model may load without it
        return f"; importing {module} failed: {_first_line(error)}"
    return ""


def _is_of_extension(config: RunConfig) -> bool:
    """Return whether the model is one of a problem that an installed package or the user's script registered."""
    return not is_own(config.model) and not config.model_spec().module.startswith("raysq.")


def print_if_changed(run: Run) -> None:
    """Print a message if the source of the user's own model has changed; for runs that actors load."""
    module = run.config.model.partition(":")[0]
    if run.config.may_import and has_changed(module, run.config.source_digest, run.config.source_folder):
        _print_changed(run)


def _print_changed(run: Run) -> None:
    print_message(f"the model's source has changed since run {run.name} was trained: its saved model is used")


def _import_changed(module: str, folder: str) -> str:
    try:
        import_changed(module, folder)
    except Exception as error:
        return f"; importing {module} failed: {_first_line(error)}"
    return ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
