"""Requests and answers, as they travel between the HTTP server and the processes that hold the models."""

import json
from typing import Any, NamedTuple

from raysq.errors import (
    DataError,
    LostError,
    MissingPackageError,
    NotFoundError,
    RaysqError,
    ResourceError,
    SourceError,
    UsageError,
)
from raysq.storage.uris import redact_text

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
RETRY_AFTER = 1  # seconds

_STATUSES: tuple[tuple[type[RaysqError], int], ...] = (
    (NotFoundError, 404),
    (UsageError, 400),
    (DataError, 400),
    (SourceError, 400),
    (LostError, 503),
    (ResourceError, 503),
    (MissingPackageError, 501),
)


class Request(NamedTuple):
    """Request to a run.

    Attributes:
        method: "predict", "generate", "translate" or "neighbors".
        body: body as it was sent.
        media_type: media type of the body.
        arrow: whether the answer is an Arrow stream.
    """

    method: str
    body: bytes
    media_type: str = JSON
    arrow: bool = False


class Answer(NamedTuple):
    """Answer to a request.

    Attributes:
        status: HTTP status.
        body: body.
        media_type: media type of the body.
    """

    status: int
    body: bytes
    media_type: str = JSON


class HttpError(RaysqError):
    """Error with an HTTP status of its own, such as 413."""

    def __init__(self, status: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


def json_answer(value: Any, status: int = 200) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))


def error_answer(error: Exception) -> Answer:
    """Return the answer for an error. Nothing of an unforeseen error is told to clients."""
    if not isinstance(error, RaysqError):
        return failure(500, "the server failed to answer", "its log has the reason")
    status = error.status if isinstance(error, HttpError) else 500
    status = next((number for kind, number in _STATUSES if isinstance(error, kind)), status)
    message = " ".join(redact_text(error.message).split())
    return failure(status, message, None if error.hint is None else " ".join(redact_text(error.hint).split()))


def failure(status: int, message: str, hint: str | None = None) -> Answer:
    """Return the answer that states an error."""
    return json_answer({"error": {"message": message, "hint": hint}}, status)
