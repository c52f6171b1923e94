"""Configuration of a run: all settings, resolved, and the model that they build."""

import functools
import hashlib
import inspect
import json
import os
import sys
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import InitVar, asdict, dataclass, field
from typing import Any

from raysq import __version__, backend, problems, tasks
from raysq.config import REQUIRED, Setting, coerce, make_settings, merge_settings, nearest_name, setting_fields
from raysq.data.dataset import Dataset
from raysq.errors import RaysqError, UsageError
from raysq.problems.base import ModelSpec
from raysq.storage import trust
from raysq.storage.paths import home
from raysq.training.model_source import (
    SourceChanged,
    find_module,
    folder_of,
    import_source,
    imported_digest,
    is_of_python,
)
from raysq.training.settings import OPTIMIZER_SETTINGS, TrainSettings
from raysq.training.user_code import describe, is_own, place_of

_SHOWN = 4  # differences in a message
_LONG = 40  # characters of one value in a message


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
        examples: batch-time settings of the problem.
        builder: settings of the model.
        training: training settings.
        facts: metadata that the problem needs to predict and to denormalize metrics.
        versions: versions of the packages that affect the numbers. Not part of the run's id.
        source_digest: digest of the source of the user's own model. Empty for raysq's models and unknown sources.
        source_folder: folder from which that model was imported. Not part of the run's id.
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
    examples: dict[str, Any]
    builder: dict[str, Any]
    training: dict[str, Any]
    facts: dict[str, Any]
    versions: dict[str, str]
    source_digest: str = ""
    source_folder: str = ""
    given: list[str] = field(default_factory=list)
    trusted: InitVar[bool] = False

    def __post_init__(self, trusted: bool) -> None:
        object.__setattr__(self, "trusted", trusted)

    @property
    def may_import(self) -> bool:
        """Whether the module of the user's model may be imported: the user or this home has named it."""
        return bool(vars(self)["trusted"])

    @property
    def id(self) -> str:
        """Id of the run: task, model, and a hash of data fingerprint, settings, seed and the user's model source."""
        parts = [self.fingerprint, self.model, self.examples, self.builder, self.training, self.seed]
        parts += [one for one in (self.source_digest, self.given) if one]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.task}-{self.model.split(':')[-1]}-{digest}"

    def differences(self, now: "RunConfig") -> str:
        """Return the differences of another configuration as text for a message.

        Args:
            now: the other configuration.
        """
        found = []
        if self.fingerprint != now.fingerprint:
            found.append("the data have changed")
        if self.model != now.model:
            found.append(f"model {self.model}, now {now.model}")
        else:
            if self.source_digest != now.source_digest:
                known = bool(self.source_digest)
                found.append("the model's source has changed" if known else "its model's source was not written down")
            for there, here in ((self.examples, now.examples), (self.builder, now.builder)):
                found += _differences(there, here)
        found += _differences({**self.training, "seed": self.seed}, {**now.training, "seed": now.seed})
        if not found and self.given != now.given:
            found.append(f"{', '.join(sorted({*self.given} ^ {*now.given}))} left to the model or not")
        if not found:
            return "those of another version of raysq"
        return "; ".join(found[:_SHOWN]) + ("; ..." if len(found) > _SHOWN else "")

    def settings(self) -> dict[str, Any]:
        """Return all settings by name, from which `resolve_config` makes this configuration again."""
        if not is_own(self.model):
            return {**self.examples, **self.builder, **self.training}
        left = {name for name in OPTIMIZER_SETTINGS if name not in self.given and name not in self.builder}
        training = {name: value for name, value in self.training.items() if name not in left}
        return {**self.examples, **self.builder, **training}

    def train_settings(self) -> TrainSettings:
        """Return the training settings."""
        return make_settings(TrainSettings, self.training)

    def example_settings(self) -> Any:
        """Return the problem's batch-time settings."""
        return make_settings(problems.get(self.problem).examples, self.examples)

    def model_spec(self) -> ModelSpec:
        """Return the model's entry in its problem, or a new one for the user's own builder."""
        return find_model(self.problem, self.model)

    def load_builder(self) -> Callable[..., Any]:
        """Import and return the function that builds the model.

        Raises:
            UsageError: there is no such function.
            SourceChanged: the model's source has changed.
            TrustError: the model is a user's own and the configuration is from elsewhere.
        """
        path = self.model_spec().build
        trusted = self.may_import or not is_own(self.model)
        return load_builder(path, self.source_digest, self.source_folder, trusted=trusted)

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
        values = _typed(self.builder, _keywords(builder, self.model), self.model)
        settings = self.example_settings()
        inputs = settings.inputs(dataset)
        if is_own(self.model):
            from raysq.training.validation import build_own_model

            return build_own_model(self.model, builder, inputs, values, settings.open(dataset)["train"])
        try:
            return builder(inputs, **values)
        except (TypeError, ValueError) as error:
            if isinstance(error, RaysqError):
                raise
            given = " ".join(f"{name}={value}" for name, value in self.builder.items())
            raise UsageError(
                f"model {self.model!r} cannot be built with {given or 'its settings'}: {error} (--debug shows where)"
            ) from error


