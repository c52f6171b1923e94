"""The HTTP server in this process: a socket, and a thread with an event loop."""

import asyncio
import errno
import socket
import threading
from typing import Any

from raysq.errors import ResourceError, UsageError

_CONNECTIONS = 2048  # more are refused
_GRACE_SECONDS = 5  # for requests that are being answered when the server stops


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Args:
        host: address or name of this machine.
        port: port; 0 for a free one.

    Raises:
        UsageError: the port is out of range, or the host is not one of this machine.
        ResourceError: the port is taken, or needs privileges.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"--port must be from 0 to 65535, received {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise UsageError(f"--host must be an address or a name of this machine, received {host!r}") from None
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_CONNECTIONS)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"--host must be an address or a name of this machine, received {host!r}") from None
        raise ResourceError(
            f"port {port} of {host} cannot be used: {error.strerror}", "choose another --port"
        ) from None
    return sock


class HttpServer:
    """HTTP server that runs in a thread.

    Args:
        application: ASGI application.
        sock: listening socket, closed at the end.
    """

    def __init__(self, application: Any, sock: socket.socket):
        import uvicorn

        from raysq.serving.http_protocol import LimitedHttpProtocol

        config = uvicorn.Config(
            application,
            http=LimitedHttpProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._sock = sock
        self._thread = threading.Thread(target=self._run, name="raysq serve", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests that are being answered, and close the socket."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(2 * _GRACE_SECONDS)
        self._sock.close()

    def is_running(self) -> bool:
        """Whether the server answers."""
        return self._thread.is_alive()

    def _run(self) -> None:
        factory = self._server.config.get_loop_factory()
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self._server.serve(sockets=[self._sock]))
