"""Import Keras on TensorFlow: late, once per process, and without the start-up notices of native code."""

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from raysq.errors import UsageError

_loaded = False
_lock = threading.Lock()  # a second thread must not close standard error while the first has it closed


def load() -> None:
    """Import Keras and TensorFlow. Call this function before the first `import keras` of a process.

    Raises:
        UsageError: Keras runs on another backend in this process.
    """
    global _loaded
    with _lock:
        if _loaded:
            return
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with _native_stderr_closed():
            import keras
            import tensorflow as tf

            # The first query of the devices logs notices of its own, such as a missing CUDA driver.
            tf.config.list_physical_devices()
        # A model whose input stands in a dict takes the bare array of an only input too. Names are checked by raysq.
        warnings.filterwarnings("ignore", "The structure of `inputs` doesn't match", UserWarning)
        # TensorFlow mistakes every program after the first in a process for repeated retracing, and warns of it.
        tf.get_logger().setLevel("ERROR")
        if keras.backend.backend() != "tensorflow":
            raise UsageError(
                f"raysq trains on Keras's TensorFlow backend, this process runs {keras.backend.backend()!r}: "
                f"unset KERAS_BACKEND"
            )
        _loaded = True


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    # TensorFlow logs some lines from C++ before its log level takes effect. Python exceptions still reach the user,
    # because they leave this block before they are printed.
    if os.environ.get("RAYSQ_DEBUG"):
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
