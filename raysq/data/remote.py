"""File systems of URIs (s3, gs, abfs and others of pyarrow.fs, or fsspec), with retries and errors of one line."""

import contextlib
import os
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from raysq.errors import SourceError
from raysq.storage.uris import redact, redact_text

if TYPE_CHECKING:
    import pyarrow.fs

T = TypeVar("T")

ATTEMPTS = 5
PAUSE = 0.5  # seconds before the second attempt; doubled for each further attempt
_ARROW = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file")
_LONGEST = 160  # characters shown of a library's message
_AZURE = ("abfs", "abfss")
_AZURE_HOSTS = (".blob.core.windows.net", ".dfs.core.windows.net")
_ENCODED = "write signs in names and passwords as %XX, such as %2F for a slash"
_BY_HAND = "fetch it yourself and give --source PATH"
_SECRET_LENGTH = 4  # characters that a part of a URI has at least to be hidden in messages
_CODE = re.compile(r"AWS Error ([A-Z_0-9]+)|Azure Error: \[?(\w+)|\b([A-Z]+(?:_[A-Z]+)+|UNAUTHENTICATED|UNAVAILABLE)\b")
_STATUS = re.compile(r"(?i)http (?:status|code|response)[^0-9]{0,20}(\d{3})")
_NO_PERMISSION = re.compile(
    r"(?i)access_?denied|permission_?denied|forbidden|unauthenticated|unauthorized|invalid_?access_?key|invalid_?client"
    r"|signature_?does_?not_?match|authentication|authorization|invalid_?token|expired_?token|credential|\b40[13]\b"
)
_MISSING = re.compile(r"(?i)no_?such|not_?found|does not exist|container_?not|\b404\b")
_NO_NETWORK = re.compile(
    r"(?i)network_?connection|(couldn't|could not|cannot) (connect|resolve)|unreachable|connection (was )?refused"
    r"|timed? ?out"
)
_GCS_SECONDS = 5  # for which the library of Google's storage repeats a request; its default is 15 minutes


@dataclass(frozen=True)
class Location:
    """File or folder of a file system.

    Attributes:
        shown: the URI without its credentials.
        path: path in the file system.
        secrets: parts of the URI that no message may hold.
    """

    system: "pyarrow.fs.FileSystem"
    path: str
    shown: str
    secrets: tuple[str, ...] = ()

    def call(self, doing: str, function: Callable[[], T]) -> T:
        """Call a function of the file system, again if it fails for a reason that may pass.

        Args:
            doing: past participle of the operation, for errors, such as "read".

        Raises:
            SourceError: it failed for good, or several times.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                return _interruptible(function)
            except Exception as error:
                if not isinstance(error, (OSError, ValueError, ImportError)) and not _is_arrow(error):
                    raise
                failure = error
                if _is_final(error):
                    break
        raise self._error(doing, failure, attempt + 1) from None

    def _error(self, doing: str, error: Exception, attempts: int) -> SourceError:
        """Return the error for the user. It does not quote what a server says, which may repeat the request."""
        text, code = str(error), _code(str(error))
        failed = f"{self.shown} was not {doing}" + (f" after {attempts} attempts" if attempts > 1 else "")
        if _NO_NETWORK.search(text):
            return SourceError(
                f"{failed}: no connection to the server{code}",
                hint=f"check the network, the endpoint and the region, or {_BY_HAND}",
            )
        if _is_forbidden(error):
            return SourceError(
                f"{failed}: no permission{code}",
                hint="check the credentials, of the environment, the cloud's configuration files or the URI",
            )
        if _is_missing(error):
            return SourceError(
                f"{failed}: there is no such file, folder or bucket{code}",
                hint="check its name, and the region or endpoint",
            )
        if isinstance(error, ImportError):
            package = f": pip install {error.name}" if error.name else ""
            return SourceError(f"{failed}: it needs a package that is not installed{package}", hint=_BY_HAND)
        if "Cannot parse URI" in text:
            return SourceError(f"{self.shown} is no URI", hint=_ENCODED)
        reason = code.strip(" ()") or self._scrubbed(text) or type(error).__name__
        return SourceError(f"{failed}: {reason}", hint=_BY_HAND)

    def _scrubbed(self, text: str) -> str:
        line = (text.strip().splitlines() or [""])[0]
        for secret in self.secrets:
            line = line.replace(secret, "...")
        return redact_text(line)[:_LONGEST]


def scheme(text: str) -> str:
    """Return the scheme of a URI in lower case; "" if the text is none."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
    return match[1].lower() if match else ""


def locate(uri: str) -> Location:
    """Return the file system and the path that a URI names.

    Raises:
        SourceError: no file system is known for the scheme, or the URI is malformed.
    """
    import pyarrow.fs

    shown = redact(uri)
    try:
        secrets = _secrets(uri)
    except ValueError:  # such as of a bracket in the host
        raise SourceError(f"{shown} is no URI", hint=_ENCODED) from None
    create = pyarrow.fs.FileSystem.from_uri if scheme(uri) in _ARROW else _of_fsspec
    if scheme(uri) in _AZURE:
        create = _of_azure
    if scheme(uri) in ("gs", "gcs") and "retry_limit_seconds" not in uri:
        uri += f"{'&' if '?' in uri else '?'}retry_limit_seconds={_GCS_SECONDS}"
    # Opening S3 without a region asks for that of the bucket, so it fails and is repeated as requests are.
    system, path = Location(None, "", shown, secrets).call("opened", lambda: create(uri))
    return Location(system, path.rstrip("/"), shown, secrets)


