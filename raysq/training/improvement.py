"""Tell whether a run was still improving when its last epoch ended."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

_LAST = 0.1  # share of the epochs in which the lowest loss counts as recent
_LEAST = 1e-3  # relative improvement that counts


def is_still_improving(records: Sequence[Mapping[str, Any]], epochs: int, steps: int) -> bool:
    """Whether a run trained all its epochs, and its lowest val_loss came in the last tenth of them.

    The loss must be at least a thousandth lower there than before, so that a rate that falls to zero is no reason.

    Args:
        records: record of each epoch.
        epochs: the setting `epochs`.
        steps: number of training steps; 0 for a model without weights to train.
    """
    losses: list[float] = [math.inf if math.isnan(record["val_loss"]) else record["val_loss"] for record in records]
    recent = max(1, int(_LAST * epochs))
    if not steps or len(losses) < epochs or len(losses) <= recent:
        return False
    before, after = min(losses[:-recent]), min(losses[-recent:])
    return before - after > _LEAST * abs(before)
