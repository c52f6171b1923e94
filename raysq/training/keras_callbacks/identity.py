"""Callbacks that a user gives: their checks, and their description in a run's configuration."""

import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType
from typing import Any
from weakref import ref

from raysq.errors import UsageError
from raysq.storage.uris import is_secret, redact_text
from raysq.training.plain_values import plain_text
from raysq.training.settings import TrainSettings

# Hooks that Keras calls at batches, and those that raysq calls at the end of a call of compiled steps.
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_TEST_BATCH_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
# Classes of Keras that only write what happens: the numbers of a run do not depend on them.
_WRITERS = ("CSVLogger", "TensorBoard", "ModelCheckpoint", "History", "ProgbarLogger", "RemoteMonitor")
_RATE_SETTERS = ("LearningRateScheduler", "ReduceLROnPlateau")
# State of Keras's own classes by public attribute, which is no configuration.
STATES = {
    "EarlyStopping": ("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    "ReduceLROnPlateau": ("wait", "best", "cooldown_counter"),
    "ModelCheckpoint": ("best",),
}


@dataclass
class _Known:
    """A callback that was described before.

    Attributes:
        callback: reference to it.
        described: its description before it was used.
        after: its description as training has left it.
    """

    callback: "ref[Any]"
    described: dict[str, Any]
    after: dict[str, Any]


# By id: callbacks may have no hash, such as dataclasses.
_known: dict[int, _Known] = {}


def validate_callbacks(callbacks: Sequence[Any], settings: TrainSettings) -> None:
    """Check callbacks before training.

    Args:
        callbacks: objects that the user gave.
        settings: training settings of the run.

    Raises:
        UsageError: one is no Keras callback, cannot work with raysq, or sets what a setting decides.
    """
    import keras

    if isinstance(callbacks, keras.callbacks.Callback) or not isinstance(callbacks, Sequence):
        raise UsageError(f"callbacks must be a list of keras.callbacks.Callback objects, received {callbacks!r:.80}")
    for callback in callbacks:
        if inspect.isclass(callback) and issubclass(callback, keras.callbacks.Callback):
            raise UsageError(f"callbacks must be objects, received a class: call it, {callback.__name__}(...)")
        if not isinstance(callback, keras.callbacks.Callback) or isinstance(callback, keras.callbacks.CallbackList):
            raise UsageError(f"callbacks must be keras.callbacks.Callback objects, received {callback!r:.80}")
        name = type(callback).__name__
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise UsageError(
                f"callback {name} is not needed: raysq saves checkpoints itself, and the same call continues an "
                "interrupted run from them; leave it out"
            )
        hooks = [hook for hook in _TEST_BATCH_HOOKS if overrides(callback, hook)]
        if hooks and not is_keras(callback, "TensorBoard", "ProgbarLogger"):
            raise UsageError(
                f"callback {name} has {hooks[0]}, which raysq does not call: it evaluates a split in compiled calls; "
                "use on_test_begin and on_test_end"
            )
        if settings.schedule != "constant" and is_keras(callback, *_RATE_SETTERS):
            raise UsageError(
                f"callback {name} sets the learning rate, which the setting schedule={settings.schedule} decides: "
                "leave one of them out"
            )


def describe_callbacks(callbacks: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the callbacks on which a run's numbers depend, ready for JSON.

    Keras's classes that only write are left out. The others are described by class, code, and public attributes that
    are plain values or functions. An object that training has changed keeps its description, as long as the user does
    not change it too; see `remember_callbacks`.
    """
    descriptions = []
    for callback in callbacks:
        if is_keras(callback, *_WRITERS):
            continue
        present, known = _describe(callback), _known.get(id(callback))
        if known is None or present not in (known.described, known.after):
            forget = partial(_forget, id(callback))
            known = _known[id(callback)] = _Known(ref(callback, forget), present, present)
        descriptions.append(known.described)
    return descriptions


def remember_callbacks(callbacks: Sequence[Any]) -> None:
    """Note how training leaves callbacks, so that the next call knows whether the user has changed them since."""
    for callback in callbacks:
        if id(callback) in _known:
            _known[id(callback)].after = _describe(callback)


def _forget(key: int, _: Any) -> None:
    _known.pop(key, None)


def show_callbacks(described: Sequence[Mapping[str, Any]]) -> str:
    """Return described callbacks as text for a message, such as "EarlyStopping(patience=3)"."""
    shown = []
    for each in described:
        values = ", ".join(f"{name}={value}" for name, value in each["values"].items() if value is not None)
        shown.append(f"{each['class'].rpartition('.')[2]}({values})")
    return ", ".join(shown) or "none"


def overrides(callback: Any, hook: str) -> bool:
    """Return whether a callback has a hook of its own, by its class or as `LambdaCallback` by an attribute."""
    import keras

    method = getattr(callback, hook)
    return getattr(method, "__func__", method) is not getattr(keras.callbacks.Callback, hook)


def is_keras(callback: Any, *names: str) -> bool:
    """Return whether a callback's class is one of these classes of Keras, and no subclass."""
    import keras

    return any(type(callback) is getattr(keras.callbacks, name, None) for name in names)


def states_of(callback: Any) -> tuple[str, ...]:
    """Return the attributes that are the state of a Keras callback or its subclass; none for other classes."""
    import keras

    return next((names for kind, names in STATES.items() if isinstance(callback, getattr(keras.callbacks, kind))), ())


def _describe(callback: Any) -> dict[str, Any]:
    kind = type(callback)
    values: dict[str, Any] = {}
    code = hashlib.sha256()
    _update_class(code, kind)
    skipped = {"params", "model", "history", "monitor_op", "verbose", *states_of(callback)}
    for name in sorted(vars(callback)):
        value = vars(callback)[name]
        if name.startswith("_") or name in skipped:
            continue
        if isinstance(value, str):
            values[name] = "..." if is_secret(name) else redact_text(value)
        elif value is None or isinstance(value, (bool, int, float)):
            # Keras changes the sign of `min_delta` when training begins.
            values[name] = abs(value) if name == "min_delta" and isinstance(value, (int, float)) else value
        else:
            _update(code, name, value)
    module = "keras.callbacks" if is_keras(callback, kind.__name__) else kind.__module__
    return {"class": f"{module}.{kind.__qualname__}", "values": values, "code": code.hexdigest()}


def _update_class(code: Any, kind: type) -> None:
    """Add what a class defines to a digest, and the classes that it is derived from; those of Keras are left out."""
    for owner in kind.__mro__:
        if owner.__module__.partition(".")[0] not in ("keras", "builtins"):
            for name, value in sorted(vars(owner).items()):
                if not name.startswith("__") or isinstance(value, FunctionType):
                    _update(code, name, value)


def _update(code: Any, name: str, value: Any, depth: int = 3) -> None:
    """Add a function, a property, a plain value or an object that is called to a digest; others are left out.

    Args:
        code: the digest.
        name: name of the value.
        value: the value.
        depth: levels of what functions use of the functions around them. Defaults to 3.
    """
    value = getattr(value, "__func__", value)
    value = value.fget if isinstance(value, property) else value
    if isinstance(value, FunctionType):
        code.update(name.encode())
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        for part in (*cells, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()) if depth else ():
            _update(code, name, part, depth - 1)
        for part in _constants(value.__code__):
            code.update(part)
    elif isinstance(value, partial):
        for part in (value.func, value.args, value.keywords):
            _update(code, name, part, depth)
    elif (text := plain_text(value)) is not None:
        code.update(repr([name, text]).encode())
    elif _is_called(value):
        code.update(repr([name, type(value).__qualname__]).encode())
        _update_class(code, type(value))
        for key, part in sorted(vars(value).items()) if depth else ():
            _update(code, key, part, depth - 1)


def _is_called(value: Any) -> bool:
    """Return whether a value is an object that is called as a function, such as a schedule; layers are left out."""
    import keras

    if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        return True
    library = type(value).__module__.partition(".")[0] in ("builtins", "keras", "tensorflow")
    return callable(value) and not library and not isinstance(value, (type, keras.Layer)) and hasattr(value, "__dict__")


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # of a function that is still being defined
        return False


def _constants(code: CodeType) -> Iterator[bytes]:
    """Yield what a function's code does, without names of files and numbers of lines."""
    yield code.co_code
    yield repr((code.co_names, code.co_varnames, code.co_argcount)).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _constants(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant))).encode()
        else:
            yield repr(constant).encode()
