"""Access to TensorFlow's server of a worker group: only hosts of the group reach it."""

import ctypes
import ipaddress
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raysq.display.terminal import print_message
from raysq.distributed.socket_filter import Network, SocketFilter, check_support, own_addresses, resolve
from raysq.errors import LostError, ResourceError

HOSTS = "RAYSQ_GROUP_HOSTS"
"""Environment variable with the hosts of a group as JSON, besides those of TF_CONFIG."""

_POLL_SECONDS = 0.002  # until the server listens
_WATCH_SECONDS = 0.05  # from then on
_MESSAGE_SECONDS = 60.0
_RESOLVE_SECONDS = 30.0


@contextmanager
def closed_server() -> Iterator[None]:
    """Restrict the server that TensorFlow starts within the block to the hosts of TF_CONFIG's cluster.

    The server listens before TensorFlow returns: it waits for the other workers first. So a thread restricts it as soon
    as it listens, and TensorFlow runs without Python's lock meanwhile.

    Raises:
        ResourceError: the server cannot be restricted and this host has a public address.
        LostError: a host of the group has no address yet, or another host was connected before the server was
            restricted.
    """
    config = json.loads(os.environ["TF_CONFIG"])
    workers = [address.rpartition(":") for address in config["cluster"]["worker"]]
    own_host, _, port = workers[config["task"]["index"]]
    hosts = {host.strip("[]") for host, _, _ in workers} | set(json.loads(os.environ.get(HOSTS, "[]")))
    call = _unlocked_call()
    guard = None
    try:
        check_support()
        if call is None:
            raise OSError("this TensorFlow has no TFE_EnableCollectiveOps")
        guard = _Guard(SocketFilter(int(port), _resolve(hosts)))
    except OSError as error:
        _refuse_public(own_host.strip("[]"), str(error))
    if call is None or guard is None:
        yield
        return
    with _replaced(call):
        guard.start()
        try:
            yield
        finally:
            guard.stop()
    if guard.error is not None:
        _refuse_public(own_host.strip("[]"), str(guard.error))
    elif guard.others:
        raise LostError(
            f"{', '.join(sorted(guard.others))}, which is no host of this worker group, connected to its TensorFlow "
            "server in the moment before it was closed to others: block that host in a firewall; the same command "
            "starts the group anew"
        )


class _Guard(threading.Thread):
    """Thread that restricts the server as soon as it listens.

    Attributes:
        error: error of the last attempt, or None.
        others: hosts that were connected before, and are disconnected.
    """

    def __init__(self, socket_filter: SocketFilter):
        super().__init__(daemon=True)
        self.error: OSError | None = None
        self.others: set[str] = set()
        self._filter = socket_filter
        self._end = threading.Event()

    def run(self) -> None:
        started, told = time.monotonic(), False
        while not self._end.wait(_WATCH_SECONDS if self._restrict() else _POLL_SECONDS):
            if not told and time.monotonic() - started > _MESSAGE_SECONDS:
                told = True
                hosts = ", ".join(map(str, self._filter.networks))
                print_message(f"waiting for the other workers; this worker's server admits {hosts}")

    def stop(self) -> None:
        """End the thread, and restrict what listens by now."""
        self._end.set()
        self.join()
        if not self._restrict() and self.error is None:
            self.error = OSError("TensorFlow's server does not listen at its port in TF_CONFIG")

    def _restrict(self) -> int:
        self.error = None
        try:
            count = self._filter.attach()
            self.others.update(self._filter.disconnect_others() if count else ())
        except OSError as error:
            self.error = error
            return 0
        return count


def _resolve(hosts: set[str]) -> list[Network]:
    """Return the networks of hosts, whose names may take some seconds to be known."""
    deadline = time.monotonic() + _RESOLVE_SECONDS
    while True:
        try:
            return resolve(hosts)
        except OSError as error:
            if time.monotonic() > deadline:
                raise LostError(f"a host of the worker group has no address ({error})") from None
        time.sleep(1)


def _refuse_public(own_host: str, reason: str) -> None:
    """Raise `ResourceError` if this host has a public address, else say that the server is open."""
    addresses = {network.network_address for network in resolve([own_host])}
    addresses |= {ipaddress.ip_address(text) for text in own_addresses()}
    public = sorted(str(address) for address in addresses if address.is_global)
    if public:
        raise ResourceError(
            f"TensorFlow's server of this worker would be open to everybody at {', '.join(public)} ({reason}): train "
            "with one worker, or on hosts with private addresses"
        )
    print_message(f"TensorFlow's server of this worker is open to all hosts of its network ({reason})")


@contextmanager
def _replaced(call: Callable[[Any, bytes], None]) -> Iterator[None]:
    """Let TensorFlow enable collective operations by `call` within the block."""
    from tensorflow.python import pywrap_tfe

    original = pywrap_tfe.TFE_EnableCollectiveOps
    pywrap_tfe.TFE_EnableCollectiveOps = call
    try:
        yield
    finally:
        pywrap_tfe.TFE_EnableCollectiveOps = original


def _unlocked_call() -> Callable[[Any, bytes], None] | None:
    """Return `TFE_EnableCollectiveOps` through ctypes, or None if no loaded library exports it.

    The call starts the server and waits for the other workers, which may take minutes. TensorFlow's Python binding
    holds Python's lock meanwhile; ctypes does not.
    """
    import tensorflow as tf
    from tensorflow.python.framework import errors_impl

    folder = Path(tf.__file__).parent
    try:
        library, framework = (
            ctypes.CDLL(str(next(folder.glob(f"lib{name}.so*"))), mode=os.RTLD_NOLOAD | os.RTLD_NOW)
            for name in ("tensorflow_cc", "tensorflow_framework")
        )
        enable, create, code = library.TFE_EnableCollectiveOps, framework.TF_NewStatus, framework.TF_GetCode
        message, delete = framework.TF_Message, framework.TF_DeleteStatus
    except (StopIteration, OSError, AttributeError):
        return None
    enable.argtypes, enable.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p], None
    create.restype, message.restype = ctypes.c_void_p, ctypes.c_char_p
    code.argtypes = message.argtypes = delete.argtypes = [ctypes.c_void_p]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p

    def call(context: Any, definition: bytes) -> None:
        status = create()
        try:
            enable(pointer(context, None), definition, len(definition), status)
            if status_code := code(status):
                raise errors_impl.exception_type_from_error_code(status_code)(None, None, message(status).decode())
        finally:
            delete(status)

    return call
