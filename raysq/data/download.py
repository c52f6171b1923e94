"""Download a file over HTTP(S), with a cache, resumption and checksum verification."""

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict

from raysq.errors import DamagedError, SourceError
from raysq.storage.atomic import write_json
from raysq.storage.json_files import read_json
from raysq.storage.paths import file_lock, home
from raysq.storage.uris import file_path, identity, redact, redact_text, request_parts

Progress = Callable[[int, int | None], None]  # bytes so far, total bytes if known

ATTEMPTS = 4
TIMEOUT = 30.0  # seconds to wait for a response or for more data
PAUSE = 1.0  # seconds before the second attempt; doubled for each further attempt
_BLOCK = 1 << 18
_LONGEST_NAME = 100  # characters
_RESERVE = 64 << 20  # bytes of disk space to keep free


class _Mark(TypedDict):
    """Validator stored beside an interrupted download, by which the server can tell whether the file is unchanged."""

    validator: str | None


class _Broken(Exception):
    """Attempt that failed but may succeed when repeated."""


def fetch(url: str, sha256: str | None = None, progress: Progress | None = None) -> Path:
    """Download a file once and keep it under `home()/sources`.

    An interrupted download is resumed from its `.part` file, also by a later call. If the server cannot resume it, or
    the file has changed since, the whole file is downloaded.

    Credentials (a user and password, a token, a signature) are never stored or shown. The cached file is the same for
    all credentials.

    Args:
        progress: called with the number of bytes received.

    Returns:
        Path of the downloaded file.

    Raises:
        SourceError: the URL is unreachable or refused, the disk is too small, or the checksum does not match.
    """
    shown = redact(url)
    try:
        request, authorization = request_parts(url)
    except ValueError as error:
        raise SourceError(f"{shown} is not a URL that can be fetched: {error}") from None
    folder = home() / "sources" / hashlib.sha256(identity(url).encode()).hexdigest()[:12]
    path = folder / file_name(url)
    with file_lock(folder / ".lock"):
        if path.exists():
            return path
        part = path.with_name(path.name + ".part")
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                _attempt(request, authorization, shown, part, progress)
                break
            except _Broken as error:
                reason = str(error)
        else:
            raise SourceError(f"{shown} was not fetched after {ATTEMPTS} attempts: {reason}")
        if sha256 is not None:
            with open(part, "rb") as handle:
                digest = hashlib.file_digest(handle, "sha256").hexdigest()
            if digest != sha256:
                size = part.stat().st_size
                _forget(part)
                raise SourceError(
                    f"{shown} gave another file than expected and it was deleted: sha256 {digest[:12]}... "
                    f"({size:,} bytes), expected {sha256[:12]}..."
                )
        os.replace(part, path)
        _forget(part)
        return path


def file_name(url: str) -> str:
    """Return the name under which a download is stored: that of the URL's path, made a valid file name."""
    name = os.path.basename(file_path(url))
    # Leading dots are reserved for raysq's own files. The end of the name is kept for its suffix.
    return re.sub(r"[\x00-\x1f\x7f]", "_", name).lstrip(".")[-_LONGEST_NAME:] or "download"


def _attempt(url: str, authorization: str | None, shown: str, part: Path, progress: Progress | None) -> None:
    """Make one request that resumes an interrupted download.

    Messages do not quote libraries and servers, which may repeat the request.
    """
    have = part.stat().st_size if part.exists() else 0
    mark = part.with_name(part.name + ".json")
    validator = None
    if have:
        with contextlib.suppress(DamagedError):
            validator = read_json(mark, _Mark, "")["validator"]
        if validator is None:  # nothing proves that the file is unchanged
            have = 0
    headers = {"User-Agent": "raysq", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": str(validator)}
    request = urllib.request.Request(url, headers=headers)
    if authorization is not None:
        request.add_unredirected_header("Authorization", authorization)  # not sent to other servers on a redirect
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            _forget(part)
            raise _Broken("the server refused to continue a broken download") from None
        answer = f"{error.code} {http.client.responses.get(error.code, '')}".rstrip()
        if error.code in (408, 425, 429) or error.code >= 500:
            raise _Broken(f"the server answered {answer}") from None
        advice = "; is the user, password or token in the URL right?" if error.code in (401, 403) else ""
        raise SourceError(f"{shown} was not fetched: the server answered {answer}{advice}") from None
    except urllib.error.URLError as error:
        raise _Broken(_reason(error.reason)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Broken(_reason(error)) from None
    with response:
        resumed = response.status == 206 and (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
        if response.status == 206 and not resumed:
            _forget(part)
            raise _Broken("the server continued a broken download at another place")
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        part.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(part.parent).free
        if total is not None and total - have + _RESERVE > free:
            raise SourceError(
                f"{shown} has {total:,} bytes, {part.parent} has {free:,} bytes free: make room or set RAYSQ_HOME"
            )
        validator = response.headers.get("ETag")
        if validator is None or validator.startswith("W/"):  # a weak validator does not guarantee identical bytes
            validator = response.headers.get("Last-Modified")
        write_json(mark, {"validator": validator}, durable=False)
        _copy(response, part, have, total, progress)


def _copy(
    response: http.client.HTTPResponse, part: Path, have: int, total: int | None, progress: Progress | None
) -> None:
    with open(part, "ab" if have else "wb") as handle:
        while True:
            try:
                block = response.read(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise _Broken(f"the connection broke after {have:,} bytes: {_reason(error)}") from None
            if not block:
                break
            try:
                handle.write(block)
            except OSError as error:
                raise SourceError(f"{part} cannot be written: {error.strerror or error}") from None
            have += len(block)
            if progress is not None:
                progress(have, total)
    if total is not None and have < total:
        raise _Broken(f"the connection broke after {have:,} of {total:,} bytes")


def _reason(error: object) -> str:
    """Return why there is no connection or no valid response."""
    if isinstance(error, OSError) and not isinstance(error, http.client.HTTPException):
        # For certificate errors, `verify_message` contains host names at most.
        return redact_text(str(getattr(error, "verify_message", "") or error.strerror or error or repr(error)))
    if isinstance(error, str):  # a message of urllib
        return redact_text(error)
    return f"the server's answer is not one of HTTP ({type(error).__name__})"


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".json").unlink(missing_ok=True)


@contextlib.contextmanager
def progress_bar(url: str) -> Iterator[Progress]:
    """Show a progress bar on a terminal and in a notebook."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    from raysq.display.live import LiveOutput

    bar = Bar(TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    task = bar.add_task(f"fetching {file_name(url)}", total=None)
    with LiveOutput(bar):
        yield lambda done, total: bar.update(task, completed=done, total=total)