def _differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = [name for name in {**there, **now} if there.get(name) != now.get(name)]
    return [f"{name} {_said(there.get(name))}, now {_said(now.get(name))}" for name in names]


def _said(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= _LONG else text[:_LONG] + "..."


def find_model(problem: str, model: str) -> ModelSpec:
    """Return the entry of a problem's model, or a new one for the user's own model.

    Args:
        problem: name of the problem.
        model: name of a model, or `package.module:function`.

    Raises:
        UsageError: the problem has no model of that name.
    """
    models = problems.get(problem).models
    if is_own(model):
        return ModelSpec(model, xla=False)  # unknown whether XLA is faster; --set xla=true enables it
    if model not in models:
        raise UsageError(f"unknown model {model!r}: {nearest_name(model, models)}, or package.module:function")
    return models[model]


def load_builder(path: str, digest: str = "", folder: str = "", *, trusted: bool) -> Callable[..., Any]:
    """Import a model builder; the current folder is searched as well.

    Args:
        path: name of the builder, `package.module:function`.
        digest: digest of the required source. Defaults to empty, which accepts the present source.
        folder: another folder to search for the required source.
        trusted: whether the builder may be imported: the user named it, this home signed the name, or it is raysq's.

    Returns:
        The function or model class.

    Raises:
        UsageError: there is no such function.
        SourceChanged: the function has another source.
        TrustError: the builder is not trusted.
    """
    module, _, name = path.partition(":")
    if not trusted:
        raise trust.refusal("the configuration", path, find_module(module), folder)
    if is_of_python(module):
        raise UsageError(f"model {path!r}: module {module!r} is part of Python and builds no models")
    backend.load()
    try:
        imported = import_source(module, digest, folder)
    except RaysqError:
        raise
    except Exception as error:  # the user's module may raise anything
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise UsageError(f"model {path!r}: there is no module {error.name!r} in {os.getcwd()}") from None
        place = place_of(error, path)
        raise UsageError(
            f"model {path!r}: its module cannot be imported: {describe(error)}{f' ({place})' if place else ''}"
        ) from error
    builder = getattr(imported, name, None)
    if builder is None:
        raise UsageError(f"model {path!r}: module {module!r} has no function {name!r}")
    if not _is_builder(builder):
        raise UsageError(f"model {path!r} is not a function written in Python, nor a class of Keras models")
    if digest and imported_digest(module, name) != digest:  # a notebook's function that was redefined
        raise SourceChanged(f"the source of {path} has changed since the run was begun: train another run of it")
    return builder


def _is_builder(value: Any) -> bool:
    import keras

    if isinstance(value, functools.partial):
        return _is_builder(value.func)
    if inspect.isclass(value):
        return issubclass(value, keras.Model)
    return inspect.isfunction(inspect.unwrap(value))


def _typed(values: Mapping[str, Any], known: Mapping[str, Setting], model: str) -> dict[str, Any]:
    """Return the builder's settings of a configuration, converted to their types; the file may be edited by hand.

    Raises:
        UsageError: a setting is unknown or has a wrong type.
    """
    for name in values:
        if name not in known:
            raise UsageError(f"model {model!r} has no setting {name!r}: {nearest_name(name, known)}")
    return {
        name: value if value == known[name].default else coerce(value, known[name].type, name)
        for name, value in values.items()
    }


def _source(path: str) -> tuple[str, str]:
    """Return digest and folder of the source that a builder was imported from; empty where they are unknown."""
    module, _, name = path.partition(":")
    digest = imported_digest(module, name)
    return (digest, folder_of(module)) if digest else ("", "")


def import_place() -> tuple[str, tuple[str, ...], str]:
    """Return this process's folder, its `sys.path` and its home, for `import_from` in a Ray process."""
    return os.getcwd(), tuple(sys.path), str(home())


def import_from(place: tuple[str, tuple[str, ...], str]) -> None:
    """Let this process find the driver's modules and home.

    A user's model lies in the driver's current folder, and Ray starts its processes in another folder.

    Args:
        place: result of `import_place` in the driver.
    """
    folder, paths, home = place
    if os.path.isdir(home):
        os.environ["RAYSQ_HOME"] = home
    if os.path.isdir(folder):
        os.chdir(folder)
    sys.path += [path for path in paths if path not in sys.path and os.path.isdir(path)]


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

    Later layers override earlier ones: the problem's defaults, the task, the data set, the model, then the user.

    Args:
        task_name: name of the task.
        model: name of the model, or `package.module:function`.
        dataset: data set to train on.
        seed: seed of weights, order and dropout, from 0 to 2**32 - 1.
        overrides: settings that the user gave, by name.
        source: digest and folder of the source that the model must have. Defaults to empty, which accepts any source.
        trusted: whether the user or this home named the model. False where a folder from elsewhere names it.

    Returns:
        The configuration.

    Raises:
        UsageError: a model or setting is unknown (the error names the nearest), or a value has a wrong type.
        SourceChanged: the model's source has changed.
        TrustError: the model is a user's own and not trusted.
    """
    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed must be from 0 to {2**32 - 1}, received {seed}")
    task = tasks.get(task_name)
    problem = problems.get(task.problem)
    spec = find_model(task.problem, model)
    builder = load_builder(spec.build, *source, trusted=trusted or not is_own(model))
    sections = {
        "builder": _keywords(builder, model),
        "examples": setting_fields(problem.examples),
        "training": setting_fields(TrainSettings),
    }
    # A builder's keyword with the name of another section's setting takes the value of that setting.
    shared = [name for name in sections["builder"] if name in sections["examples"] or name in sections["training"]]
    defaults = {name: setting.default for name, setting in sections["builder"].items()}
    known = {name: section for section, settings in sections.items() for name in settings}
    values: dict[str, dict[str, Any]] = {section: {} for section in sections}
    given = (task.settings, dataset.manifest.settings, spec.defaults)
    sized = {} if spec.sized is None else spec.sized(dataset, ChainMap(dict(overrides), *map(dict, reversed(given))))
    either = getattr(problem.examples, "either", ())
    own = {name: defaults[name] for name in shared if defaults[name] not in (None, REQUIRED)}
    for layer in (*given, sized, own, overrides):
        of_examples: dict[str, Any] = {}
        for key, value in layer.items():
            if key == "seed":
                raise UsageError("the seed is no setting of a part: give --seed NUMBER (in Python: seed=NUMBER)")
            if key not in known:
                hint = _hint(builder, key) or nearest_name(key, known)
                raise UsageError(f"model {model!r} of task {task_name!r} has no setting {key!r}: {hint}")
            section = known[key]
            if section == "examples":  # may be durations, which the problem converts at the data set's cadence
                of_examples[key] = value
            else:
                values[section][key] = coerce(value, sections[section][key].type, key)
        values["examples"] = merge_settings(values["examples"], of_examples, either)
    examples = make_settings(problem.examples, problem.examples.resolve(values["examples"], dataset))
    training = make_settings(TrainSettings, values["training"])
    values["builder"] |= {
        name: coerce(
            getattr(training if known[name] == "training" else examples, name), sections["builder"][name].type, name
        )
        for name in shared
    }
    for name, default in defaults.items():
        if default is REQUIRED and name not in values["builder"]:
            raise UsageError(f"model {model!r} needs a value for {name}: --set {name}=VALUE")
    source_digest, source_folder = _source(spec.build)
    config = RunConfig(
        task=task_name,
        problem=task.problem,
        model=model,
        data=str(dataset.directory.resolve()),
        fingerprint=dataset.fingerprint,
        synthetic=dataset.synthetic,
        seed=seed,
        examples=asdict(examples),
        builder={**defaults, **values["builder"]},
        training=asdict(training),
        facts=problem.facts(dataset, examples),
        versions=versions(),
        given=[name for name in OPTIMIZER_SETTINGS if name in overrides and name not in shared]
        if is_own(model)
        else [],
        source_digest=source_digest,
        source_folder=source_folder,
    )
    # Convert tuples to lists, as JSON does, so that the id is the same before and after the configuration is saved.
    return RunConfig(**json.loads(json.dumps(asdict(config))), trusted=trusted)


def _keywords(builder: Callable[..., Any], model: str) -> dict[str, Setting]:
    """Return the settings of a builder, which are its keyword arguments.

    Raises:
        UsageError: the signature of a user's builder cannot be read.
    """
    try:
        return setting_fields(builder)
    except Exception as error:  # unresolvable annotations, classes written in C
        if not is_own(model):
            raise
        raise UsageError(f"model {model!r}: the arguments of its function cannot be read: {describe(error)}") from error


def _hint(builder: Callable[..., Any], key: str) -> str | None:
    """Return a hint where a setting is an argument of the builder that is not keyword-only, else None."""
    parameter = inspect.signature(builder).parameters.get(key)
    if parameter is None or parameter.kind is parameter.VAR_KEYWORD:
        return None
    return f"write it after a `*` in the function's arguments, build(inputs, *, {key}=...), to make it a setting"


def versions() -> dict[str, str]:
    """Return the versions of the packages that affect the numbers."""
    from importlib.metadata import version

    others = {name: version(name) for name in ("tensorflow", "keras", "numpy", "pyarrow", "ray")}
    return {"raysq": __version__, **others}
