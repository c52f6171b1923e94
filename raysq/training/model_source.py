"""The source of a model of a person's own: what it consists of, whether it has changed, and importing it.

Only the module that is asked for is looked up in the current folder first. Its folder then stands at the end of
`sys.path`, for the modules that it imports from there: nothing in it takes the place of an installed package.
"""

import ast
import contextlib
import hashlib
import importlib
import importlib.machinery
import inspect
import os
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from raysq.errors import UsageError

# Digest of the source that a module of this process was imported with.
_imported: dict[str, str] = {}


class SourceChanged(UsageError):
    """A model's source is no longer that which a run was trained with."""


def import_source(name: str, digest: str = "", folder: str = "") -> ModuleType:
    """Imports a module with the source that lies on disk, or with that of a digest.

    A module that this process has imported before, as a notebook has, is imported anew once its source was edited.

    Args:
        name: `package.module`; the current folder is searched first.
        digest: of the source that is wanted; whatever is there if empty.
        folder: where to look for that source too.

    Raises:
        ModuleNotFoundError: there is none.
        SourceChanged: there is one, of another source.
    """
    if _is_raysqs(name):
        return importlib.import_module(name)
    module, file = sys.modules.get(name), find_module(name)
    if module is not None:
        mine = _file_of(module)
        here = source_digest(name, file or mine)
        if name not in _imported:
            _imported[name] = source_digest(name, mine) if _is_older_than_this_process(module) else ""
        if _imported[name] == (digest or here) or name == "__main__":
            return module
        if digest in ("", here):
            return _import(name, file)
    elif file is None and not (digest and folder):
        return _import(name, None)  # found in another way than by files, or missing
    elif file is not None and digest in ("", source_digest(name, file)):
        return _import(name, file)
    for place in [*_places(), *([folder] if folder else [])]:
        file = _locate(name, [place])
        if file is not None and source_digest(name, file) == digest:
            return _import(name, file)
    if module is None and find_module(name) is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    raise SourceChanged(f"the source of {name} has changed since the run was begun: train another run of it")


def import_changed(name: str, folder: str) -> ModuleType:
    """Imports a module whose source is not the one that was written down: from the folder where it lay, or installed.

    Not from the current folder, where another's module of that name may lie.

    Raises:
        ModuleNotFoundError: there is none.
    """
    file = _locate(name, [folder] if folder else [])
    return importlib.import_module(name) if file is None else _import(name, file)


def find_module(name: str, *folders: str) -> Path | None:
    """The file of a module in the current folder, where Python looks, or in other folders; nothing is imported."""
    return _locate(name, [*_places(), *folders])


def _places() -> list[str]:
    return [os.getcwd(), *sys.path]


def is_of_python(name: str) -> bool:
    """Whether a module is of Python's own library, which may do something as soon as it is imported."""
    if name.partition(".")[0] not in sys.stdlib_module_names:
        return False
    file = find_module(name)
    return file is None or _is_installed(file.parent)


def has_changed(name: str, digest: str, folder: str) -> bool:
    """Whether a module lies on disk, and nowhere with the source of that digest; nothing is imported."""
    found = [_locate(name, [one]) for one in (*_places(), folder)]
    digests = {source_digest(name, file) for file in found if file is not None}
    return bool(digest) and bool(digests) and digest not in digests


def imported_digest(name: str, function: str) -> str:
    """The digest of the source with which this process imported a module; empty for raysq's own and where it is not
    known. A notebook has no file: there it is the function's."""
    module = sys.modules[name]
    if _file_of(module) is None and name == "__main__":
        try:
            return hashlib.sha256(inspect.getsource(getattr(module, function)).encode()).hexdigest()
        except (OSError, TypeError):
            return ""
    return _imported.get(name, "")


def folder_of(name: str) -> str:
    """The folder from which a module was imported by its name; empty where there is none."""
    file = _file_of(sys.modules[name])
    return "" if file is None else str(_base(name, file))


