"""Keys of rows that go through Ray Data: the number of the call that made a row, and its place in the call's rows."""

import numpy as np

KEY = "__row"  # the column of the keys
STRIDE = 1 << 40  # distance between the first keys of two successive calls


def check_order(keys: np.ndarray, last: int) -> int:
    """Check that the keys of a block go on from the last one before it, and return its own last.

    Args:
        keys: int64, not empty.
        last: key of the row before; -1 at the beginning.

    Raises:
        RuntimeError: rows are lost, repeated or out of order. Rows lost at the end of a call are not found: compare the
            number of rows.
    """
    steps = np.diff(keys, prepend=last)
    if ((steps != 1) & ((steps < 1) | (keys % STRIDE != 0))).any():
        raise RuntimeError("rows came out of order")
    return int(keys[-1])