def _of_azure(uri: str) -> "tuple[pyarrow.fs.FileSystem, str]":
    """Return the file system of an Azure URI, with the account's key if the URI or the environment has one.

    Arrow reads the key of no URI, and would ask for a token of a signed-in user instead.
    """
    import pyarrow.fs

    system, path = pyarrow.fs.FileSystem.from_uri(uri)
    parts = urllib.parse.urlsplit(uri)
    host, parameters = parts.hostname or "", dict(urllib.parse.parse_qsl(parts.query))
    of_azure = host.endswith(_AZURE_HOSTS)
    account = host.partition(".")[0] if of_azure else urllib.parse.unquote(parts.username or "")
    key = urllib.parse.unquote(parts.password or "")
    if not key and os.environ.get("AZURE_STORAGE_ACCOUNT", account) == account:
        key = os.environ.get("AZURE_STORAGE_KEY", "")
    if not key or "sig" in parameters or any(name.startswith(("credential", "client")) for name in parameters):
        return system, path
    # An emulator, or another server of the protocol.
    server = parts.netloc.rpartition("@")[2] if not of_azure and ("." in host or parts.port) else None
    protocol = "http" if parameters.get("enable_tls", "true").lower() in ("false", "0") else "https"
    system = pyarrow.fs.AzureFileSystem(
        account,
        account_key=key,
        blob_storage_authority=parameters.get("blob_storage_authority", server),
        dfs_storage_authority=parameters.get("dfs_storage_authority", server),
        blob_storage_scheme=protocol,
        dfs_storage_scheme=protocol,
    )
    return system, path


def _of_fsspec(uri: str) -> "tuple[pyarrow.fs.FileSystem, str]":
    """Return the file system that fsspec has for a URI."""
    import pyarrow.fs

    try:
        import fsspec.core
    except ImportError:
        raise ValueError(f"no file system is known for {scheme(uri)}://") from None
    system, path = fsspec.core.url_to_fs(uri)
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(system)), path


def _secrets(uri: str) -> tuple[str, ...]:
    """Return the parts of a URI that may be secret: user, password and the values of parameters."""
    parts = urllib.parse.urlsplit(uri)
    values = [
        *parts.netloc.rpartition("@")[0].split(":"),
        *(value.partition("=")[2] for value in parts.query.split("&")),
    ]
    values += [urllib.parse.unquote(value) for value in values]
    return tuple(sorted({value for value in values if len(value) >= _SECRET_LENGTH}, key=len, reverse=True))


def _interruptible(function: Callable[[], T]) -> T:
    """Call a function of a library that does not return on Ctrl-C, so that the command ends nevertheless."""
    if threading.current_thread() is not threading.main_thread():
        return function()
    future: Future[T] = Future()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=work, name="raysq-remote", daemon=True).start()
    return future.result()


def _is_forbidden(error: Exception) -> bool:
    return isinstance(error, PermissionError) or bool(_NO_PERMISSION.search(str(error)))


def _is_missing(error: Exception) -> bool:
    return isinstance(error, (FileNotFoundError, IsADirectoryError)) or bool(_MISSING.search(str(error)))


def _is_final(error: Exception) -> bool:
    """Whether an error would come again: the request itself is wrong."""
    if isinstance(error, (ValueError, ImportError, NotImplementedError)):
        return True
    return (_is_forbidden(error) or _is_missing(error)) and not _NO_NETWORK.search(str(error))


def _code(text: str) -> str:
    """Return the error code in a message of a cloud's library, such as " (ACCESS_DENIED)"."""
    match = _CODE.search(text)
    code = next((group for group in match.groups() if group), "") if match else ""
    status = _STATUS.search(text)
    found = [part for part in (code if code != "UNKNOWN" else "", f"HTTP {status[1]}" if status else "") if part]
    return f" ({', '.join(found)})" if found else ""


def _is_arrow(error: Any) -> bool:
    import pyarrow as pa

    return isinstance(error, pa.ArrowException)


@contextlib.contextmanager
def remote_output(uri: str) -> Iterator[str]:
    """Yield the path of a local file that is uploaded to a URI when the block ends without an error.

    Raises:
        SourceError: the URI cannot be written.
    """
    import shutil
    import tempfile

    location = locate(uri)
    with tempfile.TemporaryDirectory(prefix="raysq-") as folder:
        local = os.path.join(folder, os.path.basename(location.path) or "output")
        yield local

        def upload() -> None:
            with open(local, "rb") as file, location.system.open_output_stream(location.path) as stream:
                shutil.copyfileobj(file, stream, 1 << 20)

        location.call("written", upload)
