"""Preprocessor of series: rows of tables to one time column and columns of values."""

import dataclasses
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from raysq.data import time_zones
from raysq.data.partition_stats import PartitionStats, Stats
from raysq.data.preprocessor import Chunk, Preprocessor, Transform, ValidationPartition
from raysq.data.readers import tables
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.sources import TABULAR
from raysq.errors import RaysqError, UsageError
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.readers import directives, parsing, timestamps
from raysq.problems.forecasting.readers.columns import check_columns, check_named
from raysq.problems.forecasting.readers.group_series import group_series
from raysq.problems.forecasting.readers.precision import wide_columns
from raysq.problems.forecasting.readers.repair import FILLED, repair
from raysq.problems.forecasting.readers.rows import parse_rows
from raysq.problems.forecasting.readers.stretches import part_series


@dataclass(frozen=True)
class SeriesPreprocessor(CsvFormat, Preprocessor):
    """Preprocessor that reads raw files into a series.

    The fields are settings. With the defaults, every row is kept as it is.

    Attributes:
        time: column of the timestamp; or columns named year, month, day, hour, minute, second (as far down as needed;
            quarter may replace month); or several columns that are joined by a space and read by `time_format`;
            "none" where the rows have an order but no time.
        time_format: format as for `strptime`, such as "%d.%m.%Y %H:%M:%S" or "%G-W%V". For numbers: epoch_s,
            epoch_ms, epoch_us, epoch_ns, year, decimal_year or excel (days since 1899-12-30). quarter reads quarters
            (2008Q1), number reads whole numbers that order the rows and are no times, and rows takes the order of the
            file itself. None reads ISO 8601. Midnight may be written as 24:00 of the day before.
        timezone: time zone of timestamps without an offset, such as Europe/Berlin or +01:00. The series has its days,
            hours and offsets. None takes the zone from the timestamps, if they have one.
        freq: frequency of the rows, as an offset alias of pandas (10min, h, D, ME, QS-JAN, B, ...), or
            "C:Tue,Wed,Thu,Fri,Sat" for weeks of these days. None infers it from the timestamps.
        columns: columns of values to keep, in this order; empty for all but those of the time.
        categories: columns of text or whole numbers. Each of their values becomes a column of 0 and 1 named
            "COLUMN=value". All of them are 0 where the cell is missing or has a value that `levels` lacks.
        levels: {column: values} of the categories; None infers them from the files.
        id: columns that together identify the series of a row, where the files hold several. Each series is sorted
            and repaired by itself. The series follow each other in order of first appearance.
        layout: "infer" infers settings left out from the files: delimiter and encoding, number format, time columns
            and their format, value columns. "inferred" states that this has been done.
        order: how to treat rows whose timestamp is before that of the row above.
        duplicates: how to treat rows with equal timestamps.
        gaps: how to treat steps longer than the frequency allows. "fill" puts the series on a regular grid,
            interpolated linearly in time.
        missing: how to treat cells that are empty or NaN. "drop" drops their rows.
        bad_cells: how to treat cells that are not numbers; "missing" treats them as empty.
        sentinels: numbers that stand for a missing value.
        sentinel: how to treat sentinels.
        decimal: decimal separator of numbers in text.
        thousands: separator between groups of three digits of numbers in text.
        signs: characters next to numbers in text that are not part of them, such as $ or %.
        float64: columns to store as float64. Columns that float32 would damage are added; the others are float32.
        split_column: column that says train, val or test for each row, or None. Each stretch of rows of one part is
            repaired by itself, and no window reaches from one into another.
        weight: column of the weight of each row as a target in the loss, or None.
        validation: whether a second source validates. Not a setting of the user.
        open_end: columns of the data set whose cells after their last value stay empty, for predictions with columns of
            the future. Not a setting of the user.

    The other settings are those of `CsvFormat`. Sorting, filling gaps, dropping duplicates and separating several
    series hold all rows in memory. Everything else is done partition by partition.

    Raises:
        UsageError: settings are invalid or contradict each other.
    """

    time: tuple[str, ...] = ("time",)
    time_format: str | None = None
    timezone: str | None = None
    freq: str | None = None
    columns: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    levels: Any = None
    id: tuple[str, ...] = ()
    layout: Literal["given", "infer", "inferred"] = "given"
    order: Literal["error", "sort"] = "error"
    duplicates: Literal["keep", "first", "last", "error"] = "keep"
    gaps: Literal["keep", "fill", "error"] = "keep"
    missing: Literal["error", "interpolate", "previous", "drop"] = "error"
    bad_cells: Literal["error", "missing"] = "error"
    sentinels: tuple[float, ...] = (-9999.0,)
    sentinel: Literal["keep", "missing", "error"] = "keep"
    decimal: Literal[".", ","] = "."
    thousands: str = ""
    signs: tuple[str, ...] = ()
    # Why columns were left out, if they were inferred. Not a setting.
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict, init=False, repr=False, compare=False)
    float64: tuple[str, ...] = ()
    split_column: str | None = None
    weight: str | None = None
    validation: bool | None = None
    open_end: tuple[str, ...] | None = None

    version: ClassVar[int] = 2
    later: ClassVar[tuple[str, ...]] = ("split_column", "weight", "validation", "open_end")
    suffixes: ClassVar[tuple[str, ...]] = TABULAR
    zip_member: ClassVar[str | None] = ".csv"

    def to_config(self) -> dict[str, Any]:
        """Return the settings for manifest and fingerprint."""
        return {name: value for name, value in super().to_config().items() if name != "left_out"}

    def __post_init__(self) -> None:
        # Lists if they come from JSON.
        for name in ("time", "columns", "categories", "sentinels", "float64", "id", "signs"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self.validate()
        if self.time == (timestamps.NO_TIME,) and self.layout == "infer":
            object.__setattr__(self, "time", ())
            object.__setattr__(self, "time_format", timestamps.ROWS)
        formats = (*timestamps.NUMBERED, timestamps.QUARTER, timestamps.ROWS)
        if self.time_format is not None and self.time_format not in formats:
            directives.check(self.time_format)
        if self.numbered and (self.timezone or self.freq):
            name = "timezone" if self.timezone else "freq"
            raise UsageError(f"setting {name} needs times, and the rows are numbered (time_format={self.time_format})")
        if self.time_format == timestamps.ROWS and self.time:
            raise UsageError(f"setting time_format=rows reads no column; leave out time={','.join(self.time)}")
        if self.timezone is not None:
            time_zones.validate_zone(self.timezone, "timezone")
        if self.freq is not None:
            Frequency.parse(self.freq)
        if not self.time and self.layout != "infer" and self.time_format != timestamps.ROWS:
            raise UsageError("setting time names no column")
        if len(self.time) > 1 and self.time_format is None and not timestamps.is_parts(self.time):
            raise UsageError(
                f"setting time must be one column, or {', '.join(timestamps.PARTS)} in this order as far down as they "
                f"go, or have a time_format; received {', '.join(self.time)}"
            )
        if len(self.thousands) > 1 or (self.thousands and self.thousands in "+-eE0123456789" + self.decimal):
            raise UsageError(
                f"setting thousands must be one character and not that of the decimals, received {self.thousands!r}"
            )
        if any(len(sign) != 1 or sign.isalnum() or sign in "+-.,'" for sign in self.signs):
            raise UsageError(f"setting signs must be characters such as $ or %, received {','.join(self.signs)!r}")
        times = set(self.time) & set(self.columns)
        if times:
            raise UsageError(f"setting columns must not name the time column {min(times)!r}")
        roles = [*self.time, *self.categories, *self.id, *self.row_columns]
        repeated = sorted(name for name in roles if [*roles, *self.columns].count(name) > 1)
        if repeated:
            raise UsageError(
                f"column {repeated[0]!r} can have one use only: time, id, category, split, weight or value"
            )
        if self.levels is not None:
            levels = json.loads(self.levels) if isinstance(self.levels, str) else self.levels
            if set(levels) != set(self.categories):
                names = ", ".join(self.categories) or "no category"
                raise UsageError(f"setting levels must hold the values of {names}, received {levels!r}")
            object.__setattr__(self, "levels", {name: [str(value) for value in levels[name]] for name in levels})
        repeated = sorted(name for name in self.columns if self.columns.count(name) > 1)
        if repeated:
            raise UsageError(f"setting columns names {repeated[0]!r} twice")

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Columns of parts and of weights."""
        return tuple(name for name in (self.split_column, self.weight) if name is not None)

    @property
    def parted(self) -> bool:
        """Whether the source says what rows are for."""
        return self.split_column is not None or bool(self.validation)

    @property
    def notation(self) -> parsing.Notation:
        """Format of numbers in text."""
        return parsing.Notation(self.decimal, self.thousands, self.signs)

    @property
    def numbered(self) -> bool:
        """Whether rows have numbers instead of times."""
        return self.time_format in (timestamps.NUMBER, timestamps.ROWS)

    @property
    def frequency(self) -> Frequency | None:
        """Frequency that `freq` names; None if it is not set."""
        return None if self.freq is None else Frequency.parse(self.freq)

    def infer(self, files: list[Path]) -> "tuple[SeriesPreprocessor, list[str]]":
        """Infer settings that the user left out from the files, and return messages about them.

        Raises:
            DataError: a setting cannot be inferred; the message tells which one to give.
        """
        if self.layout != "infer" and (self.levels is not None or not self.categories):
            return self, []
        from raysq.problems.forecasting.readers.infer import infer

        return infer(self, files)

    def with_validation(self, files: list[Path], given: Collection[str]) -> "tuple[SeriesPreprocessor, list[str]]":
        """Return the settings for rows beside which others validate, and no messages.

        Raises:
            DataError: the files lack a column.
        """
        settings = dataclasses.replace(self, validation=True)
        object.__setattr__(settings, "left_out", self.left_out)
        settings._partition(files, validating=True)
        return settings, []

    @property
    def category_columns(self) -> tuple[str, ...]:
        """Columns of 0 and 1 that the categories become."""
        return tuple(f"{name}={value}" for name, values in (self.levels or {}).items() for value in values)

    def infer_defaults(
        self, settings: Mapping[str, Any], defaults: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """Return window settings that follow from these columns, and messages.

        Raises:
            UsageError: targets or features that are no columns, no target where there are several columns, or a split
                of rows whose parts the source says.
        """
        from raysq.problems.forecasting.readers.targets import infer_defaults

        inferred, messages = infer_defaults(self, settings, defaults)
        if not self.parted:
            return inferred, messages
        if settings.get("split") is not None:
            raise UsageError(
                f"setting split={settings['split']} divides rows, and the source says their parts: leave it out"
            )
        return {**inferred, "split": None}, messages  # in place of the task's

    def reading(self, needed: Sequence[str] | None = None) -> dict[str, Any]:
        """Return JSON-ready settings to read further files of this layout with: `SeriesPreprocessor(**reading)`.

        Args:
            needed: names of the columns that will be used; files may lack the others. None for all.
        """
        settings: dict[str, Any] = json.loads(json.dumps(self.to_config()))
        if needed is not None:
            columns = self.columns or tuple(name for name in needed if name not in self.category_columns)
            settings["columns"] = [name for name in columns if self.stored(name) in needed] or list(self.columns)
            levels = {
                name: values
                for name, values in (self.levels or {}).items()
                if any(f"{name}={value}" in needed for value in values)
            }
            settings |= {"categories": list(levels), "levels": levels or None}
        return {name: value for name, value in settings.items() if name not in self.later}

    def partition(self, files: "Sequence[Path | pa.Table]") -> list[tables.TablePartition]:
        """Return the partitions of raw data, after checking their columns.

        Raises:
            DataError: an empty file, files of different layouts, or a missing column.
        """
        return self._partition(files, validating=bool(self.validation))

    def _partition(self, files: "Sequence[Path | pa.Table]", *, validating: bool) -> list[tables.TablePartition]:
        """Return the partitions; those of the source that validates may lack the split column."""
        partitions = tables.partition(files, self.csv)
        for partition in partitions:
            check_columns(self, partition)
            if not validating:
                check_named(partition, {"--split-column": (self.split_column,) if self.split_column else ()})
        return partitions

    def read(self, partition: tables.TablePartition | ValidationPartition) -> Iterator[Chunk]:
        """Yield the series' rows of one partition in chunks."""
        second = isinstance(partition, ValidationPartition)
        if isinstance(partition, ValidationPartition):
            partition = partition.partition
        assert isinstance(partition, tables.TablePartition)
        text = [*self.time, *self.categories, *self.id]
        text += [name for name in self.row_columns if name in partition.columns]
        values = list(self.kept(partition.header))
        if self.notation != parsing.PLAIN:
            # Arrow would read "1.234" as 1.234 where it means 1234.
            text, values = [*text, *values], []
        for chunk in tables.read(partition, text, values, self.csv):
            yield Chunk(*parse_rows(self, partition, chunk, second))

    @property
    def one_pass(self) -> bool:  # type: ignore[override]
        """Whether no repair needs all rows at once."""
        return self._repair() is None

    def fit_stats(self, stats: Iterable[PartitionStats], scratch: Path | None = None) -> Transform:
        """Validate the statistics, and return the repair of all rows if the settings ask for one.

        Columns that float32 would damage are read again as float64. Only the statistics of all rows show the damage.

        Raises:
            DataError: the first unusable row, even if reading a file failed at a later row; or there are no rows.
        """
        from raysq.problems.forecasting.readers.validation import require_rows

        chunks: list[Stats] = []
        try:
            for partition in stats:
                chunks += [record.stats for record in partition.chunks]
        except RaysqError:
            self.validate_stats(chunks)
            raise
        self.validate_stats(chunks)
        require_rows(chunks)
        wide = wide_columns([chunk["rounding"] for chunk in chunks])
        damaged = [name for name in wide if name not in self.float64]
        if damaged:
            return Transform(preprocessor=dataclasses.replace(self, float64=(*self.float64, *damaged)))
        return Transform(all_rows=self._repair())

    def _repair(self) -> Callable[[pa.Table], tuple[pa.Table, dict[str, pa.Table], Stats]] | None:
        """Return the repair that needs all rows at once, or None if the settings ask for none."""
        repairs: dict[str, Any] = {
            "sort": self.order == "sort",
            "duplicates": self.duplicates,
            "missing": self.missing,
            "fill": self.gaps == "fill",
            "frequency": self.frequency,
            "zone": self.timezone,
            "numbered": self.numbered,
            "count": self.time_format == timestamps.ROWS,
            "open_end": tuple(self.open_end or ()),
        }
        if self.parted:
            return partial(_repaired, part_series, keys=len(self.id), **repairs)
        if self.id:
            return partial(_repaired, group_series, keys=len(self.id), **repairs)
        if (
            self.order == "sort"
            or self.duplicates in ("first", "last")
            or self.gaps == "fill"
            or self.missing in ("interpolate", "previous")
            or self.timezone is not None
            or self.time_format == timestamps.ROWS
        ):
            return partial(_repaired, repair, **repairs)
        return None

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise the first error of all chunks.

        Raises:
            DataError: a row cannot be used; the message names file, line, column, value, and the setting to repair it.
        """
        from raysq.problems.forecasting.readers.validation import validate

        validate(self, stats)

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the data set's report.

        Raises:
            DataError: the settings refuse the timestamps.
        """
        from raysq.problems.forecasting.readers.validation import summarize

        return summarize(self, stats, summary)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return the lines that describe a report to the user."""
        from raysq.problems.forecasting.readers.validation import describe

        return describe(self, report)

    def kept(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return the value columns of a file with this header."""
        others = {*self.time, *self.categories, *self.id, *self.row_columns}
        return self.columns or tuple(name for name in header if name and name not in others)

    @staticmethod
    def stored(name: str) -> str:
        """Return the name of a value column in the data set: `time_value` for `time`, where timestamps are stored."""
        return "time_value" if name == "time" else name


def _repaired(
    function: Callable[..., tuple[pa.Table, pa.Table, dict[str, Any]]], table: pa.Table, **options: Any
) -> tuple[pa.Table, dict[str, pa.Table], dict[str, Any]]:
    """Return the repaired rows, the table of filled cells if there are any, and a summary of the repair."""
    repaired, filled, summary = function(table, **options)
    return repaired, {FILLED: filled} if filled.num_rows else {}, summary
