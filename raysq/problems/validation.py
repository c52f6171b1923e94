"""Validate problems of other packages and scripts when they are registered or first used."""

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from raysq.config import Option, join_names, setting_fields
from raysq.data.preprocessor import Preprocessor
from raysq.errors import UsageError
from raysq.problems.base import Metadata, Problem
from raysq.problems.specs import ModelSpec

NAME = r"[^\W_][\w.-]*"  # names are folders of the home
NAME_RULE = "letters, digits, '.', '-' and '_', and begin with a letter or digit"
_REQUIRED = ("name", "Settings", "Preprocessor", "models")


def validate_problem(problem: Any) -> None:
    """Raise `UsageError`, which states the first defect, if a class cannot be used as a problem."""
    if not (isinstance(problem, type) and issubclass(problem, Problem)):
        raise UsageError(f"a problem is a subclass of raysq.Problem, received {problem!r}")
    owner = f"problem {getattr(problem, 'name', problem.__name__)!r}"
    missing = [name for name in _REQUIRED if not hasattr(problem, name)]
    if missing:
        raise UsageError(f"{owner} lacks {', '.join(missing)}: set {missing[0]} = ... in its class")
    if not (isinstance(problem.name, str) and re.fullmatch(NAME, problem.name)):
        raise UsageError(f"{owner}: its name must be {NAME_RULE}")
    if abstract := sorted(problem.__abstractmethods__):
        raise UsageError(f"{owner} does not implement {', '.join(abstract)}")
    for field, base in (("Settings", object), ("Metadata", Metadata), ("Preprocessor", Preprocessor)):
        _validate_dataclass(owner, field, getattr(problem, field), base)
    if abstract := sorted(problem.Preprocessor.__abstractmethods__):
        raise UsageError(f"{owner}: its Preprocessor does not implement {', '.join(abstract)}")
    if not hasattr(problem.Preprocessor, "suffixes"):
        raise UsageError(f"{owner}: its Preprocessor lacks suffixes: set suffixes = ... in its class")
    shared = setting_fields(problem.Settings).keys() & setting_fields(problem.Preprocessor).keys()
    if shared:
        raise UsageError(f"{owner}: Settings and Preprocessor both have {', '.join(sorted(shared))}: rename one")
    _validate_models(owner, problem)
    _validate_options(owner, problem)


def _validate_dataclass(owner: str, field: str, value: Any, base: type) -> None:
    rule = "a frozen dataclass" + ("" if base is object else f" that extends raysq.{base.__name__}")
    if not (isinstance(value, type) and issubclass(value, base) and is_dataclass(value)):
        raise UsageError(f"{owner}: its {field} must be {rule}, received {value!r}")
    parameters = vars(value).get("__dataclass_params__")  # its own, not those of its base
    if parameters is None or not parameters.frozen:
        raise UsageError(f"{owner}: its {field} must be {rule}: put @dataclass(frozen=True) above {value.__name__}")


def _validate_models(owner: str, problem: type[Problem[Any, Any]]) -> None:
    models = problem.models
    if not (isinstance(models, Mapping) and all(isinstance(spec, ModelSpec) for spec in models.values())):
        raise UsageError(f"{owner}: its models must be raysq.ModelSpec objects by name, received {models!r}")
    if "baseline" not in models:
        raise UsageError(f"{owner} has no model 'baseline', whose metrics are shown beside those of the others")
    for name, spec in models.items():
        if not re.fullmatch(NAME, name):
            raise UsageError(f"{owner}: the name of model {name!r} must be {NAME_RULE}")
        if not (callable(spec.build) or re.fullmatch(r"[\w.]+:\w+", str(spec.build))):
            raise UsageError(f"{owner}: model {name!r} is built by {spec.build!r}, not by package.module:function")
    if problem.default_model not in models:
        raise UsageError(f"{owner}: default_model {problem.default_model!r} is none of {join_names(list(models))}")


def _validate_options(owner: str, problem: type[Problem[Any, Any]]) -> None:
    settings = {**setting_fields(problem.Settings), **setting_fields(problem.Preprocessor)}
    for option in (*problem.prepare_options, *problem.report_options):
        if not isinstance(option, Option):
            raise UsageError(f"{owner}: its options must be raysq.Option objects, received {option!r}")
    for option in problem.prepare_options:
        if option.setting not in settings:
            raise UsageError(f"{owner}: option {option.name} sets {option.setting!r}, which is no setting of its")
