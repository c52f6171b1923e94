"""Ctrl-C and SIGTERM while training: stop at the next step instead of at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_stop_signal(handler: Callable[[], None]) -> Iterator[None]:
    """Call `handler` on Ctrl-C and SIGTERM. Outside of the main thread signals cannot be handled, and are not."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, lambda number, frame: handler()) for number in numbers}
    try:
        yield
    finally:
        for number, previous_handler in previous.items():
            signal.signal(number, previous_handler)
