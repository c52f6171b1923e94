"""Files and folders of remote file systems, downloaded to the home: changed files only, resumed where interrupted."""

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from raysq.data.download import Progress, file_name
from raysq.data.remote import Location, locate
from raysq.errors import DamagedError, SourceError
from raysq.storage.atomic import write_json
from raysq.storage.json_files import read_json
from raysq.storage.paths import file_lock, home
from raysq.storage.uris import identity

_BLOCK = 8 << 20  # bytes of a request
_FILES = 8  # files downloaded at once
_RESERVE = 64 << 20  # bytes of disk space to keep free


class _Mark(TypedDict):
    """State of a remote file when its download began, by which a change is noticed."""

    size: int
    version: str


@dataclass(frozen=True)
class _RemoteFile:
    name: str  # relative to the folder, with forward slashes
    path: str
    size: int


class _Stopped(Exception):
    """Another download failed, or the user stopped the command."""


def fetch_remote(uri: str, wanted: Callable[[str], bool], *, recursive: bool, progress: Progress | None = None) -> Path:
    """Download a file or folder and keep it under `home()/sources`.

    Files that are there already and have not changed (by size, time and, where the file system has one, checksum or
    ETag) are not read again. An interrupted download is resumed, also by a later call. Credentials are never stored or
    shown; the cached files are the same for all credentials.

    Args:
        wanted: whether a file of a folder is downloaded, by its name.
        recursive: whether folders in the folder are downloaded too.
        progress: called with the number of bytes received and their total.

    Returns:
        Path of the file or folder.

    Raises:
        SourceError: the URI cannot be read, or the disk is too small.
    """
    import pyarrow.fs

    location = locate(uri)
    folder = home() / "sources" / hashlib.sha256(identity(uri).encode()).hexdigest()[:12]
    target = folder / file_name(uri.rstrip("/"))
    info = location.call("found", lambda: location.system.get_file_info(location.path))
    if info.type == pyarrow.fs.FileType.NotFound:
        raise SourceError(f"{location.shown} does not exist", hint="check its name, and the region or endpoint")
    with file_lock(folder / ".lock"):
        if info.type == pyarrow.fs.FileType.File:
            files = [_RemoteFile(target.name, info.path, info.size)]
            root = folder
        else:
            files, root = _files(location, wanted, recursive), target
        _download_all(location, files, root, folder, progress)
        if root is target:
            _remove_others(root, {file.name for file in files})
    return target


def _files(location: Location, wanted: Callable[[str], bool], recursive: bool) -> list[_RemoteFile]:
    import pyarrow.fs

    selector = pyarrow.fs.FileSelector(location.path, recursive=recursive)
    infos = location.call("listed", lambda: location.system.get_file_info(selector))
    files = []
    for info in infos:
        name = info.path[len(location.path) :].strip("/")
        if info.type != pyarrow.fs.FileType.File or not wanted(name.rpartition("/")[2]):
            continue
        if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
            raise SourceError(f"{location.shown} has a file named {name!r}, which no folder can hold", hint="rename it")
        files.append(_RemoteFile(name, info.path, info.size))
    if not files:
        raise SourceError(f"{location.shown} has no files that are read here", hint="give another --source")
    return sorted(files, key=lambda file: file.name)


def _download_all(
    location: Location, files: list[_RemoteFile], root: Path, folder: Path, progress: Progress | None
) -> None:
    parts = folder / ".parts"
    parts.mkdir(parents=True, exist_ok=True)
    total, done = sum(file.size for file in files), [0] * len(files)
    stopped = threading.Event()

    def download(number: int) -> None:
        def tell(size: int) -> None:
            if stopped.is_set():
                raise _Stopped
            done[number] = size
            if progress is not None:
                progress(sum(done), total)

        _download(location, files[number], root, parts, tell)

    with ThreadPoolExecutor(min(_FILES, len(files))) as pool:
        futures = [pool.submit(download, number) for number in range(len(files))]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _download(location: Location, file: _RemoteFile, root: Path, parts: Path, tell: Callable[[int], None]) -> None:
    """Download a file unless it is there and unchanged."""
    path = root / file.name
    key = hashlib.sha256(file.name.encode()).hexdigest()[:24]
    part, mark = parts / f"{key}.part", parts / f"{key}.json"
    stored = _read_mark(mark)
    if stored is not None and stored["size"] == file.size and path.exists() and path.stat().st_size == file.size:
        version = location.call("read", lambda: _version(location, file))
        if version and stored["version"] == version:
            tell(file.size)
            return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # the mark, which is written first, would take it for the new file
        free = shutil.disk_usage(part.parent).free
        if file.size + _RESERVE > free:
            raise SourceError(
                f"{location.shown} has {file.size:,} bytes, {part.parent} has {free:,} bytes free",
                hint="make room or set RAYSQ_HOME",
            )
    except OSError as error:
        raise _unwritable(path, error) from None
    location.call("fetched", lambda: _copy(location, file, part, mark, tell))
    try:
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path, error) from None


def _copy(location: Location, file: _RemoteFile, part: Path, mark: Path, tell: Callable[[int], None]) -> None:
    """Append what is missing to a partial download. Raise `OSError` if that fails, to be called again."""
    with location.system.open_input_file(file.path) as source:
        version, size = _version_of(location, source, file), source.size()
        stored = _read_mark(mark)
        have = part.stat().st_size if part.exists() else 0
        if not version or stored != {"size": size, "version": version} or have > size:
            have = 0  # nothing proves that the file is unchanged
        write_json(mark, {"size": size, "version": version}, durable=False)
        source.seek(have)
        with open(part, "r+b" if have else "wb") as target:
            target.seek(have)
            while have < size:
                block = source.read(min(_BLOCK, size - have))
                if not block:
                    raise OSError(f"the file ended after {have:,} of {size:,} bytes")
                try:
                    target.write(block)
                except OSError as error:
                    raise _unwritable(part, error) from None
                have += len(block)
                tell(have)
    if _version(location, file) != version:
        part.unlink(missing_ok=True)
        raise OSError("the file changed while it was read")


def _version(location: Location, file: _RemoteFile) -> str:
    with location.system.open_input_file(file.path) as source:
        return _version_of(location, source, file)


def _version_of(location: Location, source: Any, file: _RemoteFile) -> str:
    """Return what changes when a file does: its ETag or checksum, or where there is none, the time of its change.

    Where the file system has none of them, return "": whether the file has changed is not known.
    """
    metadata: dict[str, str] = {}
    with contextlib.suppress(NotImplementedError, AttributeError):
        metadata = {
            (key.decode() if isinstance(key, bytes) else key).lower(): (
                value.decode() if isinstance(value, bytes) else value
            )
            for key, value in (source.metadata() or {}).items()
        }
    found = [metadata[key] for key in ("etag", "content-md5", "crc32c", "md5hash", "generation") if metadata.get(key)]
    if not found:
        changed = location.system.get_file_info(file.path).mtime_ns
        found = [] if changed is None else [str(changed)]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:24] if found else ""


def _read_mark(mark: Path) -> _Mark | None:
    try:
        stored: _Mark | None = read_json(mark, _Mark, "", missing=None) if mark.exists() else None
        return stored
    except DamagedError:
        return None


def _remove_others(root: Path, names: set[str]) -> None:
    """Remove files that the remote folder no longer has."""
    for path in list(root.rglob("*")):
        if path.is_file() and path.relative_to(root).as_posix() not in names:
            path.unlink()


def _unwritable(path: Path, error: OSError) -> SourceError:
    return SourceError(f"{path} cannot be written: {error.strerror or error}", hint="make room or set RAYSQ_HOME")
