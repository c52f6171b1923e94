"""Colored help for terminals. It imports rich, so it is imported only where help is printed."""

from rich_argparse import RichHelpFormatter

from raysq.cli.intermixed import StatedDefaults


class ColoredHelp(StatedDefaults, RichHelpFormatter):
    """Format argparse's help with colored options and metavars. Brackets in texts are not treated as markup."""

    group_name_formatter = str
    text_markup = False
    help_markup = False
