"""`raysq --print-completion SHELL`: shell completion of commands, options, tasks and files."""

import argparse
from typing import Any

from raysq.display.terminal import print_result

SHELLS = ("bash", "zsh", "tcsh")
_FILES = ("FILE", "PATH")  # metavars


class PrintCompletion(argparse.Action):
    """Print the completion script of a shell and exit with status 0. shtab is imported lazily.

    Example:
        $ raysq --print-completion bash > ~/.local/share/bash-completion/completions/raysq
    """

    def __init__(self, option_strings: list[str], dest: str, **_: Any) -> None:
        about = "Print a completion script for bash, zsh or tcsh and exit."
        super().__init__(option_strings, argparse.SUPPRESS, choices=SHELLS, metavar="SHELL", help=about)

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        """Print the script of the shell and exit."""
        import shtab

        _describe(parser)
        print_result(shtab.complete(parser, values))
        parser.exit()


def _describe(parser: argparse.ArgumentParser) -> None:
    """Mark the arguments of all commands that are files or tasks."""
    import shtab

    from raysq import tasks

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _describe(command)
        elif action.dest == "task" and not action.option_strings:
            action.choices = tasks.names()
        elif action.metavar in _FILES or action.dest in ("source", "validation"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it
