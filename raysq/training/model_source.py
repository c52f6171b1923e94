"""Source of a user's own model: its files, their digest, changes, and import.

Only the requested module is looked up in the current folder first. Its folder is then added at the end of `sys.path`
for the modules that it imports from there, so no file of the folder shadows an installed package.
"""

import ast
import contextlib
import hashlib
import importlib
import importlib.machinery
import inspect
import itertools
import os
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from raysq.errors import UsageError

# Source digests of the modules that this process has imported, by name.
_imported: dict[str, str] = {}


class SourceChanged(UsageError):
    """Raised where a model's source differs from the source that a run was trained with."""


def import_source(name: str, digest: str = "", folder: str = "") -> ModuleType:
    """Import a module with its present source on disk, or with the source of a given digest.

    A module that this process has imported before, as in a notebook, is imported again after its source was edited.

    Args:
        name: `package.module`. The current folder is searched first.
        digest: digest of the required source. Defaults to empty, which accepts any source.
        folder: another folder to search for the required source.

    Returns:
        The imported module.

    Raises:
        ModuleNotFoundError: there is no such module.
        SourceChanged: the module exists with another source only.
    """
    if _is_raysqs(name):
        return importlib.import_module(name)
    module, file = sys.modules.get(name), find_module(name)
    if module is not None:
        module_file = _file_of(module)
        present = source_digest(name, file or module_file)
        if name not in _imported:
            _imported[name] = source_digest(name, module_file) if _is_older_than_this_process(module) else ""
        if _imported[name] == (digest or present) or name == "__main__":
            return module
        if digest in ("", present):
            return _import(name, file)
    elif file is None and not (digest and folder):
        return _import(name, None)  # missing, or found by another import hook
    elif file is not None and digest in ("", source_digest(name, file)):
        return _import(name, file)
    for path in [*_search_path(), *([folder] if folder else [])]:
        file = _locate(name, [path])
        if file is not None and source_digest(name, file) == digest:
            return _import(name, file)
    if module is None and find_module(name) is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    raise SourceChanged(f"the source of {name} has changed since the run was begun: train another run of it")


def import_changed(name: str, folder: str) -> ModuleType:
    """Import a module whose source differs from the recorded one, from its recorded folder or an installed package.

    The current folder is not searched, since it may hold an unrelated module of that name.

    Args:
        name: `package.module`.
        folder: folder from which the module was imported when the run was begun, or empty.

    Returns:
        The imported module.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    file = _locate(name, [folder] if folder else [])
    return importlib.import_module(name) if file is None else _import(name, file)


def find_module(name: str, *folders: str) -> Path | None:
    """Return the file of a module without importing it; `folders` are searched after the current one and `sys.path`."""
    return _locate(name, [*_search_path(), *folders])


def _search_path() -> list[str]:
    return [os.getcwd(), *sys.path]


def is_of_python(name: str) -> bool:
    """Return whether a module is part of Python's standard library, whose import may have side effects."""
    if name.partition(".")[0] not in sys.stdlib_module_names:
        return False
    file = find_module(name)
    return file is None or _is_installed(file.parent)


def has_changed(name: str, digest: str, folder: str) -> bool:
    """Return whether a module exists on disk, but nowhere with the source of that digest; nothing is imported.

    Args:
        name: `package.module`.
        digest: recorded digest; empty if unknown.
        folder: recorded folder, which is searched last.
    """
    files = [_locate(name, [path]) for path in (*_search_path(), folder)]
    digests = {source_digest(name, file) for file in files if file is not None}
    return bool(digest) and bool(digests) and digest not in digests


def imported_digest(name: str, function: str) -> str:
    """Return the digest of the source with which this process imported a module.

    For a notebook, which has no file, it is the digest of the function's source. It is empty for raysq's own modules
    and where the source is unknown.
    """
    module = sys.modules[name]
    if _file_of(module) is None and name == "__main__":
        try:
            return hashlib.sha256(inspect.getsource(getattr(module, function)).encode()).hexdigest()
        except (OSError, TypeError):
            return ""
    return _imported.get(name, "")


def folder_of(name: str) -> str:
    """Return the folder in which an imported module's name is looked up; empty for a module without a file."""
    file = _file_of(sys.modules[name])
    return "" if file is None else str(_base(name, file))


def source_digest(name: str, file: Path | None) -> str:
    """Return a digest of the source of a module and of the modules of its folder or package that it imports.

    Indirect imports are included. Import statements are parsed and not executed, so dynamic imports are not found.

    Args:
        name: `package.module`.
        file: file of the module, or None where it has none.

    Returns:
        The digest in hexadecimal. It is empty for raysq's own models, which raysq's version identifies, and for
        modules without a file.
    """
    if file is None or _is_raysqs(name):
        return ""
    digest = hashlib.sha256()
    for module, path in sorted(_files(name, file).items()):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{module} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def own_source_digest(names: Iterable[str]) -> str:
    """Return a digest of the present sources of the imported modules among some names, without installed packages.

    Returns:
        The digest in hexadecimal; empty where there is no such module.
    """
    digests = []
    for name in sorted(names):
        module = sys.modules.get(name)
        file = None if module is None or name == "__main__" else _file_of(module)
        if file is not None and not _is_installed(_base(name, file)):
            digests.append((name, source_digest(name, file)))
    return hashlib.sha256(repr(digests).encode()).hexdigest() if digests else ""


