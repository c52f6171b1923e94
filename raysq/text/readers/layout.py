"""Where classes and splits are in a folder tree or an archive: ROOT/CLASS/FILE, or ROOT/train/CLASS/FILE."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from raysq.data.parts import PARTS

_UNLABELED = "unsup"  # folder of unlabeled reviews in aclImdb


@dataclass(frozen=True)
class Layout:
    """Mapping of file paths to labels and splits.

    Attributes:
        name: "parts" for train/CLASS/FILE and test/CLASS/FILE, "classes" for CLASS/FILE, "files" where there are no
            classes.
        root: common top folder to which the layout applies, with a trailing slash, or "".
    """

    name: Literal["parts", "classes", "files"]
    root: str = ""

    def locate(self, path: str) -> tuple[str | None, int, str] | None:
        """Return label, split and id of a file, or None if it is not a document.

        Returns:
            Label or None, split (0 train, 1 test, 2 validation, -1 unspecified), and id.

        Example:
            >>> Layout("parts", "aclImdb/").locate("aclImdb/test/pos/0_10.txt")
            ('pos', 1, 'test/pos/0_10.txt')
        """
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
    def description(self) -> str:
        """Description of the layout, for messages."""
        return {"parts": "train/CLASS/FILE and test/CLASS/FILE", "classes": "CLASS/FILE", "files": "files alone"}[
            self.name
        ]


def has_parts(path: str) -> Layout | None:
    """Return the layout if a single path determines it: a folder named train or test that holds folders; else None."""
    folders = path.split("/")
    if len(folders) > 2 and folders[0].lower() in PARTS:
        return Layout("parts")
    if len(folders) > 3 and folders[1].lower() in PARTS:
        return Layout("parts", folders[0] + "/")
    return None


def find(paths: Iterable[str]) -> Layout:
    """Return the layout of a folder tree.

    Example:
        >>> find(["20_newsgroup/alt.atheism/49960", "20_newsgroup/sci.med/57110"])
        Layout(name='classes', root='20_newsgroup/')
    """
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
    """Return whether all apparent class names are names of splits, as where train/ and test/ hold files directly."""
    return all(label is not None and label.lower() in PARTS for label in labels)


def for_predictions(layout: Layout) -> Layout:
    """Return the layout where labels are not needed.

    Every file is a document. In the layout "parts", files beside train/ and test/ are still left out.
    """
    return layout if layout.name == "parts" else Layout("files")
