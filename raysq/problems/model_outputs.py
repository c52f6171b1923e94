"""Outputs of a model, matched with the targets of a batch."""

from collections.abc import Mapping
from typing import Any

from raysq.errors import UsageError


def match_outputs(prediction: Any, y: Any, model: Any) -> Any:
    """Return predictions in the structure of the targets.

    A dict is matched by name. A list or tuple is matched by the names of the model's outputs if they are those of the
    targets, else by position; nested structures are flattened.

    Args:
        prediction: result of calling the model.
        y: targets, one tensor or a dict by name.
        model: the model, for the names of its outputs, or None.

    Returns:
        One tensor, or a dict by the names of y.

    Raises:
        UsageError: the model has other outputs.
    """
    if not isinstance(y, Mapping):
        flat = _flat(prediction)
        if len(flat) != 1:
            raise UsageError(f"the model gives {len(flat)} outputs, and the data have one target")
        return flat[0]
    by_name = _by_name(prediction, model)
    if set(by_name) == set(y):
        return {name: by_name[name] for name in y}
    if isinstance(prediction, Mapping) or len(by_name) != len(y):
        raise UsageError(
            f"the model gives the outputs {', '.join(by_name)}, and the targets of the data are {', '.join(y)}: return "
            f"a dict of outputs by these names"
        )
    return dict(zip(y, by_name.values(), strict=True))


def _by_name(prediction: Any, model: Any) -> dict[str, Any]:
    """Return the flat outputs by name, or by number where the model has no names for them."""
    if isinstance(prediction, Mapping) and not any(_is_nested(part) for part in prediction.values()):
        return dict(prediction)
    flat = _flat(prediction)
    names = list(getattr(model, "output_names", None) or ())
    if len(set(names)) != len(flat):
        names = [str(number) for number in range(len(flat))]
    return dict(zip(names, flat, strict=True))


def _flat(prediction: Any) -> list[Any]:
    """Return the outputs of a structure in Keras's order."""
    if not _is_nested(prediction):
        return [prediction]
    import keras

    flat: list[Any] = keras.tree.flatten(prediction)
    return flat


def _is_nested(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple))
