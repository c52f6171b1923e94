"""Text of plain values, by which a run tells whether what it was given has changed."""

import hashlib
from typing import Any

import numpy as np

_SIMPLE = (bool, int, float, complex, str, bytes, type(None))
_DEPTH = 10


def plain_text(value: Any, depth: int = _DEPTH) -> str | None:
    """Return a text of a plain value, which is the same in every process for equal values.

    Args:
        value: a simple value, an array of NumPy, or a list, tuple, set or dict of plain values.
        depth: levels of nesting. Defaults to 10.

    Returns:
        The text, with a digest in place of an array; None for other values.
    """
    if type(value) in _SIMPLE:
        return repr(value)
    if isinstance(value, (np.ndarray, np.generic)) and not np.asarray(value).dtype.hasobject:
        array = np.asarray(value)
        content = repr((array.dtype.str, array.shape)).encode() + array.tobytes()
        return f"{type(value).__name__} {hashlib.sha256(content).hexdigest()}"
    if type(value) not in (list, tuple, set, frozenset, dict) or not depth:
        return None
    members = [*value.items()] if isinstance(value, dict) else [*value]
    texts = [plain_text(member, depth - 1) for member in members]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    if isinstance(value, (set, frozenset)):
        known.sort()  # the order of a set differs from process to process
    return f"{type(value).__name__}({', '.join(known)})"
