"""The source of a model of a person's own: what it consists of, whether it has changed, and importing it."""

import ast
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from raysq.errors import UsageError

# Digest of the source that a module of this process was imported with.
_imported: dict[str, str] = {}


class SourceChanged(UsageError):
    """A model's source is no longer that which a run was trained with."""


def import_source(name: str, digest: str = "", folder: str = "") -> ModuleType:
    """Imports a module with the source that lies on disk, or with that of a digest.

    A module that this process has imported before, as a notebook has, is imported anew once its source was edited.

    Args:
        name: `package.module`; the current folder is searched as well.
        digest: of the source that is wanted; whatever is there if empty.
        folder: where to look for that source too.

    Raises:
        ModuleNotFoundError: there is none.
        SourceChanged: there is one, of another source.
    """
    if _is_raysqs(name):
        return importlib.import_module(name)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    module, file = sys.modules.get(name), _locate(name, sys.path)
    if module is not None:
        mine = _file_of(module)
        here = source_digest(name, file or mine)
        if name not in _imported:
            _imported[name] = source_digest(name, mine) if _is_older_than_this_process(module) else ""
        if _imported[name] == (digest or here) or name == "__main__":
            return module
        if digest in ("", here):
            return _import(name)
    elif file is None and not (digest and folder):
        return _import(name)  # found in another way than by files, or missing
    elif file is not None and digest in ("", source_digest(name, file)):
        return _import(name)
    file = _locate(name, [folder]) if folder else None
    if file is not None and source_digest(name, file) == digest:
        sys.path.insert(0, folder)
        try:
            return _import(name)
        finally:
            sys.path.remove(folder)
    if module is None and _locate(name, sys.path) is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    raise SourceChanged(f"the source of {name} has changed since the run was begun: train another run of it")


def has_changed(name: str, digest: str, folder: str) -> bool:
    """Whether a module lies on disk, and nowhere with the source of that digest; nothing is imported."""
    found = [_locate(name, [one]) for one in (os.getcwd(), *sys.path, folder)]
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


def source_folder(name: str) -> str:
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


def _import(name: str) -> ModuleType:
    """Imports a module and its own from disk, whatever was imported before under these names."""
    for one in [name, *_held_files(name)]:
        sys.modules.pop(one, None)
    importlib.invalidate_caches()
    file = _locate(name, sys.path)
    digest = source_digest(name, file)  # before: an edit while it is imported is noticed the next time
    module = importlib.import_module(name)
    _imported[name] = digest if file is not None else source_digest(name, _file_of(module))
    return module


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
            if target is not None:
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


def _resolve(name: str, base: Path) -> Path | None:
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