def source_digest(name: str, file: Path | None) -> str:
    """A digest of a module's source and that of the modules of its folder or package that it imports, directly or by
    others; empty for raysq's own models, which its version tells, and for modules without a file.

    Imports are read, not carried out: those that a program computes are not seen.
    """
    if file is None or _is_raysqs(name):
        return ""
    digest = hashlib.sha256()
    for module, path in sorted(_files(name, file).items()):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{module} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _import(name: str, file: Path | None) -> ModuleType:
    """Imports a module and its own from disk, whatever was imported before under these names.

    Args:
        name: of the module.
        file: its own; None where it is found in another way.
    """
    for one in [name, *_held_files(name)]:
        sys.modules.pop(one, None)
    importlib.invalidate_caches()
    digest = source_digest(name, file)  # before: an edit while it is imported is noticed the next time
    with contextlib.nullcontext() if file is None else _found_in(_base(name, file), name.partition(".")[0]):
        module = importlib.import_module(name)
    _imported[name] = digest if file is not None else source_digest(name, _file_of(module))
    return module


# Folders of modules that stand at the end of sys.path, the latest first.
_folders: list[str] = []


@contextlib.contextmanager
def _found_in(base: Path, top: str) -> Iterator[None]:
    """Lets Python find a module or package in a folder before all others, and what it imports from there after them.

    The folder stays at the end of `sys.path`: functions of the module may import when they are called.
    """
    folder = str(base)
    if folder in _folders or not any(Path(one).absolute() == base for one in sys.path):
        sys.path[:] = [one for one in sys.path if one != folder]
        end = next((at for at, one in enumerate(sys.path) if one in _folders), len(sys.path))
        sys.path.insert(end, folder)
        _folders.append(folder)
    finder = _Finder(top, folder)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    """Finds one module or package in a folder."""

    def __init__(self, top: str, folder: str) -> None:
        self.top, self.folder = top, folder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """As the import system asks."""
        return importlib.machinery.PathFinder.find_spec(name, [self.folder]) if name == self.top else None


def _held_files(name: str) -> list[str]:
    """The modules of this process that belong to one, by the files that were imported."""
    module = sys.modules.get(name)
    file = None if module is None else _file_of(module)
    if file is None or not file.exists():
        return []
    loaded = {one: _file_of(found) for one, found in [*sys.modules.items()] if isinstance(found, ModuleType)}
    return [one for one, path in _files(name, file).items() if loaded.get(one) == path]


def _files(name: str, file: Path) -> dict[str, Path]:
    """The files of a module and of those that it imports, by module."""
    base = _base(name, file)
    top = name.partition(".")[0]
    # Beside an installed package lie all others, whose versions are not a model's source.
    alone = _is_installed(base)
    found: dict[str, Path] = {}
    waiting = [(name, file), *_packages(name, base)]
    while waiting:
        module, path = waiting.pop()
        if module in found:
            continue
        found[module] = path
        for imported in _imports(module, path):
            if _is_raysqs(imported) or (alone and imported.partition(".")[0] != top):
                continue
            target = _resolve(imported, base)
            if target is not None and (imported.partition(".")[0] == top or not _is_found_before(imported, base)):
                waiting += [(imported, target), *_packages(imported, base)]
    return found


def _packages(name: str, base: Path) -> Iterator[tuple[str, Path]]:
    """The packages that a module lies in; importing it runs them."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        path = base.joinpath(*parts[:end], "__init__.py")
        if path.is_file():
            yield ".".join(parts[:end]), path


def _imports(name: str, path: Path) -> Iterator[str]:
    """The modules that a file imports; of `from a import b` both a and a.b, whichever is one."""
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # importing it will say so
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
    """Whether Python finds another module of that name before it comes to a folder."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    before = []
    for place in sys.path:
        if Path(place).absolute() == base:
            break
        before.append(place)
    found = importlib.machinery.PathFinder.find_spec(top, [place for place in before if place not in _folders])
    return found is not None and found.origin is not None


def _resolve(name: str, base: Path) -> Path | None:
    if not all(part.isidentifier() for part in name.split(".")):
        return None  # no module's name, but maybe a path
    path = base.joinpath(*name.split("."))
    for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if file.is_file():
            return file
    return None


def _locate(name: str, folders: list[str]) -> Path | None:
    """The file of a module that is not imported yet."""
    found = (_resolve(name, Path(folder or ".").absolute()) for folder in folders)
    return next((file for file in found if file is not None), None)


def _base(name: str, file: Path) -> Path:
    """The folder in which a module's name is looked up."""
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
    """Whether no file of a module that others imported was changed since, as far as can be told."""
    file = _file_of(module)
    if file is None:
        return True
    return all(path.stat().st_mtime < _started() for path in _files(module.__name__, file).values())


def _started() -> float:
    """When this process began."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.time() - age
    except (OSError, AttributeError, ValueError, IndexError):  # not on Linux
        return _LOADED


_LOADED = time.time()
