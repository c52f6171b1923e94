"""Infer settings the user left out from the files, and report what was inferred."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.config import join_names
from raysq.data.parts import UNKNOWN, parts_by_name, says_parts
from raysq.data.pipeline import load
from raysq.data.readers import tables
from raysq.errors import DataError, FormatError
from raysq.problems.forecasting.readers import parsing, time_columns, timestamps
from raysq.problems.forecasting.readers.columns import check_named
from raysq.problems.forecasting.readers.keys import check_keys
from raysq.problems.forecasting.readers.notation import drop_missing, infer_csv_format, infer_notation, join_values

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor

_SEEN = 64 << 20  # bytes of raw files up to which all rows are read before the pipeline starts
# Typical ratios of unpacked to packed size.
_PACKED = {".gz": 6, ".bz2": 8, ".xz": 9, ".zst": 6, ".zip": 6, ".parquet": 4, ".feather": 2, ".arrow": 2, ".xlsx": 6}
_MOST_LEVELS = 50
_LISTED = 5  # columns whose reasons an error lists
_FEW = 20_000  # rows sampled to distinguish columns of numbers from columns of text
_MEASURE = re.compile(r"[^\d\w]{0,4}\d[\d.,\s'\u2019]*[^\d:/-]{0,8}")  # digits with other characters around them
_COUNTERS = ("no", "nr", "index", "idx", "row", "rownames", "row_id", "unnamed: 0", "level_0", "__index_level_0__")


def infer(settings: "SeriesPreprocessor", files: list[Path]) -> "tuple[SeriesPreprocessor, list[str]]":
    """Infer the settings that the user left out, and return messages about them.

    Raises:
        DataError: a setting cannot be inferred, or the user must decide; the message tells which one to give.
    """
    messages: list[str] = []
    left_out: dict[str, str] = {}
    if settings.layout == "infer":
        settings = infer_csv_format(settings, files[0], messages)
        if UNKNOWN not in parts_by_name([path for path in files if isinstance(path, Path)] or files[:1]):
            messages.append(
                "files are called train, val or test, and rows are split in time all the same: --validation FILE or a "
                "column with --split-column says what validates"
            )
        partitions = tables.partition(files, settings.csv)
        _check_named(settings, partitions[0])
        small = _size(files) <= _SEEN
        # Sample partitions that are far apart, because a file may hold one series after the other.
        sample = _read_text(
            partitions if small else [partitions[n] for n in sorted({0, len(partitions) // 2, len(partitions) - 1})],
            settings,
        )
        settings = _infer_columns(settings, sample, messages, left_out)
        check_keys(settings, sample)
        if not small:
            messages.append(f"(as found in {sample.num_rows:,} rows; the rest is checked as it is read)")
    if settings.categories and settings.levels is None:
        partitions = tables.partition(files, settings.csv)
        _check_named(settings, partitions[0])
        settings = dataclasses.replace(settings, levels=_levels(settings, partitions))
        for name, values in settings.levels.items():
            messages.append(
                f"category {name}: {len(values)} values ({join_values(values, 6)}), a column of 0 and 1 for each"
            )
    if settings.layout == "infer":
        settings = dataclasses.replace(settings, layout="inferred")
        if small:
            settings, report_lines = _read_all(settings, files)
            messages += report_lines
        object.__setattr__(settings, "left_out", left_out)
    return settings, messages


def _size(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size * _PACKED.get(path.suffix.lower(), 1) for path in files)


def _check_named(settings: "SeriesPreprocessor", partition: tables.TablePartition) -> None:
    """Raise DataError if a column that the user named is missing."""
    times = settings.time if settings.layout == "infer" else ()
    names = {"--time": times, "--id": settings.id, "--category": settings.categories}
    for option, name in (("--split-column", settings.split_column), ("--weight", settings.weight)):
        names[option] = () if name is None else (name,)
    check_named(partition, names)


def _read_text(partitions: Sequence[tables.TablePartition], settings: "SeriesPreprocessor") -> pa.Table:
    """Read the rows of the partitions: csv cells as text, Parquet columns unchanged."""
    first, names = partitions[0], partitions[0].columns
    chunks = [chunk for partition in partitions for chunk in tables.read(partition, names, [], settings.csv)]
    if any(chunk.table.num_rows for chunk in chunks):
        return pa.concat_tables([chunk.table for chunk in chunks], promote_options="permissive")
    if chunks and chunks[0].undecodable:
        line, byte = chunks[0].undecodable
        raise tables.wrong_encoding(f"{first.name}, line {first.above + line + 1}", settings, byte)
    if chunks and chunks[0].ragged:
        line, cells, expected = chunks[0].ragged
        raise FormatError(
            f"{first.name}, line {first.above + line + 1} has {cells} cells, the header has {expected}, and so it is "
            "in all rows",
            hint="mend the header, or say what parts cells with --set delimiter=...",
        )
    raise DataError(f"{first.name} has no rows", hint="give another --source")


def _infer_columns(
    settings: "SeriesPreprocessor", sample: pa.Table, messages: list[str], left_out: dict[str, str]
) -> "SeriesPreprocessor":
    """Infer time columns, value columns and number format; reasons for leaving out columns are added to `out`."""
    sampled = sample.take(pa.array(np.unique(np.linspace(0, max(sample.num_rows - 1, 0), _FEW).astype(int))))
    notation = infer_notation(settings, sampled)
    if notation != settings.notation:
        settings = dataclasses.replace(settings, **dataclasses.asdict(notation))
        descriptions = ["decimal comma"] * (notation.decimal == ",")
        descriptions += [f"thousands parted by {notation.thousands!r}"] * bool(notation.thousands)
        descriptions += [f"{' and '.join(notation.signs)} beside them left out"] * bool(notation.signs)
        messages.append(
            f"numbers: {', '.join(descriptions)} (--set decimal=..., thousands=... and signs=... say otherwise)"
        )
    shares = {name: _share(sampled.column(name), settings) for name in sampled.column_names}
    numeric = [name for name, share in shares.items() if share is not None and share >= 0.5]
    times = _infer_time(settings, sample, numeric)
    settings = dataclasses.replace(settings, time=times.columns, time_format=times.time_format)
    plural = "s" if len(times.columns) > 1 else ""
    columns = f"column{plural} {', '.join(map(repr, times.columns))} ({times.description})"
    messages.append(
        f"time: {columns if times.columns else f'{times.description} (--time COLUMN names a column that tells it)'}"
    )
    settings = _infer_timezone(settings, sample, messages)
    others = {*settings.time, *settings.categories, *settings.id, *settings.row_columns}
    if settings.columns:
        return settings
    kept = []
    for name in sample.column_names:
        if name in others:
            continue
        nameless = name.startswith("column ")
        if shares[name] is None:
            if not nameless:  # lines that end with a delimiter give an empty column without a name
                left_out[name] = f"{name}, it is empty"
        elif name not in numeric:
            left_out[name] = _about_text(name, sampled.column(name), settings)
        elif _numbers_rows(name, sample.column(name), settings):
            left_out[name] = f"{name}, it numbers the rows (--set columns=... chooses the columns)"
        else:
            kept.append(name)
    if not kept and not settings.categories:
        reasons = f"; left out: {'; '.join(list(left_out.values())[:_LISTED])}" if left_out else ""
        raise DataError(
            f"no column of numbers beside the time ({', '.join(settings.time) or 'none'}); there are "
            f"{join_names(sample.column_names)}{reasons}"
        )
    messages.append(f"values: {', '.join(kept)}")
    messages += [f"{name} is kept as {settings.stored(name)}" for name in kept if settings.stored(name) != name]
    messages += [f"left out: {reason}" for reason in left_out.values()]
    return dataclasses.replace(settings, columns=tuple(kept))


def _infer_timezone(settings: "SeriesPreprocessor", sample: pa.Table, messages: list[str]) -> "SeriesPreprocessor":
    """Set the time zone written in the timestamps if none was given."""
    if settings.timezone is not None:
        return settings
    sampled = sample.take(pa.array(np.unique(np.linspace(0, max(sample.num_rows - 1, 0), 2000).astype(int))))
    if set(timestamps.parse_timestamps(sampled, settings.time, settings.time_format).zones) <= {""}:
        return settings
    zones = sorted({*timestamps.parse_timestamps(sample, settings.time, settings.time_format).zones} - {""})
    if len(zones) > 1:
        messages.append(
            f"time zone: offsets {', '.join(zones[:4])} are written in the stamps, which are taken to UTC; --timezone "
            f"names the zone whose days and hours count, such as Europe/Berlin"
        )
        return dataclasses.replace(settings, timezone="UTC")
    messages.append(f"time zone: {zones[0]}, as the stamps say")
    return dataclasses.replace(settings, timezone=zones[0])


def _infer_time(settings: "SeriesPreprocessor", sample: pa.Table, numeric: Sequence[str]) -> time_columns.TimeColumns:
    time_format = settings.time_format
    if time_format == timestamps.ROWS:
        return time_columns.TimeColumns((), timestamps.ROWS, time_columns.describe_format(timestamps.ROWS))
    if not settings.time:
        return (
            time_columns.infer(sample, numeric)
            if time_format is None
            else time_columns.find_with_format(sample, time_format)
        )
    if time_format is not None:
        return time_columns.TimeColumns(settings.time, time_format, time_columns.describe_format(time_format))
    times = time_columns.infer_format(sample, settings.time)
    numbers = times is None and len(settings.time) == 1
    if numbers and not timestamps.parse_values(sample, settings.time, timestamps.NUMBER)[1].any():
        return time_columns.TimeColumns(
            settings.time, timestamps.NUMBER, time_columns.describe_format(timestamps.NUMBER)
        )
    if times is None:
        value = " ".join(str(sample.column(name)[0].as_py()) for name in settings.time)
        zones = time_columns.zone_message(sample, settings.time)
        if zones:
            raise DataError(zones)
        raise DataError(
            f"column {', '.join(settings.time)}: {join_names([value])!r} is not a time in any format that "
            "raysq knows by "
            "itself",
            hint="--set time_format=... says how it is written, such as '%d.%m.%Y %H:%M:%S'",
        )
    return times


def _share(column: pa.ChunkedArray, settings: "SeriesPreprocessor") -> float | None:
    """Return the share of numbers among the cells that are not missing, or None if all are missing."""
    if parsing.is_text(column):
        text = drop_missing(column)
        if not len(text):
            return None
        is_number = pc.match_substring_regex(parsing.plain(text, settings.notation), parsing.NUMBER)
        return float(pc.mean(is_number.cast(pa.float64())).as_py())
    if column.null_count == len(column):
        return None
    type_ = column.type
    number = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    return 1.0 if number or pa.types.is_boolean(type_) else 0.0


def _about_text(name: str, column: pa.ChunkedArray, settings: "SeriesPreprocessor") -> str:
    """Return why a column without numbers is left out."""
    if pa.types.is_temporal(column.type):
        return f"{name} holds times"
    try:
        values = pc.unique(parsing.labels(column)).drop_null().to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return f"{name} holds {column.type}"
    if len(values) <= _MOST_LEVELS:
        option = repr(name) if " " in name else name
        uses = f"--category {option} makes features of it"
        if says_parts(name, values):
            uses = f"--split-column {option} splits the rows by it"
        return f"{name} holds text ({join_values(sorted(values), 6)}); {uses}"
    measures = [value for value in values if _MEASURE.fullmatch(value)]
    if len(measures) < len(values) / 2:
        return f"{name} holds text"
    advice = "a point before decimals" if settings.decimal == "." else "a comma before decimals, as in other columns"
    return f"{name} holds cells such as {measures[0]!r}, which are no numbers here: write digits with {advice}"


def _numbers_rows(name: str, column: pa.ChunkedArray, settings: "SeriesPreprocessor") -> bool:
    """Return whether the column only numbers the rows."""
    if not (name.lower() in _COUNTERS or name.startswith("column ")) or len(column) < 2:
        return False
    values, _ = parsing.numbers(column, name, settings.notation)
    return bool((np.diff(values) == 1).all())


def _levels(settings: "SeriesPreprocessor", partitions: Sequence[tables.TablePartition]) -> dict[str, list[str]]:
    """Return the sorted values of each category: in numeric order if all are numbers, else as text."""
    distinct: dict[str, set[str]] = {name: set() for name in settings.categories}
    for partition in partitions:
        for chunk in tables.read(partition, settings.categories, [], settings.csv):
            for name, values in distinct.items():
                values.update(pc.unique(parsing.labels(chunk.table.column(name))).drop_null().to_pylist())
                if len(values) > _MOST_LEVELS:
                    raise DataError(
                        f"category {name!r} has more than {_MOST_LEVELS} values ({join_values(sorted(values), 4)}); "
                        "leave it out, or group its values in the file"
                    )

    def key(value: str) -> Any:
        return int(value) if all(text.lstrip("-").isdecimal() for text in values) else value

    levels = {}
    for name, values in distinct.items():
        if not values:
            raise DataError(f"category {name!r} is empty; leave it out")
        levels[name] = sorted(values, key=key)
    return levels


def _read_all(settings: "SeriesPreprocessor", files: list[Path]) -> "tuple[SeriesPreprocessor, list[str]]":
    """Infer settings and messages from the rows themselves, before the pipeline reads them again."""
    loaded = load(settings, files)
    settings = loaded.preprocessor
    messages = list(_describe_oddities(settings, loaded.table))
    _, report = loaded.finish()
    return settings, [*settings.describe(report), *messages]


def _describe_oddities(settings: "SeriesPreprocessor", table: pa.Table) -> Iterator[str]:
    """Yield messages about columns that never change, and numbers that may stand for missing values."""
    constant = []
    for name in table.column_names:
        if name == "time" or not pa.types.is_floating(table.schema.field(name).type) or "=" in name:
            continue
        values = table.column(name).to_numpy()
        values = values[~np.isnan(values)]
        if len(values) < 3:
            continue
        if values.min() == values.max():
            constant.append(name)
            continue
        hint = "" if settings.sentinel == "missing" else " --set sentinel=missing"
        for end in (values.min(), values.max()):
            rest = values[values != end]
            count = len(values) - len(rest)
            low, high = np.percentile(rest, (1, 99))
            far = end < low - 3 * (high - low) or end > high + 3 * (high - low)
            if count >= 3 and far and abs(end) >= 99 and float(end).is_integer():
                yield (
                    f"{end:g} occurs {count:,} times in {name}, far from its other values: if it stands for a missing "
                    f"value, say --set sentinels={end:g}{hint}"
                )
    if constant:
        yield f"never changes: {', '.join(constant)}"
