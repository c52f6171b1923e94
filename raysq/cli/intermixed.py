"""An argument parser whose options may stand anywhere among the positional arguments."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from raysq.display.terminal import visible
from raysq.storage.uris import redact_text


class IntermixedParser(argparse.ArgumentParser):
    """Parse options before, between and behind positional arguments of any number.

    Plain argparse consumes a positional argument of `nargs="*"` at the first one that it meets, so that
    `neighbors RUN --top 3 WORD` leaves WORD over. `parse_intermixed_args` mends that, but not for the parsers of
    subcommands, which are called by `parse_known_args` alone.

    What stands behind `--` is positional, whatever it begins with.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._behind: list[str] | None = None  # what stands behind "--", while the two passes run

    def format_help(self) -> str:
        """The help, in colors on a terminal that shows them."""
        if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
            from raysq.cli.colored_help import ColoredHelp

            self.formatter_class = ColoredHelp
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Exit with a line that repeats what was typed, secrets in URLs aside."""
        super().error(visible(redact_text(message)))

    def parse_known_args(  # type: ignore[override]  # argparse's overloads say the same of any namespace
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the options first and then the positional arguments that are left."""
        if args is None or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        if self._behind is not None:
            # The first pass has all positional arguments switched off, the second takes them.
            positionals = [action for action in self._get_positional_actions() if action.nargs != argparse.SUPPRESS]
            behind = ["--", *self._behind] if positionals and self._behind else []
            return super().parse_known_args([*args, *behind], namespace)
        given = list(args)
        end = given.index("--") if "--" in given else len(given)
        self._behind = given[end + 1 :]
        try:
            return self.parse_known_intermixed_args(given[:end], namespace)
        finally:
            self._behind = None
