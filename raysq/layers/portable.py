"""Whether models are to be built of Keras's own layers where ours have the same weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_portable: ContextVar[bool] = ContextVar("portable", default=False)


@contextmanager
def portable() -> Iterator[None]:
    """Models built inside can be saved for people who have Keras and not raysq.

    They have the variables of those built outside, in the same order, and give the same predictions.
    """
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def is_portable() -> bool:
    """Whether the caller is inside of `portable`."""
    return _portable.get()
