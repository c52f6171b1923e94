"""Validate tasks of other packages and scripts when they are registered or first used."""

import re
from typing import Any

from raysq import problems
from raysq.config import nearest_name, setting_fields
from raysq.errors import UsageError
from raysq.problems.validation import NAME, NAME_RULE
from raysq.tasks.published import Published
from raysq.tasks.task import Task


def validate_task(task: Any) -> None:
    """Raise `UsageError`, which states the first defect, if an object cannot be used as a task."""
    if not isinstance(task, Task):
        raise UsageError(f"a task is a raysq.Task, received {task!r}")
    owner = f"task {task.name!r}"
    if not re.fullmatch(NAME, task.name):
        raise UsageError(f"{owner}: its name must be {NAME_RULE}")
    try:
        problem = problems.get(task.problem)
    except UsageError as error:
        raise UsageError(f"{owner}: {error.message}", error.hint) from None
    fields = setting_fields(problem.Preprocessor)
    for name in task.preparation:
        if name not in fields:
            hint = nearest_name(name, fields)
            raise UsageError(f"{owner}: problem {task.problem!r} has no setting {name!r} of prepare: {hint}")
    for figure in task.published:
        if not isinstance(figure, Published):
            raise UsageError(f"{owner}: published holds raysq.Published objects, received {figure!r}")
    for name in (
        *task.model_settings,
        *(figure.model for figure in task.published),
        *filter(None, [task.search_model, task.model]),
    ):
        if name not in problem.models:
            hint = nearest_name(name, problem.models)
            raise UsageError(f"{owner}: problem {task.problem!r} has no model {name!r}: {hint}")
