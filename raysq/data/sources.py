"""Sources of raw data: the built-in sample, a path, rows in memory, or a URL. Downloads and checksums are cached."""

import contextlib
import functools
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from raysq.data import frames
from raysq.data.filetree import BY_SYSTEM, FileTree, describe_ignored, is_hidden, tree_checksum, walk_tree
from raysq.data.readers.files import open_file, shortened, unreadable
from raysq.data.readers.unpack import with_compressions, zip_member, zip_members
from raysq.data.remote import locate, scheme
from raysq.errors import DamagedError, DataError, RaysqError, SourceError, UsageError
from raysq.storage.atomic import write_json
from raysq.storage.json_files import read_json
from raysq.storage.paths import home
from raysq.storage.uris import redact

_TYPED = (".parquet", ".feather", ".arrow", ".xlsx")
_BESIDE = (".feather", ".arrow", ".xlsx")  # left out where a folder has files of other sorts
TABULAR = (*with_compressions(".csv", ".tsv", ".jsonl", ".ndjson"), ".zip", *_TYPED)
SAMPLE = "sample"
_VALIDATION = "--validation: "  # before errors of the source that validates
_SHOWN = 20  # suffixes listed in an error
_FEW = 4  # suffixes listed in a message


@dataclass(frozen=True)
class RawFile:
    """Raw file.

    Attributes:
        name: name in manifests and messages, without the machine's folders.
        checksum: future of the file's sha256.
    """

    path: Path
    name: str
    bytes: int
    checksum: Future[str]

    @property
    def sha256(self) -> str:
        """Checksum of the file. Waits until the file has been read completely; `SourceError` if it cannot be."""
        return self.checksum.result()


@dataclass(frozen=True)
class Listing:
    """Tables that may describe the other files of their folder: suffixes of both."""

    tables: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class ResolvedSource:
    """Raw data ready for preparation. Their checksums are computed in the background.

    Attributes:
        label: name of the source for display: a file name, a URL without its secrets, or the sample and its length.
        raw: files in reading order.
        synthetic: whether raysq generated the data.
        messages: which files of the folder or archive are ignored, and why.
        validation: the raw data to validate on, where they are given beside these.
    """

    label: str
    raw: tuple[RawFile, ...]
    synthetic: bool = False
    messages: tuple[str, ...] = ()
    validation: "ResolvedSource | None" = None

    @property
    def files(self) -> list[Path]:
        """Paths of the files in reading order."""
        return [file.path for file in self.raw]

    def entry(self) -> dict[str, Any]:
        """Return the manifest entry of the source."""
        files = [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in self.raw]
        entry = {"label": self.label, "synthetic": self.synthetic, "files": files}
        return entry if self.validation is None else {**entry, "validation": self.validation.entry()}

    def with_validation(self, validation: "ResolvedSource") -> "ResolvedSource":
        """Return the source with other raw data to validate on.

        Raises:
            DataError: a file is in both.
        """
        paths = {file.path for file in self.raw}
        for file in validation.raw:
            if file.path in paths:
                raise same_data(file.name)
        return replace(self, validation=validation)


@contextlib.contextmanager
def of_validation() -> Iterator[None]:
    """State in errors that they are of the source that validates."""
    try:
        yield
    except RaysqError as error:
        if not error.message.startswith(_VALIDATION):
            error.message = f"{_VALIDATION}{error.message}"
        hint = error.hint
        if hint is not None and hint.startswith("--set"):  # which would act on the source to train on too
            hint = "bring it to the form of the source: both are read with the same settings"
        if hint is not None:
            hint = hint.replace("--source takes sample[:LENGTH], ", "it takes ").replace("--source", "--validation")
        error.hint = hint
        raise


def same_data(name: str) -> DataError:
    """Return the error for a file that is to train on and to validate on."""
    return DataError(
        f"{name} is given to train on and to validate on: metrics on it would count what was learned by heart",
        hint="--validation takes other rows",
    )


