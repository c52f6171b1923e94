"""Argument parser that accepts options anywhere among the positional arguments."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from raysq.display.terminal import visible
from raysq.storage.uris import redact_text


class StatedDefaults(argparse.HelpFormatter):
    """Append the default of an option to its help."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        stated = isinstance(default, (int, float, str)) and not isinstance(default, bool)
        if not stated or default in ("", argparse.SUPPRESS):
            return action.help
        text = f"{default:g}" if isinstance(default, float) else f"{default}"
        return f"{action.help} Defaults to {text}."


class IntermixedParser(argparse.ArgumentParser):
    """Parse options before, between and after positional arguments.

    argparse itself consumes a positional argument of `nargs="*"` at the first positional it meets, so that
    `neighbors RUN --top 3 WORD` leaves WORD unparsed. `parse_intermixed_args` solves this for a single parser. It does
    not apply to subcommands, which are called by `parse_known_args` only.

    Arguments after `--` are positional, whatever they begin with.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(add_help=False, formatter_class=StatedDefaults, **kwargs)
        self.add_argument("-h", "--help", action="help", help="Show this help message and exit.")
        self._behind: list[str] | None = None  # arguments after "--", during the two passes

    def format_help(self) -> str:
        """Return the help text, colored on a terminal that supports colors."""
        if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
            from raysq.cli.colored_help import ColoredHelp

            self.formatter_class = ColoredHelp
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and the message, without secrets in URLs."""
        super().error(visible(redact_text(message)))

    def parse_known_args(  # type: ignore[override]  # argparse's overloads are generic in the namespace
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the options first, then the remaining positional arguments."""
        if args is None or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        if self._behind is not None:
            # In the first pass argparse suppresses all positional arguments. The second pass parses them.
            positionals = [action for action in self._get_positional_actions() if action.nargs != argparse.SUPPRESS]
            behind = ["--", *self._behind] if positionals and self._behind else []
            return super().parse_known_args([*args, *behind], namespace)
        arguments = list(args)
        end = arguments.index("--") if "--" in arguments else len(arguments)
        self._behind = arguments[end + 1 :]
        try:
            return self.parse_known_intermixed_args(arguments[:end], namespace)
        finally:
            self._behind = None
