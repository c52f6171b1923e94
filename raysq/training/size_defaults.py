"""Default settings that follow from the size of a data set by a rule of the task."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from raysq import tasks
from raysq.config import convert, setting_fields
from raysq.data.dataset import Dataset
from raysq.problems.specs import SizeDefaults
from raysq.tasks.task import Task
from raysq.training.settings import TrainSettings
from raysq.training.user_code import is_own

if TYPE_CHECKING:
    from raysq.training.run_config import RunConfig

_NONE = SizeDefaults({}, "")


def size_defaults(
    task: Task,
    model: str,
    dataset: Dataset,
    given: Mapping[str, Any],
    defaults: Iterable[Mapping[str, Any]] = (),
) -> SizeDefaults:
    """Return what the task's rule chooses for a model and a data set; nothing without a rule.

    Args:
        task: the task.
        model: name of the model, or `package.module:function`.
        dataset: data set to train on.
        given: the user's settings, by name or as `section.name`.
        defaults: layers of settings below them, later ones over earlier ones. What the rule chooses takes the place of
            these.

    Raises:
        UsageError: one of the user's settings has a wrong value.
    """
    if task.size_rule is None:
        return _NONE
    chosen = task.size_rule.names_of(model)
    others = {name: value for layer in defaults for name, value in layer.items() if name not in chosen}
    settings = {**others, **given}
    known = {name.rpartition(".")[2]: value for name, value in settings.items() if not name.startswith("model.")}
    fields = setting_fields(TrainSettings)
    known = {name: convert(fields[name], value) if name in fields else value for name, value in known.items()}
    return task.size_rule.choose(dataset, model, known)


def chosen_by_size(task: Task, model: str, dataset: Dataset, sections: Mapping[str, Mapping[str, Any]]) -> SizeDefaults:
    """Return those settings of a run that the task's rule chose, by `section.name`; the user's own are not among them.

    Args:
        task: the task of the run.
        model: name of its model.
        dataset: its data set.
        sections: its settings by section.
    """
    settings = {**sections["data"], **sections["training"]}
    chosen = size_defaults(task, model, dataset, settings)
    kept = {
        f"{section}.{name}": value
        for name, value in chosen.values.items()
        for section in ("data", "training", *(() if is_own(model) else ("model",)))
        if sections[section].get(name, ...) == value
    }
    return SizeDefaults(kept, chosen.reason)


def with_fixed_epochs(fixed: Mapping[str, Any], config: "RunConfig") -> dict[str, Any]:
    """Return the fixed settings of a search with the most epochs of a trial, the same for all trials.

    A rule would choose other epochs where a search changes the batch or the number of examples.

    Args:
        fixed: settings that the user fixed.
        config: configuration of the search.
    """
    if tasks.get(config.task).size_rule is None or {"epochs", "training.epochs"} & set(fixed):
        return dict(fixed)
    return {**fixed, "training.epochs": config.train_settings().epochs}


def describe_size_defaults(config: "RunConfig") -> list[str]:
    """Return the message that names these settings of a new run, if there are any."""
    dataset = Dataset.open(config.data)
    chosen = chosen_by_size(tasks.get(config.task), config.model, dataset, dict(config.sections()))
    if not chosen.values:
        return []
    values = " ".join(f"{name.partition('.')[2]}={value}" for name, value in chosen.values.items())
    return [f"defaults for {chosen.reason}: {values}"]
