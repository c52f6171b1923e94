"""Configuration of a run: all settings, resolved, and the model that they build."""

import hashlib
import json
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from raysq import __version__, problems, tasks
from raysq.config import (
    REQUIRED,
    Setting,
    convert,
    find_setting,
    flat_settings,
    make_settings,
    merge_settings,
    setting_fields,
    short_names,
)
from raysq.data.dataset import Dataset
from raysq.errors import RaysqError, UsageError
from raysq.problems.base import Problem
from raysq.problems.capabilities import EpochSampler
from raysq.problems.specs import ModelSpec
from raysq.tasks.task import Task
from raysq.training.builder import (
    builder_settings,
    builder_source,
    find_model,
    keyword_hint,
    load_builder,
    typed_settings,
)
from raysq.training.keras_callbacks.identity import describe_callbacks
from raysq.training.model_source import SourceChanged
from raysq.training.presets import LAYER_VERSION, preset_defaults
from raysq.training.settings import OPTIMIZER_SETTINGS, TrainSettings
from raysq.training.size_defaults import size_defaults
from raysq.training.user_code import is_own

# Settings that came later, with the value of no effect. With that value the id is the one of before.
LATER = {
    "exact": 0,
    "steps_per_execution": 0,
    "class_weight": None,
    "preset": "keras3",
    LAYER_VERSION: "keras3",
    "output_activation": "sigmoid",
    "dense_dropout": 0.0,
    "dense_layers": 0,
    "dense_units": 32,
    "bidirectional": False,
    "pooling": "max",
    "dilation": 1,
    "sample_seed": None,
    "samples_every": 0,
    "keep_epochs": 0,
}


class Sections(TypedDict):
    """Settings by section.

    Attributes:
        data: batch-time settings of the problem.
        model: keyword arguments of the model's builder.
        training: fields of `TrainSettings`.
    """

    data: dict[str, Any]
    model: dict[str, Any]
    training: dict[str, Any]


