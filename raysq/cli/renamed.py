"""Options and commands that were renamed: the old name is a usage error that gives the new one."""

import argparse
from collections.abc import Sequence
from typing import Any

COMMANDS = {"neighbours": "neighbors"}


def refuse_renamed_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Exit with 2 and one line where the command is given by its old name."""
    command = next((argument for argument in arguments if not argument.startswith("-")), None)
    if command in COMMANDS:
        parser.error(f"{command} is now {COMMANDS[command]}")


class Renamed(argparse.Action):
    """Refuse an option under its old name. Help does not show it.

    Args:
        option_strings: the old name.
        dest: set by argparse.
        new: the present name.

    Example:
        >>> parser.add_argument("--budget", action=Renamed, new="--time")
    """

    def __init__(self, option_strings: Sequence[str], dest: str, *, new: str, **_: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs="?", help=argparse.SUPPRESS)
        self.new = new

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Exit with 2 and one line."""
        parser.error(f"{self.option_strings[0]} is now {self.new}")
