"""Queue of a run's requests: bounded, sent in batches, and sent again where a replica was lost."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from raysq.distributed.lost_work import is_loss
from raysq.serving.messages import Answer, HttpError, Request

MOST_WAITING = 512  # requests
_TRIES = 4  # of a request whose replicas are lost; it may be what ends them
_BATCH_REQUESTS = 64
_BATCH_BYTES = 4 << 20
_AHEAD = 2  # batches of a replica: it computes one while the next one waits

_log = logging.getLogger("ray.serve")

Send = Callable[[Sequence[Request]], Awaitable[list[Answer]]]


@dataclass(eq=False)
class _Waiting:
    """Request that waits for its answer."""

    request: Request
    answer: asyncio.Future[Answer]
    tries: int = 0


@dataclass(eq=False)
class Batcher:
    """Queue of the requests of a run.

    A batch is what has come since the last one: the first request is sent at once, and those that come while all
    replicas are busy are sent together. Under load batches grow, and the costs of a call are shared.

    Attributes:
        send: sends a batch to a replica, and returns the answers.
        replicas: number of replicas.
        most_waiting: most requests that wait; further ones are refused.
    """

    send: Send
    replicas: int = 1
    most_waiting: int = MOST_WAITING
    _queue: deque[_Waiting] = field(default_factory=deque)
    _sent: set[asyncio.Task[None]] = field(default_factory=set)

    async def answer(self, request: Request) -> Answer:
        """Return the answer to a request.

        Raises:
            HttpError: too many requests wait (503), or the request has ended replica after replica (500).
        """
        if len(self._queue) >= self.most_waiting:
            raise HttpError(503, f"{len(self._queue):,} requests are waiting already", "try again in a moment")
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._send_next()
        try:
            return await waiting.answer
        finally:
            if not waiting.answer.done():  # the client has gone, or the time is up
                waiting.answer.cancel()
                if waiting in self._queue:
                    self._queue.remove(waiting)

    def _send_next(self) -> None:
        while self._queue and len(self._sent) < _AHEAD * self.replicas:
            batch = self._next_batch()
            if not batch:
                return
            task = asyncio.get_running_loop().create_task(self._deliver(batch))
            self._sent.add(task)
            task.add_done_callback(self._delivered)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < _BATCH_REQUESTS:
            waiting = self._queue[0]
            if waiting.answer.done():  # nobody waits for it
                self._queue.popleft()
                continue
            size += len(waiting.request.body)
            # A request that may have ended a replica is sent alone, so that it takes no other one with it.
            if batch and (size > _BATCH_BYTES or waiting.tries > 1 or batch[0].tries > 1):
                break
            batch.append(self._queue.popleft())
        return batch

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._sent.discard(task)
        self._send_next()

    async def _deliver(self, batch: list[_Waiting]) -> None:
        try:
            answers = await self.send([waiting.request for waiting in batch])
        except Exception as error:
            self._failed(batch, error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)

    def _failed(self, batch: list[_Waiting], error: Exception) -> None:
        """Put the requests of a lost replica back to the front of the queue; others fail."""
        lost = is_loss(error)
        if not lost:
            _log.error("a batch failed", exc_info=error)
        for waiting in reversed(batch):
            waiting.tries += 1
            if waiting.answer.done():
                continue
            if lost and waiting.tries < _TRIES:
                self._queue.appendleft(waiting)
            elif lost:
                text = f"{waiting.tries} processes ended while they answered this request"
                waiting.answer.set_exception(HttpError(500, text, "it may need more memory than there is"))
            else:
                waiting.answer.set_exception(HttpError(500, "the server failed to answer", "its log has the reason"))
