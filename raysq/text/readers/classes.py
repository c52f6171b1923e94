"""The classes of documents in a folder tree or an archive, by its paths."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from raysq.data.filetree import BY_SYSTEM, FileTree, describe_ignored
from raysq.errors import DataError
from raysq.text.readers import archive, layout
from raysq.text.readers.layout import Layout


@dataclass(frozen=True)
class Classes:
    """Classes found in paths.

    Attributes:
        labels: class names, or None where they are known only after all files are read.
        others: paths of files that belong to no class; in an archive, one path per folder.
        deeper: whether class folders contain folders.
        hidden: paths in an archive that are hidden or were written by the operating system. The source of a folder tree
            reports its own.
    """

    layout: Layout
    labels: tuple[str, ...] | None = None
    others: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    deeper: bool = False
    hidden: tuple[str, ...] = ()

    @property
    def left_out(self) -> list[str]:
        """Messages about files that are not documents."""
        return [*describe_ignored(self.others, "as they belong to no class"), *describe_ignored(self.hidden, BY_SYSTEM)]

    def check(self, name: str) -> None:
        """Raise `DataError` unless there are at least two classes."""
        if self.layout.name == "files" or self.labels == ():
            raise DataError(
                f"{name} has no folders of classes; documents lie in CLASS/FILE, or in train/CLASS/FILE and "
                f"test/CLASS/FILE"
            )
        if self.labels is not None and layout.are_parts(self.labels):
            raise DataError(
                f"{name} has the folders {', '.join(self.labels)} and no folders of classes in them; documents lie in "
                f"CLASS/FILE, or in train/CLASS/FILE and test/CLASS/FILE"
            )
        if self.labels is not None and len(self.labels) == 1:
            raise DataError(
                f"{name} has one class only, {self.labels[0]!r}, and there must be two to tell apart; add a folder "
                f"with documents of another"
            )


def of_tree(tree: FileTree, labels: bool = True) -> Classes:
    """Return the classes of a folder tree. Without labels, the layout is that of `layout.for_predictions`."""
    return _classes([file.name for file in tree.files], labels, tree.empty)


def of_archive(path: Path, labels: bool = True) -> Classes:
    """Return the classes of an archive. Without labels, the layout is that of `layout.for_predictions`."""
    contents = archive.scan(path)
    if contents.paths is None:
        return Classes(contents.layout if labels else layout.for_predictions(contents.layout), hidden=contents.hidden)
    return replace(_classes(contents.paths, labels), hidden=contents.hidden)


def _classes(paths: Iterable[str], wanted: bool, empty: tuple[str, ...] = ()) -> Classes:
    paths = list(paths)
    where = layout.find(paths)
    if not wanted:
        where = layout.for_predictions(where)
    placed = [(path, where.locate(path)) for path in paths]
    labels = sorted({located[0] for _, located in placed if located is not None and located[0] is not None})
    others = tuple(path for path, located in placed if located is None)
    depth = {"parts": 3, "classes": 2}.get(where.name)
    deeper = any(located[2].count("/") >= depth for _, located in placed if located is not None) if depth else False
    return Classes(where, tuple(labels), others, empty, deeper)
