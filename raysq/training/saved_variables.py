"""Variables of a trainer by the keys of a checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysq.errors import DataError


def keyed_variables(**groups: Sequence[Any]) -> dict[str, Any]:
    """Return the variables of some groups by the key of a checkpoint, such as "model/0".

    Keys have numbers, since Keras gives layers other names in every further model of a process.
    """
    return {f"{group}/{number}": v for group, variables in groups.items() for number, v in enumerate(variables)}


def assign_saved(variables: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> None:
    """Assign the values of a checkpoint.

    Args:
        variables: variables by key.
        values: values by key.

    Raises:
        DataError: keys or shapes differ.
    """
    if set(variables) != set(values):
        odd = sorted(set(variables) ^ set(values))
        raise DataError(f"the checkpoint belongs to another model (they differ in {odd[0]}); --fresh starts anew")
    for key, variable in variables.items():
        if tuple(variable.shape) != values[key].shape:
            raise DataError(
                f"the checkpoint belongs to another model ({variable.path} has shape {tuple(variable.shape)}, there "
                f"{values[key].shape}); --fresh starts anew"
            )
        variable.assign(values[key])
