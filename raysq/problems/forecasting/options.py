"""Command-line options for series."""

from raysq.config import Option
from raysq.text import options

PREPARE = (
    Option("--time", "COLUMN[,..]", "Column of the time, or columns such as year,month,day,hour."),
    Option("--timezone", "ZONE", "Time zone of local times, such as Europe/Berlin. Defaults to that of the times."),
    Option("--freq", "ALIAS", "pandas alias of the frequency, such as h, ME or B. Inferred by default."),
    Option("--target", "COLUMN[,..]|all", "Columns to forecast.", setting="targets"),
    Option("--features", "COLUMN[,..]", "Columns that the model sees. Defaults to all."),
    Option("--future", "COLUMN[,..]", "Columns whose values are known as far ahead as the forecasts reach."),
    Option("--calendar", "NAME[,..]", "Calendar features: hour, weekday, monthday, yearday or month."),
    options.SPLIT_COLUMN,
    options.WEIGHT,
    Option("--id", "COLUMN[,..]", "Columns that name the series of a row, for files with several series."),
    Option(
        "--horizon",
        "SPAN[,..]|FROM:TO",
        "Rows (24) or time (6h, 5d, 3mo) from the last row that the model sees to the row to forecast; 1:96 for all of "
        "a range.",
    ),
    Option("--delay", "SPAN", "Rows or time from the first row that the model does not see; in place of --horizon."),
    Option("--lookback", "SPAN", "Rows or time that the model sees."),
    Option("--step", "SPAN", "Rows or time from one row that the model sees to the next."),
    Option("--split", "SPLIT", "train/val/test split as shares (0.5/0.25/0.25), rows or dates."),
    Option(
        "--protocol",
        "NAME",
        "inside (windows stay inside their split) or ltsf (split and windows of the public long-horizon tables).",
    ),
    Option(
        "--category",
        "COLUMN",
        "Column of texts or whole numbers to encode as one-hot features. Can be repeated.",
        setting="categories",
        repeated=True,
    ),
)
REPORT = (Option("--week", "DAY", "First day of the week to show, such as 2014-05-05."),)
