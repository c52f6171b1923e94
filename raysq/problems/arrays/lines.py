"""Lines of the rows of a table in its files, to name the first that is damaged."""

from collections.abc import Sequence

from raysq.data.partition_stats import Stats
from raysq.data.readers import tables
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.rows import ragged
from raysq.data.readers.tables import TablePartition


def line_stats(partition: TablePartition, chunk: tables.TableChunk) -> Stats:
    """Return where the rows of a chunk are, and its damage, for `check_lines`."""
    return {
        "file": partition.name,
        "unit": partition.unit,
        "part": getattr(partition, "part", -1),
        "first": partition.first,
        "above": partition.above,
        "lines": chunk.count,
        "ragged": chunk.ragged,
        "undecodable": chunk.undecodable,
    }


def check_lines(stats: Sequence[Stats], csv: CsvFormat) -> None:
    """Raise DataError for the first row of a csv with a wrong number of cells or bytes in another encoding.

    Args:
        stats: results of `line_stats`, in order.
        csv: format of the files.
    """
    above, file = 0, None
    for chunk in stats:
        if chunk["file"] != file:
            above, file = chunk["above"], chunk["file"]
        if chunk["undecodable"]:
            line, byte = chunk["undecodable"]
            raise tables.wrong_encoding(f"{file}, line {above + line + 1:,}", csv, byte)
        if chunk["ragged"]:
            line, count, wanted = chunk["ragged"]
            raise ragged(f"{file}, line {above + line + 1:,}", count, wanted, "")
        above += chunk["lines"]
