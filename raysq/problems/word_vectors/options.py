"""Command-line options for texts."""

from raysq.text import options

PREPARE = (options.TEXT, options.TEST, options.LEVEL, options.UNIT)