def resolve(
    source: Any,
    *,
    url: str | None = None,
    sha256: str | None = None,
    sample: Callable[[str], Path] | None = None,
    suffixes: tuple[str, ...] = TABULAR,
    trees: bool = False,
    zip_member: str | None = ".csv",
    listing: Listing | None = None,
    write_rows: Callable[[Any, Path], Path] = frames.to_file,
    quiet: bool = True,
) -> ResolvedSource:
    """Find raw data.

    A user's file called "sample" is given as `./sample`.

    Args:
        source: `sample[:SPEC]`, a file, a folder of files, a URL, a URI of a remote file system, rows in memory, or
            None for the published data. Rows in memory are written to a file in the home.
        sample: writes synthetic raw data for a given SPEC and returns the path.
        trees: whether a folder without such files is one source together with its subfolders, such as one per class.
        zip_member: suffix of the single file that a zip must contain; None if a zip is an archive of any files.
        listing: tables that also make a folder one source, if it contains files that they may describe.
        write_rows: writes rows in memory to a file in a folder, and returns its path.

    Raises:
        SourceError: the source is missing, unreadable, or cannot be downloaded. No other data are substituted.
        DataError: a zip file is damaged.
        UsageError: no source is given and the task has no published data, or there is no sample.
    """
    if source is None:
        if url is None:
            ways = (
                "--source PATH or --source URL" if sample is None else "--source PATH, --source URL or --source sample"
            )
            raise UsageError("this task has no published data", hint=f"give {ways}")
        path = fetch_shown(url, sha256, quiet)
        return _source(redact(url), path, suffixes, trees, zip_member, listing)
    if frames.is_frame(source):
        path = write_rows(source, home() / "sources")
        return _source(f"{type(source).__name__} in memory", path, suffixes, trees, zip_member, listing)
    if not isinstance(source, (str, Path)):
        raise UsageError(f"source takes a path, a URL, {frames.TAKEN}, received {type(source).__name__}")
    text = str(source)
    if not text.strip():
        raise UsageError("the name of the source is empty", hint="--source takes a path or a URL, such as ./data.csv")
    if isinstance(source, str) and (text == SAMPLE or text.startswith(SAMPLE + ":")):
        if sample is None:
            raise UsageError("this problem has no built-in sample", hint="give --source PATH or --source URL")
        path = sample(text[len(SAMPLE) + 1 :])
        return replace(
            _source(f"built-in {path.stem} (synthetic)", path, suffixes, trees, zip_member, listing), synthetic=True
        )
    if text.lower().startswith(("http://", "https://")):
        path = fetch_shown(text, sha256 if text == url else None, quiet)
        return _source(redact(text), path, suffixes, trees, zip_member, listing)
    if scheme(text) == "file":
        path = Path(locate(text).path)
        return _source(path.name, path, suffixes, trees, zip_member, listing)
    if "://" in text:
        path = _fetch_remote(text, suffixes, trees, quiet)
        return _source(redact(text), path, suffixes, trees, zip_member, listing)
    path = Path(text).expanduser()
    return _source(path.absolute().name, path, suffixes, trees, zip_member, listing)


def fetch_shown(url: str, sha256: str | None, quiet: bool) -> Path:
    """Call `fetch` with a progress bar on standard error, and add a hint to its errors."""
    from raysq.data.download import fetch, progress_bar

    try:
        with contextlib.nullcontext() if quiet else progress_bar(url) as progress:
            return fetch(url, sha256, progress)
    except RaysqError as error:
        raise SourceError(
            error, hint="fetch the file yourself and give --source PATH (or --source sample for synthetic data)"
        ) from None


def _fetch_remote(uri: str, suffixes: tuple[str, ...], trees: bool, quiet: bool) -> Path:
    """Download a file, or a folder's files of these suffixes (all files of a tree), with a progress bar."""
    from raysq.data.download import progress_bar
    from raysq.data.remote_cache import fetch_remote

    def wanted(name: str) -> bool:
        return trees or name.lower().endswith(suffixes)

    with contextlib.nullcontext() if quiet else progress_bar(uri) as progress:
        return fetch_remote(uri, wanted, recursive=trees, progress=progress)


