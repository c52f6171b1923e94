"""Help in colors, where a terminal shows it. Imports rich, so it is imported where help is printed."""

from rich_argparse import RichHelpFormatter


class ColoredHelp(RichHelpFormatter):
    """The same words as argparse's own help, options and metavars in colors; brackets in texts are no markup."""

    group_name_formatter = str
    text_markup = False
    help_markup = False
