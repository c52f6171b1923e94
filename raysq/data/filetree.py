"""Folder trees of many small files: their contents, the files left out, and one checksum for the whole tree."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

from raysq.data.readers.files import open_file, unreadable
from raysq.errors import SourceError

# Names that file managers add to user folders: thumbnails and folder views of Windows, resource forks of macOS.
_SYSTEM = ("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "__macosx", "icon\r", "$recycle.bin")
_NAMED = 5  # names listed in a message
BY_SYSTEM = "as they are hidden or written by the system"


def is_hidden(path: str) -> bool:
    """Whether a path with forward slashes is hidden, written by the system, or inside such a folder."""
    return any(name.startswith(".") or name.lower() in _SYSTEM for name in path.split("/"))


def named_files(names: Sequence[str], most: int = _NAMED) -> str:
    """Format the first names of a list and the number of remaining ones."""
    others = f", and {len(names) - most:,} more" if len(names) > most else ""
    shown = (name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for name in names[:most])
    return ", ".join(shown) + others


def describe_ignored(names: Sequence[str], why: str) -> list[str]:
    """Return the message about ignored files, in a list that is empty if there are none.

    `why` is a clause such as "as they belong to no class".
    """
    return [f"left out, {why}: {named_files(names)}"] if names else []


@dataclass(frozen=True)
class TreeFile:
    """File in a folder tree.

    Attributes:
        name: path relative to the tree's root, with forward slashes.
    """

    name: str
    size: int
    changed: int


@dataclass(frozen=True)
class FileTree:
    """Contents of a folder and its subfolders.

    Attributes:
        files: files sorted by the bytes of their names.
        hidden: names of hidden or system files, and of such folders with a trailing slash; not among `files`.
    """

    files: tuple[TreeFile, ...]
    empty: tuple[str, ...]
    hidden: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Total size of all files."""
        return sum(file.size for file in self.files)

    @property
    def stamp(self) -> str:
        """Digest of names, sizes and modification times. It changes when the tree does."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(os.fsencode(file.name) + b"\0%d %d\0" % (file.size, file.changed))
        return digest.hexdigest()


def walk_tree(root: Path) -> FileTree:
    """Return the files of a folder tree and the names of hidden ones.

    Raises:
        SourceError: a link that leads to a folder or out of the tree, a device, or a folder that cannot be read.
    """
    files: list[TreeFile] = []
    empty: list[str] = []
    astray: list[str] = []
    hidden: list[str] = []
    try:
        inside = os.path.realpath(root) + os.sep
        _walk(str(root), "", inside, files, empty, astray, hidden)
    except OSError as error:
        raise unreadable(error.filename or root, error) from None
    if astray:
        count = len(astray) - 1
        others = "" if not count else ", as is another" if count == 1 else f", as are {count:,} others"
        raise SourceError(
            f"{min(astray)} is a link that leads out of the folder, to a folder or nowhere{others}; put the files "
            f"themselves there, or take the links out"
        )
    ordered = tuple(sorted(files, key=lambda file: os.fsencode(file.name)))
    return FileTree(ordered, tuple(sorted(empty)), tuple(sorted(hidden)))


def _walk(
    folder: str,
    prefix: str,
    inside: str,
    files: list[TreeFile],
    empty: list[str],
    astray: list[str],
    hidden: list[str],
) -> bool:
    """Append the files below a folder, and return whether there are any."""
    has_files = False
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if is_hidden(entry.name):
                hidden.append(name + "/" * entry.is_dir(follow_symlinks=False))
                continue
            stat = entry.stat(follow_symlinks=False)
            if S_ISDIR(stat.st_mode):
                has_files |= _walk(entry.path, name + "/", inside, files, empty, astray, hidden)
                continue
            if S_ISLNK(stat.st_mode):
                if not os.path.realpath(entry.path).startswith(inside) or not os.path.isfile(entry.path):
                    astray.append(entry.path)
                    continue
                stat = entry.stat()
            if not S_ISREG(stat.st_mode):
                raise SourceError(f"{entry.path} is neither a file nor a folder; take it out")
            files.append(TreeFile(name, stat.st_size, stat.st_mtime_ns))
            has_files = True
    if not has_files and prefix:
        empty.append(prefix.rstrip("/"))
    return has_files


def tree_checksum(root: Path, tree: FileTree) -> str:
    """Return the sha256 of the names, sizes and contents of a tree's files, as `walk_tree` lists them."""
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
        raise unreadable(error.filename or root, error) from None
    return digest.hexdigest()