def _source(
    label: str, path: Path, suffixes: tuple[str, ...], trees: bool, member: str | None, listing: Listing | None
) -> ResolvedSource:
    """Check the files at a path, and describe the ignored files of a folder or zip."""
    if not os.path.exists(path):  # unlike `Path.exists`, accepts names that are too long
        raise SourceError(
            f"{redact(shortened(path))} does not exist",
            hint="--source takes sample[:LENGTH], a file, a folder, a URL or a URI such as s3://bucket/data.csv",
        )
    wanted = ", ".join(suffixes[:_SHOWN]) + (", ..." if len(suffixes) > _SHOWN else "")
    messages: list[str] = []
    if path.is_dir():
        entries = sorted(path.iterdir())
        files = [p for p in entries if p.is_file() and _is_read(p.name) and p.name.lower().endswith(suffixes)]
        if trees and (not files or listing is not None):
            tree = walk_tree(path)
            if (tree.files and not files) or (listing is not None and _is_listed(tree, listing)):
                return ResolvedSource(
                    label, (_raw_tree(path, tree),), messages=tuple(describe_ignored(tree.hidden, BY_SYSTEM))
                )
        if not files:
            names = ", ".join(p.name for p in entries if p.is_file() and _is_read(p.name)) or "nothing"
            folders = ", and no folder for each class" if trees else ""
            raise SourceError(f"folder {path} has no file that ends in {wanted}{folders}: there is {names[:200]}")
        files = [p for p in files if not p.name.lower().endswith(_BESIDE)] or files
        sorts = {next((end for end in _TYPED if p.name.lower().endswith(end)), "") for p in files}
        if len(sorts) > 1:
            raise SourceError(
                f"folder {path} mixes {max(sorts)} with other files ({files[0].name}, ...): give one sort"
            )
        messages += _others(entries, files, suffixes)
    elif path.name.lower().endswith(suffixes):
        files = [path]
    else:
        raise SourceError(f"{path} is not a file that ends in {wanted}")
    for file in files:
        if member is not None and file.name.lower().endswith(".zip"):
            inside = zip_member(file, member)
            others = [info.filename for info in zip_members(file) if info.filename != inside]
            hidden = [name for name in others if is_hidden(name)]
            messages += describe_ignored([name for name in others if name not in hidden], f"as {inside} alone is read")
            messages += describe_ignored(hidden, BY_SYSTEM)
    return ResolvedSource(label, _raw_files([file.absolute() for file in files]), messages=tuple(messages))


def _is_listed(tree: FileTree, listing: Listing) -> bool:
    """Whether a folder has both tables and files that they may describe."""
    names = [file.name.lower() for file in tree.files]
    return any(name.endswith(listing.tables) for name in names) and any(name.endswith(listing.files) for name in names)


def _is_read(name: str) -> bool:
    """Whether a file of a folder may be user data: Spark and similar tools mark other files with an underscore."""
    return not is_hidden(name) and not name.startswith("_")


def _others(entries: list[Path], files: list[Path], suffixes: tuple[str, ...]) -> list[str]:
    """Return the messages about entries of a folder that are ignored."""
    groups: dict[str, list[str]] = {}
    read = set(files)
    endings = ", ".join(suffixes[:_FEW]) + (" and so on" if len(suffixes) > _FEW else "")
    for path in entries:
        if path in read:
            continue
        if is_hidden(path.name):
            why = BY_SYSTEM
        elif path.is_dir():
            why = "as folders beside files are not looked into"
        elif path.exists() and not path.is_file():
            why = "as they are no files"
        elif path.name.startswith("_"):
            why = "as their names begin with _"
        elif path.name.lower().endswith(suffixes):
            why = "as files of another sort are beside them"
        else:
            why = f"as their names do not end in {endings}"
        groups.setdefault(why, []).append(path.name + "/" * path.is_dir())
    return [line for why, names in groups.items() for line in describe_ignored(names, why)]


