"""All settings of a task's model, as a file that `raysq train --config` reads, and their JSON schema."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from raysq import problems, tasks
from raysq.config import REQUIRED, Setting, flat_settings
from raysq.data.dataset import Dataset
from raysq.problems.specs import SizeDefaults
from raysq.tasks import datasets
from raysq.training.builder import find_model, load_builder
from raysq.training.run_config import merge_layers, resolve_config, setting_sections
from raysq.training.setting_schema import descriptions, json_schema
from raysq.training.settings import TrainSettings
from raysq.training.size_defaults import chosen_by_size

_WIDTH = 100  # of comments


@dataclass(frozen=True)
class Template:
    """All settings of a model.

    Attributes:
        task: name of the task.
        model: name of the model, or `package.module:function`.
        data: name of the data set that the values suit, or None if none is prepared.
        seed: seed of weights, order and dropout.
        sections: settings by section and name.
        values: values by section. Without a data set, settings that depend on the data are absent.
        texts: descriptions of the settings by section.
        by_size: settings, as `section.name`, whose values follow from the size of the data set.
    """

    task: str
    model: str
    data: str | None
    seed: int
    sections: dict[str, dict[str, Setting]]
    values: dict[str, dict[str, Any]]
    texts: dict[str, dict[str, str]]
    by_size: SizeDefaults

    @classmethod
    def of(
        cls,
        task_name: str,
        *,
        model: str | None = None,
        data: str | Path | None = None,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> "Template":
        """Return the settings of a model of a task. Nothing is prepared or trained.

        Args:
            task_name: name of the task.
            model: name of the model, or `package.module:function`. Defaults to the task's.
            data: name or directory of a data set. Defaults to the task's newest, if any is prepared.
            seed: seed of weights, order and dropout.
            settings: settings that differ from the defaults.

        Raises:
            UsageError: a name is unknown or a value is wrong.
            DataError: there is no such data set.
        """
        task = tasks.get(task_name)
        problem = problems.get(task.problem)
        model = model or tasks.default_model(task_name)
        spec = find_model(problem, model)
        builder = load_builder(spec.build, trusted=True)
        sections = setting_sections(task.problem, builder, model)
        texts = {
            "data": descriptions(problem.Settings),
            "model": descriptions(builder),
            "training": descriptions(TrainSettings),
        }
        dataset: Dataset | None = None
        if data is not None or datasets.dataset_directories(task_name):
            dataset = datasets.find_dataset(task, None if data is None else str(data))
        values: dict[str, dict[str, Any]]
        if dataset is not None:
            config = resolve_config(task_name, model, dataset, seed, settings or {})
            values = dict(config.sections())
            by_size = chosen_by_size(task, model, dataset, values)
        else:
            overrides = flat_settings(settings or {})
            layers = (task.settings, task.model_settings.get(model, {}), spec.defaults)
            values = merge_layers(task, model, builder, layers, overrides)
            by_size = SizeDefaults({}, "")
            for section in ("model", "training"):
                values[section] = _defaults(sections[section]) | values[section]
            for name in () if task.size_rule is None else task.size_rule.names_of(model):
                for section in values:
                    if not {name, f"{section}.{name}"} & set(overrides):
                        values[section].pop(name, None)
        shown = None if dataset is None else dataset.manifest.name
        return cls(task_name, model, shown, seed, sections, json.loads(json.dumps(values)), texts, by_size)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of a file that `raysq train --config` reads."""
        return {
            "task": self.task,
            "model": self.model,
            "data": self.data,
            "seed": self.seed,
            "settings": self.values,
        }

    def to_yaml(self) -> str:
        """Return the file as YAML, with the description and the range of each setting as a comment."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"# All settings of model {self.model} of task {self.task}: raysq train {self.task} --config FILE"
        if self.data is None:
            yield "# No data are prepared: settings that are commented out get defaults that suit the data."
        head = self.to_dict()
        del head["settings"]
        yield from yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip().splitlines()
        yield "settings:"
        for section, fields in self.sections.items():
            yield f"  {section}:{'' if self.values[section] else ' {}'}"
            for name, setting in fields.items():
                yield from self._comment(section, setting)
                present = name in self.values[section]
                value = self.values[section][name] if present else setting.default
                if value is REQUIRED:
                    yield f"    # {name}:  # required"
                else:
                    yield f"    {'' if present else '# '}{name}: {json.dumps(value, ensure_ascii=False)}"

    def _comment(self, section: str, setting: Setting) -> Iterator[str]:
        text = self.texts[section].get(setting.name, "")
        if setting.range is not None:
            text = f"{text.rstrip('.')} ({setting.range.describe()})."
        if f"{section}.{setting.name}" in self.by_size.values:
            text = f"{text} Chosen for {self.by_size.reason}."
        yield from (f"    # {line}" for line in textwrap.wrap(text, _WIDTH - 6))

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the file, for editors and other programs."""
        properties: dict[str, Any] = {
            "task": {"const": self.task},
            "model": {"const": self.model},
            "data": {"type": ["string", "null"]},
            "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
            "settings": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    section: {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            name: json_schema(setting, self.texts[section].get(name, ""))
                            for name, setting in fields.items()
                        },
                    }
                    for section, fields in self.sections.items()
                },
            },
        }
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"settings of model {self.model} of task {self.task}",
            "type": "object",
            "properties": properties,
            "required": ["task"],
        }


def _defaults(fields: Mapping[str, Setting]) -> dict[str, Any]:
    return {name: setting.default for name, setting in fields.items() if setting.default is not REQUIRED}