def _import(name: str, file: Path | None) -> ModuleType:
    """Import a module and the modules that belong to it from disk, replacing earlier imports of these names.

    `file` is None where another import hook finds the module.
    """
    for imported in [name, *_imported_parts(name)]:
        sys.modules.pop(imported, None)
    importlib.invalidate_caches()
    digest = source_digest(name, file)  # before the import, so that an edit meanwhile is detected the next time
    with contextlib.nullcontext() if file is None else _found_in(_base(name, file), name.partition(".")[0]):
        module = importlib.import_module(name)
    _imported[name] = digest if file is not None else source_digest(name, _file_of(module))
    return module


# Folders of modules that were added at the end of sys.path; in sys.path the latest comes first.
_folders: list[str] = []


@contextlib.contextmanager
def _found_in(base: Path, top: str) -> Iterator[None]:
    """Let Python find one module or package in a folder first, and all other modules of the folder last.

    The folder stays at the end of `sys.path`, since functions of the module may import when they are called.
    """
    folder = str(base)
    if folder in _folders or not any(Path(path).absolute() == base for path in sys.path):
        sys.path[:] = [path for path in sys.path if path != folder]
        end = next((index for index, path in enumerate(sys.path) if path in _folders), len(sys.path))
        sys.path.insert(end, folder)
        _folders.append(folder)
    finder = _Finder(top, folder)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    """Import finder of one top-level module or package in a folder."""

    def __init__(self, top: str, folder: str) -> None:
        self.top, self.folder = top, folder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of the module; None for any other name."""
        return importlib.machinery.PathFinder.find_spec(name, [self.folder]) if name == self.top else None


def _imported_parts(name: str) -> list[str]:
    """Return the imported modules that a module's source consists of, matched by file."""
    module = sys.modules.get(name)
    file = None if module is None else _file_of(module)
    if file is None or not file.exists():
        return []
    loaded = {key: _file_of(value) for key, value in [*sys.modules.items()] if isinstance(value, ModuleType)}
    return [part for part, path in _files(name, file).items() if loaded.get(part) == path]


def _files(name: str, file: Path) -> dict[str, Path]:
    """Return the files of a module and of the modules that it imports, by module name."""
    base = _base(name, file)
    top = name.partition(".")[0]
    # An installed package lies beside all other packages, which are not part of the model's source.
    alone = _is_installed(base)
    files: dict[str, Path] = {}
    waiting = [(name, file), *_packages(name, base)]
    while waiting:
        module, path = waiting.pop()
        if module in files:
            continue
        files[module] = path
        for imported in _imports(module, path):
            if _is_raysqs(imported) or (alone and imported.partition(".")[0] != top):
                continue
            target = _resolve(imported, base)
            if target is not None and (imported.partition(".")[0] == top or not _is_found_before(imported, base)):
                waiting += [(imported, target), *_packages(imported, base)]
    return files


def _packages(name: str, base: Path) -> Iterator[tuple[str, Path]]:
    """Yield the packages that contain a module, since importing it runs their `__init__.py`."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        path = base.joinpath(*parts[:end], "__init__.py")
        if path.is_file():
            yield ".".join(parts[:end]), path


def _imports(name: str, path: Path) -> Iterator[str]:
    """Yield the modules that a file imports; `from a import b` yields both a and a.b, since b may be a module."""
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # the import raises the error
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            outer = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*outer, *([node.module] if node.module else [])])
            if module:
                yield module
            yield from (f"{module}.{alias.name}".lstrip(".") for alias in node.names)


def _is_found_before(name: str, base: Path) -> bool:
    """Return whether Python finds another module of that name before it searches a folder."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    before = itertools.takewhile(lambda path: Path(path).absolute() != base, sys.path)
    spec = importlib.machinery.PathFinder.find_spec(top, [path for path in before if path not in _folders])
    return spec is not None and spec.origin is not None


def _resolve(name: str, base: Path) -> Path | None:
    if not all(part.isidentifier() for part in name.split(".")):
        return None  # not a module name, possibly a path
    path = base.joinpath(*name.split("."))
    for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if file.is_file():
            return file
    return None


def _locate(name: str, folders: list[str]) -> Path | None:
    """Return the file of a module in the first folder that has it, without importing it."""
    files = (_resolve(name, Path(folder or ".").absolute()) for folder in folders)
    return next((file for file in files if file is not None), None)


def _base(name: str, file: Path) -> Path:
    """Return the folder in which a module's name is looked up."""
    return file.parents[name.count(".") + (file.name == "__init__.py")]


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).absolute() if file and Path(file).exists() else None


def _is_raysqs(name: str) -> bool:
    return name.partition(".")[0] == "raysq"


def _is_installed(folder: Path) -> bool:
    if {"site-packages", "dist-packages"} & set(folder.parts):
        return True
    return folder.is_relative_to(sysconfig.get_paths()["stdlib"])


def _is_older_than_this_process(module: ModuleType) -> bool:
    """Return whether the files of a module that other code imported are all older than this process."""
    file = _file_of(module)
    if file is None:
        return True
    return all(path.stat().st_mtime < _started() for path in _files(module.__name__, file).values())


def _started() -> float:
    """Return the start time of this process in seconds since the epoch; elsewhere than on Linux, of this module."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.time() - age
    except (OSError, AttributeError, ValueError, IndexError):  # not on Linux
        return _LOADED


_LOADED = time.time()