@dataclass(frozen=True)
class RunConfig:
    """All values needed to repeat a run; the number of workers is not one of them.

    Attributes:
        task: name of the task.
        problem: name of the task's problem.
        model: name of a model, or `package.module:function`.
        data: directory of the data set.
        fingerprint: fingerprint of the data set.
        synthetic: whether the data are the built-in sample.
        seed: seed of weights, order and dropout.
        settings: all settings by section.
        metadata: metadata of the data set that the problem needs to predict and to denormalize metrics.
        versions: versions of the packages that affect the numbers. Not part of the run's id.
        source_digest: digest of the source of the user's own model. Empty for raysq's models and unknown sources.
        source_folder: folder from which that model was imported. Not part of the run's id.
        package: package or module that registered the problem. Empty for raysq's.
        callbacks: Keras callbacks on which the numbers depend; see `describe_callbacks`.
        given: names of optimizer settings that the user set for their own model. A compiled model decides them itself.
        trusted: whether the module of a user's model may be imported; see `may_import`. Never read from a file.
    """

    task: str
    problem: str
    model: str
    data: str
    fingerprint: str
    synthetic: bool
    seed: int
    settings: Sections
    metadata: dict[str, Any]
    versions: dict[str, str]
    source_digest: str = ""
    source_folder: str = ""
    package: str = ""
    given: list[str] = field(default_factory=list)
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    trusted: InitVar[bool] = False

    def __post_init__(self, trusted: bool) -> None:
        object.__setattr__(self, "trusted", trusted)

    @property
    def may_import(self) -> bool:
        """Whether the module of the user's model may be imported: the user or this home has named it."""
        return bool(vars(self)["trusted"])

    @property
    def id(self) -> str:
        """Id of the run: task, model, and a hash of data fingerprint, settings, seed, model source and callbacks."""
        later = {**LATER, **problems.get(self.problem).later_settings}
        data = {name: value for name, value in self.settings["data"].items() if later.get(name, ...) != value}
        training = {name: value for name, value in self.settings["training"].items() if LATER.get(name) != value}
        model = {name: value for name, value in self.settings["model"].items() if LATER.get(name, ...) != value}
        sections = (data, model, training)
        parts = [self.fingerprint, self.model, *sections, self.seed]
        parts += [part for part in (self.source_digest, self.given, self.callbacks) if part]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.task}-{self.model.split(':')[-1]}-{digest}"

    def with_callbacks(self, callbacks: Sequence[Any]) -> "RunConfig":
        """Return the configuration of a run with these Keras callbacks."""
        described = json.loads(json.dumps(describe_callbacks(callbacks)))
        return replace(self, callbacks=described, trusted=self.may_import)

    def overrides(self) -> dict[str, dict[str, Any]]:
        """Return all settings by section, from which `resolve_config` makes this configuration again."""
        left = {name for name in OPTIMIZER_SETTINGS if name not in self.given} if is_own(self.model) else set()
        return {
            section: {name: value for name, value in values.items() if section != "training" or name not in left}
            for section, values in self.sections()
        }

    def by_name(self) -> dict[str, Any]:
        """Return all settings by name for display, as `section.name` where several sections have the name."""
        return short_names(dict(self.sections()))

    def sections(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Return the name and the settings of each section."""
        return (
            ("data", self.settings["data"]),
            ("model", self.settings["model"]),
            ("training", self.settings["training"]),
        )

    def train_settings(self) -> TrainSettings:
        """Return the training settings."""
        return make_settings(TrainSettings, self.settings["training"])

    def make_problem(self, assets: Path | None = None) -> Problem[Any, Any]:
        """Return the problem, bound to the settings and the metadata.

        Args:
            assets: folder of the run's assets, which predictions need.

        Raises:
            UsageError: a setting is unknown or has a wrong value.
            DataError: the metadata have wrong types.
        """
        return self.problem_class.from_config(self.settings["data"], self.metadata, assets)

    @property
    def problem_class(self) -> type[Problem[Any, Any]]:
        """The class of the run's problem.

        Raises:
            UsageError: the problem is of another package or a script and unknown here.
        """
        if self.package and self.problem not in problems.REGISTRY.names():
            raise UsageError(
                f"problem {self.problem!r} of task {self.task!r} is unknown here: it was registered by {self.package}",
                "install that package, or import that module first",
            )
        return problems.get(self.problem)

    def model_spec(self) -> ModelSpec:
        """Return the model's entry in its problem, or a new one for the user's own builder."""
        return find_model(self.problem_class, self.model)

    def load_builder(self) -> Callable[..., Any]:
        """Import and return the function that builds the model.

        Raises:
            UsageError: there is no such function.
            SourceChanged: the model's source has changed.
            TrustError: the model is a user's own and the configuration is from elsewhere.
        """
        spec = self.model_spec()
        if callable(spec.build) and self.source_digest != spec.digest:
            raise SourceChanged(
                f"the source of {self.model} has changed since the run was begun: train another run of it"
            )
        trusted = self.may_import or not is_own(self.model)
        return load_builder(spec.build, self.source_digest, self.source_folder, trusted=trusted)

    def build(self, dataset: Dataset) -> Any:
        """Build the Keras model.

        Args:
            dataset: data set of the run.

        Raises:
            UsageError: the builder refuses its settings, or returns a model that cannot be trained.
            SourceChanged: the model's source has changed.
            TrustError: the model is a user's own and the configuration is from elsewhere.
        """
        builder = self.load_builder()
        values = typed_settings(self.settings["model"], builder_settings(builder, self.model), self.model)
        problem = self.make_problem()
        inputs = problem.input_spec(dataset)
        if is_own(self.model):
            from raysq.training.validation import build_own_model

            return build_own_model(self.model, builder, inputs, values, problem.splits(dataset)["train"])
        try:
            return builder(inputs, **values)
        except (TypeError, ValueError) as error:
            if isinstance(error, RaysqError):
                raise
            shown = " ".join(f"{name}={value}" for name, value in self.settings["model"].items())
            raise UsageError(
                f"model {self.model!r} cannot be built with {shown or 'its settings'}: {error} (--debug shows where)"
            ) from error


def setting_sections(problem: str, builder: Callable[..., Any], model: str) -> dict[str, dict[str, Setting]]:
    """Return the settings of a model by section and name.

    Args:
        problem: name of the problem.
        builder: function that builds the model.
        model: name of the model, for messages.
    """
    return {
        "data": setting_fields(problems.get(problem).Settings),
        "model": builder_settings(builder, model),
        "training": setting_fields(TrainSettings),
    }


def merge_layers(
    task: Task,
    model: str,
    builder: Callable[..., Any],
    defaults: Iterable[Mapping[str, Any]],
    overrides: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Merge layers of settings, of which later ones override earlier ones, by section.

    Settings of the section `data` stay as they are written, such as durations, which the problem converts. Others are
    converted to their types.

    Args:
        task: the task.
        model: name of the model.
        builder: function that builds the model.
        defaults: layers of the task, the data set and the model.
        overrides: settings that the user gave, by name or as `section.name`.

    Raises:
        UsageError: a setting is unknown, a name is a setting of two sections, or a value has a wrong type.
    """
    problem = problems.get(task.problem)
    sections = setting_sections(task.problem, builder, model)
    # The task, the data set and raysq's models know nothing of the keywords of a user's builder.
    own_sections = {name: fields for name, fields in sections.items() if name != "model" or not is_own(model)}
    values: dict[str, dict[str, Any]] = {section: {} for section in sections}
    training_layers: list[dict[str, Any]] = []

    def hint(name: str) -> str | None:
        return problem.refused_settings.get(name) or keyword_hint(builder, name)

    for layer, known in (*((layer, own_sections) for layer in defaults), (overrides, sections)):
        of_data: dict[str, Any] = {}
        of_training: dict[str, Any] = {}
        for key, value in layer.items():
            if key == "seed":
                raise UsageError("the seed is no setting of a part: give --seed NUMBER (in Python: seed=NUMBER)")
            section, name = find_setting(key, known, f"model {model!r} of task {task.name!r}", hint)
            if section == "data":
                of_data[name] = value
            else:
                values[section][name] = convert(sections[section][name], value)
            if section == "training":
                of_training[name] = values[section][name]
        training_layers.append(of_training)
        values["data"] = merge_settings(values["data"], of_data, problem.exclusive_settings)
    values["training"] |= preset_defaults(training_layers, sections["training"]["optimizer"].default)
    if LAYER_VERSION in own_sections.get("model", ()):
        values["model"].setdefault(LAYER_VERSION, values["training"].get("preset", "keras3"))
    return values


def resolve_config(
    task_name: str,
    model: str,
    dataset: Dataset,
    seed: int,
    overrides: Mapping[str, Any],
    source: tuple[str, str] = ("", ""),
    *,
    trusted: bool = True,
) -> RunConfig:
    """Resolve all settings of a run.

    Later layers override earlier ones: the problem's defaults, the task, the data set, the model, the size of the data,
    then the user.

    Args:
        task_name: name of the task.
        model: name of the model, or `package.module:function`.
        dataset: data set to train on.
        seed: seed of weights, order and dropout, from 0 to 2**32 - 1.
        overrides: settings that the user gave, by name, as `section.name`, or as a dict for each section.
        source: digest and folder of the source that the model must have. Defaults to empty, which accepts any source.
        trusted: whether the user or this home named the model. False where a folder from elsewhere names it.

    Returns:
        The configuration.

    Raises:
        UsageError: a model or setting is unknown (the error names the nearest), a name is a setting of two sections,
            or a value has a wrong type.
        SourceChanged: the model's source has changed.
        TrustError: the model is a user's own and not trusted.
    """
    overrides = flat_settings(overrides)
    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed must be from 0 to {2**32 - 1}, received {seed}")
    task = tasks.get(task_name)
    problem = problems.get(task.problem)
    spec = find_model(problem, model)
    builder = load_builder(spec.build, *source, trusted=trusted or not is_own(model))
    defaults = (task.settings, task.model_settings.get(model, {}), dataset.manifest.settings, spec.defaults)
    known = ChainMap(dict(overrides), *map(dict, reversed(defaults)))
    by_size = {} if spec.size_defaults is None else spec.size_defaults(dataset, known)
    by_rule = size_defaults(task, model, dataset, overrides, defaults).values
    values = merge_layers(task, model, builder, (*defaults, by_size, by_rule), overrides)
    bound = problem.from_dataset(dataset, values["data"])
    training = make_settings(TrainSettings, values["training"])
    if training.samples_every and not issubclass(problem, EpochSampler):
        raise UsageError(
            f"setting samples_every is for problems that show samples of what a model makes; {problem.noun} has none: "
            "leave it out"
        )
    built_with = {name: setting.default for name, setting in builder_settings(builder, model).items()}
    built_with |= values["model"]
    for name, value in built_with.items():
        if value is REQUIRED:
            raise UsageError(f"model {model!r} needs a value for {name}: --set {name}=VALUE")
    # A name without its section is one of `training`: with a keyword of the builder beside it, it is refused.
    given = [name for name in OPTIMIZER_SETTINGS if name in overrides or f"training.{name}" in overrides]
    source_digest, source_folder = builder_source(spec)
    settings: Sections = {"data": asdict(bound.settings), "model": built_with, "training": asdict(training)}
    config = RunConfig(
        task=task_name,
        problem=task.problem,
        model=model,
        data=str(dataset.directory.resolve()),
        fingerprint=dataset.fingerprint,
        synthetic=dataset.synthetic,
        seed=seed,
        settings=settings,
        metadata=bound.metadata_values(),
        versions=versions(),
        given=given if is_own(model) else [],
        source_digest=source_digest,
        source_folder=source_folder,
        package=problems.REGISTRY.provider(task.problem),
    )
    # Convert tuples to lists, as JSON does, so that the id is the same before and after the configuration is saved.
    return RunConfig(**json.loads(json.dumps(asdict(config))), trusted=trusted)


def versions() -> dict[str, str]:
    """Return the versions of the packages that affect the numbers."""
    from importlib.metadata import version

    others = {name: version(name) for name in ("tensorflow", "keras", "numpy", "pyarrow", "ray")}
    return {"raysq": __version__, **others}