def _raw_files(paths: list[Path]) -> tuple[RawFile, ...]:
    stats = []
    for path in paths:
        with open_file(path, buffering=0) as file:  # unreadable files are reported at once
            stats.append(os.fstat(file.fileno()))
        if not stats[-1].st_size:
            out = "give another --source" if len(paths) == 1 else "take it out of the folder, or write it again"
            raise SourceError(f"{path.name} is empty (0 bytes)", hint=out)
    requests = [
        _ChecksumRequest(path, stat.st_size, stat.st_mtime_ns, stat.st_mtime_ns, functools.partial(file_checksum, path))
        for path, stat in zip(paths, stats, strict=True)
    ]
    futures = _start_checksums(requests)
    return tuple(
        RawFile(request.path, request.path.name, request.bytes, future)
        for request, future in zip(requests, futures, strict=True)
    )


def _raw_tree(path: Path, tree: FileTree) -> RawFile:
    """Return a folder tree as one raw file."""
    path = path.absolute()
    if not tree.bytes:
        raise SourceError(f"all {len(tree.files):,} files of folder {path.name} are empty (0 bytes); give another")
    changed = max(file.changed for file in tree.files)
    request = _ChecksumRequest(path, tree.bytes, tree.stamp, changed, functools.partial(tree_checksum, path, tree))
    return RawFile(path, path.name, tree.bytes, *_start_checksums([request]))


def file_checksum(path: Path, hint: str | None = None) -> str:
    """Return the sha256 of a file's bytes, or raise `SourceError` with the hint."""
    with open_file(path, buffering=0, hint=hint) as handle:
        try:
            return hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]
        except OSError as error:
            raise unreadable(path, error, hint) from None


class _ChecksumRequest(NamedTuple):
    """File or folder whose checksum `read` computes. `stamp` changes when it does."""

    path: Path
    bytes: int
    stamp: Any
    changed: int
    read: Callable[[], str]


def _start_checksums(requests: list[_ChecksumRequest]) -> list[Future[str]]:
    """Return futures of checksums, taken from the cache or computed by a thread that reads one file after the other."""
    cache = home() / "sources" / "checksums.json"
    cached = _read_cache(cache)
    futures: list[Future[str]] = [Future() for _ in requests]
    missing = []
    for request, future in zip(requests, futures, strict=True):
        entry = cached.get(str(request.path))
        if entry is not None and entry[:2] == [request.bytes, request.stamp]:
            future.set_result(entry[2])
        else:
            missing.append((request, future))

    def find() -> None:
        checksums = {}
        for number, (request, future) in enumerate(missing, 1):
            tell: Callable[[], None]
            try:
                digest = request.read()
            except Exception as error:
                tell = functools.partial(future.set_exception, error)
            else:
                tell = functools.partial(future.set_result, digest)
                # A file written just now may change again within the clock's resolution.
                if time.time_ns() - request.changed > 2e9:
                    checksums[str(request.path)] = [request.bytes, request.stamp, digest]
            if number == len(missing):
                _write_cache(cache, checksums)  # before the last result is set, after which the process may end
            tell()

    if missing:
        # A daemon thread, so that a process that does not need the checksums need not wait for it.
        threading.Thread(target=find, name="checksums", daemon=True).start()
    return futures


def _read_cache(cache: Path) -> dict[str, list[Any]]:
    """Return cached checksums by path, with size and stamp, so that unchanged files are not read again."""
    try:
        cached: dict[str, Any] = read_json(cache, dict[str, tuple[int, Any, str]], "", missing={})
        return cached
    except DamagedError:
        return {}  # they are then computed again


def _write_cache(cache: Path, checksums: dict[str, list[Any]]) -> None:
    """Cache checksums."""
    # This is only a cache. Code that needs to write to the home reports errors itself.
    with contextlib.suppress(SourceError):
        write_json(cache, _read_cache(cache) | checksums, durable=False)
