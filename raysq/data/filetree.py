"""Folder trees of many small files: what is in them, what of it is left out, and one checksum over all."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

from raysq.data.readers.files import open_file
from raysq.errors import RaysqError, SourceError

# Names that file managers write beside a person's files: Windows' thumbnails and folder views, macOS's shadows.
_SYSTEM = ("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "__macosx", "icon\r", "$recycle.bin")
_NAMED = 5  # names in a line
BY_SYSTEM = "as they are hidden or written by the system"


def is_hidden(path: str) -> bool:
    """Whether a path with forward slashes is hidden or the system's own, or lies in such a folder."""
    return any(name.startswith(".") or name.lower() in _SYSTEM for name in path.split("/"))


def named_files(names: Sequence[str], most: int = _NAMED) -> str:
    """The first names, and how many more there are."""
    more = f", and {len(names) - most:,} more" if len(names) > most else ""
    shown = (name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for name in names[:most])
    return ", ".join(shown) + more


def describe_ignored(names: Sequence[str], why: str) -> list[str]:
    """Return the message about files that are not read, in a list; no message where there are none.

    Every reader of folders and archives tells what it leaves out by this one line.

    Args:
        names: files, and folders with a slash behind them.
        why: the reason, such as "as they belong to no class".
    """
    return [f"left out, {why}: {named_files(names)}"] if names else []


@dataclass(frozen=True)
class TreeFile:
    """A file in a folder tree.

    Attributes:
        name: its path in the tree, with forward slashes.
        size: bytes.
        changed: its time of change in nanoseconds.
    """

    name: str
    size: int
    changed: int


@dataclass(frozen=True)
class Tree:
    """What is in a folder and the folders in it.

    Attributes:
        files: by name, in the order of its bytes.
        empty: names of the folders without any file.
        hidden: names of what is hidden or the system's own, folders with a slash behind them; not among the files.
    """

    files: tuple[TreeFile, ...]
    empty: tuple[str, ...]
    hidden: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files)

    @property
    def stamp(self) -> str:
        """A digest of names, sizes and times, which is another when anything has changed."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(os.fsencode(file.name) + b"\0%d %d\0" % (file.size, file.changed))
        return digest.hexdigest()


def walk_tree(root: Path) -> Tree:
    """The files of a folder tree, and the names of the hidden ones.

    Raises:
        SourceError: a link that leads out of the tree or to a folder, a device, or a folder that cannot be read.
    """
    files: list[TreeFile] = []
    empty: list[str] = []
    astray: list[str] = []
    hidden: list[str] = []
    try:
        inside = os.path.realpath(root) + os.sep
        _walk(str(root), "", inside, files, empty, astray, hidden)
    except OSError as error:
        if isinstance(error, RaysqError):
            raise
        raise SourceError(f"{error.filename or root} cannot be read: {error.strerror or error}") from None
    if astray:
        more = len(astray) - 1
        others = "" if not more else ", as is another" if more == 1 else f", as are {more:,} others"
        raise SourceError(
            f"{min(astray)} is a link that leads out of the folder, to a folder or nowhere{others}; put the files "
            f"themselves there, or take the links out"
        )
    ordered = tuple(sorted(files, key=lambda file: os.fsencode(file.name)))
    return Tree(ordered, tuple(sorted(empty)), tuple(sorted(hidden)))


def _walk(
    folder: str,
    prefix: str,
    inside: str,
    files: list[TreeFile],
    empty: list[str],
    astray: list[str],
    hidden: list[str],
) -> bool:
    """Adds the files below a folder, and says whether there are any."""
    found = False
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if is_hidden(entry.name):
                hidden.append(name + "/" * entry.is_dir(follow_symlinks=False))
                continue
            stat = entry.stat(follow_symlinks=False)
            if S_ISDIR(stat.st_mode):
                found |= _walk(entry.path, name + "/", inside, files, empty, astray, hidden)
                continue
            if S_ISLNK(stat.st_mode):
                if not os.path.realpath(entry.path).startswith(inside) or not os.path.isfile(entry.path):
                    astray.append(entry.path)
                    continue
                stat = entry.stat()
            if not S_ISREG(stat.st_mode):
                raise SourceError(f"{entry.path} is neither a file nor a folder; take it out")
            files.append(TreeFile(name, stat.st_size, stat.st_mtime_ns))
            found = True
    if not found and prefix:
        empty.append(prefix.rstrip("/"))
    return found


def tree_checksum(root: Path, tree: Tree) -> str:
    """The sha256 over names, sizes and contents of a tree's files.

    Raises:
        SourceError: a file that cannot be read, or changes meanwhile.
    """
    digest = hashlib.sha256()
    try:
        for file in tree.files:
            digest.update(os.fsencode(file.name) + b"\0%d\0" % file.size)
            left = file.size
            with open_file(root / file.name, buffering=0) as handle:
                while chunk := handle.read(min(left, 1 << 24) + 1):
                    digest.update(chunk)
                    left -= len(chunk)
            if left:
                raise SourceError(f"{root / file.name} is being written; wait until it is done")
    except OSError as error:
        if isinstance(error, RaysqError):
            raise
        raise SourceError(f"{error.filename or root} cannot be read: {error.strerror or error}") from None
    return digest.hexdigest()
