"""Report renamed options and commands: the old name is a usage error that states the new name."""

import argparse
from collections.abc import Sequence
from typing import Any

COMMANDS = {"neighbours": "neighbors"}


def refuse_renamed_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Exit with status 2 and one line if the command is given by its old name.

    Args:
        parser: The parser that reports the error.
        arguments: The command line's arguments.
    """
    command = next((argument for argument in arguments if not argument.startswith("-")), None)
    if command in COMMANDS:
        parser.error(f"{command} is now {COMMANDS[command]}")


class Renamed(argparse.Action):
    """Reject an option under its old name, which is hidden from help.

    Args:
        option_strings: The old name.
        dest: Set by argparse.
        new: The present name.

    Example:
        >>> parser.add_argument("--budget", action=Renamed, new="--time")
    """

    def __init__(self, option_strings: Sequence[str], dest: str, *, new: str, **_: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs="?", help=argparse.SUPPRESS)
        self.new = new

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Exit with status 2 and one line that states the new name."""
        parser.error(f"{self.option_strings[0]} is now {self.new}")
