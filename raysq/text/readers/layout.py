"""Where classes and parts are in a folder tree or an archive: ROOT/CLASS/FILE, or ROOT/train/CLASS/FILE."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# The number of a part in the column `part`: 0 to train on, 1 to test on, 2 to validate on.
PARTS = {
    "train": 0,
    "training": 0,
    "test": 1,
    "testing": 1,
    "dev": 2,
    "val": 2,
    "valid": 2,
    "validation": 2,
}
_UNLABELED = "unsup"  # aclImdb's folder of reviews without a label


@dataclass(frozen=True)
class Layout:
    """How the path of a file says what it is.

    Attributes:
        name: "parts" for train/CLASS/FILE and test/CLASS/FILE, "classes" for CLASS/FILE, "files" where there are no
            classes.
        root: the one folder above all of it that is looked through, with a slash, or "".
    """

    name: Literal["parts", "classes", "files"]
    root: str = ""

    def place(self, path: str) -> tuple[str | None, int, str] | None:
        """Label, part and id of the file at a path with forward slashes; None where it is no document."""
        if not path.startswith(self.root):
            return None
        inner = path[len(self.root) :]
        if self.name == "files":
            return None, -1, inner
        folders = inner.split("/")
        if self.name == "classes":
            return (folders[0], -1, inner) if len(folders) > 1 else None
        part = PARTS.get(folders[0].lower())
        if part is None or len(folders) < 3 or folders[1] == _UNLABELED:
            return None
        return folders[1], part, inner

    @property
    def said(self) -> str:
        """The layout, for people."""
        return {"parts": "train/CLASS/FILE and test/CLASS/FILE", "classes": "CLASS/FILE", "files": "files alone"}[
            self.name
        ]


def has_parts(path: str) -> Layout | None:
    """The layout, where one path is enough to tell: a folder named train or test that holds folders."""
    folders = path.split("/")
    if len(folders) > 2 and folders[0].lower() in PARTS:
        return Layout("parts")
    if len(folders) > 3 and folders[1].lower() in PARTS:
        return Layout("parts", folders[0] + "/")
    return None


def find(paths: Iterable[str]) -> Layout:
    """The layout of a tree, from the paths of all its files, relative and with forward slashes."""
    tops, deep = set(), False
    for path in paths:
        parts = has_parts(path)
        if parts is not None:
            return parts
        folders = path.split("/")
        if len(folders) > 1:
            tops.add(folders[0])
            deep |= len(folders) > 2
    if not tops:
        return Layout("files")
    return Layout("classes", tops.pop() + "/" if len(tops) == 1 and deep else "")


def are_parts(labels: Iterable[str | None]) -> bool:
    """Whether what looks like names of classes are names of parts, as where train/ and test/ hold files alone."""
    return all(label is not None and label.lower() in PARTS for label in labels)


def for_predictions(found: Layout) -> Layout:
    """The layout where no labels are needed: each file is a document, but for those beside train/ and test/."""
    return found if found.name == "parts" else Layout("files")
