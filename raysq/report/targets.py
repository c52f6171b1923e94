"""Find the runs and searches that a report or a comparison is about."""

from pathlib import Path

from raysq.errors import DataError, NotFoundError
from raysq.report.search_analysis import is_experiment
from raysq.storage.paths import home
from raysq.training import experiment_files
from raysq.training.find_run import similar_names
from raysq.training.run import Run


def find_target(target: Run | str | Path, trust: bool) -> Run | Path:
    """Return the target's run, or the directory of its search.

    Raises:
        DataError: If there is neither, or several begin with the name.
    """
    if isinstance(target, Run):
        return Run.of(target, trust=trust).with_best("a report")
    folder = home() / "experiments"
    for directory in (Path(target), folder / str(target)):
        if is_experiment(directory):
            return directory
    try:
        return Run.open(target, trust=trust)
    except DataError as error:
        names = sorted(path.parent.name for path in folder.glob("*/experiment.json"))
        matches = [name for name in names if name.startswith(str(target))]
        if len(matches) == 1:
            return folder / matches[0]
        if not isinstance(error, NotFoundError):
            raise
        close = similar_names(str(target), names)
        fits = f"it fits {', '.join(matches)}" if matches else error.hint or "`raysq runs` lists runs and searches"
        if close and not matches:
            fits = f"did you mean the search {' or '.join(close)}? `raysq runs` lists runs and searches"
        raise NotFoundError(f"no run and no search {str(target)!r}", fits) from None


def find_finished_run(target: Run | str | Path, trust: bool) -> Run:
    """Return a finished run, or the best run of a search that has ended.

    Raises:
        DataError: If there is no such run or search, or it is not finished.
    """
    found = find_target(target, trust)
    if isinstance(found, Path):
        best = experiment_files.read_best(found)
        if best is None:
            raise DataError(
                f"search {found.name} has no best run yet", "the same `raysq tune` command continues the search"
            )
        found = Run.open(found / "trials" / Path(best["run"]).name, trust=trust)
    if found.result() is None:
        raise DataError(
            f"run {found.name} is not finished, but {found.state()}",
            "the same `raysq train` command finishes it; `raysq report` shows it as it is",
        )
    return found
