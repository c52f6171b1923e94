"""Command-line options for running text."""

from raysq.text import options

PREPARE = (options.TEXT, *options.ROWS, options.TEST, options.LEVEL, options.UNIT)
