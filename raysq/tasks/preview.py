"""Open what `raysq show` is asked for: a prepared data set, or the first rows of raw files."""

import contextlib
import itertools
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysq import problems, tasks
from raysq.config import make_settings, nearest_name
from raysq.data.dataset import MANIFEST, Dataset
from raysq.data.head import ROWS, open_head
from raysq.data.remote import scheme
from raysq.errors import RaysqError, UsageError
from raysq.storage.uris import redact
from raysq.tasks.datasets import find_dataset, find_directory
from raysq.tasks.prepare import divide_settings, frames_named, resolve_source, with_defaults
from raysq.tasks.task import Task

_LOOKED_AT = 1000  # files of a folder whose names may say its kind


@dataclass(frozen=True)
class Preview:
    """Data to look at before anything is trained.

    Attributes:
        task: the task.
        dataset: the data set, prepared or of the first rows.
        prepared: whether it is prepared.
        cut: whether the raw files have rows after these.
        messages: what was inferred and found in the files.
    """

    task: Task
    dataset: Dataset
    prepared: bool
    cut: bool
    messages: list[str]

    @property
    def settings(self) -> dict[str, Any]:
        """Batch-time settings of the task and the data set."""
        known = problems.get(self.task.problem).Settings.__dataclass_fields__
        of_task = {name: value for name, value in self.task.settings.items() if name in known}
        return {**of_task, **self.dataset.manifest.settings}


@contextlib.contextmanager
def open_preview(
    target: Any, task: str | None = None, settings: Mapping[str, Any] | None = None, rows: int | None = None
) -> Iterator[Preview]:
    """Open a task's newest data set, a data set by name or directory, or raw data.

    Args:
        target: name of a task, name or directory of a data set, or a source as for `prepare`.
        task: name of the task that reads raw data. By default it is the first that shows files of that kind.
        settings: settings of `prepare` for raw data.
        rows: number of rows of raw data after which no further chunk is read. Defaults to 100,000.

    Raises:
        UsageError: no task reads the file, or settings are given for a data set.
        DataError: the raw data cannot be used.
    """
    if rows is not None and rows < 1:
        raise UsageError(f"--rows must be at least 1, received {rows}")
    dataset = _dataset(target, task)
    if dataset is not None:
        given = ", ".join([*(settings or ()), *([] if rows is None else ["--rows"])])
        if given:
            raise UsageError(f"settings and --rows are for raw data, and {target} is prepared: leave {given} out")
        yield _prepared(dataset)
        return
    with _hints_of_show():
        yield from _raw(target, task, settings or {}, rows)


def _raw(target: Any, task: str | None, settings: Mapping[str, Any], rows: int | None) -> Iterator[Preview]:
    """Yield the preview of raw data, whose files exist until the iterator is resumed."""
    owner = tasks.get(task) if task else task_of(target)
    problem = problems.get(owner.problem)
    of_preprocessor, chosen = divide_settings(problem, settings)
    preprocessor = make_settings(problem.Preprocessor, {**owner.preparation, **of_preprocessor})
    resolved, _ = resolve_source(owner, problem, preprocessor, target, None, quiet=True)
    with frames_named(resolved, None):
        preprocessor, messages = preprocessor.infer_overview(resolved.files)
        messages = [*messages, *resolved.messages]
        try:
            chosen, lines = with_defaults(owner, preprocessor, chosen)
            messages += lines
        except UsageError:  # what only training must know, such as the target of a series
            pass
        identity = {"task": owner.name, "problem": problem.name}
        head = open_head(preprocessor, resolved, identity, rows or ROWS, settings=chosen, messages=messages)
        with head as (dataset, cut):
            messages += preprocessor.describe(dataset.manifest.report)
            yield Preview(owner, dataset, False, cut, list(dict.fromkeys(messages)))


@contextlib.contextmanager
def _hints_of_show() -> Iterator[None]:
    """Name what `show` takes in hints that name the option `--source` of `prepare`."""
    try:
        yield
    except RaysqError as error:
        if error.hint is not None:
            hint = error.hint.replace("--source takes", "show takes a task, a data set,")
            error.hint = hint.replace("give another --source", "show another file").replace("--source ", "")
        raise


def _prepared(dataset: Dataset) -> Preview:
    manifest = dataset.manifest
    owner = tasks.get(manifest.task)
    preprocessor = make_settings(problems.get(owner.problem).Preprocessor, dataset.preprocessor_settings)
    messages = list(manifest.preparation.get("messages", []))
    messages += preprocessor.describe(manifest.report) if manifest.report else []
    return Preview(owner, dataset, True, False, list(dict.fromkeys(messages)))


def _dataset(target: Any, task: str | None) -> Dataset | None:
    """Return the prepared data set that is meant, or None for raw data."""
    if not isinstance(target, (str, Path)):
        return None
    if str(target) in tasks.names() and task is None:
        return find_dataset(str(target))
    directory = find_directory(str(target))
    if not (directory / MANIFEST).exists():
        return None
    if task is not None:
        raise UsageError(f"--task is for raw data, and {target} is prepared: leave --task out")
    return Dataset.open(directory)


def task_of(target: Any) -> Task:
    """Return the first task that shows raw data of this kind.

    Raises:
        UsageError: there is no such file, or no task shows files of its kind.
    """
    shown = {task.name: task for task in tasks.usable().values() if task.shows}
    names = [".parquet"]  # as which rows in memory are written
    if isinstance(target, (str, Path)):
        names = [str(target).lower().rstrip("/")]
        if scheme(str(target)):
            names = [urllib.parse.urlsplit(names[0]).path]
        else:
            path = Path(target).expanduser()
            if not path.exists():
                known = nearest_name(str(target), tasks.names())
                raise UsageError(f"{target} is no task, no data set and no file: {known}")
            if path.is_dir():
                files = (file.name.lower() for file in path.rglob("*") if file.is_file())
                names = list(itertools.islice(files, _LOOKED_AT)) or names
    for task in shown.values():
        if any(name.endswith(task.shows) for name in names):
            return task
    shown_as = redact(str(target))
    raise UsageError(
        f"the name of {shown_as} does not say how to read it: --task NAME does, such as {', '.join(shown)}"
    )
