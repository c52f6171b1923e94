"""Runs behind the HTTP server in this process: all but Ray Serve."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping

from raysq.inference.predictor import Predictor
from raysq.serving.access import Access
from raysq.serving.application import Application, Backend
from raysq.serving.batcher import Batcher
from raysq.serving.messages import Answer
from raysq.serving.model_replica import Answerer
from raysq.serving.named_runs import open_runs
from raysq.serving.server import HttpServer, listen


async def none_missing() -> list[str]:
    return []


@contextlib.contextmanager
def serving(application: Application) -> Iterator[str]:
    """The address of a server of the application."""
    sock = listen("127.0.0.1", 0)
    http = HttpServer(application, sock)
    http.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        http.stop()


def application(runs: Mapping[str, object], answerers: Mapping[str, Answerer], **options) -> Application:
    """The application of runs whose models are in this process."""

    def backend(answerer: Answerer) -> Backend:
        async def send(requests):
            return await asyncio.to_thread(answerer.answer, requests)

        async def columns():
            return answerer.columns

        return Backend(Batcher(send), columns)

    backends = {name: backend(answerer) for name, answerer in answerers.items()}
    access = options.pop("access", Access.of_host("127.0.0.1"))
    return Application(open_runs(runs), backends, access, none_missing, **options)


def answerers(runs: Mapping[str, object]) -> dict[str, Answerer]:
    return {served.name: Answerer(served.name, Predictor(served.run)) for served in open_runs(runs)}


class Slow:
    """A queue whose answers wait for `release`."""

    def __init__(self, most_waiting: int = 2):
        self.released = False
        self.columns_now = None
        self.batcher = Batcher(self.send, 1, most_waiting)

    async def send(self, batch):
        while not self.released:
            await asyncio.sleep(0.01)
        return [Answer(200, b"{}")] * len(batch)

    async def columns(self):
        return await self.columns_now() if self.columns_now else []
