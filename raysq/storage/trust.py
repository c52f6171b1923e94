"""Which folders this home made, and what one from elsewhere may not do: run code, or lead to files outside of it.

A run whose model is a user's own names a module, and opening the run may import it. What this home writes about such
runs is signed with a key that only the home has, so that a folder from elsewhere is told apart by its contents. See
docs/trust.md.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from raysq.errors import DataError, SourceError, TrustError
from raysq.storage.atomic import atomic_write
from raysq.storage.paths import file_lock, home

SIGNATURE = "signature"
_KEY = "signing-key"
_BYTES = 32
_COPY = "copy what it leads to in its place"


def sign(purpose: str, values: Mapping[str, Any]) -> str | None:
    """Sign what this home writes; None where its key can neither be read nor made, as in another user's home.

    Args:
        purpose: of the values, such as "run": a signature holds for no other.
        values: ready for JSON.
    """
    try:
        key = _read_key() or _make_key()
    except (OSError, SourceError):
        return None
    return _digest(key, purpose, values)


def is_signed(purpose: str, values: Mapping[str, Any], signature: object) -> bool:
    """Whether this home has signed values that were read from a file."""
    try:
        key = _read_key()
    except OSError:
        return False
    if key is None or not isinstance(signature, str):
        return False
    return hmac.compare_digest(_digest(key, purpose, values).encode(), signature.encode("utf-8", "replace"))


def keyed_digest(content: bytes) -> str:
    """A digest that only this home can make, for caches; without a key one that anybody can make is not enough, so it
    is another one in each process."""
    try:
        key = _read_key() or _make_key()
    except (OSError, SourceError):
        key = _OF_THIS_PROCESS
    return hmac.new(key, b"cache\n" + content, hashlib.sha256).hexdigest()


_OF_THIS_PROCESS = secrets.token_bytes(_BYTES)


def refusal(thing: str, model: str, module_file: Path | None, folder: str = "", *, way_out: str = "") -> TrustError:
    """The error where code of a folder from elsewhere would be run.

    Args:
        thing: what names the code: "run NAME", or a file.
        model: `package.module:function`.
        module_file: the file that would be imported, where there is one here.
        folder: where the module lay when the model was trained.
        way_out: what to give besides --trust.
    """
    module = model.partition(":")[0]
    where = f"would be imported from {module_file}" if module_file else "would be imported, and is not found here"
    if module_file is None and folder:
        where += f" or in {folder!r}"
    return TrustError(
        f"{thing} was not made by this home, but elsewhere or by a raysq that did not sign yet, and its model "
        f"{model!r} is code: module {module!r} {where}. Nothing was run: "
        f"read its code first; then give {f'{way_out} or ' if way_out else ''}--trust, in Python trust=True"
    )


def check_links(folder: Path) -> None:
    """Check that no symbolic link in a folder leads out of it: what is read and written there stays there.

    Args:
        folder: of a run or a search; it may be a link itself.

    Raises:
        DataError: a link leads out; names it.
    """
    inside = folder.resolve()
    waiting = [str(inside)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue  # it cannot be read, so nothing is
        for entry in entries:
            if entry.is_symlink():
                _check_link(entry.path, inside, f"{_COPY}; or --trust, in Python trust=True, follows it")
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)


def check_file_links(folder: Path, names: Iterable[str]) -> None:
    """Check that none of some files of a folder is a symbolic link that leads out of it; see `check_links`."""
    for name in names:
        path = os.path.join(folder, name)
        if os.path.islink(path):
            _check_link(path, folder.resolve(), _COPY)


def _check_link(path: str, inside: Path, hint: str) -> None:
    if not Path(os.path.realpath(path)).is_relative_to(inside):
        raise DataError(f"{path} is a link that leads out of {inside}: {hint}")


def _digest(key: bytes, purpose: str, values: Mapping[str, Any]) -> str:
    text = json.dumps([purpose, values], sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _read_key() -> bytes | None:
    """The home's key; None where there is none yet, or one that was cut."""
    try:
        key = (home() / _KEY).read_bytes()
    except FileNotFoundError:
        return None
    return key if len(key) == _BYTES else None


def _make_key() -> bytes:
    """Make the home's key, once: of several processes one makes it and the others read it."""
    with file_lock(home() / f".{_KEY}.lock"):
        if (key := _read_key()) is not None:
            return key
        key = secrets.token_bytes(_BYTES)
        with atomic_write(home() / _KEY) as partial:
            # Nobody else may read it, not even before it has its name.
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(key)
        return key
