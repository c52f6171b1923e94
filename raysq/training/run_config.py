"""The configuration of a run: every setting resolved, and the model it builds."""

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
_LONG = 40  # characters of one value


@dataclass(frozen=True)
class RunConfig:
    """Everything needed to repeat a run; the number of workers is not among it.

    Attributes:
        task: its name.
        problem: its problem's name.
        model: a model's name, or `package.module:function`.
        data: the data set's directory.
        fingerprint: of the data set.
        synthetic: whether the data are the built-in sample.
        seed: of weights, order and dropout.
        examples: batch-time settings.
        builder: the model's settings.
        training: settings of training.
        facts: what the problem needs for prediction and for the metrics' own unit.
        versions: of what made the numbers; not part of the run's id.
        source_digest: of the source of a person's own model; empty for raysq's, and where it is not known.
        source_folder: where that model was imported from; not part of the run's id.
        given: settings of the optimizer that were given for a user's model, which decides them if it comes compiled.
        trusted: whether the module of a user's model may be imported: see `may_import`. It is never read from a file.
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
        """Whether the user has named the model, or this home has, and its module may be imported."""
        return bool(vars(self)["trusted"])

    @property
    def id(self) -> str:
        """Task, model and a hash of the data's fingerprint, settings, seed and the source of a person's own model."""
        parts = [self.fingerprint, self.model, self.examples, self.builder, self.training, self.seed]
        parts += [one for one in (self.source_digest, self.given) if one]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.task}-{self.model.split(':')[-1]}-{digest}"

    def differences(self, now: "RunConfig") -> str:
        """What another configuration has otherwise, for a message."""
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
        """All settings by name, from which `plan` makes this configuration again."""
        if not is_own(self.model):
            return {**self.examples, **self.builder, **self.training}
        left = {name for name in OPTIMIZER_SETTINGS if name not in self.given and name not in self.builder}
        training = {name: value for name, value in self.training.items() if name not in left}
        return {**self.examples, **self.builder, **training}

    def train_settings(self) -> TrainSettings:
        """The settings of training."""
        return make_settings(TrainSettings, self.training)

    def example_settings(self) -> Any:
        """The problem's batch-time settings."""
        return make_settings(problems.get(self.problem).examples, self.examples)

    def model_spec(self) -> ModelSpec:
        """The model's entry in its problem, or one for a person's own builder."""
        return find_model(self.problem, self.model)

    def load_builder(self) -> Callable[..., Any]:
        """The function that builds the model, imported.

        Raises:
            UsageError: there is no such function.
            SourceChanged: the model's source is another by now.
            TrustError: the model is a user's own, and the configuration is from elsewhere.
        """
        path = self.model_spec().build
        trusted = self.may_import or not is_own(self.model)
        return load_builder(path, self.source_digest, self.source_folder, trusted=trusted)

    def build(self, dataset: Dataset) -> Any:
        """Builds the Keras model.

        Raises:
            UsageError: the builder refuses its settings, or returns what cannot be trained.
            SourceChanged: the model's source is another by now.
            TrustError: the model is a user's own, and the configuration is from elsewhere.
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
    """A model of a problem by name, or a person's own by `package.module:function`."""
    models = problems.get(problem).models
    if is_own(model):
        return ModelSpec(model, xla=False)  # whether it pays is not known: --set xla=true
    if model not in models:
        raise UsageError(f"unknown model {model!r}: {nearest_name(model, models)}, or package.module:function")
    return models[model]


def load_builder(path: str, digest: str = "", folder: str = "", *, trusted: bool) -> Callable[..., Any]:
    """Imports a model builder named `package.module:function`; the current folder is searched as well.

    Args:
        path: its name.
        digest: of the source that it must have; empty for the one that is there now.
        folder: where to look for that source too.
        trusted: whether the user has named it, or this home has written the name down, or it is raysq's own.

    Raises:
        UsageError: there is no such function.
        SourceChanged: it has another source.
        TrustError: it is not trusted.
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
    except Exception as error:  # what a module does when it is imported is the user's
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
    if digest and imported_digest(module, name) != digest:  # a function of a notebook, defined anew
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
    """The settings of a builder out of a configuration, which may be written by hand: each is one, and of its type.

    Raises:
        UsageError: one is not.
    """
    for name in values:
        if name not in known:
            raise UsageError(f"model {model!r} has no setting {name!r}: {nearest_name(name, known)}")
    return {
        name: value if value == known[name].default else coerce(value, known[name].type, name)
        for name, value in values.items()
    }


def _source(path: str) -> tuple[str, str]:
    """Digest and folder of the source that a builder was loaded from; empty where they are not known."""
    module, _, name = path.partition(":")
    digest = imported_digest(module, name)
    return (digest, folder_of(module)) if digest else ("", "")


def import_place() -> tuple[str, tuple[str, ...], str]:
    """Where this process imports from, and its home, for `import_from` in a process of Ray's."""
    return os.getcwd(), tuple(sys.path), str(home())


def import_from(place: tuple[str, tuple[str, ...], str]) -> None:
    """Lets this process find the modules that the driver finds: models of a person's own lie where the command was
    given, and Ray gives its processes a folder of their own. Runs that it makes are of the driver's home."""
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
    """Resolves every setting: the problem's defaults, the task's, the data set's, the model's, then the person's.

    Args:
        task_name: the task.
        model: the model's name, or `package.module:function`.
        dataset: what it is trained on.
        seed: of weights, order and dropout.
        overrides: what the person gave.
        source: digest and folder of the source that the model must have, if any.
        trusted: whether the model is named by the user, or by this home, and not by a folder from elsewhere.

    Raises:
        UsageError: an unknown model or setting (names the nearest), or a wrong type.
        SourceChanged: the model's source is another by now.
        TrustError: the model is a user's own, and not trusted.
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
    # Keywords of a builder with the name of another section's setting: one name is one value.
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
            if section == "examples":  # they may be spans of time: the problem reads them, at the data set's cadence
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
    # As it will be read back: tuples become lists, so that an id is the same before and after the disk.
    return RunConfig(**json.loads(json.dumps(asdict(config))), trusted=trusted)


def _keywords(builder: Callable[..., Any], model: str) -> dict[str, Setting]:
    """The settings of a builder.

    Raises:
        UsageError: its signature cannot be read.
    """
    try:
        return setting_fields(builder)
    except Exception as error:  # annotations that cannot be resolved, classes of C
        if not is_own(model):
            raise
        raise UsageError(f"model {model!r}: the arguments of its function cannot be read: {describe(error)}") from error


def _hint(builder: Callable[..., Any], key: str) -> str | None:
    """What to do where a setting is an argument of a user's builder, but no keyword-only one."""
    parameter = inspect.signature(builder).parameters.get(key)
    if parameter is None or parameter.kind is parameter.VAR_KEYWORD:
        return None
    return f"write it after a `*` in the function's arguments, build(inputs, *, {key}=...), to make it a setting"


def versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    from importlib.metadata import version

    others = {name: version(name) for name in ("tensorflow", "keras", "numpy", "pyarrow", "ray")}
    return {"raysq": __version__, **others}
