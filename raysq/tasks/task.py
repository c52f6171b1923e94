"""A task: a short description over a problem."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where a task's raw data are published.

    Attributes:
        url: http(s) address of the file.
        sha256: checksum of the published file, or None where it is not known.
        about: what it is, whose, and its license.
    """

    url: str
    sha256: str | None = None
    about: str = ""


@dataclass(frozen=True)
class Task:
    """A task names a problem, a source, settings, and what was published of it.

    Attributes:
        name: as on the command line.
        problem: name of the problem.
        title: one line for people.
        source: the public data set, or None for a person's own data.
        preparation: preparation settings that differ from the problem's.
        settings: example, model and training settings that differ from the problem's.
        sample: `sample(directory, spec) -> Path` writes synthetic raw data in the layout of the source; the problem's
            if left out.
        published: published figures by model, in words.
        search_model: the model that `raysq tune` searches where none is named; the problem's default if left out.
        search: the space that `raysq tune` searches: setting -> list of choices, or ("uniform" | "loguniform"
            | "randint", low, high).
    """

    name: str
    problem: str
    title: str
    source: Source | None = None
    preparation: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    sample: Callable[[Path, str], Path] | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    search_model: str | None = None
    search: Mapping[str, Any] = field(default_factory=dict)
