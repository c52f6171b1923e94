"""Command-line options for tables."""

from raysq.config import Option
from raysq.text import options

PREPARE = (
    Option("--target", "COLUMN[,..]", "Columns to predict."),
    Option("--inputs", "COLUMN[,..]", "Columns that the model sees. Defaults to all that can be used."),
    Option("--ignore", "COLUMN[,..]", "Columns to leave out."),
    Option("--numbers", "COLUMN[,..]", "Columns to read as numbers, whatever they seem to be."),
    Option("--categories", "COLUMN[,..]", "Columns to read as categories, such as codes written in digits."),
    *options.ROWS,
    options.TEST,
)
