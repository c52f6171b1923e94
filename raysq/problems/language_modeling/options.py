"""Command-line options for running text."""

from raysq.text import options

PREPARE = (options.TEXT, options.TEST, options.LEVEL, options.UNIT)
