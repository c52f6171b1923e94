"""The model file of a run: whether a model can be saved at all, and reading it back."""

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
from raysq.training.run import Run
from raysq.training.user_code import is_own

_WRITE_AGAIN = "remove its result.json, and the same `raysq train` command writes it again"
_REGISTER = "put @keras.saving.register_keras_serializable() above it"


def check_saveable(model: Any, name: str) -> None:
    """Makes sure, before the first step, that a model could be read back from its file.

    What Keras would write of it, all but the weights, is read at once. The model and the seeds stay as they are.

    Args:
        model: built.
        name: of the model, for messages.

    Raises:
        UsageError: Keras cannot read it, or what is read has other weights; names the class and what to do.
    """
    import keras
    import tensorflow as tf

    state = random.getstate()  # Keras draws the seeds of layers from it
    refused = f"model {name!r} could not be loaded once it is trained"
    try:
        with warnings.catch_warnings(), _device(tf):
            warnings.simplefilter("ignore")
            written = keras.saving.serialize_keras_object(model)
            written.pop("compile_config", None)  # predictions need no loss
            again = keras.saving.deserialize_keras_object(written)
            check_objects(written, registered=True)
    except Exception as error:  # whatever a person's get_config, from_config, __init__ and build raise
        raise UsageError(f"{refused}: {_reason(error)}") from None
    finally:
        random.setstate(state)
    mine, theirs = ([tuple(variable.shape) for variable in one.variables] for one in (model, again))
    if mine != theirs:
        raise UsageError(
            f"{refused}: made from its configuration it has {_weights(theirs)} instead of {_weights(mine)}; get_config "
            f"of {_own_classes(model)} must return every argument of __init__, build or call make all weights, and "
            "call work on symbolic tensors, which have no values (no .numpy())"
        )
    for layer in model._flatten_layers():
        if "<locals>" in type(layer).__qualname__ and not type(layer).__module__.startswith("keras."):
            raise UsageError(f"{refused}: its class {type(layer).__name__} stands inside a function; move it out")


def _device(tf: Any) -> Any:
    """Beside a model that fills a GPU there is no room for another."""
    return tf.device(None if tf.distribute.has_strategy() else "/CPU:0")


def _own_classes(model: Any) -> str:
    """The classes of a model that are not Keras's."""
    classes = dict.fromkeys(type(layer) for layer in model._flatten_layers())
    return ", ".join(one.__name__ for one in classes if not one.__module__.startswith("keras.")) or "its classes"


def _weights(shapes: list[tuple[int, ...]]) -> str:
    if not shapes:
        return "no weights"
    listed = ", ".join(map(str, shapes[:4]))
    return f"{len(shapes)} weights of shape{'s' if shapes[1:] else ''} {listed}{', ...' if shapes[4:] else ''}"


def _reason(error: BaseException) -> str:
    """Why Keras cannot read a model, out of a message that holds its whole configuration."""
    text = str(error)
    if found := re.search(r"Could not locate (class|function) '([^']+)'", text):
        return f"Keras does not know its {found[1]} {found[2]}: {_REGISTER}"
    if found := re.search(r"Object (\w+) was created", text):
        return f"its class {found[1]} takes arguments that Keras cannot write: give it a get_config and a from_config"
    if "lambda" in text.lower():
        return (
            "a lambda in it is Python code, which Keras does not load: write a layer, or a named function, and "
            f"{_REGISTER}"
        )
    inner = text.rpartition("Exception encountered: ")[2].strip() or type(error).__name__
    return inner.splitlines()[0][:200]


def load_saved(run: Run, *, as_trained: bool = False) -> Any:
    """Reads a run's `model.keras`, with its best weights.

    The module of a person's own model is imported for its classes, from where it was when the run was trained.

    Args:
        run: it has such a file.
        as_trained: also the loss and metrics that the model was compiled with, which predictions do not need.

    Raises:
        DataError: the file cannot be read.
        TrustError: it needs classes of a module that may not be imported.
    """
    backend.load()
    import keras

    import raysq.layers  # noqa: F401  registers our layers for loading

    config = run.config
    foreign = is_own(config.model) and not config.may_import
    missing = "" if foreign else _import_classes(run)
    path = run.directory / "model.keras"
    try:
        check_file(path, registered=config.may_import)
        return keras.models.load_model(path)
    except ForbiddenError as error:
        raise DataError(f"run {run.name} has a model.keras that is not loaded: {error}") from None
    except Exception as error:  # zipfile, h5py and Keras have each their own
        if not as_trained:
            try:
                check_file(path, registered=config.may_import, compiled=False)
                return keras.models.load_model(path, compile=False)
            except Exception:
                pass  # the first one says why
        unknown = re.search(r"Could not locate (class|function) '([^']+)'", str(error))
        if foreign and unknown:
            raise foreign_model(run) from None
        said = f"Keras does not know its {unknown[1]} {unknown[2]}" if unknown else _first_line(error)
        again = "" if unknown or missing else f"; {_WRITE_AGAIN}"
        raise DataError(f"run {run.name} has a model.keras that cannot be read ({said}{missing}){again}") from error


def build_as_trained(run: Run, dataset: Dataset) -> Any:
    """The run's model, built by its builder; the saved one where the builder's source has changed since, or may not be
    imported.

    Raises:
        TrustError: it may not be imported, and the saved one needs it.
        SourceChanged: it has changed, and the run has no `model.keras` yet.
    """
    try:
        return run.config.build(dataset)
    except TrustError:
        if not (run.directory / "model.keras").exists():
            raise foreign_model(run) from None
        return load_saved(run, as_trained=True)
    except SourceChanged:
        if not (run.directory / "model.keras").exists():
            raise SourceChanged(
                f"the model's source has changed since run {run.name} was begun, and the run has no model.keras yet: "
                "train another run, with another --name or --fresh"
            ) from None
        return load_saved(run, as_trained=True)


def foreign_model(run: Run) -> TrustError:
    """The error where a user's own model, of a run from elsewhere, would have to be imported."""
    config = run.config
    file = find_module(config.model.partition(":")[0], config.source_folder)
    return refusal(f"run {run.name}", config.model, file, config.source_folder)


def _import_classes(run: Run) -> str:
    """Imports the module of a person's own model, which may register classes.

    Returns:
        What to add to a message about classes that are missing.
    """
    config = run.config
    module = config.model_spec().build.partition(":")[0]
    if ":" not in config.model:
        return ""
    try:
        import_source(module, config.source_digest, config.source_folder)
    except SourceChanged:
        _tell_changed(run)
        return _import_changed(module, config.source_folder)
    except ModuleNotFoundError as error:
        where = f" or {config.source_folder}" if config.source_folder else ""
        return f"; module {error.name} is not found here{where}: go to the folder that has it"
    except Exception as error:  # a person's own code: the model may do without
        return f"; importing {module} failed: {_first_line(error)}"
    return ""


def tell_if_changed(run: Run) -> None:
    """Says on standard error where the source of a person's own model has changed; for runs that actors load."""
    module = run.config.model.partition(":")[0]
    if run.config.may_import and has_changed(module, run.config.source_digest, run.config.source_folder):
        _tell_changed(run)


def _tell_changed(run: Run) -> None:
    print_message(f"the model's source has changed since run {run.name} was trained: its saved model is used")


def _import_changed(module: str, folder: str) -> str:
    try:
        import_changed(module, folder)
    except Exception as error:
        return f"; importing {module} failed: {_first_line(error)}"
    return ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
