"""Keys of rows that pass through Ray Data: the number of a row's call, and the row's position within the call."""

import numpy as np

KEY = "__row"  # name of the key column
STRIDE = 1 << 40  # difference between the first keys of consecutive calls


def check_order(keys: np.ndarray, last: int) -> int:
    """Check that the keys of a block continue those of the block before, and return its last key.

    Args:
        last: key of the preceding row; -1 at the beginning.

    Raises:
        RuntimeError: rows are missing, repeated or out of order. Rows missing at the end of a call are not detected, so
            compare the number of rows.
    """
    steps = np.diff(keys, prepend=last)
    if ((steps != 1) & ((steps < 1) | (keys % STRIDE != 0))).any():
        raise RuntimeError("rows came out of order")
    return int(keys[-1])
