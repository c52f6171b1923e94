"""The HTTP application: paths, limits and errors. It holds no model, and answers wherever an ASGI server runs it."""

import asyncio
import importlib.resources
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from raysq import __version__
from raysq.errors import RaysqError
from raysq.serving.access import Access
from raysq.serving.batcher import Batcher
from raysq.serving.description import ServedRun
from raysq.serving.messages import ARROW, JSON, RETRY_AFTER, Answer, HttpError, Request, error_answer, json_answer
from raysq.serving.openapi import document
from raysq.serving.text_methods import METHODS

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response

MAX_BODY = 32 << 20  # bytes
_HELD = 8  # bodies of the largest size that are held at a time
_BODY_SECONDS = 60.0  # in which a body must have come
_ANSWER_SECONDS = 300.0  # in which an answer must have been made
_PAGE_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_OPEN_PATHS = ("/", "/healthz", "/readyz")  # and the files of the page
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_log = logging.getLogger("ray.serve")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Backend:
    """The deployment of a run.

    Attributes:
        batcher: queue of its requests.
        columns: returns names and types of the columns of predictions.
    """

    batcher: Batcher
    columns: Callable[[], Awaitable[list[tuple[str, str]]]]


@dataclass(eq=False)
class Application:
    """HTTP application of served runs.

    Attributes:
        runs: served runs.
        backends: deployment of each run, by the run's name.
        access: rules of access.
        ready: returns the names of runs without a replica.
        max_body: most bytes of a body.
    """

    runs: Sequence[ServedRun]
    backends: Mapping[str, Backend]
    access: Access
    ready: Callable[[], Awaitable[list[str]]]
    max_body: int = MAX_BODY
    _held: int = 0
    _page: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import starlette.requests
        import starlette.responses  # noqa: F401 - else the first request would wait for them

        self._by_name = {served.name: served for served in self.runs}
        self._page = _page_files()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as an ASGI application."""
        from starlette.requests import Request as HttpRequest

        if scope["type"] != "http":
            return
        response = await self.respond(HttpRequest(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: "HttpRequest") -> "Response":
        """Return the response to an HTTP request."""
        from starlette.responses import Response

        try:
            answer = await self._answer(request)
        except Exception as error:
            if not isinstance(error, RaysqError):
                _log.error("a request failed", exc_info=error)
            answer = error_answer(error)
        headers = dict(_HEADERS)
        if answer.status == 503:
            headers["Retry-After"] = str(RETRY_AFTER)
        if answer.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if answer.status in (408, 413):
            headers["Connection"] = "close"  # the rest of the body is not read
        body = b"" if request.method == "HEAD" else answer.body
        return Response(body, answer.status, headers, answer.media_type)

    async def _answer(self, request: "HttpRequest") -> Answer:
        path = request.url.path
        self.access.check_site(request.headers)
        if path not in _OPEN_PATHS and not path.startswith("/page/"):
            self.access.check_token(request.headers)
        method = path.removeprefix("/")
        posted = method == "predict" or method in METHODS
        allowed = ("POST",) if posted else ("GET", "HEAD")
        if posted or path in self._page or path in ("/runs", "/openapi.json", "/healthz", "/readyz"):
            if request.method not in allowed:
                raise HttpError(405, f"{path} takes {allowed[0]}, received {request.method}")
        else:
            raise HttpError(404, f"there is no {path[:80]}", "GET /openapi.json lists the paths")
        if posted:
            return await self._ask(request, method)
        if path in self._page:
            return Answer(200, *self._page[path])
        if path == "/runs":
            runs = [served.description for served in self.runs]
            return json_answer({"runs": runs, "max_body": self.max_body, "version": __version__})
        if path == "/openapi.json":
            columns = {name: await _in_time(backend.columns()) for name, backend in self.backends.items()}
            return json_answer(document(self.runs, columns, self.max_body, token=self.access.token is not None))
        if path == "/healthz":
            return json_answer({"status": "ok"})
        missing = await self.ready()
        return json_answer({"status": "starting" if missing else "ready", "missing": missing}, 503 if missing else 200)

    async def _ask(self, request: "HttpRequest", method: str) -> Answer:
        """Return the answer of a run's replica."""
        served = self._run(request.query_params.get("run"), method)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if method != "predict" and media_type != JSON:
            raise HttpError(415, f"/{method} takes bodies of {JSON}, received {media_type or 'no Content-Type'}")
        size = 0
        try:
            body, size = await self._body(request)
            arrow = method == "predict" and ARROW in request.headers.get("accept", "")
            answer = self.backends[served.name].batcher.answer(Request(method, body, media_type, arrow))
            return await _in_time(answer)
        finally:
            self._held -= size

    def _run(self, name: str | None, method: str) -> ServedRun:
        """Return the run of a request.

        Raises:
            HttpError: there is none of that name (404), it lacks the method (400), or the name is missing (400).
        """
        can = [served.name for served in self.runs if method in served.methods]
        if name is None:
            if len(self.runs) > 1:
                raise HttpError(400, f"{len(self.runs)} runs are served", f"name one: /{method}?run={can[0]}")
            name = self.runs[0].name
        served = self._by_name.get(name)
        if served is None:
            raise HttpError(404, f"there is no run {name[:80]!r}", f"the runs are {', '.join(self._by_name)}")
        if method not in served.methods:
            what = f"run {name} ({served.run.config.task}) is {served.run.config.problem_class.noun}"
            raise HttpError(400, f"{what} and has no /{method}", f"it has {', '.join(served.methods)}")
        return served

    async def _body(self, request: "HttpRequest") -> tuple[bytes, int]:
        """Return the body of a request, and the bytes that are held for it until it is answered.

        Raises:
            HttpError: the body is too large, or too slow, or too much is held already.
        """
        length = request.headers.get("content-length", "")
        announced = int(length) if length.isdigit() else self.max_body
        if announced > self.max_body:
            raise HttpError(
                413, f"the body has {announced:,} bytes, the most is {self.max_body:,}", "send less at once"
            )
        if self._held + announced > _HELD * self.max_body:
            raise HttpError(503, "too many large requests are waiting already", "try again in a moment")
        self._held += announced
        try:
            body = await self._read(request)
        except BaseException:
            self._held -= announced
            raise
        self._held += len(body) - announced
        return body, len(body)

    async def _read(self, request: "HttpRequest") -> bytes:
        from starlette.requests import ClientDisconnect

        chunks, size = [], 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > self.max_body:
                        raise HttpError(413, f"the body has more than {self.max_body:,} bytes", "send less")
                    chunks.append(chunk)
        except TimeoutError:
            raise HttpError(408, f"the body did not come in {_BODY_SECONDS:g} s") from None
        except ClientDisconnect:
            raise HttpError(400, "the client has gone") from None
        return b"".join(chunks)


async def _in_time(answer: Awaitable[_Result]) -> _Result:
    """Return an answer, or raise `HttpError` if it takes too long, as where no replica starts again."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await answer
    except TimeoutError:
        raise HttpError(503, f"no answer in {_ANSWER_SECONDS:g} s", "try again later, or ask for less") from None


def _page_files() -> dict[str, tuple[bytes, str]]:
    """Return the files of the page with their media types, by path."""
    files = {}
    folder = importlib.resources.files("raysq.serving") / "page"
    for entry in folder.iterdir() if folder.is_dir() else ():
        suffix = f".{entry.name.rpartition('.')[2]}"
        if suffix in _PAGE_TYPES:
            path = "/" if entry.name == "index.html" else f"/page/{entry.name}"
            files[path] = (entry.read_bytes(), _PAGE_TYPES[suffix])
    return files
