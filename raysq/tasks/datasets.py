"""List a task's prepared data sets, and find one by name or directory."""

import glob
from collections.abc import Callable
from pathlib import Path

from raysq import tasks
from raysq.data.dataset import MANIFEST, Dataset
from raysq.errors import DataError, UsageError
from raysq.storage.paths import home
from raysq.tasks.task import Task


def dataset_directories(task_name: str) -> list[Path]:
    """Return the directories of a task's data sets, including damaged ones, newest first."""
    manifests = (home() / "data" / task_name).glob(f"[!.]*/{MANIFEST}")
    return [path.parent for path in sorted(manifests, key=lambda path: -path.stat().st_mtime_ns)]


def open_datasets(task_name: str, on_damaged: Callable[[DataError], None] = lambda error: None) -> list[Dataset]:
    """Open a task's data sets, newest first.

    Args:
        task_name: Name of the task.
        on_damaged: Called with the error of each data set that cannot be opened. Defaults to ignoring it.

    Returns:
        The data sets, without damaged ones.
    """
    opened = []
    for directory in dataset_directories(task_name):
        try:
            opened.append(Dataset.open(directory))
        except DataError as error:
            on_damaged(error)
    return opened


def find_directory(data: str) -> Path:
    """Return the directory of a data set given as a path, as TASK/NAME, or as NAME if only one task has it.

    Raises:
        UsageError: If several tasks have a data set of that name.
    """
    folder = home() / "data"
    if Path(data).exists():
        return Path(data)
    if (folder / data / MANIFEST).exists():
        return folder / data
    directories = sorted(path.parent for path in folder.glob(f"*/{glob.escape(data)}/{MANIFEST}"))
    if len(directories) > 1:
        names = ", ".join(f"{directory.parent.name}/{data}" for directory in directories)
        raise UsageError(f"several tasks have a data set {data}: {names}")
    return directories[0] if directories else folder / data


def find_dataset(task: Task | str, data: str | Path | None = None) -> Dataset:
    """Open a prepared data set.

    Args:
        task: A task or its name.
        data: The data set's name or directory. A name may also be that of a data set of another task with the same
            problem. Defaults to the task's newest data set.

    Returns:
        The data set.

    Raises:
        DataError: If there is no such data set, it is damaged, or it is for another problem.
    """
    task = tasks.get(task) if isinstance(task, str) else task
    if data is None:
        newest = dataset_directories(task.name)
        if not newest:
            raise DataError(f"nothing is prepared for {task.name}; `raysq prepare {task.name}` does it")
        # If the newest is damaged, opening fails: an older one may have other data or settings.
        return Dataset.open(newest[0])
    others = [name for name, other in tasks.usable().items() if name != task.name and other.problem == task.problem]
    named = [folder for name in (task.name, *others) if (folder := home() / "data" / name / str(data)).is_dir()]
    if named and Path(data).name == str(data):
        dataset = Dataset.open(named[0])
    elif Path(data).expanduser().is_dir():
        dataset = Dataset.open(Path(data).expanduser())
    else:
        names = ", ".join(dataset.manifest.name for dataset in open_datasets(task.name)) or "none"
        raise DataError(f"no data set {str(data)!r} for {task.name}, by name or as a directory; there is: {names}")
    if dataset.manifest.problem != task.problem:
        raise DataError(
            f"data set {data} is for {dataset.manifest.problem}, task {task.name} needs one for {task.problem}"
        )
    return dataset
