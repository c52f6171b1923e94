"""Command-line options for tables."""

from raysq.config import Option
from raysq.text import options

PREPARE = (
    Option("--target", "COLUMN[,..]", "Columns to predict."),
    Option("--inputs", "COLUMN[,..]", "Columns that the model sees. Defaults to all that can be used."),
    Option("--ignore", "COLUMN[,..]", "Columns to leave out."),
    Option("--numbers", "COLUMN[,..]", "Columns to read as numbers, whatever they seem to be."),
    Option("--categories", "COLUMN[,..]", "Columns to read as categories, such as codes written in digits."),
    Option("--group", "COLUMN", "Column whose equal values stay in one split, such as a patient."),
    Option("--split-column", "COLUMN", "Column that says train, val or test."),
    Option("--weight", "COLUMN", "Column of the weight of each row in the loss."),
    options.TEST,
)
