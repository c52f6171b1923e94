"""The runs to serve, and their names for clients."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from raysq.errors import UsageError
from raysq.serving.description import ServedRun
from raysq.storage.paths import check_name
from raysq.training.run import Run

Runs = Run | str | Path | Sequence[Run | str | Path] | Mapping[str, Run | str | Path]


def open_runs(runs: Runs, *, trust: bool = False) -> list[ServedRun]:
    """Open runs to serve.

    Args:
        runs: a run, its id or directory, or several of them, each named after its task; "NAME=RUN" gives a name, as a
            mapping of names to runs does.
        trust: as for `raysq.load`.

    Raises:
        UsageError: there is no run, a name is no name, or two runs have one.
        DataError: there is no such run, or it has no model.
        TrustError: a run needs code that is not trusted.
    """
    if isinstance(runs, (Run, str, Path)):
        runs = [runs]
    pairs = list(runs.items()) if isinstance(runs, Mapping) else [_named(run) for run in runs]
    if not pairs:
        raise UsageError("serve takes a run at least, received none", "`raysq runs` lists them")
    served = []
    for name, given in pairs:
        run = Run.of(given, trust=trust).with_best("serving")
        if name is not None:
            check_name(name, "served run")
        served.append(ServedRun(run.config.task if name is None else name, run))
    for name, count in Counter(each.name for each in served).items():
        if count > 1:
            names = " and ".join(each.run.name for each in served if each.name == name)
            raise UsageError(f"{names} would be served as {name!r}", "name them: NAME=RUN")
    for each in served:
        each.check()
    return served


def _named(run: Run | str | Path) -> tuple[str | None, Run | str | Path]:
    """Return name and run of NAME=RUN; an existing folder may have such a name itself."""
    if not isinstance(run, str) or "=" not in run or Path(run).is_dir():
        return None, run
    name, _, target = run.partition("=")
    return name, target
