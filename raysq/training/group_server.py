"""Access to TensorFlow's server of a worker group: only hosts of the group reach it."""

import ctypes
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raysq.display.terminal import print_message
from raysq.distributed import socket_filter
from raysq.errors import ResourceError

HOSTS = "RAYSQ_GROUP_HOSTS"
"""Environment variable with the addresses of all hosts of the group, as JSON. The hosts of TF_CONFIG are added."""

_POLL_SECONDS = 0.002


@contextmanager
def closed_server() -> Iterator[None]:
    """Restrict the server that TensorFlow starts within the block to the hosts of TF_CONFIG's cluster.

    The server listens before TensorFlow returns: it waits for the other workers first. So a thread restricts it as soon
    as it listens, and TensorFlow runs without Python's lock meanwhile.

    Raises:
        ResourceError: the server cannot be restricted and this host has a public address, or another host was
            connected before the server was restricted.
    """
    config = json.loads(os.environ["TF_CONFIG"])
    workers = [address.rpartition(":") for address in config["cluster"]["worker"]]
    port = int(workers[config["task"]["index"]][2])
    hosts = {host.strip("[]") for host, _, _ in workers} | set(json.loads(os.environ.get(HOSTS, "[]")))
    try:
        socket_filter.check_support()
    except OSError as error:
        _refuse_public({*hosts, *socket_filter.own_addresses()}, str(error))
        yield
        return
    guard = _Guard(port, socket_filter.resolve(hosts))
    with _without_lock():
        guard.start()
        try:
            yield
        finally:
            guard.stop()
    if guard.error is not None:
        _refuse_public({*hosts, *socket_filter.own_addresses()}, str(guard.error))
    elif guard.strangers:
        raise ResourceError(
            f"{', '.join(sorted(guard.strangers))}, which is no host of this worker group, connected to its TensorFlow "
            "server in the moment before it was closed to others: let a firewall close the nodes to that host; the "
            "same command starts the group anew"
        )


class _Guard(threading.Thread):
    """Thread that restricts the listening sockets of a port as soon as they exist."""

    def __init__(self, port: int, addresses: set[socket_filter.IPAddress]):
        super().__init__(daemon=True)
        self.error: OSError | None = None
        self.strangers: set[str] = set()
        self._port, self._addresses = port, addresses
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(_POLL_SECONDS):
            self._restrict()

    def stop(self) -> None:
        """End the thread, and restrict what listens by now."""
        self._end.set()
        self.join()
        if not self._restrict() and self.error is None:
            self.error = OSError(f"no socket of this process listens at port {self._port}")

    def _restrict(self) -> int:
        try:
            count = socket_filter.restrict(self._port, self._addresses)
            self.strangers.update(socket_filter.disconnect_strangers(self._port, self._addresses))
            return count
        except OSError as error:
            self.error = error
            return 0


def _refuse_public(hosts: set[str], reason: str) -> None:
    """Raise `ResourceError` if one of the hosts has a public address, else say that the server is open."""
    public = sorted(str(address) for address in socket_filter.resolve(hosts) if address.is_global)
    if public:
        raise ResourceError(
            f"TensorFlow's server of this worker would be open to everybody at {', '.join(public)} ({reason}): train "
            "with one worker, or on hosts with private addresses"
        )
    print_message(f"TensorFlow's server of this worker is open to all hosts of its network ({reason})")


@contextmanager
def _without_lock() -> Iterator[None]:
    """Let other threads of Python run while TensorFlow starts its server and waits for the other workers.

    TensorFlow's Python binding holds Python's lock during the call, which may take minutes. The same function, called
    through ctypes, does not.
    """
    from tensorflow.python import pywrap_tfe

    call = pywrap_tfe.TFE_EnableCollectiveOps
    replacement = _unlocked_call()
    if replacement is not None:
        pywrap_tfe.TFE_EnableCollectiveOps = replacement
    try:
        yield
    finally:
        pywrap_tfe.TFE_EnableCollectiveOps = call


def _unlocked_call() -> Callable[[Any, bytes], None] | None:
    """Return `TFE_EnableCollectiveOps` through ctypes, or None if no loaded library exports it."""
    import tensorflow as tf
    from tensorflow.python.framework import errors_impl

    folder = Path(tf.__file__).parent
    try:
        library, status = (
            ctypes.CDLL(str(next(folder.glob(f"lib{name}.so*"))), mode=os.RTLD_NOLOAD | os.RTLD_NOW)
            for name in ("tensorflow_cc", "tensorflow_framework")
        )
        enable, create, code = library.TFE_EnableCollectiveOps, status.TF_NewStatus, status.TF_GetCode
        message, delete = status.TF_Message, status.TF_DeleteStatus
    except (StopIteration, OSError, AttributeError):
        return None
    enable.argtypes, enable.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p], None
    create.restype, message.restype = ctypes.c_void_p, ctypes.c_char_p
    code.argtypes = message.argtypes = delete.argtypes = [ctypes.c_void_p]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p

    def call(context: Any, definition: bytes) -> None:
        result = create()
        try:
            enable(pointer(context, None), definition, len(definition), result)
            if number := code(result):
                error = errors_impl.exception_type_from_error_code(number)
                raise error(None, None, message(result).decode())
        finally:
            delete(result)

    return call
