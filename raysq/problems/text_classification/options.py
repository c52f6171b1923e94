"""Command-line options for labeled documents."""

from raysq.text import options

PREPARE = (
    options.TEXT,
    options.LABEL,
    options.LABEL_SEPARATOR,
    *options.ROWS,
    options.TEST,
    options.LEVEL,
    options.VECTORS,
)
