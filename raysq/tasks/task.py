"""Task: a problem, a data source, settings, published figures and a search space."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysq.problems.specs import SizeRule
from raysq.tasks.published import Published


@dataclass(frozen=True)
class Source:
    """Published raw data of a task.

    Attributes:
        url: HTTP(S) URL of the file.
        sha256: SHA-256 checksum of the published file, or None if unknown. Defaults to None.
        about: Content, authors and license of the data. Defaults to "".
        rows: Number of rows that the whole data have when prepared, or None if unknown. Defaults to None.
    """

    url: str
    sha256: str | None = None
    about: str = ""
    rows: int | None = None


@dataclass(frozen=True)
class Task:
    """A problem with a data source, settings, published figures and a search space.

    Attributes:
        name: Name on the command line.
        problem: Name of the problem.
        title: Description in one line.
        source: The public data set, or None for the user's own data. Defaults to None.
        preparation: Preprocessor settings that differ from the problem's. Defaults to none.
        settings: Batch source, model and training settings that differ from the problem's. Defaults to none.
        model_settings: The same for single models, by name. The model's own defaults win. Defaults to none.
        sample: A function `sample(directory, spec) -> Path` that writes synthetic raw data in the layout of the source.
            Defaults to the problem's.
        published: Published figures of its models. Defaults to none.
        shows: Suffixes of raw files that `raysq show` reads with this task where none is named. Defaults to none.
        search_model: The model that `raysq tune` searches if none is named. Defaults to `model`.
        search: The space that `raysq tune` searches: setting -> list of choices, or ("uniform" | "loguniform"
            | "randint", low, high). Defaults to empty.
        model: The model to train if none is named. Defaults to the problem's default model.
        size_rule: Rule by which further settings follow from the size of the data. Defaults to none.
    """

    name: str
    problem: str
    title: str
    source: Source | None = None
    preparation: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sample: Callable[[Path, str], Path] | None = None
    published: tuple[Published, ...] = ()
    shows: tuple[str, ...] = ()
    search_model: str | None = None
    search: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    size_rule: SizeRule | None = None
