"""Options of `raysq prepare` and `raysq report` that problems declare."""

import argparse
from typing import Any

from raysq import problems
from raysq.errors import UsageError

# Commands that have the options of a problem for another.
_COMMANDS = {"prepare": ("prepare", "show"), "report": ("report",)}


def add_problem_options(sub: argparse.ArgumentParser, command: str, requested: str) -> None:
    """Add the options of all problems to a command, in a group for each problem.

    An option that several problems declare is added once, in the group of the first.

    Args:
        sub: parser of the command.
        command: "prepare" or "report".
        requested: command that the user gave. Problems of other packages are searched for this one only.
    """
    names = problems.REGISTRY.names() if requested in _COMMANDS[command] else tuple(problems.REGISTRY.builtin)
    added: set[str] = set()
    for name in names:
        try:
            declared = problems.command_options(name, command)
        except UsageError:  # a problem of another package, whose tasks state the error when they are used
            continue
        shared = [option.name for option in declared if option.name in added]
        about = f"Also {', '.join(shared)} above." if shared else None
        group = sub.add_argument_group(name.replace("_", " "), about) if declared else sub
        for option in declared:
            if option.name not in added:
                added.add(option.name)
                action = "append" if option.repeated else "store"
                group.add_argument(
                    option.name, dest=_dest(option.name), action=action, metavar=option.metavar, help=option.help
                )


def given_options(options: argparse.Namespace, command: str, problem: str | None = None) -> dict[str, Any]:
    """Return the settings that the user gave by options of a problem.

    Args:
        options: parsed command line.
        command: "prepare" or "report".
        problem: name of the problem. Defaults to all problems.

    Raises:
        UsageError: an option is one of other problems.
    """
    values: dict[str, Any] = {}
    owners: dict[str, list[str]] = {}
    settings: dict[str, str] = {}
    for name in problems.REGISTRY.names():
        try:
            declared = problems.command_options(name, command)
        except UsageError:  # as in `add_problem_options`
            continue
        for option in declared:
            value = getattr(options, _dest(option.name), None)
            if value is None:
                continue
            owners.setdefault(option.name, []).append(name)
            settings[option.name] = option.setting
            if problem in (None, name):
                values[option.setting] = value
    for option_name, names in owners.items():
        if problem is not None and problem not in names:
            reason = problems.get(problem).refused_settings.get(settings[option_name])
            raise UsageError(
                f"{option_name} is for {', '.join(names)}; task {options.task} is for {problem}: "
                + (reason or "leave it out")
            )
    return values


def _dest(option: str) -> str:
    return f"problem_{option.removeprefix('--').replace('-', '_')}"
