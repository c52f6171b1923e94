"""Command-line options for running text."""

from raysq.text import options

PREPARE = (options.TEXT, *options.ROWS, options.TEST, options.SUBWORD_LEVEL, options.VOCAB_SIZE, options.UNIT)
