"""Files that Keras's callbacks write, where each of several runs gets copies of the callbacks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raysq.errors import UsageError

# Attribute with the path that instances of a class of Keras write to.
_PATHS = {"CSVLogger": "filename", "ModelCheckpoint": "filepath", "TensorBoard": "log_dir"}


def check_relative(callbacks: Sequence[Any]) -> None:
    """Refuse callbacks that would write to the same path in every run.

    Raises:
        UsageError: a path is absolute, is a URI, or leads out of its folder.
    """
    for callback, attribute in _writers(callbacks):
        path = str(getattr(callback, attribute))
        if Path(path).is_absolute() or "://" in path or ".." in Path(path).parts:
            raise UsageError(
                f"callback {type(callback).__name__} writes to {path}, and so would all trials: give a path without "
                "folders above it, which lies in the directory of each trial's run, in callbacks/"
            )


def write_into(callbacks: Sequence[Any], folder: Path) -> None:
    """Let callbacks that are not used yet write into a folder.

    Args:
        callbacks: callbacks that `check_relative` has accepted.
        folder: the folder, which is created if there are files to write.
    """
    for callback, attribute in _writers(callbacks):
        path = folder / str(getattr(callback, attribute))
        path.parent.mkdir(parents=True, exist_ok=True)
        setattr(callback, attribute, str(path))


def _writers(callbacks: Sequence[Any]) -> Iterator[tuple[Any, str]]:
    """Yield callbacks that write files, each with the attribute that holds the path."""
    if not callbacks:
        return
    import keras

    for callback in callbacks:
        for kind, attribute in _PATHS.items():
            if isinstance(callback, getattr(keras.callbacks, kind)):
                yield callback, attribute
