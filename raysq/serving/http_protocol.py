"""uvicorn's HTTP protocol with limits of what surrounds a body: its size, and the time until it has come."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_BYTES = 64 << 10
_HEAD_SECONDS = 30.0


class LimitedHttpProtocol(HttpToolsProtocol):
    """Protocol that cuts connections whose next head, or unread rest of a body, is too large or too slow.

    uvicorn would wait for the rest of it, and hold what has come, for ever.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._surrounding_bytes = 0  # since the last byte of a body, or the last whole head
        self._advanced = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Expect the first head."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse bytes, and count those of no body: of heads, of chunks' extensions, and of trailers."""
        self._advanced = False
        super().data_received(data)
        self._surrounding_bytes = 0 if self._advanced else self._surrounding_bytes + len(data)
        if self._surrounding_bytes > _HEAD_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Expect the head of a further request on this connection."""
        super().on_message_begin()
        if self._timer is None:
            self._expect()

    def on_headers_complete(self) -> None:
        """Begin the request, whose head has come."""
        self._stop_timer()
        self._advanced = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take bytes of a body, which the application limits while it reads them."""
        self._advanced = True
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Expect the rest of a body that was answered unread, as for a wrong token."""
        if self.cycle.response_complete and self.cycle.more_body and self._timer is None:
            self._expect()
        super().on_response_complete()

    def on_message_complete(self) -> None:
        """End the request, all of which has come."""
        self._stop_timer()
        super().on_message_complete()

    def _expect(self) -> None:
        self._surrounding_bytes = 0
        self._timer = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
