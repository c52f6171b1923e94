"""Trust in folders: sign those that this home made, and restrict those from elsewhere.

A run with a custom model names a module, and opening the run may import it. This home signs what it writes about such
runs with a secret key, so that a folder from elsewhere is recognized by its contents. Folders from elsewhere may
neither run code nor lead to files outside of them. See docs/trust.md.
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
    """Sign values that this home writes.

    Args:
        purpose: purpose of the values, such as "run". A signature is valid for one purpose only.

    Returns:
        The signature; None if the home's key can neither be read nor created, as in another user's home.
    """
    try:
        key = _read_key() or _make_key()
    except (OSError, SourceError):
        return None
    return _digest(key, purpose, values)


def is_signed(purpose: str, values: Mapping[str, Any], signature: object) -> bool:
    """Whether this home has signed values, which were read from a file with the signature, for a purpose."""
    try:
        key = _read_key()
    except OSError:
        return False
    if key is None or not isinstance(signature, str):
        return False
    return hmac.compare_digest(_digest(key, purpose, values).encode(), signature.encode("utf-8", "replace"))


def keyed_digest(content: bytes) -> str:
    """Return a digest for caches that only this home can compute.

    Without a key of the home, a random key of this process is used, because anybody could compute an unkeyed digest.
    """
    try:
        key = _read_key() or _make_key()
    except (OSError, SourceError):
        key = _OF_THIS_PROCESS
    return hmac.new(key, b"cache\n" + content, hashlib.sha256).hexdigest()


_OF_THIS_PROCESS = secrets.token_bytes(_BYTES)


def refusal(thing: str, model: str, module_file: Path | None, folder: str = "", *, way_out: str = "") -> TrustError:
    """Return the error for code from a folder from elsewhere.

    Args:
        thing: what names the code: "run NAME", or a file.
        model: `package.module:function`.
        module_file: the file that would be imported; None if it is not found on this machine.
        folder: folder of the module when the model was trained.
        way_out: alternative to --trust, for the message.
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
    """Raise a `DataError` that names a link in a folder that leads out of it. The folder itself may be a link."""
    inside = folder.resolve()
    waiting = [str(inside)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue  # a folder that cannot be read exposes nothing
        for entry in entries:
            if entry.is_symlink():
                _check_link(entry.path, inside, f"{_COPY}; or --trust, in Python trust=True, follows it")
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)


def check_file_links(folder: Path, names: Iterable[str]) -> None:
    """Raise a `DataError` that names one of these files of a folder if it is a link that leads out of it."""
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
    """Return the home's key; None if it is missing or truncated."""
    try:
        key = (home() / _KEY).read_bytes()
    except FileNotFoundError:
        return None
    return key if len(key) == _BYTES else None


def _make_key() -> bytes:
    """Create the home's key. If several processes try, one creates it and the others read it."""
    with file_lock(home() / f".{_KEY}.lock"):
        if (key := _read_key()) is not None:
            return key
        key = secrets.token_bytes(_BYTES)
        with atomic_write(home() / _KEY) as partial:
            # The file must never be readable by other users, not even under its temporary name.
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(key)
        return key
