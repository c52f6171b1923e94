"""The data sets that were prepared for a task: listed, and found by name or directory."""

from collections.abc import Callable
from pathlib import Path

from raysq import tasks
from raysq.data.dataset import MANIFEST, Dataset
from raysq.errors import DataError
from raysq.storage.paths import home
from raysq.tasks.task import Task


def dataset_directories(task_name: str) -> list[Path]:
    """Return the directories of a task's data sets, newest first, damaged ones too."""
    manifests = (home() / "data" / task_name).glob(f"[!.]*/{MANIFEST}")
    return [path.parent for path in sorted(manifests, key=lambda path: -path.stat().st_mtime_ns)]


def open_datasets(task_name: str, on_damaged: Callable[[DataError], None] = lambda error: None) -> list[Dataset]:
    """A task's data sets, newest first.

    Args:
        task_name: of the task.
        on_damaged: called with the error of each that cannot be opened, which is left out.
    """
    found = []
    for directory in dataset_directories(task_name):
        try:
            found.append(Dataset.open(directory))
        except DataError as error:
            on_damaged(error)
    return found


def find_dataset(task: Task | str, data: str | Path | None = None) -> Dataset:
    """A prepared data set.

    Args:
        task: a task or its name.
        data: name, also of one that was prepared for another task of the problem, or directory; the task's newest when
            None.

    Raises:
        DataError: there is none, it is damaged, or it is of another problem.
    """
    task = tasks.get(task) if isinstance(task, str) else task
    if data is None:
        newest = dataset_directories(task.name)
        if not newest:
            raise DataError(f"nothing is prepared for {task.name}; `raysq prepare {task.name}` does it")
        # Where it is damaged, an older one would be data or settings that nobody asked for.
        return Dataset.open(newest[0])
    alike = [task.name, *(one for one in tasks.TASKS if one != task.name and tasks.get(one).problem == task.problem)]
    named = [folder for one in alike if (folder := home() / "data" / one / str(data)).is_dir()]
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
