"""Find or remove the directory of a run by what a user typed; the run may be damaged."""

import contextlib
import difflib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from raysq.errors import DamagedError, DataError, NotFoundError, UsageError
from raysq.storage.json_files import read_json
from raysq.storage.paths import home
from raysq.training.run_files import RunFiles


class _BestRun(TypedDict):
    run: str


def find_run(run: str | Path) -> Path:
    """Return the directory of a run.

    Args:
        run: directory, id, or an unambiguous prefix of the id.

    Raises:
        DataError: there is no such run (the error lists similar names), or several runs match the prefix.
        UsageError: the name is empty.
    """
    if not str(run).strip():
        raise UsageError("a run is named by its id, the beginning of it, or its directory, received an empty name")
    for directory in (Path(run), home() / "runs" / str(run)):
        if (directory / "config.json").exists():
            return directory
    names = sorted(path.parent.name for path in (home() / "runs").glob("*/config.json"))
    matches = [name for name in names if name.startswith(str(run))]
    if not matches:
        raise _not_found(str(run), names)
    if len(matches) > 1:
        raise DataError(
            f"{len(matches)} runs begin with {str(run)!r}: {', '.join(matches)}; give more of the name, or train with "
            "--name"
        )
    return home() / "runs" / matches[0]


def remove_run(directory: Path) -> None:
    """Remove the directory of a run.

    Raises:
        RaysqError: another process trains the run.
    """
    with RunFiles(directory).lock():
        shutil.rmtree(directory)


def _not_found(run: str, names: Sequence[str]) -> NotFoundError:
    """Return the error for an unknown run, with a hint where a search, a data set or a similar run has the name."""
    for directory in (Path(run), home() / "experiments" / run):
        if (directory / "experiment.json").exists():
            best_run = ""
            with contextlib.suppress(DamagedError):
                best = read_json(directory / "best.json", _BestRun, "", missing=None)
                best_run = f"; its best run is {best['run']}" if best else ""
            return NotFoundError(f"no run {run!r}, but a search of that name, which `raysq report` shows{best_run}")
    if (Path(run) / "manifest.json").exists():
        return NotFoundError(f"no run {run!r}, but a data set", f"`raysq train TASK --data {run}` trains on it")
    similar = similar_names(run, names)
    meant = f"did you mean {' or '.join(similar)}? " if similar else ""
    return NotFoundError(f"no run {run!r}", f"{meant}`raysq runs` lists them")


def similar_names(typed: str, names: Iterable[str]) -> list[str]:
    """Return up to three names of runs or searches that are similar to a typed name or to its beginning."""
    typed = typed.lower()

    def likeness(name: str) -> float:
        # Ids end in a hash that users rarely type, so the beginning is compared too.
        candidates = (name.lower(), name.lower()[: len(typed)])
        return max(difflib.SequenceMatcher(None, typed, candidate).ratio() for candidate in candidates)

    scores = {name: likeness(name) for name in names}
    return sorted((name for name in scores if scores[name] >= 0.7), key=lambda name: -scores[name])[:3]
