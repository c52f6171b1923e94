"""Preprocessors of tables: the rows of files, or of objects in Python, as typed columns."""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa

from raysq.config import Range, check_ranges, join_names, nearest_name
from raysq.data.columns import contiguous_array
from raysq.data.messages import Message
from raysq.data.partition_stats import ChunkRecord, PartitionStats, Stats
from raysq.data.parts import PARTS, VALIDATION, refuse_second_validation, says_parts, validation_parts
from raysq.data.preprocessor import Chunk, Preprocessor, Transform, ValidationPartition
from raysq.data.readers import tables
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.sniff import begin, no_header, sniff, sniff_encoding
from raysq.data.readers.table_files import describe_sheet
from raysq.data.readers.tables import TablePartition
from raysq.data.readers.unpack import is_tsv
from raysq.data.sources import TABULAR
from raysq.errors import DataError, UsageError
from raysq.problems.arrays import cells
from raysq.problems.arrays.encode import PART, Encode, values_of
from raysq.problems.arrays.lines import check_lines, line_stats
from raysq.problems.arrays.own_parts import check_rows
from raysq.problems.arrays.roles import describe_roles, infer_roles
from raysq.problems.arrays.statistics import ColumnStats, column_stats, merged

_TARGETS = ("target", "label", "class", "y")
_PART = re.compile(rf"({'|'.join(sorted(PARTS, key=len, reverse=True))})([-_. ].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class TableFormat(CsvFormat, Preprocessor):
    """Settings that the preprocessors for training and for prediction share."""

    suffixes: ClassVar[tuple[str, ...]] = TABULAR
    zip_member: ClassVar[str | None] = ".csv"

    def partition(self, files: Sequence[Path | pa.Table]) -> list[TablePartition]:
        """Return the partitions of the files."""
        return tables.partition(files, self.csv)

    def with_format(self, files: Sequence[Path | pa.Table]) -> tuple[Any, list[str]]:
        """Return these settings with the format of csv files that the user left out, and messages."""
        path = files[0]
        if isinstance(path, pa.Table):
            return self, []
        if not tables.is_csv(path):
            self.refuse_for(path.name)
            return self, describe_sheet(path, self)
        csv, messages = sniff_encoding(tables.head(path, CsvFormat())[0], self.csv)
        data, complete = tables.head(path, csv)
        csv, more = sniff(data, complete, csv, numbers=True, tabs=is_tsv(path))
        if csv.header is False and self.header is None:
            names = begin(path.name, data, complete, csv).rows
            raise no_header(path.name, names[0] if names else [], "rooms,price", "--target 2")
        return replace(self, **csv.csv_settings()), [*messages, *more]


@dataclass(frozen=True)
class TablePreprocessor(TableFormat):
    """Convert a table to typed columns. The fields are settings.

    Attributes:
        target: columns to predict. Empty for a column called target, label, class or y.
        inputs: columns that the model sees. Empty for all that can be used.
        ignore: columns to leave out.
        numbers: columns to read as numbers: targets of few whole numbers, times, numbers that count the rows.
        categories: columns to read as categories, such as codes written in digits.
        group: column whose equal values stay in one split; None to keep equal rows together.
        split_column: column that says train, val or test for each row, or None. Files called train, val and test
            do so too.
        weight: column of the weight of each row in the loss, or None.
        test: share of the rows to draw for the test part if the source has no parts.
        text: columns that hold numbers in some parts of the files and text in others. They are found.

    The other fields are those of `CsvFormat`.

    Raises:
        UsageError: a setting is out of range, or a column is named in settings that contradict each other.
    """

    target: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    group: str | None = None
    split_column: str | None = None
    weight: str | None = None
    test: Annotated[float, Range(least=0, below=1)] = 0.1
    text: tuple[str, ...] = ()

    version: ClassVar[int] = 1
    one_pass: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("target", "inputs", "ignore", "numbers", "categories", "text"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # lists if they come from JSON
        self.validate()
        check_ranges(self)
        for first, second in (
            ("target", "inputs"),
            ("target", "ignore"),
            ("inputs", "ignore"),
            ("numbers", "categories"),
        ):
            both = sorted({*getattr(self, first)} & {*getattr(self, second)})
            if both:
                raise UsageError(f"column {both[0]!r} is in --{first} and in --{second}: leave it out of one")

        for option in ("group", "split_column", "weight"):
            name = getattr(self, option)
            if name in self.target:
                raise UsageError(
                    f"column {name!r} is in --target and in --{option.replace('_', '-')}: leave it out of one"
                )

    def infer(self, files: list[Path]) -> "tuple[TablePreprocessor, list[str]]":
        """Infer the format of csv files and the target, and check that the files have the columns that are named.

        Raises:
            DataError: a column is missing, or the target is unknown.
        """
        settings, messages = self.with_format(files)
        partitions = tables.partition(files, settings.csv)
        columns = partitions[0].columns
        if not settings.target:
            found = [name for name in columns if name.lower() in _TARGETS and name not in settings.ignore]
            if len(found) != 1:
                raise DataError(
                    f"which column is to be predicted? There are {join_names(columns)}", "--target COLUMN names it"
                )
            settings = replace(settings, target=tuple(found))
            messages.append(Message(f"target: column {found[0]!r}", "--target COLUMN names another"))
        named = {
            "target": settings.target,
            "inputs": settings.inputs,
            "ignore": settings.ignore,
            "numbers": settings.numbers,
            "categories": settings.categories,
            "group": (settings.group,) if settings.group else (),
            "split-column": (settings.split_column,) if settings.split_column else (),
            "weight": (settings.weight,) if settings.weight else (),
        }
        for option, names in named.items():
            for name in names:
                if name not in columns:
                    hint = f"--{option} names another ({nearest_name(name, columns)})"
                    raise DataError(f"{partitions[0].name} has no column {name!r}", hint)
        if not settings.split_column and file_parts(partitions):
            messages.append("the names of the files say what they are for: train, val or test")
        return settings, messages

    def infer_overview(self, files: list[Path]) -> "tuple[TablePreprocessor, list[str]]":
        """Infer the settings as `infer`, with the last column as the target where none is named or likely."""
        columns = tables.partition(files, self.with_format(files)[0].csv)[0].columns
        used = [name for name in columns if name not in self.ignore]
        if self.target or not used or sum(name.lower() in _TARGETS for name in used) == 1:
            return self.infer(files)
        settings, messages = replace(self, target=(used[-1],)).infer(files)
        about = Message(f"target: the last column, {used[-1]!r}, on this page alone", "--target COLUMN names another")
        return settings, [about, *messages]

    def partition(self, files: Sequence[Path | pa.Table]) -> list[TablePartition]:
        """Return the partitions of the files, each with the part of its file: -1 if it is unknown."""
        partitions = super().partition(files)
        unknown = [-1] * len(partitions)
        parts = unknown if self.split_column else file_parts(partitions) or unknown
        return [_Partition(**vars(one), part=part) for one, part in zip(partitions, parts, strict=True)]

    @property
    def _kept(self) -> set[str]:
        """Columns that are read although they are neither inputs nor targets."""
        return {name for name in (self.group, self.split_column, self.weight) if name}

    def with_validation(self, files: list[Path], given: Collection[str]) -> "tuple[TablePreprocessor, list[str]]":
        """Return the settings for rows beside which others validate, without a test part unless its share was given.

        Raises:
            DataError: the files have no rows.
        """
        tables.partition(files, self.csv)
        return self if "test" in given else replace(self, test=0.0), []

    def read(self, partition: TablePartition | ValidationPartition) -> Iterator[Chunk]:
        """Yield the rows of a partition with converted columns, and the part of their file."""
        if isinstance(partition, ValidationPartition):
            inner = _Partition(**{**vars(partition.partition), "part": VALIDATION})
            for rows in self.read(inner):
                yield replace(rows, stats={**rows.stats, "validates": inner.name})
            return
        names = [name for name in partition.columns if name not in self.ignore or name in self._kept]
        if self.inputs:
            names = [name for name in names if name in (*self.inputs, *self.target) or name in self._kept]
        as_text = {*self.categories, *self.text, self.split_column}
        if self.group not in self.inputs:
            as_text.add(self.group)  # 64-bit numbers are told apart
        texts = [name for name in names if name in as_text]
        numbers = [name for name in names if name not in texts]
        for chunk in tables.read(partition, texts, numbers, self.csv):
            converted, stats = convert_rows(chunk.table.select(names), texts)
            part = np.full(converted.num_rows, getattr(partition, "part", -1), np.int8)
            yield Chunk(converted.append_column(PART, pa.array(part)), {**stats, **line_stats(partition, chunk)})

    def fit_stats(self, stats: Iterable[PartitionStats], scratch: Path | None = None) -> Transform:
        """Infer the roles of the columns from the statistics of all rows, and return the transform.

        Raises:
            DataError: a row or a column cannot be used.
        """
        records = [record for partition in stats for record in partition.chunks]
        check_lines([record.stats for record in records], self.csv)
        if not any(record.rows for record in records):
            raise DataError("the source has no rows")
        self._check_validation(records)
        columns = merged([record.stats["columns"] for record in records])
        mixed = tuple(name for name, column in columns.items() if column.kind == "mixed" and name not in self.text)
        if mixed:  # numbers in some parts of the files, and text in others
            return Transform(preprocessor=replace(self, text=(*self.text, *mixed)))
        roles = infer_roles(self, columns)
        own = [record for record in records if "validates" not in record.stats]
        if self.split_column:
            self._check_parts(own)
            for record in records:
                if "validates" in record.stats and self.split_column in record.stats["columns"]:
                    said = contiguous_array(record.read().column(self.split_column))
                    parts = [PARTS.get(str(text).lower(), -1) for text in said.unique().to_pylist()]
                    validation_parts(np.array(parts), record.stats["validates"])
        if self.group and columns[self.group].kind in ("list", "other", "mixed"):
            raise DataError(
                f"column {self.group!r} of --group holds cells of a type that cannot be compared, or of several types",
                "--group names another column",
            )
        ungrouped = columns[self.group].missing if self.group else 0
        if self.weight:
            check_weight(self.weight, columns[self.weight])
        values = {}
        for column in roles.columns:
            if column["kind"] in ("category", "class"):
                values[column["name"]] = values_of(column, columns[column["name"]], records)
                column["values"] = len(values[column["name"]])
        given = bool(self.split_column) or any(record.stats["part"] >= 0 for record in own)
        test = 0.0 if given else self.test
        extra = pa.table(
            {
                "column": pa.array([name for name, texts in values.items() for _ in texts], pa.large_string()),
                "value": pa.array([text for texts in values.values() for text in texts], pa.large_string()),
            }
        )
        summary = {"columns": roles.columns, "left_out": roles.left_out, "parts": "given" if given else "drawn"}
        if ungrouped:
            summary["ungrouped"] = ungrouped
        unsplit = [] if self.split_column else [name for name, texts in values.items() if says_parts(name, texts)]
        if unsplit:
            summary["unsplit"] = unsplit[0]
        if given or len(own) < len(records):
            copies = check_rows(records, roles.columns, self.split_column, self.group, self.weight)
            if copies:
                summary["leaked"] = copies
        return Transform(
            rows=Encode(roles.columns, values, self.group, self.split_column, self.weight, test),
            extras={"values": extra},
            summary={**summary, "test": test, "empty": sum(record.stats["empty"] for record in records)},
        )

    def _check_validation(self, records: Sequence[ChunkRecord]) -> None:
        """Raise DataError for rows to validate on that cannot be used beside those to train on."""
        validating = [record for record in records if "validates" in record.stats]
        if not validating:
            return
        if not any(record.rows for record in validating):
            raise DataError(f"{validating[0].stats['validates']} of --validation has no rows")
        needed = [name for name in records[0].stats["columns"] if name != self.split_column]
        for record in validating:
            lacking = [name for name in needed if name not in record.stats["columns"]]
            if lacking:
                raise DataError(
                    f"{record.stats['validates']} of --validation has no column {lacking[0]!r}; there are "
                    f"{join_names(list(record.stats['columns']))}",
                    "give it the columns of the source",
                )
        own = [record for record in records if "validates" not in record.stats]
        kinds, others = (merged([record.stats["columns"] for record in some]) for some in (own, validating))
        for name in needed:
            known = {"mixed", "empty", kinds[name].kind}
            if name not in self.text and kinds[name].kind not in ("mixed", "empty") and others[name].kind not in known:
                raise DataError(
                    f"{validating[0].stats['validates']} of --validation holds cells of kind {others[name].kind} in "
                    f"column {name!r}, and the source of kind {kinds[name].kind}",
                    "mend the cells, or --ignore leaves the column out",
                )
        refuse_second_validation(sum(record.rows for record in own if record.stats["part"] == VALIDATION), "row")

    def _check_parts(self, records: Sequence[ChunkRecord]) -> None:
        """Raise DataError unless every cell of the split column names a part."""
        name = self.split_column
        missing = sum(record.stats["columns"][name]["missing"] for record in records)
        if missing:
            raise DataError(f"column {name!r} of --split-column has {missing:,} empty cells: say train, val or test")
        arrays = [record.read().column(name).combine_chunks() for record in records if record.rows]
        texts = {text for array in arrays for text in array.dictionary.to_pylist()}
        odd = sorted(text for text in texts if text.lower() not in PARTS)
        if odd:
            raise DataError(f"column {name!r} of --split-column says {odd[0]!r}, and not train, val or test")
        if not any(PARTS[text.lower()] == 0 for text in texts):
            raise DataError(f"column {name!r} of --split-column has no row to train on")

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the report.

        It has `columns`, `left_out`, `parts` ("given" or "drawn"), `test`, the number of `empty` rows and, if there are
        any, of `ungrouped` ones, and `unsplit`, a column of parts that is taken as another column.
        """
        return dict(summary or {})

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report as lines for the user."""
        lines = describe_roles(report["columns"], report["left_out"])
        if report["empty"]:
            lines.append(f"{report['empty']:,} rows without any value were left out")
        if report.get("ungrouped"):
            lines.append(f"{report['ungrouped']:,} rows have no {self.group}: they stay together as one group")
        if report["parts"] == "drawn":
            kept = f"rows of one {self.group} stay" if self.group else "equal rows stay"
            share = f"about {100 * report['test']:g} % of the rows are drawn to test, {kept} together"
            lines.append(Message(share if report["test"] else "no test part", "--test SHARE"))
        else:
            lines.append("rows to train, validate and test on are those that the source says")
        if report.get("unsplit"):
            name = report["unsplit"]
            message = f"column {name!r} says train, val or test, and rows are not split by it"
            lines.append(Message(message, f"--split-column {shlex.quote(name)} does"))
        if report.get("leaked"):
            lines.append(
                f"{report['leaked']:,} rows of the test or validation part have the same inputs as one to train on: "
                "metrics count what was learned by heart"
            )
        return lines


@dataclass(frozen=True)
class _Partition(TablePartition):
    """Partition of a file, with the part that the file is: 0 train, 1 test, 2 validation, -1 unknown."""

    part: int = -1


def convert_rows(table: pa.Table, texts: Sequence[str] = ()) -> tuple[pa.Table, Stats]:
    """Convert the columns of a table, without the rows that have no value at all.

    Args:
        table: rows of a file.
        texts: columns to convert to text.

    Returns:
        The rows, and JSON-ready statistics: `columns` by name, and the number of `empty` rows.
    """
    converted = {name: cells.convert(table.column(name), text=name in texts) for name in table.column_names}
    present = np.zeros(table.num_rows, bool)
    for _, array in converted.values():
        present |= array.is_valid().to_numpy(zero_copy_only=False)
    empty = int((~present).sum())
    if empty:
        converted = {name: (kind, array.filter(pa.array(present))) for name, (kind, array) in converted.items()}
    shapes = {name: cells.shape_of(table.schema.field(name).type) for name in table.column_names}
    columns = {name: column_stats(kind, array, shapes[name]) for name, (kind, array) in converted.items()}
    rows = pa.table({name: array for name, (_, array) in converted.items()})
    return rows, {"columns": columns, "empty": empty}


def check_weight(name: str, stats: ColumnStats) -> None:
    """Raise DataError unless a column has a weight of 0 or more in each row, and more than 0 in one."""
    if stats.missing:
        found = f"{stats.missing:,} empty cells"
    elif stats.odd is not None or stats.kind != "number" or stats.low is None or stats.high is None:
        found = stats.odd or f"cells of kind {stats.kind}"
    elif stats.low < 0 or stats.high > float(np.finfo(np.float32).max):
        found = f"numbers from {stats.low:g} to {stats.high:g}"
    elif not stats.high:
        found = "0 in all rows"
    else:
        return
    raise DataError(
        f"weight column {name!r} holds {found}, and a weight is a number of at least 0 in each row that float32 "
        "holds, and above 0 in one"
    )


def file_parts(partitions: Sequence[TablePartition]) -> list[int]:
    """Return the part that each file's name says, or an empty list unless all say one, and one is to train on."""
    matches = [_PART.fullmatch(partition.name) for partition in partitions]
    parts = [PARTS[match[1].lower()] for match in matches if match]
    return parts if len(parts) == len(matches) and 0 in parts and len(set(parts)) > 1 else []
