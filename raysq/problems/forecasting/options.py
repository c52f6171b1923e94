"""Command-line options for series."""

from raysq.config import Option

PREPARE = (
    Option("--time", "COLUMN[,..]", "column that tells the time; or year,month,day,hour"),
    Option("--timezone", "ZONE", "in which the times are local, such as Europe/Berlin (default: what they say)"),
    Option("--freq", "ALIAS", "pandas alias of the frequency, such as h, ME or B (default: inferred)"),
    Option("--target", "COLUMN[,..]", "columns to forecast", setting="targets"),
    Option("--features", "COLUMN[,..]", "columns that the model sees (default: all)"),
    Option("--calendar", "NAME[,..]", "hour, weekday, monthday, yearday, month as features"),
    Option("--id", "COLUMN[,..]", "columns that name the series of a row, where a file holds several"),
    Option("--horizon", "SPAN", "rows (24) or time (6h, 5d, 3mo) from the last row seen to the forecast, or several"),
    Option("--delay", "SPAN", "the same from the first row not seen, as the book counts; instead of --horizon"),
    Option("--lookback", "SPAN", "rows or time that the model sees"),
    Option("--step", "SPAN", "see one row in so many"),
    Option("--split", "SPLIT", "train/val/test as shares (0.5/0.25/0.25), rows or dates"),
    Option(
        "--category",
        "COLUMN",
        "column of text or whole numbers, each value a feature of 0 and 1; repeatable",
        setting="categories",
        repeated=True,
    ),
)
REPORT = (Option("--week", "DAY", "for forecasts: show the week from this day, such as 2014-05-05"),)
